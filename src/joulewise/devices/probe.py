"""Measurements of a device's own sensors and knobs, each with its error: ticks, agreement, idle power, latencies.

Theory of operation. A reading is polled until it has changed many times; changes are seen late by less than the polling
interval, so that n periods between the first and the last change are known within that interval, whatever n is. Energy
over a window is taken between changes of the counter, so that only polling, not the tick, limits it. A switch takes
from the call until the achieved value is the one told, known within one poll.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from joulewise.clock import Clock
from joulewise.devices.apply import apply
from joulewise.devices.capabilities import Kind
from joulewise.devices.counter import CleanCounter, energy_between
from joulewise.devices.device import Device
from joulewise.devices.settings import make, tell

FINE_S, COARSE_S = 1e-4, 1e-3
ENOUGH_TICKS = 12
TIMEOUT_S = 2.0
Read = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value and how far off it may be, in the same unit."""

    value: float
    error: float

    def __str__(self) -> str:
        """For people."""
        return f"{self.value:.4g} +- {self.error:.1g}"

    def covers(self, truth: float) -> bool:
        """Whether ``truth`` lies within the error."""
        return abs(self.value - truth) <= self.error * (1 + 1e-9)


@dataclass(frozen=True, slots=True)
class Latency:
    """How long telling one value takes: the call [s], and from the call until it is obeyed [s] (None: never seen)."""

    value: float
    call_s: float
    obeyed: Estimate | None


def measure_tick(read: Read, clock: Clock, *, stir: Callable[[int], None] | None = None) -> Estimate | None:
    """Update period of a reading [s].

    Args:
        read: The reading.
        clock: Time.
        stir: Called before each reading with its number, to make the next one differ.

    Returns:
        None if it changed too rarely to tell.
    """
    for poll_s, time_s in ((FINE_S, 0.3), (COARSE_S, 4.0)):
        changes, widest_ns = _changes(read, clock, poll_s, time_s, stir)
        if len(changes) < ENOUGH_TICKS:
            continue
        gaps = [later - earlier for earlier, later in pairwise(changes)]
        ticks = round((changes[-1] - changes[0]) / statistics.median_low(gaps))
        value_s = (changes[-1] - changes[0]) / ticks * 1e-9
        if value_s <= 2 * poll_s:  # every poll sees a change: it may be anything shorter
            return Estimate(value_s / 2, value_s / 2)
        return Estimate(value_s, widest_ns * 1e-9 / ticks)
    return None


def _changes(
    read: Read, clock: Clock, poll_s: float, time_s: float, stir: Callable[[int], None] | None
) -> tuple[list[int], int]:
    """Instants at which the reading was seen changed, and the widest distance of two readings [ns]."""
    changes: list[int] = []
    last, before_ns, widest_ns = read(), clock.now_ns(), 0
    for number in range(math.ceil(time_s / poll_s)):
        if stir is not None:
            stir(number)
        clock.sleep(poll_s)
        value, now_ns = read(), clock.now_ns()
        widest_ns, before_ns = max(widest_ns, now_ns - before_ns), now_ns
        if value != last:
            changes.append(now_ns)
            last = value
        if len(changes) > 10 * ENOUGH_TICKS:
            break
    return changes, widest_ns


def measure_power(
    device: Device, clock: Clock, duration_s: float, read_power: Read | None
) -> tuple[Estimate, Estimate | None]:
    """Mean power by the energy counter [W], and the ratio of its energy to the integral of power readings.

    Args:
        device: Has an energy counter.
        clock: Time.
        duration_s: Over how long; the window ends at a tick.
        read_power: Power readings, if there are any [W].
    """
    counter = CleanCounter(device, clock)
    entry = device.capabilities[Kind.ENERGY_COUNTER]
    fine_s = min(COARSE_S, (entry.update_period_s or 0.1) / 10)
    begin = _at_tick(counter, clock, fine_s)
    powers_w: list[float] = []
    while clock.now_ns() - begin.at_ns < duration_s * 1e9:
        if read_power is not None:
            powers_w.append(read_power())
        clock.sleep(5 * COARSE_S)
        counter.read()
    end = _at_tick(counter, clock, fine_s)
    elapsed_s, energy_j = (end.at_ns - begin.at_ns) * 1e-9, energy_between(begin, end) or 0.0
    mean_w = energy_j / elapsed_s
    edges_frac = 2 * fine_s / elapsed_s + 2 * (entry.resolution or 0.0) / max(energy_j, 1e-9)
    by_counter = Estimate(mean_w, mean_w * edges_frac)
    if not powers_w or not energy_j or not sum(powers_w):
        return by_counter, None
    integral_w = statistics.fmean(powers_w)
    kinds = [kind for kind in (Kind.POWER_INSTANT, Kind.POWER_AVERAGE) if kind in device.capabilities]
    lag_s = max((device.capabilities[kind].averaging_window_s or 1.0) + 0.2 for kind in kinds)
    drift_frac = (max(powers_w) - min(powers_w)) / integral_w
    steps_frac = max(device.capabilities[kind].resolution or 0.0 for kind in kinds) / integral_w
    error = edges_frac + drift_frac * lag_s / elapsed_s + steps_frac
    return by_counter, Estimate(mean_w / integral_w, error * mean_w / integral_w)


def _at_tick(counter: CleanCounter, clock: Clock, poll_s: float) -> Any:
    """The first reading after the counter changed; whatever it reads if it does not change."""
    first = counter.read()
    for _ in range(math.ceil(TIMEOUT_S / poll_s)):
        clock.sleep(poll_s)
        reading = counter.read()
        if reading.energy_j != first.energy_j:
            return reading
    return reading


def measure_latencies(device: Device, kind: Kind, read_mhz: Read, clock: Clock, count: int = 5) -> list[Latency]:
    """How long locking the clock takes, for ``count`` clocks over its range; what was found comes back.

    Effects:
        Changes the clock, journalled as `apply` does.
    """
    values = _spread(device, kind, count)
    found = []
    with apply(device, make(kind, values[-1], values[-1]), clock=clock, settle_s=TIMEOUT_S):
        for value in values:
            far = values[-1] if value < values[-1] else values[0]
            tell(device, make(kind, far, far))
            _wait_obeyed(read_mhz, far, clock)
            start_ns = clock.now_ns()
            tell(device, make(kind, value, value))
            called_ns = clock.now_ns()
            obeyed = _wait_obeyed(read_mhz, value, clock)
            estimate = None
            if obeyed is not None:
                seen_ns, before_ns = obeyed
                middle_ns = (seen_ns + max(before_ns, start_ns)) / 2
                estimate = Estimate((middle_ns - start_ns) * 1e-9, (seen_ns - max(before_ns, start_ns)) / 2 * 1e-9)
            found.append(Latency(value, (called_ns - start_ns) * 1e-9, estimate))
    return found


def _spread(device: Device, kind: Kind, count: int) -> Sequence[float]:
    entry = device.capabilities[kind]
    if entry.values:
        last = len(entry.values) - 1
        return sorted({entry.values[round(index * last / (count - 1))] for index in range(count)})
    low, high = entry.minimum or 0.0, entry.maximum or 0.0
    step = entry.step or 1.0
    return sorted({low + round((high - low) / step * index / (count - 1)) * step for index in range(count)})


def _wait_obeyed(read_mhz: Read, value: float, clock: Clock) -> tuple[int, int] | None:
    """When the value was first seen and when it last was not (or looking began) [ns]; None if never."""
    before_ns = 0
    for _ in range(math.ceil(TIMEOUT_S / FINE_S)):
        now_ns = clock.now_ns()
        if abs(read_mhz() - value) < 1:
            return now_ns, before_ns
        before_ns = now_ns
        clock.sleep(FINE_S)
    return None
