"""What a device used in a window, from what it was read to be (`joulewise.measure.trace`)."""

from __future__ import annotations

from dataclasses import replace

from joulewise.devices.capabilities import Kind
from joulewise.devices.counter import CounterReading, most_power_w
from joulewise.errors import CapabilityError, JoulewiseError
from joulewise.measure.counted import count_energy
from joulewise.measure.energy import Energy
from joulewise.measure.integrate import integrate_power
from joulewise.measure.log import Row
from joulewise.measure.long_integral import integrate_long, is_long
from joulewise.measure.trace import Trace

AROUND_NS = 2_500_000_000
PEAK_SPAN_S = 0.1


def energy_of(trace: Trace, begin_ns: int, end_ns: int) -> Energy:
    """What the device used in a window: counted, else integrated.

    Raises:
        CapabilityError: If it has neither.
        CounterError: If its counter failed and it has no power gauge.
        UsageError: If it was not read at the begin of the window.
    """
    if not trace.has_counter:
        return integral_of(trace, begin_ns, end_ns)
    why = trace.blind_at(begin_ns, end_ns)
    if why and trace.gauge is not None:
        return integral_of(trace, begin_ns, end_ns, f"its counter could not be used: {why}")
    try:
        readings, entry = _readings(trace, begin_ns, end_ns), trace.device.capabilities[Kind.ENERGY_COUNTER]
        provenance = trace.device.identity.provenance
        return count_energy(readings, begin_ns, end_ns, entry, provenance, max_power_w=trace.max_power_w)
    except JoulewiseError as error:
        if trace.gauge is None:
            raise
        return integral_of(trace, begin_ns, end_ns, f"its counter could not be used: {error}")


def integral_of(trace: Trace, begin_ns: int, end_ns: int, note: str = "") -> Energy:
    """The same from its power gauge, whatever else it has.

    Raises:
        CapabilityError: If it has none.
        UsageError: If it was not read at the begin of the window.
    """
    if trace.gauge is None:
        have = ", ".join(trace.device.capabilities)
        raise CapabilityError(trace.device.identity.uid, "measuring energy", have)
    provenance, log = trace.device.identity.provenance, trace.power
    if is_long(log, begin_ns, end_ns):
        found = integrate_long(log, begin_ns, end_ns, trace.gauge, provenance)
    else:
        rows = log.rows(begin_ns - AROUND_NS, end_ns + AROUND_NS)
        samples = [(int(at_ns), power_w) for at_ns, power_w, *_ in rows]
        found = integrate_power(samples, begin_ns, end_ns, trace.gauge, provenance)
    return annotated(_with_dark(found, trace, begin_ns, end_ns), [note] if note else [])


def _with_dark(energy: Energy, trace: Trace, begin_ns: int, end_ns: int) -> Energy:
    """An integral whose bounds know of times in which the gauge gave nothing: anything may have been drawn then."""
    dark_s = taken_j = 0.0
    for since_ns, until_ns in trace.dark_ns(begin_ns, end_ns):
        for last_ns, held_w, *_ in trace.power.rows(since_ns, since_ns)[-1:]:  # the last that it did give
            gap_s = (until_ns - max(begin_ns, last_ns)) * 1e-9
            dark_s, taken_j = dark_s + gap_s, min(energy.energy_j, taken_j + held_w * gap_s)
    if not dark_s:
        return energy
    most_j = most_power_w(trace.device) * dark_s
    dark_energy = replace(
        energy,
        lo_j=max(0.0, energy.lo_j - taken_j),
        hi_j=energy.hi_j + max(0.0, most_j - taken_j),
        resolution_j=energy.resolution_j + most_j,
    )
    return annotated(dark_energy, [f"nothing was read for {dark_s:.3g} s of it: its power then is taken to go on"])


def peak_w_of(trace: Trace, begin_ns: int, end_ns: int) -> float | None:
    """The largest power that was seen in a window [W]: of the gauge, else of the counter over 0.1 s or more."""
    within = [row[5] for row in trace.power.rows(begin_ns, end_ns) if begin_ns <= row[0] < end_ns]
    if within or trace.gauge is not None:
        return max(within, default=None)
    return _steepest_w([row for row in trace.counted.rows(begin_ns, end_ns) if begin_ns <= row[0] <= end_ns])


def annotated(energy: Energy, notes: list[str]) -> Energy:
    """An energy with more to know about it."""
    return replace(energy, warnings=(*energy.warnings, *notes)) if notes else energy


def _readings(trace: Trace, begin_ns: int, end_ns: int) -> list[CounterReading]:
    """Around both edges; what lies long between them tells nothing, and a reading during an edge nothing sure."""
    log = trace.counted
    if end_ns - begin_ns > 4 * AROUND_NS:
        rows = log.rows(begin_ns - AROUND_NS, begin_ns + AROUND_NS)
        rows += log.rows(end_ns - AROUND_NS, end_ns + AROUND_NS, before=0)
    else:
        rows = log.rows(begin_ns - AROUND_NS, end_ns + AROUND_NS)
    doubted = trace.doubted_in(begin_ns - AROUND_NS, end_ns + AROUND_NS)
    sure = [row for row in rows if not any(row[0] < edge < row[0] + row[3] for edge in (begin_ns, end_ns))]
    good = [CounterReading(row[1], int(row[0]), int(row[2])) for row in sure]
    return sorted([*good, *doubted], key=lambda one: one.at_ns)


def _steepest_w(rows: list[Row]) -> float | None:
    """The largest mean power between readings of a counter that lie 0.1 s or more apart [W]."""
    peak, start = None, 0
    for at_ns, energy_j, epoch, _ in rows:
        while rows[start][0] + PEAK_SPAN_S * 1e9 <= at_ns:
            since_ns, since_j, since, _ = rows[start]
            start += 1
            if since == epoch:
                peak = max(peak or 0.0, (energy_j - since_j) / (at_ns - since_ns) * 1e9)
    return peak
