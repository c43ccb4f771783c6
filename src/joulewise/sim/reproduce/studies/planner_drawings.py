"""The drawings of the planner's page: its worked example."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from joulewise.frontier.pareto import lower_hull
from joulewise.sim.reproduce.drawing import BAD, GRID, INK, SOFT, STRONG, Axes, dot, path, svg, text
from joulewise.sim.reproduce.studies.planner_example import Solved, all_plans, names, planned

TOUCHING_W = 18.0  # the price at which the drawing of the hull shows a tangent
FILLS = {"A": "#2b5fa8", "B": "#1c7a54", "C": "#75459c"}


def draw_hull(solved: Solved) -> str:
    """An operation twice: cost over time, and its dual, length over flow."""
    problem = solved.problem
    table = problem.tables[problem.kind[names(problem).index("B")]]
    time, cost = table.time_s, table.effective_energy_j
    hull = lower_hull(time, cost)
    slopes = -np.diff(cost[hull]) / np.diff(time[hull])
    left = Axes(52, 52, 340, 262, (2.7, 5.5), (0, 70))
    right = Axes(440, 52, 728, 262, (0, 45), (2.4, 5.5))
    parts = left.frame([3, 3.5, 4, 4.5, 5], [0, 20, 40, 60], "time of B [s]", "effective energy [J]")
    parts += right.frame(
        [0, *slopes.tolist()[::-1], TOUCHING_W], [3, 4, 5], "flow = price of time [W]", "length of the arc [s]"
    )
    best = hull[int(np.argmin(cost[hull] + TOUCHING_W * time[hull]))]
    tangent = [(t, cost[best] - TOUCHING_W * (t - time[best])) for t in (2.8, 5.2)]
    parts.append(path([left.at(*point) for point in tangent], BAD, 1.6, "5 4"))
    parts.append(path([left.at(time[row], cost[row]) for row in hull], STRONG, 2.4))
    for (a, b), slope in zip(pairwise(hull), slopes, strict=True):
        x, y = left.at((time[a] + time[b]) / 2, (cost[a] + cost[b]) / 2)
        parts.append(text(x + 7, y - 5, f"slope {-slope:g}", fill=STRONG))
    parts += [dot(*left.at(t, c), STRONG if row in hull else "#ffffff", stroke=STRONG if row in hull else SOFT)
              for row, (t, c) in enumerate(zip(time, cost, strict=True))]  # fmt: skip
    x, y = left.at(*tangent[0])
    parts.append(text(x + 8, y + 40, f"price {TOUCHING_W:g}", fill=BAD))
    stairs = [(0.0, time[hull[-1]])]
    for row, slope in zip(hull[::-1], slopes[::-1], strict=False):
        stairs += [(slope, time[row]), (slope, time[hull[list(hull).index(row) - 1]])]
    stairs.append((45, time[hull[0]]))
    parts.append(path([right.at(*point) for point in stairs], STRONG, 2.4))
    foot, spot = right.at(TOUCHING_W, 2.4), right.at(TOUCHING_W, time[best])
    parts += [path([foot, spot], BAD, 1.6, "5 4"), dot(*spot, BAD)]
    parts.append(text(spot[0] + 6, spot[1] - 9, f"at {TOUCHING_W:g} W: {time[best]:g} s", fill=BAD))
    return svg(760, 310, "Operation B: hull of its options, and the arc that is its dual", parts)


def draw_sweep(solved: Solved) -> str:
    """The example at each breakpoint, T_max first, and what the next step will shorten."""
    scale, left = 52, 86
    parts = [text(left, 22, "operations at each breakpoint of the relaxation; hatched: waiting", fill=SOFT)]
    parts.append(
        '<defs><pattern id="wait" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6L6 0" '
        f'stroke="{GRID}" stroke-width="1.4"/></pattern></defs>'
    )
    for number, (end_s, duration) in enumerate(zip(solved.time_s, solved.duration_s, strict=True)):
        top = 38 + 74 * number
        parts.append(text(left - 12, top + 29, f"T = {end_s:g}", "end"))
        parts.append(f'<rect x="{left}" y="{top}" width="{end_s * scale:g}" height="46" fill="url(#wait)"/>')
        for name, row in (("A", 0), ("C", 0), ("B", 1)):
            x = left + (0 if name == "A" else duration["A"]) * scale
            size = f'width="{duration[name] * scale - 2:g}" height="22"'
            parts.append(f'<rect x="{x:g}" y="{top + 24 * row}" {size} fill="{FILLS[name]}"/>')
            middle = x + duration[name] * scale / 2
            parts.append(text(middle, top + 24 * row + 16, f"{name} {duration[name]:g} s", "middle", "#ffffff"))
        if number < len(solved.steps):
            step, after = solved.steps[number], solved.duration_s[number + 1]
            shorter = " and ".join(n for n in "ABC" if after[n] < duration[n] - 1e-9)
            flows = ", ".join(f"{n} {step.flow_w[n]:.3g}" for n in "ABC")
            words = (
                f"F = {step.price_w:.3g} W: T falls by {step.from_s - step.to_s:g} s, {shorter} shorter (flow {flows})"
            )
            parts.append(text(left + 8, top + 62, words, fill=BAD))
    return svg(600, 38 + 74 * len(solved.time_s), "The sweep from T_max to T_min", parts)


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
            parts.append(text((x0 + x1) / 2, y0 - 12, words, "middle", FILLS[operation]))
    for name, (x, y) in spots.items():
        parts.append(dot(x, y, "#ffffff", 7, INK))
        if name in ("source", "sink"):
            parts.append(text(x, y + 26, name, "middle", SOFT))
    parts.append(path([(430, 24), (430, 48)], BAD, 2, "2 3"))
    parts.append(path([(430, 80), (430, 188)], BAD, 2, "2 3"))
    parts.append(path([(430, 220), (430, 250)], BAD, 2, "2 3"))
    words = f"cut: {step.flow_w['B']:.3g} + {step.flow_w['C']:.3g} = {step.price_w:.3g} = F"
    parts += [text(430, 268, words, "middle", BAD), text(200, 268, "source's part: stays", "middle", SOFT)]
    parts.append(text(610, 268, "sink's part: earlier", "middle", SOFT))
    return svg(700, 284, "One step of the sweep: the cut of price F", parts)


def draw_frontier(solved: Solved) -> str:
    """The bound, every plan there is and those that the planner offers."""
    axes = Axes(60, 52, 690, 330, (5.2, 9.4), (210, 300))
    parts = axes.frame([6, 7, 8, 9], [220, 240, 260, 280], "iteration time T [s]", "energy of both ranks [J]")
    parts += [dot(*axes.at(t, e), GRID, 4) for t, e in zip(*all_plans(solved.problem), strict=True)]
    corners = [axes.at(t, e) for t, e in zip(solved.time_s, solved.energy_j, strict=True)]
    parts += [path(corners, STRONG, 2.4), *(dot(x, y, STRONG, 3.5) for x, y in corners)]
    for (a, b), step in zip(pairwise(corners), solved.steps, strict=True):
        parts.append(text((a[0] + b[0]) / 2, (a[1] + b[1]) / 2 + 19, f"F {step.price_w:.3g}", "middle", STRONG))
    for point in planned(solved.problem):
        parts.append(dot(*axes.at(point.time_s, point.energy_j), "none", 6.5, BAD))
    least = int(np.argmin(solved.energy_j))
    for name, number in (("T_min", -1), ("T*", least), ("T_max", 0)):
        x, _ = corners[number]
        parts.append(path([(x, axes.top), (x, axes.bottom)], SOFT, 1, "2 4"))
        parts.append(text(x, axes.top - 6, name, "middle"))
    legend = ((STRONG, "relaxation, the bound"), (GRID, "every plan there is"), (BAD, "plans of the planner"))
    for row, (colour, words) in enumerate(legend):
        y = 74 + 20 * row
        mark = dot(356, y, "none", 6.5, colour) if row == 2 else dot(356, y, colour)
        parts += [mark, text(370, y + 4, words)]
    return svg(720, 375, "Frontier of the example", parts)


TITLES = {
    "hull": "Left: hull of operation B with a line of slope -18 touching it. Right: length of B's arc over its flow",
    "sweep": "The three operations at each breakpoint, from T_max to T_min",
    "cut": "The network with the cut through B and C",
    "frontier": "The bound, all plans, and those of the planner",
}


def drawings(solved: Solved) -> dict[str, str]:
    """Name and content of every drawing."""
    draw = {"hull": draw_hull, "sweep": draw_sweep, "cut": draw_cut, "frontier": draw_frontier}
    return {name: picture(solved) for name, picture in draw.items()}
