"""Axes, headings, limits and windows of the chart of a timeline: everything but its lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from joulewise.measure.timeline import Timeline
from joulewise.records import Provenance
from joulewise.report.quantities import Unit

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a87900", "#56b4e9", "#4d4d4d", "#7a5195")
"""After Okabe and Ito, with the light ones darkened: told apart by people who see colours otherwise."""
DASHES = ("solid", "dash", "dot", "dashdot")
MOST_SPANS = 40
PANEL_PX = {"power": 250, "energy": 190, "temperature": 130, "clock": 130}
"""Kinds that are drawn, from top to bottom, and their heights."""
_GAP_PX, _TOP_PX, _BOTTOM_PX = 44, 30, 52
_TITLES = {"power": "power [W]", "temperature": "temperature [°C]", "clock": "clock [MHz]"}


def axis_unit(duration_s: float) -> Unit:
    """Unit of a time axis that is so long."""
    if duration_s >= 3 * 3600:
        return Unit(1 / 3600, "h")
    if duration_s >= 600:
        return Unit(1 / 60, "min")
    return Unit(1.0, "s") if duration_s >= 1 else Unit(1e3, "ms")


def look(number: int) -> dict[str, str]:
    """Colour and dash of a device, by its number."""
    return {"color": COLORS[number % len(COLORS)], "dash": DASHES[number // len(COLORS) % len(DASHES)]}


def axis_suffix(index: int) -> str:
    """What Plotly appends to the names of axes."""
    return "" if index == 0 else str(index + 1)


def axis_name(letter: str, index: int) -> str:
    """What Plotly calls an axis."""
    return letter + axis_suffix(index)


@dataclass(frozen=True)
class Layout:
    """The frame of a chart.

    Attributes:
        timeline: What is drawn.
        x_unit, y_unit: Of time and of energy.
        peak_w: The largest power that is drawn [W].
    """

    timeline: Timeline
    x_unit: Unit
    y_unit: Unit
    peak_w: float

    @property
    def end(self) -> float:
        """Where the time axis ends, in its unit."""
        return (self.timeline.end_ns - self.timeline.begin_ns) * 1e-9 * self.x_unit.factor

    def to_dict(self, panels: Sequence[str]) -> dict[str, Any]:
        """``layout`` for Plotly, with these kinds below each other."""
        inner_px = sum(PANEL_PX[panel] for panel in panels) + _GAP_PX * (len(panels) - 1)
        end = self.end
        layout: dict[str, Any] = {
            "height": inner_px + _TOP_PX + _BOTTOM_PX,
            "margin": {"l": 62, "r": 18, "t": _TOP_PX, "b": _BOTTOM_PX},
            "hovermode": "x unified",
            "dragmode": "zoom",
            "showlegend": False,
            "xaxis": {
                "range": [0, 1.015 * end or 1],
                "minallowed": -0.02 * end,
                "maxallowed": 1.05 * end or 1,
                "anchor": axis_name("y", len(panels) - 1),
                "title": {"text": f"time since the begin [{self.x_unit.symbol}]", "standoff": 8},
                "gridcolor": "#e2e6eb",
                "zeroline": False,
                "ticks": "outside",
                "tickcolor": "#9aa4b2",
                "hoverformat": ".4~g",
            },
            "annotations": [],
            "shapes": [],
        }
        top_px = float(inner_px)
        for index, panel in enumerate(panels):
            domain = [(top_px - PANEL_PX[panel]) / inner_px, top_px / inner_px]
            top_px -= PANEL_PX[panel] + _GAP_PX
            layout["yaxis" + axis_suffix(index)] = {
                "domain": domain,
                "fixedrange": True,
                "rangemode": "tozero" if panel in ("power", "energy") else "normal",
                "gridcolor": "#e2e6eb",
                "zeroline": False,
                "showline": True,
                "linecolor": "#9aa4b2",
                "nticks": 6,
            }
            layout["annotations"] += self._headings(panel, domain)
        if "power" in panels:
            self._mark_limits(layout, axis_name("y", panels.index("power")))
        self._mark_spans(layout)
        return layout

    def _headings(self, panel: str, domain: list[float]) -> list[dict[str, Any]]:
        title = _TITLES.get(panel, f"energy since the begin [{self.y_unit.symbol}]")
        place = {"xref": "paper", "yref": "paper", "showarrow": False}
        headings: list[dict[str, Any]] = [
            {
                **place,
                **{"x": 0, "y": domain[1], "xanchor": "left", "yanchor": "bottom", "yshift": 4},
                "text": f"<b>{title}</b>",
                "font": {"size": 13},
            }
        ]
        worth = Provenance.weakest(track.identity.provenance for track in self.timeline.tracks)
        if worth is not Provenance.MEASURED:
            headings.append(
                {
                    **place,
                    **{"x": 0.5, "y": sum(domain) / 2, "xanchor": "center", "yanchor": "middle"},
                    "text": f"<b>{worth.upper()}</b>",
                    "font": {"size": 34, "color": "rgba(180,35,24,0.22)"},
                }
            )
        return headings

    def _mark_limits(self, layout: dict[str, Any], axis: str) -> None:
        """Power limits, unless they are so far above the load that they would flatten it."""
        colors: dict[float, set[str]] = {}
        for number, track in enumerate(self.timeline.tracks):
            if track.limit_w and track.limit_w <= 2.5 * self.peak_w:
                colors.setdefault(track.limit_w, set()).add(look(number)["color"])
        for limit_w, owners in sorted(colors.items()):
            color = owners.pop() if len(owners) == 1 else "#b42318"
            line = {"color": color, "width": 1.2, "dash": "dot"}
            place = {"xref": "paper", "yref": axis}
            layout["shapes"].append(
                {**place, "type": "line", "x0": 0, "x1": 1, "y0": limit_w, "y1": limit_w, "line": line}
            )
            layout["annotations"].append(
                {
                    **place,
                    **{"x": 1, "y": limit_w, "xanchor": "right", "yanchor": "bottom", "showarrow": False},
                    "text": f"limit {limit_w:.4g} W",
                    "font": {"size": 11.5, "color": color},
                    "bgcolor": "rgba(255,255,255,0.7)",
                }
            )
            layout["yaxis"]["range"] = [0, 1.12 * max(self.peak_w, limit_w)]

    def _mark_spans(self, layout: dict[str, Any]) -> None:
        whole = (self.timeline.begin_ns, self.timeline.end_ns)
        spans = [one for one in self.timeline.spans if (one.begin_ns, one.end_ns) != whole]
        for index, span in enumerate(spans[:MOST_SPANS]):
            begin, end = ((at_ns - whole[0]) * 1e-9 * self.x_unit.factor for at_ns in (span.begin_ns, span.end_ns))
            place = {"xref": "x", "yref": "paper"}
            tint = "rgba(36,64,95,0.07)" if index % 2 == 0 else "rgba(168,121,0,0.08)"
            box = {"type": "rect", "x0": begin, "x1": end, "y0": 0, "y1": 1, "line": {"width": 0}, "layer": "below"}
            layout["shapes"].append({**place, **box, "fillcolor": tint})
            if end - begin >= 0.04 * self.end:
                layout["annotations"].append(
                    {
                        **place,
                        **{"x": (begin + end) / 2, "y": 1, "yanchor": "top", "showarrow": False},
                        "text": escape(span.name if len(span.name) <= 18 else f"{span.name[:17]}…", quote=False),
                        "font": {"size": 11, "color": "#5b6675"},
                    }
                )
