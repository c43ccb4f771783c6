"""What a meter read between two instants, as the record that pictures and files are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device
from joulewise.errors import JoulewiseError
from joulewise.measure.log import Log, Row
from joulewise.measure.measurement import Measurement
from joulewise.measure.meter import Meter
from joulewise.measure.timeline import Series, Span, Timeline, Track
from joulewise.measure.trace import Trace

AFTER_NS = 2_000_000_000


def timeline_of(
    meter: Meter, measurement: Measurement, limits_w: Mapping[str, float], spans: Sequence[Span] = ()
) -> Timeline:
    """The timeline of a window that has ended.

    Args:
        meter: That measured it.
        measurement: What came of it.
        limits_w: Power limits by uid [W].
        spans: Windows within it.
    """
    tracks = tuple(_track(trace, measurement, limits_w) for trace in meter.sampler.traces)
    return Timeline(measurement.began_at, measurement.begin_ns, measurement.end_ns, tracks, tuple(spans))


def read_limits_w(devices: Sequence[Device]) -> dict[str, float]:
    """Power limits by uid, of those that have one [W]."""
    limits_w: dict[str, float] = {}
    for device in devices:
        for kind, method in ((Kind.POWER_LIMIT, "read_power_limit_w"), (Kind.CPU_POWER_CAP, "read_power_cap_w")):
            if kind in device.capabilities:
                with suppress(JoulewiseError):
                    limits_w[device.identity.uid] = float(getattr(device, method)())
    return limits_w


def _track(trace: Trace, measurement: Measurement, limits_w: Mapping[str, float]) -> Track:
    begin_ns, end_ns = measurement.begin_ns, measurement.end_ns
    who = trace.device.identity
    told = measurement.by_device.get(who.uid)

    def series(log: Log) -> Series:
        return _series(_rows(log, begin_ns, end_ns))

    counted = _rows(trace.counted, begin_ns, end_ns)
    return Track(
        identity=who,
        power_w=series(trace.power),
        energy_j=_series(counted),
        temperature_c=series(trace.temperature),
        core_mhz=series(trace.clock_mhz),
        epochs=tuple(int(after[0]) for before, after in pairwise(counted) if before[2] != after[2]),
        in_total=told is not None and told.in_total and told.energy is not None,
        limit_w=limits_w.get(who.uid),
    )


def _rows(log: Log, begin_ns: int, end_ns: int) -> list[Row]:
    """From the last row before the window to the first after it."""
    rows = log.rows(begin_ns, end_ns + AFTER_NS)
    within = sum(row[0] < end_ns for row in rows)
    return rows[: within + 1]


def _series(rows: Sequence[Row]) -> Series:
    columns: list[Any] = list(zip(*rows, strict=True)) or [(), ()]
    return Series(tuple(map(int, columns[0])), columns[1])
