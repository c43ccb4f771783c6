"""What ``joulewise run`` says: one line per device, a total that counts nothing twice, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from joulewise.devices.device import Device, top_level
from joulewise.errors import JoulewiseError
from joulewise.measure.energy import Energy, total
from joulewise.measure.trace import Trace
from joulewise.records import Provenance
from joulewise.wire.envelope import schema_tag

DOCUMENT, VERSION = "run", 1


@dataclass(frozen=True, slots=True)
class Row:
    """One device.

    Attributes:
        device: Who.
        energy: What it used, or None if that cannot be told.
        peak_w: The largest power that was seen [W], if any was.
        summed: Whether it is part of the total.
        failure: Why energy is missing, or ends early.
    """

    device: Device
    energy: Energy | None
    peak_w: float | None
    summed: bool
    failure: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A program that ran, and what devices used meanwhile. A negative exit code is minus the signal that ended it."""

    command: tuple[str, ...]
    exit_code: int
    duration_s: float
    rows: tuple[Row, ...]

    @property
    def total(self) -> Energy | None:
        """What the devices used that no other of them includes; None if there is none."""
        summed = [row.energy for row in self.rows if row.summed and row.energy is not None]
        return total(summed) if summed else None


def summary_of(command: Sequence[str], code: int, traces: Sequence[Trace], begin_ns: int, end_ns: int) -> Summary:
    """Sum up; devices that have no sensor for energy are left out."""
    told: list[tuple[Trace, Energy | None, str]] = []
    for trace in traces:
        if not trace.senses and not trace.failure:
            continue
        try:
            told.append((trace, trace.energy(begin_ns, end_ns), trace.failure))
        except JoulewiseError as error:
            told.append((trace, None, trace.failure or str(error)))
    counted = top_level(trace.device for trace, energy, _ in told if energy is not None)
    summed = {device.identity.uid for device in counted}
    rows = [
        Row(
            trace.device,
            energy,
            trace.peak_w(begin_ns, end_ns),
            energy is not None and trace.device.identity.uid in summed,
            failure,
        )
        for trace, energy, failure in told
    ]
    return Summary(tuple(command), code, (end_ns - begin_ns) * 1e-9, tuple(rows))


def lines(summary: Summary) -> list[str]:
    """For people; every line about a simulated device says that it is."""
    ended = f"exit code {summary.exit_code}" if summary.exit_code >= 0 else f"ended by signal {-summary.exit_code}"
    said = [f"{summary.command[0]}: {summary.duration_s:.3f} s, {ended}"]
    for row in summary.rows:
        who = row.device.identity
        name = f"{who.model} ({who.scope}, {who.uid})"
        mark = _mark(who.provenance)
        if row.energy is not None:
            power = f"mean {row.energy.energy_j / summary.duration_s:.4g} W"
            power += "" if row.peak_w is None else f", peak {row.peak_w:.4g} W"
            within = "" if row.summed else f", within {who.parent}"
            said.append(f"{name}: {_figure(row.energy)}, {power}{within}{mark}")
            said += [f"{name}: {warning}{mark}" for warning in row.energy.warnings]
        if row.failure:
            said.append(f"{name}: {'not read to the end' if row.energy else 'no energy'}: {row.failure}{mark}")
    both = summary.total
    if both is not None and len(summary.rows) > 1:
        count = sum(row.summed for row in summary.rows)
        said.append(f"total of {count} device{'' if count == 1 else 's'}: {_figure(both)}{_mark(both.provenance)}")
    return [f"joulewise: {line}" for line in said]


def document(summary: Summary) -> str:
    """The same as JSON."""
    entry: dict[str, Any] = {
        "schema": schema_tag(DOCUMENT, VERSION),
        "command": summary.command,
        "exit_code": summary.exit_code,
        "duration_s": summary.duration_s,
        "devices": [_entry(row, summary.duration_s) for row in summary.rows],
        "total": None if summary.total is None else asdict(summary.total),
    }
    return json.dumps(entry, indent=2) + "\n"


def _entry(row: Row, duration_s: float) -> dict[str, Any]:
    energy = row.energy
    return {
        **asdict(row.device.identity),
        "provenance": row.device.identity.provenance,
        "energy": None if energy is None else asdict(energy),
        "mean_power_w": None if energy is None else energy.energy_j / duration_s,
        "peak_power_w": row.peak_w,
        "in_total": row.summed,
        "failure": row.failure or None,
    }


def _figure(energy: Energy) -> str:
    return f"{energy.energy_j:.4g} J ({energy.lo_j:.4g} to {energy.hi_j:.4g}), {energy.method}"


def _mark(provenance: Provenance) -> str:
    return "" if provenance is Provenance.MEASURED else f" [{provenance}]"
