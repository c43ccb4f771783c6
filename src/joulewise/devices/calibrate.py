"""Measure what a device does not say of itself, and keep it as part of its capabilities.

Theory of operation. In this order, so that nothing is warm that should be idle: power while nothing runs; the tick of
the energy counter; the time that locking clocks takes; and, if the device can be kept busy, the ticks of the power
gauges and the ratio of the counter's energy to the integral of power under a constant load. Who can be kept busy has a
method ``set_activity``; other devices are measured as they are, and figures that need a load stay unknown unless a
program keeps them busy meanwhile. All results carry their error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from joulewise.clock import Clock
from joulewise.devices.capabilities import Capabilities, Kind
from joulewise.devices.device import Busy, Device, can
from joulewise.devices.probe import Estimate, Latency, measure_latencies, measure_power, measure_tick

GAUGES = {Kind.POWER_INSTANT: "read_power_w", Kind.POWER_AVERAGE: "read_average_power_w"}
CLOCKS = {Kind.CORE_CLOCK: "read_core_clock_mhz", Kind.CPU_FREQUENCY: "read_frequency_mhz"}
BUSY_FRAC = 0.5
WARM_S = 10.0


@dataclass(frozen=True)
class Calibration:
    """What was measured.

    Attributes:
        capabilities: Those of the device with the results in them: the contract.
        ticks: Update periods [s].
        idle_w: Power while nothing runs, by the counter or, without one, by the gauge [W].
        integral_ratio: Energy by the counter over the integral of power.
        latencies: Of each clock that was tried.
        unknown: What could not be measured, and why.
    """

    capabilities: Capabilities
    ticks: dict[Kind, Estimate] = field(default_factory=dict)
    idle_w: Estimate | None = None
    integral_ratio: Estimate | None = None
    latencies: dict[Kind, list[Latency]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def calibrate(device: Device, clock: Clock, *, duration_s: float = 5.0, clocks: int = 5) -> Calibration:
    """Measure ticks, idle power, agreement and latencies of a device.

    Args:
        device: Who; nothing else should be running on it.
        clock: Its clock.
        duration_s: Window of each power measurement [s].
        clocks: How many clocks to try, over the whole range.

    Returns:
        The results; also those that failed, as sentences.

    Effects:
        Takes about half a minute on the device's clock. Changes clocks, if permitted, and puts back what was found.
    """
    unknown: list[str] = []
    ticks: dict[Kind, Estimate] = {}
    counter, idle_w, ratio = can(device, Kind.ENERGY_COUNTER), None, None
    gauges = {kind: _reader(device, name) for kind, name in GAUGES.items() if can(device, kind)}
    gauge = next(iter(gauges.values()), None)
    if counter:
        _note(ticks, unknown, Kind.ENERGY_COUNTER, measure_tick(_reader(device, "read_energy_j"), clock))
        idle_w, ratio = measure_power(device, clock, duration_s, gauge)
    elif gauge is not None:
        readings = [_later(gauge, clock, 0.1) for _ in range(20)]
        idle_w = Estimate(sum(readings) / len(readings), max(readings) - min(readings))
    latencies = {
        kind: _latencies(device, kind, clock, clocks, unknown) for kind in CLOCKS if kind in device.capabilities
    }
    if isinstance(device, Busy):
        try:
            for kind, read in gauges.items():
                _note(ticks, unknown, kind, measure_tick(read, clock, stir=_stir(device)))
            if counter and gauge is not None:
                device.set_activity(BUSY_FRAC, BUSY_FRAC / 2)
                clock.sleep(WARM_S)
                ratio = measure_power(device, clock, duration_s, gauge)[1]
        finally:
            device.set_activity(0.0)
    else:
        for kind, read in gauges.items():
            _note(ticks, unknown, kind, measure_tick(read, clock))
    found = Calibration(device.capabilities, ticks, idle_w, ratio, latencies, tuple(unknown))
    return Calibration(_with_results(found), ticks, idle_w, ratio, latencies, tuple(unknown))


def _with_results(found: Calibration) -> Capabilities:
    """The capabilities with what was measured in them."""
    known = found.capabilities
    for kind, tick in found.ticks.items():
        known = known.with_(kind, update_period_s=tick.value)
    if found.idle_w is not None:
        kind = Kind.ENERGY_COUNTER if Kind.ENERGY_COUNTER in known else next(one for one in GAUGES if one in known)
        known = known.with_(kind, idle_power_w=found.idle_w.value)
    if found.integral_ratio is not None:
        known = known.with_(Kind.ENERGY_COUNTER, integral_ratio=found.integral_ratio.value)
    for kind, rows in found.latencies.items():
        pairs = tuple((row.value, row.obeyed.value) for row in rows if row.obeyed is not None)
        if pairs:
            changes: dict[str, Any] = {
                "switch_latencies_s": pairs,
                "switch_latency_s": max(time_s for _, time_s in pairs),
                "set_latency_s": max(row.call_s for row in rows),
            }
            known = known.with_(kind, **changes)
    return known


def _latencies(device: Device, kind: Kind, clock: Clock, count: int, unknown: list[str]) -> list[Latency]:
    if not can(device, kind):
        unknown.append(f"{kind}: latency, it takes {device.capabilities[kind].privilege}")
        return []
    rows = measure_latencies(device, kind, _reader(device, CLOCKS[kind]), clock, count)
    silent = [f"{row.value:g}" for row in rows if row.obeyed is None]
    if silent:
        unknown.append(f"{kind}: {', '.join(silent)} MHz told but never reached")
    return rows


def _note(ticks: dict[Kind, Estimate], unknown: list[str], kind: Kind, tick: Estimate | None) -> None:
    if tick is None:
        unknown.append(f"{kind}: update period, it hardly changes; keep the device busy meanwhile")
    else:
        ticks[kind] = tick


def _reader(device: Device, name: str) -> Callable[[], float]:
    method: Callable[[], float] = getattr(device, name)
    return method


def _later(read: Callable[[], float], clock: Clock, wait_s: float) -> float:
    clock.sleep(wait_s)
    return read()


def _stir(device: Busy) -> Callable[[int], None]:
    """Loads without a rhythm, so that no two ticks of a gauge see the same."""

    def stir(number: int) -> None:
        device.set_activity(number * 0.6180339887 % 1, number * 0.4142135624 % 1)

    return stir
