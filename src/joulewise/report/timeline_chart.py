"""Power, energy, temperature and clock of devices over one time axis, as one plain Plotly dictionary.

Theory of operation: the kinds that any device has stand below each other and share the time axis, so that a zoom into
one is a zoom into all. A device has one colour and dash everywhere; its traces carry its number, by which the page's
script shows and hides them together. The measured energy and its bounds stand as an error bar at the end, and the
average power with the same bounds as a band. A picture of devices that are not real says so inside the drawing, since
pictures travel without their page.
"""

from __future__ import annotations

from html import escape
from typing import Any

from joulewise.measure.energy import Method
from joulewise.measure.measurement import DeviceEnergy, Measurement
from joulewise.measure.timeline import Timeline, Track
from joulewise.records import Provenance
from joulewise.report.quantities import Unit, energy_unit, numbers, show
from joulewise.report.timeline_series import Curve, energy_curve, envelope, held_curve, power_curve

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a87900", "#56b4e9", "#4d4d4d", "#7a5195")
"""After Okabe and Ito, with the light ones darkened: told apart by people who see colours otherwise."""
DASHES = ("solid", "dash", "dot", "dashdot")
MOST_SPANS, MOST_BANDS = 40, 4
"""More cannot be told apart."""
_PANEL_PX, _GAP_PX, _TOP_PX, _BOTTOM_PX = {"power": 250, "energy": 190, "temperature": 130, "clock": 130}, 44, 30, 52
_TITLES = {"power": "power [W]", "temperature": "temperature [°C]", "clock": "clock [MHz]"}
WATT = Unit(1.0, "W")


def axis_unit(duration_s: float) -> Unit:
    """Unit of a time axis that is so long."""
    if duration_s >= 3 * 3600:
        return Unit(1 / 3600, "h")
    if duration_s >= 600:
        return Unit(1 / 60, "min")
    return Unit(1.0, "s") if duration_s >= 1 else Unit(1e3, "ms")


def timeline_figure(measurement: Measurement, timeline: Timeline) -> dict[str, Any]:
    """``data`` and ``layout`` for Plotly, and ``devices``: names and looks of what can be shown and hidden."""
    return _Figure(measurement, timeline).to_dict()


class _Figure:
    def __init__(self, measurement: Measurement, timeline: Timeline) -> None:
        self.timeline = timeline
        self.told = measurement.by_device
        self.duration_s = (timeline.end_ns - timeline.begin_ns) * 1e-9
        self.x_unit = axis_unit(self.duration_s)
        largest_j = max((one.energy.hi_j for one in measurement.devices if one.energy is not None), default=0.0)
        self.y_unit = energy_unit(largest_j if largest_j < float("inf") else measurement.energy_j)
        self.data: list[dict[str, Any]] = []
        self.shown: set[str] = set()
        self.peak_w = 0.0

    def to_dict(self) -> dict[str, Any]:
        for number, track in enumerate(self.timeline.tracks):
            self._add(number, track)
        panels = [panel for panel in _PANEL_PX if panel in self.shown]
        for trace in self.data:
            trace["yaxis"] = _axis_name("y", panels.index(trace.pop("panel")))
        devices = [
            {**_look(number), "name": _name(track), "shown": any(one["meta"] == number for one in self.data)}
            for number, track in enumerate(self.timeline.tracks)
        ]
        return {"data": self.data, "layout": self._layout(panels), "devices": devices}

    def _add(self, number: int, track: Track) -> None:
        told = self.told.get(track.identity.uid)
        energy = told.energy if told is not None else None
        power = envelope(power_curve(track, self.timeline))
        if len(power):
            self.peak_w = max(self.peak_w, float(power.values[power.values == power.values].max(initial=0.0)))
        few = len(self.timeline.tracks) <= MOST_BANDS
        if few and told is not None and energy is not None and self.duration_s and energy.hi_j < float("inf"):
            self._band(number, energy.lo_j / self.duration_s, energy.hi_j / self.duration_s)
        self._line("power", number, track, power, WATT, steps=True)
        counted = energy.method is Method.COUNTER if energy is not None else bool(len(track.energy_j))
        self._line("energy", number, track, energy_curve(track, self.timeline, counted), self.y_unit)
        if told is not None:
            self._measured(number, track, told)
        celsius, megahertz = Unit(1.0, "°C"), Unit(1.0, "MHz")
        self._line("temperature", number, track, held_curve(track.temperature_c, self.timeline), celsius, steps=True)
        self._line("clock", number, track, held_curve(track.core_mhz, self.timeline), megahertz, steps=True)

    def _line(self, panel: str, number: int, track: Track, curve: Curve, unit: Unit, *, steps: bool = False) -> None:
        if not len(curve):
            return
        self.shown.add(panel)
        name = escape(_name(track), quote=False)
        self.data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "panel": panel,
                "meta": number,
                "name": name,
                "x": numbers(curve.at_s, self.x_unit.factor),
                "y": numbers(curve.values, unit.factor, digits=6),
                "line": {**_look(number), "width": 1.6, "shape": "hv" if steps else "linear", "simplify": False},
                "connectgaps": False,
                "hovertemplate": f"%{{y:.4~g}} {unit.symbol}<extra>{name}</extra>",
            }
        )

    def _band(self, number: int, lo_w: float, hi_w: float) -> None:
        """The average power lies in here."""
        self.shown.add("power")
        end = self.duration_s * self.x_unit.factor
        self.data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "panel": "power",
                "meta": number,
                "x": [0, end, end, 0],
                "y": numbers([lo_w, lo_w, hi_w, hi_w], digits=6),
                "fill": "toself",
                "fillcolor": f"{COLORS[number % len(COLORS)]}26",
                "line": {"width": 0},
                "hoverinfo": "skip",
            }
        )

    def _measured(self, number: int, track: Track, told: DeviceEnergy) -> None:
        """The energy of the window, with its bounds."""
        energy = told.energy
        if energy is None or not energy.hi_j < float("inf"):
            return
        self.shown.add("energy")
        factor = self.y_unit.factor
        bounds = f"{show(energy.lo_j, self.y_unit, 4)} to {show(energy.hi_j, self.y_unit, 4)}"
        name = escape(_name(track), quote=False)
        self.data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "panel": "energy",
                "meta": number,
                "x": numbers([self.duration_s], self.x_unit.factor),
                "y": numbers([energy.energy_j], factor),
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": numbers([energy.hi_j - energy.energy_j], factor),
                    "arrayminus": numbers([max(0.0, energy.energy_j - energy.lo_j)], factor),
                    "color": COLORS[number % len(COLORS)],
                    "thickness": 1.6,
                    "width": 5,
                },
                "marker": {"color": COLORS[number % len(COLORS)], "size": 6},
                "cliponaxis": False,
                "hovertemplate": f"measured: {show(energy.energy_j, self.y_unit, 4)}<br>{bounds}<extra>{name}</extra>",
            }
        )

    def _layout(self, panels: list[str]) -> dict[str, Any]:
        inner_px = sum(_PANEL_PX[panel] for panel in panels) + _GAP_PX * (len(panels) - 1)
        end = self.duration_s * self.x_unit.factor
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
                "anchor": _axis_name("y", len(panels) - 1),
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
            domain = [(top_px - _PANEL_PX[panel]) / inner_px, top_px / inner_px]
            top_px -= _PANEL_PX[panel] + _GAP_PX
            layout["yaxis" + _suffix(index)] = {
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
            self._mark_limits(layout, _axis_name("y", panels.index("power")))
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
                colors.setdefault(track.limit_w, set()).add(_look(number)["color"])
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
            if end - begin >= 0.04 * self.duration_s * self.x_unit.factor:
                layout["annotations"].append(
                    {
                        **place,
                        **{"x": (begin + end) / 2, "y": 1, "yanchor": "top", "showarrow": False},
                        "text": escape(span.name if len(span.name) <= 18 else f"{span.name[:17]}…", quote=False),
                        "font": {"size": 11, "color": "#5b6675"},
                    }
                )


def _look(number: int) -> dict[str, str]:
    return {"color": COLORS[number % len(COLORS)], "dash": DASHES[number // len(COLORS) % len(DASHES)]}


def _name(track: Track) -> str:
    who = track.identity
    return f"{who.model} ({who.scope}, {short_uid(who.uid)})"


def short_uid(uid: str) -> str:
    """A uid that fits into a legend."""
    return uid if len(uid) <= 16 else f"{uid[:8]}…{uid[-4:]}"


def _suffix(index: int) -> str:
    return "" if index == 0 else str(index + 1)


def _axis_name(letter: str, index: int) -> str:
    return letter + _suffix(index)
