"""What ``joulewise run`` says: one line per device, a total that counts nothing twice, and the same as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from joulewise.measure.document import measurement_to_dict
from joulewise.measure.energy import Energy
from joulewise.measure.measurement import DeviceEnergy, Measurement
from joulewise.records import Provenance
from joulewise.wire.envelope import schema_tag

if TYPE_CHECKING:
    from joulewise.measure.footprint import Carbon, Footprint

DOCUMENT, VERSION = "run", 2
NO_FACTORS = "cost and carbon are not told: --price and --country or --intensity add them"


@dataclass(frozen=True)
class Summary:
    """A program that ran, and what devices used meanwhile.

    Attributes:
        command: The program and its arguments.
        exit_code: Its own; negative, minus the signal that ended it.
        measurement: What was used.
        footprint: What that cost and emitted, if it was said what a kWh does.
        silent: Devices that are there and tell no energy, each with the reason.
        priced: Whether it was said what a kWh costs or emits, even if that could not be used.
    """

    command: tuple[str, ...]
    exit_code: int
    measurement: Measurement
    footprint: Footprint | None = None
    silent: tuple[str, ...] = ()
    priced: bool = False

    @property
    def ended(self) -> str:
        """How it ended, for people."""
        return f"exit code {self.exit_code}" if self.exit_code >= 0 else f"ended by signal {-self.exit_code}"


def lines(summary: Summary) -> list[str]:
    """For people; every line about a simulated device says that it is."""
    measurement = summary.measurement
    said = [f"{summary.command[0]}: {measurement.duration_s:.3f} s, {summary.ended}"]
    for one in measurement.devices:
        said += _device(one, measurement)
    both = measurement.total
    if both is not None and len(measurement.devices) > 1:
        count = sum(one.in_total and one.energy is not None for one in measurement.devices)
        power = f"mean {measurement.mean_power_w:.4g} W"
        name = f"total of {count} device{'' if count == 1 else 's'}"
        said.append(f"{name}: {figure(both)}, {power}{mark(both.provenance)}")
    devices_said = [f"{one.identity.uid}: " for one in measurement.devices]
    said += [one for one in measurement.warnings if not one.startswith(tuple(devices_said))]
    said += footprint_lines(summary.footprint) if summary.footprint is not None else []
    said += [NO_FACTORS] if summary.footprint is None and both is not None and not summary.priced else []
    said += [f"not measured: {reason}" for reason in summary.silent]
    if both is None and not measurement.devices:
        said.append("no device that tells energy was found; joulewise doctor says why")
    return [f"joulewise: {line}" for line in said]


def _device(one: DeviceEnergy, measurement: Measurement) -> list[str]:
    who = one.identity
    name, worth = f"{who.model} ({who.scope}, {who.uid})", mark(who.provenance)
    said = []
    if one.energy is not None:
        power = f"mean {one.energy.energy_j / measurement.duration_s:.4g} W" if measurement.duration_s else "no time"
        if one.peak_below_mean(measurement.duration_s):
            power += f", peak at least that (its power gauge saw {one.peak_w:.4g} W at most)"
        elif one.peak_w is not None:
            power += f", peak {one.peak_w:.4g} W"
        within = "" if one.in_total else f", within {who.parent}"
        said.append(f"{name}: {figure(one.energy)}, {power}{within}{worth}")
        said += [f"{name}: {warning}{worth}" for warning in one.energy.warnings]
    if one.failure:
        said.append(f"{name}: {'not read to the end' if one.energy else 'no energy'}: {one.failure}{worth}")
    return said


def figure(energy: Energy) -> str:
    """An energy with its bounds and method."""
    return f"{energy.energy_j:.4g} J ({energy.lo_j:.4g} to {energy.hi_j:.4g}), {energy.method}"


def mark(provenance: Provenance) -> str:
    """What follows every figure that was not measured."""
    return "" if provenance is Provenance.MEASURED else f" [{provenance}]"


def footprint_lines(footprint: Footprint) -> list[str]:
    """Cost and carbon, each with bounds and where its factor is from."""
    worth = mark(footprint.provenance)
    said = [
        f"{name}: {value}{f' ({bounds})' if bounds else ''}: {source}{worth}"
        for name, value, bounds, source in footprint_figures(footprint)
    ]
    return said + [f"cost and carbon: {warning}{worth}" for warning in footprint.warnings]


def footprint_figures(footprint: Footprint) -> list[tuple[str, str, str, str]]:
    """Cost and carbon, as far as they are known: name, value, bounds and where the factor is from."""
    found = []
    cost, carbon = footprint.cost, footprint.carbon
    if cost is not None:
        source = f"{cost.price_per_kwh:.4g} per kWh, {cost.source}" + (f", {cost.year}" if cost.year else "")
        found.append(("cost", f"{cost.amount:.3g} {cost.currency}", _between(cost.lo, cost.hi), source))
    if carbon is not None:
        factor, unit = (1e-3, "kg") if carbon.carbon_g >= 1e4 else (1.0, "g") if carbon.carbon_g >= 0.1 else (1e3, "mg")
        lo, hi = (None if bound is None else bound * factor for bound in (carbon.lo_g, carbon.hi_g))
        found.append(("carbon", f"{carbon.carbon_g * factor:.3g} {unit} CO2e", _between(lo, hi), _grid(carbon)))
    return found


def _grid(carbon: Carbon) -> str:
    """Where an intensity is from, and what it is."""
    parts = [f"{carbon.g_per_kwh:.4g} g/kWh", carbon.region, str(carbon.year or ""), str(carbon.kind)]
    parts += [f"{carbon.basis}-based", str(carbon.scope), carbon.source, *carbon.notes]
    return ", ".join(part for part in parts if part)


def _between(lo: float | None, hi: float | None) -> str:
    return "" if lo is None or hi is None else f"{lo:.3g} to {hi:.3g}"


def document(summary: Summary, **more: Any) -> str:
    """The same as JSON; ``more`` is written beside."""
    entry: dict[str, Any] = {
        "schema": schema_tag(DOCUMENT, VERSION),
        "command": summary.command,
        "exit_code": summary.exit_code,
        **summed(summary.measurement),
        "footprint": None if summary.footprint is None else plain(asdict(summary.footprint)),
        "not_measured": summary.silent,
        **more,
        "measurement": measurement_to_dict(summary.measurement),
    }
    return json.dumps(entry, indent=2, allow_nan=False) + "\n"


def summed(measurement: Measurement) -> dict[str, Any]:
    """The figures that most readers want, which the measurement implies."""
    total = measurement.total
    return {
        "duration_s": measurement.duration_s,
        "total": None if total is None else plain(asdict(total)),
        "mean_power_w": None if total is None else measurement.mean_power_w,
    }


def plain(value: Any) -> Any:
    """Only what JSON has: figures that are not finite are written as text."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
