"""The pictures of a recurring job as SVG: what recurrences cost, with which batch sizes, and the job's frontier."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from math import ceil, floor, log10
from statistics import fmean

from joulewise.frontier import Frontier
from joulewise.frontier.objective import ZeusCost
from joulewise.services.hub.page_shell import energy_text, energy_unit
from joulewise.services.hub.recurring_view import LAST, RecurringView

LEFT, RIGHT, TOP = 64, 16, 24
COST_HEIGHT, ROW_HEIGHT, MOST_STRIP, FRONTIER_HEIGHT = 230, 16, 200, 300
CHARACTER = 7.2
"""Width of a character of a label, about [px]."""

Place = Callable[[float], float]


def both_widths(draw: Callable[[int], str]) -> str:
    """A picture for wide and for narrow windows, each with letters of full size."""
    return f'<div class="wide">{draw(860)}</div><div class="narrow">{draw(380)}</div>'


def cost_svg(view: RecurringView, width: int) -> str:
    """Cost of each recurrence, the mean of the latest, what the default costs; and below, the batch sizes."""
    found = view.recurrences
    first, last = found[0].trials[0].number, max(found[-1].trials[0].number, found[0].trials[0].number + 1)
    x_of = _linear(first, last, LEFT + 8, width - RIGHT - 8)
    most = max([1e-9, view.default_cost or 0.0, *(one.cost for one in found)])
    bottom = TOP + COST_HEIGHT
    y_of = _linear(0.0, most * 1.05, bottom, TOP)
    scale, unit = _cost_unit(view.objective, most)
    parts = _y_axis((0.0, most), y_of, width, f"cost, {unit}", scale)
    if view.default_cost is not None:
        y, text = y_of(view.default_cost), f"mean at the default, {view.job.description.default}"
        parts.append(f'<line class="default" x1="{LEFT}" x2="{width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{width - RIGHT}" y="{y - 5:.1f}" text-anchor="end">{text}</text>')
    done: list[float] = []
    means = []
    for one in found:
        if one.state == "reached":
            done.append(one.cost)
            means.append(f"{x_of(one.trials[0].number):.1f},{y_of(fmean(done[-LAST:])):.1f}")
    parts.append(f'<polyline class="mean" points="{" ".join(means)}"/>')
    rows = _rows(view)
    base = bottom + 22
    height = base + (max(rows.values()) - min(rows.values())) + 50
    for size, y in rows.items():
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{base + y:.1f}" y2="{base + y:.1f}"/>')
        if _is_labelled(size, rows):
            parts.append(f'<text class="tick" x="{LEFT - 8}" y="{base + y + 4:.1f}" text-anchor="end">{size}</text>')
    for one in found:
        x, own = x_of(one.trials[0].number), one.trials
        sizes = ", ".join(f"{row.batch_size} {row.end or 'running'}" for row in own)
        said = escape(f"trial {own[0].number}: {sizes}; {cost_text(view.objective, one.cost)}")
        title = f"<title>{said}</title></circle>"
        parts.append(f'<circle class="{one.state}" cx="{x:.1f}" cy="{y_of(one.cost):.1f}" r="4">{title}')
        for row in own:
            state = "open" if row.end is None else "reached" if row.end == "reached" else "missed"
            place = f'cx="{x:.1f}" cy="{base + rows[row.batch_size]:.1f}"'
            parts.append(f'<circle class="{state} size" {place} r="3.5">{title}')
    for number in _whole_ticks(first, last, 8 if width > 500 else 4):
        place = f'x="{x_of(number):.1f}" y="{height - 24}" text-anchor="middle"'
        parts.append(f'<text class="tick" {place}>{number}</text>')
    middle = (LEFT + width - RIGHT) / 2
    parts.append(
        f'<text class="tick" x="{middle}" y="{height - 6}" text-anchor="middle">first trial of the recurrence</text>'
    )
    parts.append(f'<text class="tick" x="4" y="{base}">batch size</text>')
    label = "Cost of each recurrence, and the batch sizes that it tried"
    return _svg(width, height, label, parts)


def frontier_svg(view: RecurringView, frontier: Frontier, width: int) -> str:
    """Time and energy to target, for each (batch size, limit) that nothing beats; the cheapest one marked."""
    points = list(frontier)
    best = frontier.minimizing(view.objective)
    scale, unit = time_unit(max(point.time_s for point in points))
    least_s, most_s = _spread([point.time_s for point in points])
    least_j, most_j = _spread([point.energy_j for point in points])
    bottom = TOP + FRONTIER_HEIGHT
    x_of, y_of = _linear(least_s, most_s, LEFT, width - RIGHT), _linear(least_j, most_j, bottom, TOP)
    joules, name = energy_unit(most_j)
    parts = _y_axis((least_j, most_j), y_of, width, f"energy to target, {name}", joules)
    for tick in _ticks(least_s / scale, most_s / scale, 7 if width > 500 else 4):
        place = f'x="{x_of(tick * scale):.1f}" y="{bottom + 18}" text-anchor="middle"'
        parts.append(f'<text class="tick" {place}>{tick:g}</text>')
    line = " ".join(f"{x_of(point.time_s):.1f},{y_of(point.energy_j):.1f}" for point in points)
    parts.append(f'<polyline class="plans" points="{line}"/>')
    labels = _Labels(width - RIGHT)
    order = sorted(points, key=lambda point: point != best)
    for point in order:
        x, y, text = x_of(point.time_s), y_of(point.energy_j), setting_text(point.setting)
        kind = "cheapest" if point == best else "point"
        title = escape(f"{text}: {point.time_s / scale:.4g} {unit}, {energy_text(point.energy_j)}")
        parts.append(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{6 if kind == "cheapest" else 4}">'
            f"<title>{title}</title></circle>"
        )
        parts += labels.put(x, y, f"{text}: cheapest" if point == best else text)
    middle = (LEFT + width - RIGHT) / 2
    parts.append(
        f'<text class="tick" x="{middle}" y="{bottom + 40}" text-anchor="middle">time to target, {unit}</text>'
    )
    return _svg(width, bottom + 48, "Time and energy to target of the settings that nothing beats", parts)


def setting_text(setting: object) -> str:
    """A (batch size, limit) for people."""
    size, limit_w = setting if isinstance(setting, tuple) and len(setting) == 2 else (setting, None)
    return f"{size}" if limit_w is None else f"{size} at {limit_w:g} W"


def time_unit(most_s: float) -> tuple[float, str]:
    """Seconds in the unit that suits a time, and its name."""
    for size, unit in ((3 * 86400.0, "d"), (7200.0, "h"), (180.0, "min")):
        if most_s >= size:
            return {"d": 86400.0, "h": 3600.0, "min": 60.0}[unit], unit
    return 1.0, "s"


def cost_text(objective: ZeusCost, cost: float) -> str:
    """A cost in a unit that suits it."""
    scale, unit = _cost_unit(objective, cost)
    return f"{cost / scale:.4g} {unit}"


def _cost_unit(objective: ZeusCost, most: float) -> tuple[float, str]:
    """Costs in the unit that suits the largest: of time where time alone counts, for then nothing has told joules."""
    if objective.eta or not objective.max_power_w:
        return energy_unit(most)
    seconds, unit = time_unit(most / objective.max_power_w)
    return seconds * objective.max_power_w, unit


class _Labels:
    """Labels above and right of points, or below and left: away from a line that falls. None lies on another."""

    def __init__(self, right: float) -> None:
        self._right, self._taken = right, list[tuple[float, float, float, float]]()

    def put(self, x: float, y: float, text: str) -> list[str]:
        long = CHARACTER * len(text)
        on_left = x + 6 + long > self._right
        begin, base = (x - 6 - long, y + 18) if on_left else (x + 6, y - 8)
        box = begin, base - 12, begin + long, base + 4
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in self._taken):
            return []
        self._taken.append(box)
        place = f'x="{x - 6:.1f}" text-anchor="end"' if on_left else f'x="{begin:.1f}"'
        return [f'<text y="{base:.1f}" {place}>{escape(text)}</text>']


def _svg(width: float, height: float, label: str, parts: list[str]) -> str:
    box = f'viewBox="0 0 {width} {height:.0f}" style="max-width:{width}px"'
    return f'<svg {box} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _y_axis(span: tuple[float, float], y_of: Place, width: int, name: str, scale: float) -> list[str]:
    parts = [f'<text class="tick" x="4" y="12">{name}</text>']
    for tick in _ticks(span[0] / scale, span[1] / scale, 5):
        y = y_of(tick * scale)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    return parts


def _rows(view: RecurringView) -> dict[int, float]:
    """Where each size has its line, the largest on top."""
    sizes = sorted(view.job.description.batch_sizes, reverse=True)
    step = min(ROW_HEIGHT, MOST_STRIP / len(sizes))
    return {size: 14 + place * step for place, size in enumerate(sizes)}


def _is_labelled(size: int, rows: dict[int, float]) -> bool:
    each = max(1, ceil(len(rows) * 12 / MOST_STRIP))
    return list(rows).index(size) % each == 0


def _linear(least: float, most: float, begin: float, end: float) -> Place:
    return lambda value: begin + (end - begin) * (value - least) / (most - least)


def _spread(values: list[float]) -> tuple[float, float]:
    """Least and most with some room around, and never the same."""
    least, most = min(values), max(values)
    room = 0.06 * (most - least) or 0.06 * abs(most) or 1.0
    return max(0.0, least - room), most + room


def _ticks(least: float, most: float, count: int) -> list[float]:
    """Round numbers within a range, about so many."""
    rough = max((most - least) / count, 1e-300)
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [round(place * step, 12) for place in range(ceil(least / step - 1e-9), floor(most / step + 1e-9) + 1)]


def _whole_ticks(least: int, most: int, count: int) -> list[int]:
    return sorted({round(tick) for tick in _ticks(least, most, count)} - set(range(least)))
