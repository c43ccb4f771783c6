"""The time-energy frontier as one plain Plotly dictionary: bound, plans, stragglers, baselines and chosen points."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulewise.report.axes import axis, padded
from joulewise.report.content import CHOSEN, Mark, PipelineReport
from joulewise.report.label_placement import Label, place_labels
from joulewise.report.quantities import Unit, energy_unit, numbers, show, show_percent, time_unit

MOST_PLANS = 600
"""More markers than this cannot be told apart and slow the page down."""

_MOST_CURVE_POINTS = 1500
_WIDTH_PX, _HEIGHT_PX = 1080, 400
_COLOR = {"bound": "#111827", "plan": "#5aa2dc", "straggler": "#7a5195", "baseline": "#c2410c", "chosen": "#00796b"}


def thinned(count: int, most: int) -> NDArray[np.int_]:
    """Indices of at most ``most`` of ``count`` entries, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int_))


def frontier_figure(report: PipelineReport) -> dict[str, Any]:
    """``data`` and ``layout`` of the chart of ``report``, and the axis ranges that show all or the plans only."""
    times = np.concatenate([report.plan_time_s, report.bound_time_s, report.straggler_time_s, _of(report, "time_s")])
    energies = np.concatenate(
        [report.plan_energy_j, report.bound_energy_j, report.straggler_energy_j, _of(report, "energy_j")]
    )
    x_unit, y_unit = time_unit(times.max(initial=0.0)), energy_unit(energies.max(initial=0.0))
    chart = _Chart(report, x_unit, y_unit)
    data = [
        chart.curve(
            "Realised plans", _COLOR["plan"], report.plan_time_s, report.plan_energy_j, most=MOST_PLANS, markers=True
        ),
        chart.curve("Lower bound: no plan can use less", _COLOR["bound"], report.bound_time_s, report.bound_energy_j),
        chart.curve(
            "When another pipeline straggles",
            _COLOR["straggler"],
            report.straggler_time_s,
            report.straggler_energy_j,
            dash="dash",
        ),
        *(chart.mark(mark) for mark in report.marks),
    ]
    x_range, y_range = padded(times * x_unit.factor), padded(energies * y_unit.factor)
    layout = {
        "height": _HEIGHT_PX + 110,
        "margin": {"l": 74, "r": 18, "t": 44, "b": 56},
        "hovermode": "closest",
        "dragmode": "zoom",
        "xaxis": axis(f"iteration time [{x_unit.symbol}]", x_range),
        "yaxis": axis(f"energy of one iteration [{y_unit.symbol}]", y_range),
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"},
        "annotations": chart.annotations(x_range, y_range),
    }
    plans_only = padded(np.r_[report.plan_time_s, report.bound_time_s] * x_unit.factor, 0.03)
    plans_only_down = padded(np.r_[report.plan_energy_j, report.bound_energy_j] * y_unit.factor, 0.03)
    ranges = {"all": {"x": x_range, "y": y_range}, "plans": {"x": plans_only, "y": plans_only_down}}
    return {"data": [trace for trace in data if trace["x"]], "layout": layout, "ranges": ranges}


class _Chart:
    """One report in the units of its chart."""

    def __init__(self, report: PipelineReport, x_unit: Unit, y_unit: Unit) -> None:
        self.report, self.x_unit, self.y_unit = report, x_unit, y_unit

    def curve(
        self,
        name: str,
        color: str,
        time_s: NDArray[np.float64],
        energy_j: NDArray[np.float64],
        *,
        most: int = _MOST_CURVE_POINTS,
        markers: bool = False,
        dash: str = "solid",
    ) -> dict[str, Any]:
        """A line, or a cloud of small markers, through the points."""
        order = np.argsort(time_s, kind="stable")
        kept = order[thinned(len(order), most)] if len(order) else order
        look: dict[str, Any] = (
            {"mode": "markers", "marker": {"color": color, "size": 5.5, "opacity": 0.9}}
            if markers
            else {"mode": "lines", "line": {"color": color, "width": 1.4, "dash": dash}}
        )
        return {
            "type": "scatter",
            "name": name,
            "x": numbers(time_s[kept], self.x_unit.factor),
            "y": numbers(energy_j[kept], self.y_unit.factor),
            "customdata": [self._explain(name, t, e) for t, e in zip(time_s[kept], energy_j[kept], strict=True)],
            "hovertemplate": "%{customdata}<extra></extra>",
            **look,
        }

    def mark(self, mark: Mark) -> dict[str, Any]:
        """One named point."""
        chosen = mark.kind == CHOSEN
        return {
            "type": "scatter",
            "mode": "markers",
            "name": escape(mark.name, quote=False),
            "showlegend": False,
            "x": numbers([mark.time_s], self.x_unit.factor),
            "y": numbers([mark.energy_j], self.y_unit.factor),
            "customdata": [self._explain(mark.name, mark.time_s, mark.energy_j)],
            "hovertemplate": "%{customdata}<extra></extra>",
            "marker": {
                "color": _COLOR[mark.kind],
                "size": 14 if chosen else 11,
                "symbol": "circle" if chosen else "diamond",
                "line": {"color": "#ffffff", "width": 2},
            },
        }

    def annotations(self, x_range: list[float], y_range: list[float]) -> list[dict[str, Any]]:
        """The marks' names, placed where they hide neither each other nor the curves."""

        def pixels(time_s: NDArray[np.float64], energy_j: NDArray[np.float64]) -> NDArray[np.float64]:
            across = (time_s * self.x_unit.factor - x_range[0]) / (x_range[1] - x_range[0]) * _WIDTH_PX
            down = (y_range[1] - energy_j * self.y_unit.factor) / (y_range[1] - y_range[0]) * _HEIGHT_PX
            return np.column_stack([across, down])

        report = self.report
        texts = [self._lines(mark) for mark in report.marks]
        points = pixels(_of(report, "time_s"), _of(report, "energy_j"))
        labels = [
            Label(point[0], point[1], 7.0 * max(map(len, lines)) + 8, 17.0 * len(lines))
            for point, lines in zip(points, texts, strict=True)
        ]
        curves = [
            pixels(getattr(report, f"{name}_time_s"), getattr(report, f"{name}_energy_j"))
            for name in ("bound", "straggler")
        ]
        drawn = [curve[thinned(len(curve), 200)] for curve in curves if len(curve)]
        places = place_labels(labels, np.concatenate([*drawn, np.empty((0, 2))]), _WIDTH_PX, _HEIGHT_PX)
        return [
            {
                "x": mark.time_s * self.x_unit.factor,
                "y": mark.energy_j * self.y_unit.factor,
                "ax": place.across,
                "ay": place.down,
                "xanchor": {1: "left", 0: "center", -1: "right"}[place.side],
                "align": {1: "left", 0: "center", -1: "right"}[place.side],
                "text": "<br>".join([f"<b>{escape(lines[0], quote=False)}</b>", *lines[1:]]),
                "font": {"color": _COLOR[mark.kind], "size": 12.5},
                "bgcolor": "rgba(255,255,255,0.8)",
                "showarrow": True,
                "arrowhead": 0,
                "arrowwidth": 1,
                "arrowcolor": _COLOR[mark.kind],
                "standoff": 7,
            }
            for mark, lines, place in zip(report.marks, texts, places, strict=True)
        ]

    def _lines(self, mark: Mark) -> list[str]:
        name = mark.name if len(mark.name) <= 40 else f"{mark.name[:39]}…"
        baseline = self.report.baseline
        if baseline is None or mark is baseline:
            return [name]
        energy = _change(mark.energy_j, mark.reference_j or baseline.energy_j)
        return [name, f"energy {energy}, time {_change(mark.time_s, baseline.time_s)}"]

    def _explain(self, name: str, time_s: float, energy_j: float) -> str:
        lines = [
            f"<b>{escape(name, quote=False)}</b>",
            f"time {show(time_s, self.x_unit, 6)}",
            f"energy {show(energy_j, self.y_unit, 6)}",
        ]
        baseline = self.report.baseline
        if baseline is not None:
            lines.append(f"against {escape(baseline.name, quote=False)}:")
            lines.append(
                f"energy {_change(energy_j, baseline.energy_j)}, time {_change(time_s, baseline.time_s)}",
            )
        if time_s > 0:
            lines.append(f"average power {show(energy_j / time_s, Unit(1.0, 'W'), 4)}")
        return "<br>".join(lines)


def _of(report: PipelineReport, name: str) -> NDArray[np.float64]:
    return np.array([getattr(mark, name) for mark in report.marks], dtype=np.float64)


def _change(value: float, reference: float) -> str:
    return show_percent(value / reference - 1, signed=True) if reference else "n/a"
