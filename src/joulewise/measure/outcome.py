"""What one device used in a window, with everything that makes the figure doubtful beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from joulewise.errors import JoulewiseError
from joulewise.measure.aliasing import aliasing_warning
from joulewise.measure.crosscheck import crosscheck
from joulewise.measure.energy import Energy, Method
from joulewise.measure.integrate import update_period_s
from joulewise.measure.log import Log
from joulewise.measure.measurement import DeviceEnergy
from joulewise.measure.sampler import Sampler
from joulewise.measure.trace import AROUND_NS, Trace, annotated
from joulewise.records import Provenance

NEAR_NS = 2_500_000_000


def device_energy(trace: Trace, begin_ns: int, end_ns: int) -> DeviceEnergy:
    """What a device used between two instants, as far as it is known; never raises."""
    energy, failure = None, ""
    try:
        energy = trace.energy(begin_ns, end_ns)
        energy = annotated(energy, doubts(trace, energy, begin_ns, end_ns))
        if energy.provenance is Provenance.MODELLED:  # what is counted there was never sensed
            energy = replace(energy, method=Method.MODELLED)
    except JoulewiseError as error:
        failure = str(error)
    return DeviceEnergy(
        identity=trace.device.identity,
        energy=energy,
        peak_w=trace.peak_w(begin_ns, end_ns),
        begin_c=_near(trace.temperature, begin_ns),
        end_c=_near(trace.temperature, end_ns),
        failure=trace.failed_in(begin_ns, end_ns) or failure,
    )


def doubts(trace: Trace, energy: Energy, begin_ns: int, end_ns: int) -> list[str]:
    """What a second sensor, and the rhythm of the readings, say against an energy."""
    if trace.gauge is None:
        return []
    if energy.method is Method.COUNTER:
        try:
            return list(crosscheck(energy, trace.integral(begin_ns, end_ns)).warnings)
        except JoulewiseError:
            return []
    rows = trace.power.rows(begin_ns - AROUND_NS, end_ns + AROUND_NS)
    samples = [(int(at_ns), power_w) for at_ns, power_w, *_ in rows]
    gauge = replace(trace.gauge, update_period_s=update_period_s(trace.gauge))
    warning = aliasing_warning(samples, begin_ns, end_ns, gauge)
    return [] if warning is None else [warning]


def window_warnings(
    sampler: Sampler, parts: Sequence[DeviceEnergy], begin_ns: int, end_ns: int, *, synchronised: bool | None
) -> tuple[str, ...]:
    """What is to be known of a window as a whole, then of each device of its sum."""
    said = []
    if synchronised is False:
        said.append("accelerators may not have finished at an edge: their work may lie in another window")
    if sampler.unread_in(begin_ns, end_ns):
        said.append("incomplete: the thread that reads devices ended early, so for some of the window nothing was read")
    for part in parts:
        who = part.identity.uid
        if part.failure:
            state = "incomplete" if part.energy is not None else "no energy"
            said.append(f"{who}: {state}: {part.failure}")
        if part.energy is not None and part.in_total:
            said += [f"{who}: {warning}" for warning in part.energy.warnings]
    return tuple(dict.fromkeys(said))


def _near(log: Log, at_ns: int) -> float | None:
    row = log.nearest(at_ns, NEAR_NS)
    return None if row is None else row[1]
