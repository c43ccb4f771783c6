"""How often the bounds of measured energy hold, and how wide they are."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.exhibit import Column, Exhibit, Origin
from joulewise.sim.reproduce.studies.sensor_windows import Run, campaign

TITLE = "Median width of the bounds over the sensor's resolution bound, and how often they hold, by sensor"
HEADS = ("windows", "truth within bounds [%]", "worst", "width over resolution bound", "width over energy [%]")
SOURCE = "twins of devices (`joulewise.devices.simulated`), their sensors after `yang2024`; the truth is the twin's"

Rows = tuple[tuple[str, ...], ...]


def exhibits(data: Data) -> tuple[Exhibit, ...]:
    """The tables of the accuracy page, and its drawing."""
    del data
    return from_runs(campaign())


def from_runs(runs: Sequence[Run]) -> tuple[Exhibit, ...]:
    """The same of any windows."""
    shows = (
        f"{len(runs):,} windows of 0.05 to 8 s with random loads on random boards, read the way the sampler reads. "
        "*Worst* names where the bounds held least often."
    )
    made = [
        Exhibit(
            f"{by}s",
            f"Bounds by {by}",
            shows,
            SOURCE,
            (Column(by), *(Column(head, Origin.SIMULATED) for head in HEADS)),
            rows(runs, by),
        )
        for by in ("sensor", "load")
    ]
    drawn = Exhibit("widths", TITLE, shows, SOURCE, svg=drawing(made[0].rows), origin=Origin.SIMULATED)
    return (*made, drawn)


def coverage(runs: Sequence[Run]) -> float:
    """Part of the runs whose truth lies within the bounds."""
    return sum(one.held for one in runs) / len(runs)


def width_ratio(runs: Sequence[Run]) -> float:
    """Median of the width of the bounds over the sensor's resolution bound."""
    return statistics.median(one.width_j / one.bound_j for one in runs)


def rows(runs: Sequence[Run], by: str) -> Rows:
    """Coverage and width by sensor or by load."""
    other = "load" if by == "sensor" else "sensor"
    of = {
        name: [one for one in runs if getattr(one, by) == name] for name in dict.fromkeys(getattr(r, by) for r in runs)
    }
    return (*((name, *_row(mine, other)) for name, mine in of.items()), ("**all**", *_row(runs, other)))


def _row(runs: Sequence[Run], other: str) -> tuple[str, ...]:
    """The cells of one line; the worst among ``other`` is named with its coverage."""
    names = dict.fromkeys(getattr(one, other) for one in runs)
    covered = {name: coverage([one for one in runs if getattr(one, other) == name]) for name in names}
    worst = min(names, key=covered.__getitem__)
    said = f"{worst}: {100 * covered[worst]:.1f}" if covered[worst] < 1 else "none"
    part = statistics.median(one.width_j / one.true_j for one in runs)
    return str(len(runs)), f"{100 * coverage(runs):.2f}", said, f"{width_ratio(runs):.2f}", f"{100 * part:.1f}"


def drawing(sensors: Rows) -> str:
    """The table of sensors as bars: the width of bounds over the resolution bound."""
    cells = [[cell.strip("*") for cell in row] for row in sensors]
    top, step, left, scale = 34, 20, 220, 160.0
    height = top + step * len(cells) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" font-family="sans-serif" font-size="12">',
        f"<title>{TITLE}</title>",
        f'<rect width="720" height="{height}" fill="#ffffff"/>',
    ]
    for ratio, label in ((1, "the sensor's bound to one side"), (2, "to both")):
        x = left + ratio * scale
        lines.append(f'<path d="M{x:g} {top - 6}V{height - 8}" stroke="#d1d5db"/>')
        lines.append(f'<text x="{x:g}" y="{top - 14}" text-anchor="middle" fill="#6b7280">{ratio}: {label}</text>')
    for number, (name, _, held, _, over, _) in enumerate(cells):
        y, width = top + number * step, float(over) * scale
        weight = ' font-weight="bold"' if number == len(cells) - 1 else ""
        lines += [
            f'<text x="{left - 8}" y="{y + 11}" text-anchor="end" fill="#111827"{weight}>{name}</text>',
            f'<rect x="{left}" y="{y}" width="{width:g}" height="14" fill="#2b5fa8"/>',
            f'<text x="{left + width + 6:g}" y="{y + 11}" fill="#111827"{weight}>{over}, holds in {held} %</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
