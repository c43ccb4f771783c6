"""The frontier of a running job as SVG: plans, where the job is on it, all at the highest clocks, and the wall."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from joulewise.services.hub.page_shell import energy_unit

WIDTH, HEIGHT = 760, 340
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 20, 46
TICKS = 5
APART = 14
"""Least vertical distance between labels [px]."""


def frontier_svg(view: Mapping[str, Any]) -> str:
    """Time against energy of one replica's iteration.

    Args:
        view: A document of `joulewise.pipelines.view` that has a frontier.
    """
    frontier, current = view["frontier"], view["current"]
    times_s, energies_j = frontier["time_s"], frontier["energy_j"]
    top = frontier["top"]
    wall_s = current["wall_s"]
    is_waited = wall_s > times_s[0] * 1.001 and bool(view["stragglers"])
    xs = [*times_s, top["time_s"], current["time_s"], *([wall_s] if is_waited else [])]
    ys = [*energies_j, top["energy_j"]]
    x_of = _scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y_of = _scale(min(ys), max(ys), HEIGHT - BOTTOM, TOP)
    line = " ".join(f"{x_of(t):.1f},{y_of(e):.1f}" for t, e in zip(times_s, energies_j, strict=True))
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Time and energy of an iteration of one replica">',
        *_grid(min(xs), max(xs), min(ys), max(ys)),
        f'<polyline class="plans" points="{line}"/>',
    ]
    if is_waited:
        x = x_of(wall_s)
        parts.append(f'<line class="wall" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    marks = [
        ("top", top["time_s"], top["energy_j"], "highest clocks"),
        ("current", current["time_s"], current["energy_j"], "now" if not is_waited else "now, awaiting a straggler"),
    ]
    taken: list[float] = []
    for kind, time_s, energy_j, label in marks:
        x, y = x_of(time_s), y_of(energy_j)
        parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="6"/>')
        parts.append(_label(x, _free(max(TOP, y - 2 * APART), taken), label))
    if is_waited:
        parts.append(_label(x_of(wall_s), _free(TOP + 2.0 * APART, taken), "the slowest replica"))
    return "".join([*parts, "</svg>"])


def _free(y: float, taken: list[float]) -> float:
    while any(abs(y - other) < APART for other in taken):
        y += APART
    taken.append(y)
    return y


def _label(x: float, y: float, text: str) -> str:
    on_left = x > WIDTH / 2
    place = f'x="{x + (-10 if on_left else 10):.1f}" y="{y + 4:.1f}" text-anchor="{"end" if on_left else "start"}"'
    return f"<text {place}>{escape(text)}</text>"


class _scale:  # noqa: N801 (reads as the function that it is)
    """From a quantity to a place on the page."""

    def __init__(self, least: float, most: float, begin: float, end: float) -> None:
        spare = 0.04 * (most - least) or max(abs(most), 1e-9) * 0.04
        self._least, self._most, self._begin, self._end = least - spare, most + spare, begin, end

    def __call__(self, value: float) -> float:
        share = (value - self._least) / (self._most - self._least)
        return self._begin + share * (self._end - self._begin)


def _grid(least_s: float, most_s: float, least_j: float, most_j: float) -> list[str]:
    x_of = _scale(least_s, most_s, LEFT, WIDTH - RIGHT)
    y_of = _scale(least_j, most_j, HEIGHT - BOTTOM, TOP)
    scale, unit = energy_unit(most_j)
    parts = []
    for i in range(TICKS):
        time_s = least_s + (most_s - least_s) * i / (TICKS - 1)
        energy_j = least_j + (most_j - least_j) * i / (TICKS - 1)
        x, y = x_of(time_s), y_of(energy_j)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{energy_j / scale:.4g}</text>'
        )
        place = f'x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle"'
        parts.append(f'<text class="tick" {place}>{time_s:.4g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="tick" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">iteration time, s</text>')
    turn = f'transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle"'
    parts.append(f'<text class="tick" {turn}>energy of one replica, {unit}</text>')
    return parts
