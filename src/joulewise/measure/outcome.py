"""What one device used in a window, with everything that makes the figure doubtful beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from joulewise.devices.device import top_level
from joulewise.errors import JoulewiseError
from joulewise.measure.aliasing import aliasing_warning
from joulewise.measure.crosscheck import crosscheck
from joulewise.measure.energy import Energy, Method
from joulewise.measure.log import Log
from joulewise.measure.measurement import DeviceEnergy, Measurement
from joulewise.measure.sampler import Sampler
from joulewise.measure.self_cost import self_cost
from joulewise.measure.trace import Trace
from joulewise.measure.used import AROUND_NS, annotated, energy_of, integral_of, peak_w_of
from joulewise.records import Provenance

NEAR_NS = 2_500_000_000


def measure(
    sampler: Sampler,
    name: str,
    window_ns: tuple[int, int],
    *,
    began_at: float,
    idle_w: Mapping[str, float],
    synchronised: bool | None,
    cpu_s: float,
) -> Measurement:
    """What was used between two instants, as far as it is known.

    Args:
        sampler: Has read.
        name: For people.
        window_ns: The instants [ns].
        began_at: The first, as seconds since 1970 [s].
        idle_w: Measured idle power by uid [W].
        synchronised: Whether accelerators had finished at both.
        cpu_s: CPU time of the sampler [s].
    """
    told = [device_energy(trace, *window_ns) for trace in sampler.traces]
    known = [trace.device for trace, one in zip(sampler.traces, told, strict=True) if one.energy is not None]
    counted = {device.identity.uid for device in top_level(known)}
    parts = tuple(
        replace(one, in_total=one.identity.uid in counted, idle_w=idle_w.get(one.identity.uid)) for one in told
    )
    return Measurement(
        name=name,
        began_at=began_at,
        begin_ns=window_ns[0],
        end_ns=window_ns[1],
        devices=parts,
        synchronised=synchronised,
        self_cost=self_cost(cpu_s, parts, (window_ns[1] - window_ns[0]) * 1e-9),
        warnings=window_warnings(sampler, parts, *window_ns, synchronised=synchronised),
    )


def device_energy(trace: Trace, begin_ns: int, end_ns: int) -> DeviceEnergy:
    """What a device used between two instants, as far as it is known; never raises."""
    energy, failure = None, ""
    try:
        energy = energy_of(trace, begin_ns, end_ns)
        energy = annotated(energy, doubts(trace, energy, begin_ns, end_ns))
        if energy.provenance is Provenance.MODELLED:  # what is counted there was never sensed
            energy = replace(energy, method=Method.MODELLED)
    except JoulewiseError as error:
        failure = str(error)
    return DeviceEnergy(
        identity=trace.device.identity,
        energy=energy,
        peak_w=peak_w_of(trace, begin_ns, end_ns),
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
            return list(crosscheck(energy, integral_of(trace, begin_ns, end_ns)).warnings)
        except JoulewiseError:
            return []
    rows = trace.power.rows(begin_ns - AROUND_NS, end_ns + AROUND_NS)
    samples = [(int(at_ns), power_w) for at_ns, power_w, *_ in rows]
    gauge = replace(trace.gauge, update_period_s=trace.gauge.period_s)
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
