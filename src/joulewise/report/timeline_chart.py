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
from joulewise.report.quantities import Unit, energy_unit, numbers, show
from joulewise.report.timeline_layout import COLORS, PANEL_PX, Layout, axis_name, axis_unit, look
from joulewise.report.timeline_series import Curve, energy_curve, envelope, held_curve, power_curve

MOST_BANDS = 4
"""More cannot be told apart."""
WATT = Unit(1.0, "W")


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
        panels = [panel for panel in PANEL_PX if panel in self.shown]
        for trace in self.data:
            trace["yaxis"] = axis_name("y", panels.index(trace.pop("panel")))
        devices = [
            {**look(number), "name": _name(track), "shown": any(one["meta"] == number for one in self.data)}
            for number, track in enumerate(self.timeline.tracks)
        ]
        layout = Layout(self.timeline, self.x_unit, self.y_unit, self.peak_w)
        return {"data": self.data, "layout": layout.to_dict(panels), "devices": devices}

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
                "line": {**look(number), "width": 1.6, "shape": "hv" if steps else "linear", "simplify": False},
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


def _name(track: Track) -> str:
    who = track.identity
    return f"{who.model} ({who.scope}, {short_uid(who.uid)})"


def short_uid(uid: str) -> str:
    """A uid that fits into a legend."""
    return uid if len(uid) <= 16 else f"{uid[:8]}…{uid[-4:]}"
