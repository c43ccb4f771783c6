"""Time per step against energy per step at every setting that was tried, as one plain Plotly dictionary.

Theory of operation: every setting is a point; those that no other outdoes are joined to the frontier. A point is a
mean of steps, and its bars are one standard error of that mean: of the time by the scatter of steps, of the energy by
that and by the bounds of the windows. Names stand where they hide neither each other nor the frontier; on a narrow
screen only the settings found and chosen are named, the others when they are touched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulewise.frontier import Frontier, Point
from joulewise.records import Provenance
from joulewise.report.axes import axis, padded
from joulewise.report.label_placement import Label, place_labels
from joulewise.report.quantities import Unit, energy_unit, numbers, show, show_percent, time_unit
from joulewise.report.run_content import StepSettings

FRONTIER, OTHER, CHOSEN, FOUND = "#5aa2dc", "#7b8794", "#00796b", "#c2410c"
_WIDE_PX, _NARROW_PX, _HEIGHT_PX = (1080, 300), (300, 280), 410
Array = NDArray[np.float64]


def step_figure(step: StepSettings) -> dict[str, Any]:
    """``data`` and ``layout`` for Plotly, and ``narrow``: the annotations of a narrow screen."""
    return _Figure(step).to_dict()


class _Figure:
    """The settings in the units of their chart."""

    def __init__(self, step: StepSettings) -> None:
        self.step = step
        self.by_name = {point.setting: point for point in step.points}
        self.frontier = list(Frontier.from_points(step.points))
        self.x_unit = time_unit(max(point.time_s for point in step.points))
        self.y_unit = energy_unit(max(point.energy_j for point in step.points))
        times = self._scaled([(p.time_s, _error(p.time_sd_s, p)) for p in step.points], self.x_unit)
        energies = self._scaled([(p.energy_j, _error(p.energy_sd_j, p)) for p in step.points], self.y_unit)
        self.x_range, self.y_range = padded(times), padded(energies)

    def to_dict(self) -> dict[str, Any]:
        best = {point.setting for point in self.frontier}
        outdone = [p for p in self.step.points if p.setting not in best]
        marks = [
            self._mark(name, color, symbol)
            for name, color, symbol in ((self.step.found, FOUND, "diamond"), (self.step.chosen, CHOSEN, "circle"))
            if name in self.by_name
        ]
        data = [
            self._points("frontier", self.frontier, FRONTIER),
            self._points("tried, and outdone", outdone, OTHER),
            *marks,
        ]
        layout = {
            "height": _HEIGHT_PX,
            "margin": {"l": 70, "r": 18, "t": 40, "b": 56},
            "hovermode": "closest",
            "dragmode": "zoom",
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"},
            "xaxis": axis(f"time of a step [{self.x_unit.symbol}]", self.x_range, nticks=8),
            "yaxis": axis(f"energy of a step [{self.y_unit.symbol}]", self.y_range, nticks=8),
        }
        narrow = [name for name in (self.step.chosen, self.step.found) if name in self.by_name]
        everything = [*dict.fromkeys([*narrow, *(str(point.setting) for point in self.step.points)])]
        return {
            "data": [trace for trace in data if trace["x"]],
            "layout": {**layout, "annotations": self._annotations(everything, *_WIDE_PX)},
            "narrow": self._annotations([*dict.fromkeys(narrow)], *_NARROW_PX),
        }

    def _points(self, name: str, points: Sequence[Point], color: str) -> dict[str, Any]:
        line = {"mode": "lines+markers", "line": {"color": color, "width": 1.4}} if name == "frontier" else {}
        bars = {"type": "data", "color": color, "thickness": 1.1, "width": 4}
        x, y = self.x_unit.factor, self.y_unit.factor
        return {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": numbers([point.time_s for point in points], x),
            "y": numbers([point.energy_j for point in points], y),
            "error_x": {**bars, "array": numbers([_error(point.time_sd_s, point) for point in points], x)},
            "error_y": {**bars, "array": numbers([_error(point.energy_sd_j, point) for point in points], y)},
            "customdata": [self._explain(point) for point in points],
            "hovertemplate": "%{customdata}<extra></extra>",
            "marker": {"color": color, "size": 7},
            **line,
        }

    def _mark(self, name: str, color: str, symbol: str) -> dict[str, Any]:
        point = self.by_name[name]
        return {
            "type": "scatter",
            "mode": "markers",
            "name": "chosen" if name == self.step.chosen else "found",
            "showlegend": False,
            "x": numbers([point.time_s], self.x_unit.factor),
            "y": numbers([point.energy_j], self.y_unit.factor),
            "customdata": [self._explain(point)],
            "hovertemplate": "%{customdata}<extra></extra>",
            "marker": {"color": color, "size": 13, "symbol": symbol, "line": {"color": "#ffffff", "width": 2}},
        }

    def _annotations(self, names: Sequence[str], width_px: float, height_px: float) -> list[dict[str, Any]]:
        """Names of points, and what the figures are worth, for a drawing of this size."""
        texts = [self._lines(name) for name in names]
        points = self._pixels([self.by_name[name] for name in names], width_px, height_px)
        labels = [
            Label(at[0], at[1], 7.0 * max(map(len, lines)) + 8, 17.0 * len(lines))
            for at, lines in zip(points, texts, strict=True)
        ]
        line = _between(self._pixels(self.frontier, width_px, height_px))
        places = place_labels(labels, line, width_px, height_px)
        found = [
            {
                "x": self.by_name[name].time_s * self.x_unit.factor,
                "y": self.by_name[name].energy_j * self.y_unit.factor,
                "ax": place.across,
                "ay": place.down,
                "xanchor": {1: "left", 0: "center", -1: "right"}[place.side],
                "align": {1: "left", 0: "center", -1: "right"}[place.side],
                "text": "<br>".join([f"<b>{escape(lines[0], quote=False)}</b>", *lines[1:]]),
                "font": {"color": self._color(name), "size": 12.5},
                "bgcolor": "rgba(255,255,255,0.8)",
                "showarrow": True,
                "arrowhead": 0,
                "arrowwidth": 1,
                "arrowcolor": self._color(name),
                "standoff": 6,
            }
            for name, lines, place in zip(names, texts, places, strict=True)
        ]
        worth = Provenance.weakest(point.provenance for point in self.step.points)
        return found if worth is Provenance.MEASURED else [_watermark(worth), *found]

    def _lines(self, name: str) -> list[str]:
        found = self.by_name.get(self.step.found)
        if name == self.step.found:
            return [f"{name}: found{', and chosen' if name == self.step.chosen else ''}"]
        if name != self.step.chosen:
            return [name]
        chosen = self.by_name[name]
        return [f"{name}: chosen"] + ([] if found is None else [_change(chosen, found)])

    def _color(self, name: str) -> str:
        return {self.step.chosen: CHOSEN, self.step.found: FOUND}.get(name, "#5b6675")

    def _explain(self, point: Point) -> str:
        lines = [
            f"<b>{escape(str(point.setting), quote=False)}</b>",
            f"time {show(point.time_s, self.x_unit, 4)}{self._more_or_less(point.time_sd_s, point, self.x_unit)}",
            f"energy {show(point.energy_j, self.y_unit, 4)}{self._more_or_less(point.energy_sd_j, point, self.y_unit)}",
        ]
        if point.time_s > 0:
            lines.append(f"average power {show(point.energy_j / point.time_s, Unit(1.0, 'W'), 4)}")
        lines.append(f"{point.samples} step{'' if point.samples == 1 else 's'}, {point.provenance}")
        found = self.by_name.get(self.step.found)
        if found is not None and found is not point:
            lines.append(f"against {escape(self.step.found, quote=False)}: {_change(point, found)}")
        return "<br>".join(lines)

    def _more_or_less(self, sd: float, point: Point, unit: Unit) -> str:
        return f" ± {show(_error(sd, point), unit, 2)}" if sd else ""

    def _pixels(self, points: Sequence[Point], width_px: float, height_px: float) -> Array:
        (left, right), (low, high) = self.x_range, self.y_range
        across = np.array([point.time_s for point in points]) * self.x_unit.factor
        up = np.array([point.energy_j for point in points]) * self.y_unit.factor
        return np.column_stack(
            [(across - left) / (right - left) * width_px, (high - up) / (high - low) * height_px]
        ).reshape(-1, 2)

    @staticmethod
    def _scaled(values: Sequence[tuple[float, float]], unit: Unit) -> Array:
        return np.array([[mean - error, mean + error] for mean, error in values]) * unit.factor


def _error(sd: float, point: Point) -> float:
    """Standard error of the mean."""
    return sd / math.sqrt(point.samples)


def _change(point: Point, reference: Point) -> str:
    energy = show_percent(point.energy_j / reference.energy_j - 1, signed=True)
    return f"energy {energy}, time {show_percent(point.time_s / reference.time_s - 1, signed=True)}"


def _between(line: Array) -> Array:
    """Points along a line, ten to each stretch."""
    if len(line) < 2:
        return line
    share = np.linspace(0.0, 1.0, 11)[:, None]
    return np.concatenate([before + (after - before) * share for before, after in pairwise(line)])


def _watermark(worth: Provenance) -> dict[str, Any]:
    return {
        **{"xref": "paper", "yref": "paper", "x": 0.98, "y": 0.97, "xanchor": "right", "yanchor": "top"},
        "text": f"<b>{worth.upper()}</b>",
        "font": {"size": 34, "color": "rgba(180,35,24,0.22)"},
        "showarrow": False,
    }
