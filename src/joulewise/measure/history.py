"""Timelines from what a sampler has read."""

from __future__ import annotations

import itertools

from joulewise.devices.capabilities import Kind
from joulewise.devices.device import top_level
from joulewise.errors import JoulewiseError
from joulewise.measure.log import Log, Row
from joulewise.measure.sampler import Sampler
from joulewise.measure.timeline import Series, Timeline, Track
from joulewise.measure.trace import Trace


def timeline_of(
    sampler: Sampler, epoch_offset_s: float, begin_ns: int | None = None, end_ns: int | None = None
) -> Timeline:
    """What was read between two instants, with the reading before the first.

    Args:
        sampler: Has read.
        epoch_offset_s: Instants as seconds plus this are seconds since 1970 (UTC) [s].
        begin_ns, end_ns: Edges [ns]; by default the first reading that is kept, and now.
    """
    logs = [log for trace in sampler.traces for log in (trace.power, trace.counted)]
    first_ns = min((log.first_ns for log in logs if log.first_ns is not None), default=sampler.clock.now_ns())
    begin_ns = first_ns if begin_ns is None else begin_ns
    end_ns = sampler.clock.now_ns() if end_ns is None else end_ns
    top = {device.identity.uid for device in top_level(t.device for t in sampler.traces if t.senses)}
    tracks = tuple(
        _track(trace, begin_ns, end_ns, in_total=trace.device.identity.uid in top) for trace in sampler.traces
    )
    return Timeline(epoch_offset_s + begin_ns * 1e-9, begin_ns, end_ns, tracks)


def _track(trace: Trace, begin_ns: int, end_ns: int, *, in_total: bool) -> Track:
    counted = trace.counted.rows(begin_ns, end_ns)
    epochs = tuple(int(two[0]) for one, two in itertools.pairwise(counted) if one[2] != two[2])
    return Track(
        identity=trace.device.identity,
        power_w=_series(trace.power, begin_ns, end_ns),
        energy_j=_of(counted),
        temperature_c=_series(trace.temperature, begin_ns, end_ns),
        core_mhz=_series(trace.clock_mhz, begin_ns, end_ns),
        epochs=epochs,
        in_total=in_total,
        limit_w=_limit_w(trace),
    )


def _series(log: Log, begin_ns: int, end_ns: int) -> Series:
    return _of(log.rows(begin_ns, end_ns))


def _of(rows: list[Row]) -> Series:
    return Series([int(row[0]) for row in rows], [row[1] for row in rows])


def _limit_w(trace: Trace) -> float | None:
    """The power limit now [W], if it has one that can be read."""
    for kind, method in ((Kind.POWER_LIMIT, "read_power_limit_w"), (Kind.CPU_POWER_CAP, "read_power_cap_w")):
        if kind in trace.device.capabilities:
            try:
                return float(getattr(trace.device, method)()) or None
            except JoulewiseError:
                return None
    return None
