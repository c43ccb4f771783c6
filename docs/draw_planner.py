"""The worked example of the planner's page: ``python docs/draw_planner.py`` rewrites its drawings and tables.

Theory of operation. Three operations on two ranks are solved by the real planner. Its sweep tells breakpoints and
prices; the linear program, an independent solver, tells the durations at each of them. The flow of an operation is the
price of its time, so it is read off as what the sweep says that a moment more of it would cost.
"""

from __future__ import annotations

import copy
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from joulewise.frontier import Frontier
from joulewise.frontier.bound import Bound
from joulewise.frontier.pareto import lower_hull
from joulewise.optimize.pipeline.highs import Relaxation
from joulewise.optimize.pipeline.plan import choice_of, settings_of
from joulewise.optimize.pipeline.planner import plan_frontier
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.schedules import read_graph
from joulewise.optimize.pipeline.solver import QUICK, THOROUGH
from joulewise.optimize.pipeline.sweep import SweepSolver

PAGE = Path(__file__).parent / "explanations" / "planner.md"
FOLDER = PAGE.with_suffix("")
MOMENT_S = 2.0**-7
TOUCHING_W = 18.0  # the price at which the drawing of the hull shows a tangent
INK, SOFT, GRID, STRONG, BAD = "#111827", "#6b7280", "#d1d5db", "#2b5fa8", "#b4540a"
FILLS = {"A": "#2b5fa8", "B": "#1c7a54", "C": "#75459c"}


def _operation(name: str, rank: int, rows: list[tuple[float, float, int]], after: list[str]) -> dict[str, Any]:
    options = [{"time_s": t, "energy_j": e, "setting": mhz} for t, e, mhz in rows]
    return {"name": name, "rank": rank, "options": options, "after": after}


EXAMPLE: dict[str, Any] = {
    "schema": "joulewise.dag/1",
    "name": "three operations",
    "provenance": "simulated",
    "wait_power_w": [10.0, 10.0],
    "operations": [
        _operation("A", 0, [(2.0, 95.0, 1400), (3.0, 65.0, 1100), (4.0, 60.0, 900)], []),
        _operation("C", 0, [(3.5, 58.0, 1400), (4.5, 60.0, 1100)], []),
        _operation("B", 1, [(3.0, 85.0, 1400), (3.5, 80.0, 1250), (4.0, 65.0, 1100), (5.0, 65.0, 900)], ["A"]),
    ],
}


class Step(NamedTuple):
    """One piece of the frontier: T falls from one breakpoint to the next at a price, with a flow per operation."""

    from_s: float
    to_s: float
    price_w: float
    flow_w: dict[str, float]


class Solved(NamedTuple):
    """The example, solved: breakpoints from T_max down, durations and total energy at each, steps between them."""

    problem: PipelineProblem
    bound: Bound
    time_s: list[float]
    energy_j: list[float]
    duration_s: list[dict[str, float]]
    steps: list[Step]


def _problem(longer: str = "") -> PipelineProblem:
    """The example; one operation may take a moment longer in every option, at the same effective energies."""
    data = copy.deepcopy(EXAMPLE)
    for operation in data["operations"]:
        for option in operation["options"] if operation["name"] == longer else []:
            option["time_s"] += MOMENT_S
            option["energy_j"] += MOMENT_S * data["wait_power_w"][operation["rank"]]
    return PipelineProblem.from_graph(read_graph(data))


def names(problem: PipelineProblem) -> list[str]:
    """Names of the operations in the order of the problem."""
    return [operation.label for operation in problem.schedule.operations]


def solve() -> Solved:
    """Solve the example."""
    problem = _problem()
    bound = SweepSolver().solve(problem, [], QUICK, None).bound
    shifted = {name: SweepSolver().solve(_problem(name), [], QUICK, None).bound for name in "ABC"}
    power_w, relaxation = problem.total_wait_power_w, Relaxation(problem)
    time_s, energy_j = bound.time_s[::-1].tolist(), bound.energy_j[::-1].tolist()
    steps = []
    for (t0, e0), (t1, e1) in pairwise(zip(time_s, energy_j, strict=True)):
        at = (t0 + t1) / 2
        flow = {n: (b.at(at, power_w) - bound.at(at, power_w)) / MOMENT_S for n, b in shifted.items()}
        steps.append(Step(t0, t1, power_w - (e0 - e1) / (t0 - t1), flow))
    durations = [dict(zip(names(problem), relaxation.at(t).duration_s.tolist(), strict=True)) for t in time_s]
    return Solved(problem, bound, time_s, energy_j, durations, steps)


def all_plans(problem: PipelineProblem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Time and energy of every plan there is."""
    rows = product(*(range(len(problem.tables[kind])) for kind in problem.kind))
    return realise(problem, np.array(list(rows), dtype=np.int16))


def planned(problem: PipelineProblem) -> Frontier:
    """What the planner offers."""
    return plan_frontier(problem, deadlines_s=np.arange(5.5, 9.01, 0.25).tolist(), effort=THOROUGH)


# Tables


def _table(head: str, rows: list[list[object]]) -> str:
    rule = "|" + "---|" * (head.count("|") - 1)
    return "\n".join([head, rule, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def blocks() -> dict[str, str]:
    """Name and text of every block of the page that is made here."""
    solved = solve()
    problem, power_w = solved.problem, solved.problem.total_wait_power_w
    options: list[list[object]] = []
    for name, kind in sorted(zip(names(problem), problem.kind.tolist(), strict=True)):
        table = problem.tables[kind]
        hull = lower_hull(table.time_s, table.effective_energy_j)
        for row in range(len(table)):
            slope = "above the hull"
            if row in hull[1:]:
                left = hull[list(hull).index(row) - 1]
                fall = table.effective_energy_j[left] - table.effective_energy_j[row]
                slope = f"{fall / (table.time_s[row] - table.time_s[left]):g}"
            elif row == hull[0]:
                slope = "(fastest)"
            cells = (table.settings[row], table.time_s[row], table.energy_j[row], table.effective_energy_j[row])
            options.append([name, *(f"{x:g}" for x in cells), slope])
    steps: list[list[object]] = [["T_max", f"{solved.time_s[0]:g}", "", "", "", "", *_ends(solved, 0)]]
    for number, step in enumerate(solved.steps, 1):
        flows = (f"{step.flow_w[n]:.3g}" for n in "ABC")
        times = f"{step.from_s:g} → {step.to_s:g}"
        steps.append([number, times, f"{step.price_w:.3g}", *flows, *_ends(solved, number)])
    plans: list[list[object]] = []
    for point in planned(problem).alone():
        setting = dict(zip(names(problem), settings_of(problem, choice_of(problem, point.setting)), strict=True))
        bound_j = solved.bound.at(max(point.time_s, solved.time_s[-1]), power_w)
        gap = f"{max(0.0, 100 * (point.energy_j / bound_j - 1)):.2f}"
        plans.append(
            [f"{point.time_s:g}", *(setting[n] for n in "ABC"), f"{point.energy_j:.6g}", f"{bound_j:.6g}", gap]
        )
    return {
        "options": _table("| operation | MHz | t [s] | e [J] | c = e - P t [J] | slope to the left [W] |", options),
        "steps": _table("| step | T [s] | F [W] | x_A | x_B | x_C | then d_A | d_B | d_C [s] | E [J] |", steps),
        "plans": _table("| T [s] | A [MHz] | B | C | E [J] | E_LP(T) [J] | gap [%] |", plans),
    }


def _ends(solved: Solved, number: int) -> list[object]:
    durations = [f"{solved.duration_s[number][n]:.4g}" for n in "ABC"]
    return [*durations, f"{solved.energy_j[number]:.4g}"]


def with_blocks(page: str, made: dict[str, str]) -> str:
    """The page with the text between the markers of each block replaced."""
    for name, text in made.items():
        begin, end = f"<!-- made: {name} -->\n", f"\n<!-- end: {name} -->"
        head, found, rest = page.partition(begin)
        _, closed, tail = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"{PAGE.name} has no block {name}; put its two markers where it belongs")
        page = head + begin + text + end + tail
    return page


# Drawings


def _text(x: float, y: float, words: str, anchor: str = "start", fill: str = INK) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{fill}" font-size="12">{words}</text>'


def _path(points: list[tuple[float, float]], stroke: str, width: float = 2.0, dash: str = "none") -> str:
    joined = " ".join(f"{x:g},{y:g}" for x, y in points)
    style = f'stroke="{stroke}" stroke-width="{width:g}" stroke-dasharray="{dash}"'
    return f'<polyline points="{joined}" fill="none" {style}/>'


def _dot(x: float, y: float, fill: str, radius: float = 4.5, stroke: str = "none") -> str:
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{stroke}" stroke-width="1.5"/>'


def _svg(width: int, height: int, title: str, parts: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" font-family="DejaVu Sans, Verdana, sans-serif">'
    )
    paper = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{title}</title>", paper, *parts, "</svg>", ""])


class _Axes(NamedTuple):
    """A rectangle of the drawing and the values at its borders."""

    left: float
    top: float
    right: float
    bottom: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)

    def frame(self, x_ticks: list[float], y_ticks: list[float], x_name: str, y_name: str) -> list[str]:
        """Axes, grid and names."""
        parts = [_text(self.left - 34, self.top - 26, y_name, fill=SOFT)]
        parts.append(_text(self.right, self.bottom + 34, x_name, "end", SOFT))
        for x in x_ticks:
            here, _ = self.at(x, self.y[0])
            parts += [_path([(here, self.top), (here, self.bottom)], GRID, 0.7)]
            parts.append(_text(here, self.bottom + 17, f"{x:g}", "middle", SOFT))
        for y in y_ticks:
            _, here = self.at(self.x[0], y)
            parts += [_path([(self.left, here), (self.right, here)], GRID, 0.7)]
            parts.append(_text(self.left - 7, here + 4, f"{y:g}", "end", SOFT))
        return [*parts, _path([(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)], SOFT, 1.2)]


def draw_hull(solved: Solved) -> str:
    """An operation twice: cost over time, and its dual, length over flow."""
    problem = solved.problem
    table = problem.tables[problem.kind[names(problem).index("B")]]
    time, cost = table.time_s, table.effective_energy_j
    hull = lower_hull(time, cost)
    slopes = -np.diff(cost[hull]) / np.diff(time[hull])
    left = _Axes(52, 52, 340, 262, (2.7, 5.5), (0, 70))
    right = _Axes(440, 52, 728, 262, (0, 45), (2.4, 5.5))
    parts = left.frame([3, 3.5, 4, 4.5, 5], [0, 20, 40, 60], "time of B [s]", "effective energy [J]")
    parts += right.frame(
        [0, *slopes.tolist()[::-1], TOUCHING_W], [3, 4, 5], "flow = price of time [W]", "length of the arc [s]"
    )
    best = hull[int(np.argmin(cost[hull] + TOUCHING_W * time[hull]))]
    tangent = [(t, cost[best] - TOUCHING_W * (t - time[best])) for t in (2.8, 5.2)]
    parts.append(_path([left.at(*point) for point in tangent], BAD, 1.6, "5 4"))
    parts.append(_path([left.at(time[row], cost[row]) for row in hull], STRONG, 2.4))
    for (a, b), slope in zip(pairwise(hull), slopes, strict=True):
        x, y = left.at((time[a] + time[b]) / 2, (cost[a] + cost[b]) / 2)
        parts.append(_text(x + 7, y - 5, f"slope {-slope:g}", fill=STRONG))
    parts += [_dot(*left.at(t, c), STRONG if row in hull else "#ffffff", stroke=STRONG if row in hull else SOFT)
              for row, (t, c) in enumerate(zip(time, cost, strict=True))]  # fmt: skip
    x, y = left.at(*tangent[0])
    parts.append(_text(x + 8, y + 40, f"price {TOUCHING_W:g}", fill=BAD))
    stairs = [(0.0, time[hull[-1]])]
    for row, slope in zip(hull[::-1], slopes[::-1], strict=False):
        stairs += [(slope, time[row]), (slope, time[hull[list(hull).index(row) - 1]])]
    stairs.append((45, time[hull[0]]))
    parts.append(_path([right.at(*point) for point in stairs], STRONG, 2.4))
    foot, spot = right.at(TOUCHING_W, 2.4), right.at(TOUCHING_W, time[best])
    parts += [_path([foot, spot], BAD, 1.6, "5 4"), _dot(*spot, BAD)]
    parts.append(_text(spot[0] + 6, spot[1] - 9, f"at {TOUCHING_W:g} W: {time[best]:g} s", fill=BAD))
    return _svg(760, 310, "Operation B: hull of its options, and the arc that is its dual", parts)


def draw_sweep(solved: Solved) -> str:
    """The example at each breakpoint, T_max first, and what the next step will shorten."""
    scale, left = 52, 86
    parts = [_text(left, 22, "operations at each breakpoint of the relaxation; hatched: waiting", fill=SOFT)]
    parts.append(
        '<defs><pattern id="wait" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6L6 0" '
        f'stroke="{GRID}" stroke-width="1.4"/></pattern></defs>'
    )
    for number, (end_s, duration) in enumerate(zip(solved.time_s, solved.duration_s, strict=True)):
        top = 38 + 74 * number
        parts.append(_text(left - 12, top + 29, f"T = {end_s:g}", "end"))
        parts.append(f'<rect x="{left}" y="{top}" width="{end_s * scale:g}" height="46" fill="url(#wait)"/>')
        for name, row in (("A", 0), ("C", 0), ("B", 1)):
            x = left + (0 if name == "A" else duration["A"]) * scale
            size = f'width="{duration[name] * scale - 2:g}" height="22"'
            parts.append(f'<rect x="{x:g}" y="{top + 24 * row}" {size} fill="{FILLS[name]}"/>')
            middle = x + duration[name] * scale / 2
            parts.append(_text(middle, top + 24 * row + 16, f"{name} {duration[name]:g} s", "middle", "#ffffff"))
        if number < len(solved.steps):
            step, after = solved.steps[number], solved.duration_s[number + 1]
            shorter = " and ".join(n for n in "ABC" if after[n] < duration[n] - 1e-9)
            flows = ", ".join(f"{n} {step.flow_w[n]:.3g}" for n in "ABC")
            words = (
                f"F = {step.price_w:.3g} W: T falls by {step.from_s - step.to_s:g} s, {shorter} shorter (flow {flows})"
            )
            parts.append(_text(left + 8, top + 62, words, fill=BAD))
    return _svg(600, 38 + 74 * len(solved.time_s), "The sweep from T_max to T_min", parts)


def draw_cut(solved: Solved) -> str:
    """The network while T falls in the third step, with the cut whose arcs shrink."""
    step = solved.steps[2]
    spots = {
        "source": (50, 140), "A": (130, 140), "A'": (270, 140), "B": (340, 70), "B'": (520, 70),
        "C": (340, 210), "C'": (520, 210), "sink": (620, 140),
    }  # fmt: skip
    arcs = [("source", "A", "A", ""), ("A", "A'", "A", "A"), ("A'", "B", "B", ""), ("A'", "C", "C", ""),
            ("B", "B'", "B", "B"), ("C", "C'", "C", "C"), ("B'", "sink", "B", ""), ("C'", "sink", "C", "")]  # fmt: skip
    parts = [
        '<defs><marker id="head" viewBox="0 0 8 8" refX="15" refY="4" markerWidth="10" markerHeight="10" '
        'markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>'
    ]
    for tail, head, flow, operation in arcs:
        (x0, y0), (x1, y1) = spots[tail], spots[head]
        shrinks = operation in ("B", "C")
        stroke = f'stroke="{FILLS.get(operation, SOFT)}" stroke-width="{3 if operation else 1.4}"'
        dash = ' stroke-dasharray="7 5"' if shrinks else ""
        parts.append(f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" {stroke}{dash} marker-end="url(#head)"/>')
        if operation:
            before, after = solved.duration_s[2][operation], solved.duration_s[3][operation]
            length = f"{before:g} → {after:g} s" if shrinks else f"{before:g} s"
            words = f"{operation}: flow {step.flow_w[flow]:.3g}, {length}"
            parts.append(_text((x0 + x1) / 2, y0 - 12, words, "middle", FILLS[operation]))
    for name, (x, y) in spots.items():
        parts.append(_dot(x, y, "#ffffff", 7, INK))
        if name in ("source", "sink"):
            parts.append(_text(x, y + 26, name, "middle", SOFT))
    parts.append(_path([(430, 24), (430, 48)], BAD, 2, "2 3"))
    parts.append(_path([(430, 80), (430, 188)], BAD, 2, "2 3"))
    parts.append(_path([(430, 220), (430, 250)], BAD, 2, "2 3"))
    words = f"cut: {step.flow_w['B']:.3g} + {step.flow_w['C']:.3g} = {step.price_w:.3g} = F"
    parts += [_text(430, 268, words, "middle", BAD), _text(200, 268, "source's part: stays", "middle", SOFT)]
    parts.append(_text(610, 268, "sink's part: earlier", "middle", SOFT))
    return _svg(700, 284, "One step of the sweep: the cut of price F", parts)


def draw_frontier(solved: Solved) -> str:
    """The bound, every plan there is and those that the planner offers."""
    axes = _Axes(60, 52, 690, 330, (5.2, 9.4), (210, 300))
    parts = axes.frame([6, 7, 8, 9], [220, 240, 260, 280], "iteration time T [s]", "energy of both ranks [J]")
    parts += [_dot(*axes.at(t, e), GRID, 4) for t, e in zip(*all_plans(solved.problem), strict=True)]
    corners = [axes.at(t, e) for t, e in zip(solved.time_s, solved.energy_j, strict=True)]
    parts += [_path(corners, STRONG, 2.4), *(_dot(x, y, STRONG, 3.5) for x, y in corners)]
    for (a, b), step in zip(pairwise(corners), solved.steps, strict=True):
        parts.append(_text((a[0] + b[0]) / 2, (a[1] + b[1]) / 2 + 19, f"F {step.price_w:.3g}", "middle", STRONG))
    for point in planned(solved.problem):
        parts.append(_dot(*axes.at(point.time_s, point.energy_j), "none", 6.5, BAD))
    least = int(np.argmin(solved.energy_j))
    for name, number in (("T_min", -1), ("T*", least), ("T_max", 0)):
        x, _ = corners[number]
        parts.append(_path([(x, axes.top), (x, axes.bottom)], SOFT, 1, "2 4"))
        parts.append(_text(x, axes.top - 6, name, "middle"))
    legend = ((STRONG, "relaxation, the bound"), (GRID, "every plan there is"), (BAD, "plans of the planner"))
    for row, (colour, words) in enumerate(legend):
        y = 74 + 20 * row
        mark = _dot(356, y, "none", 6.5, colour) if row == 2 else _dot(356, y, colour)
        parts += [mark, _text(370, y + 4, words)]
    return _svg(720, 375, "Frontier of the example", parts)


def drawings() -> dict[str, str]:
    """File name and content of every drawing."""
    solved, draw = solve(), {"hull": draw_hull, "sweep": draw_sweep, "cut": draw_cut, "frontier": draw_frontier}
    return {f"{name}.svg": picture(solved) for name, picture in draw.items()}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, content in drawings().items():
        (FOLDER / file).write_text(content, encoding="utf-8")
    PAGE.write_text(with_blocks(PAGE.read_text(encoding="utf-8"), blocks()), encoding="utf-8")
