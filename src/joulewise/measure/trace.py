"""What one device was read to be while something ran, packed, and what it used in a window of that."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator

from joulewise.clock import Clock
from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.counter import UNKNOWN_TICK_S, CleanCounter, CounterReading
from joulewise.devices.device import Device, can
from joulewise.errors import CapabilityError, JoulewiseError
from joulewise.measure.counted import CounterEdge, count_energy
from joulewise.measure.energy import Energy
from joulewise.measure.integrate import integrate_power, update_period_s

FASTEST_S, COUNTER_S, SLOWEST_S = 0.01, 0.1, 0.25
PEAK_SPAN_S = 0.1
READERS = {Kind.POWER_INSTANT: "read_power_w", Kind.POWER_AVERAGE: "read_average_power_w"}


def gauge_of(device: Device) -> Capability | None:
    """The power gauge to integrate: one that sees all of the time before one that does not, instant before averaged."""
    there = [device.capabilities[kind] for kind in READERS if can(device, kind)]
    return max(there, key=lambda one: one.duty_frac is None or one.duty_frac >= 1, default=None)


class Trace:
    """What one device was read to be. The sampler's thread owns it while it runs.

    Attributes:
        device: Whom it reads.
        failure: Why it is not read any more, or nothing.
    """

    def __init__(self, device: Device, clock: Clock) -> None:
        """Take the first readings."""
        self.device, self._clock, self.failure = device, clock, ""
        self._gauge = gauge_of(device)
        self._read_w: Callable[[], float] | None = None
        if self._gauge is not None:
            self._read_w = getattr(device, READERS[self._gauge.kind])
        self._at_ns, self._power_w = array("q"), array("d")
        self._counted_ns, self._counted_j, self._epoch = array("q"), array("d"), array("i")
        self._counter: CleanCounter | None = None
        self._doubted: list[CounterReading] = []
        self._edge: CounterEdge | None = None
        self._edge_ns = 0
        tick_s = (self._gauge and update_period_s(self._gauge)) or 2 * COUNTER_S
        self.period_s = min(max(tick_s / 2, FASTEST_S), SLOWEST_S)
        self._try(self._begin)

    def _begin(self) -> None:
        if can(self.device, Kind.ENERGY_COUNTER):
            try:
                self._counter = CleanCounter(self.device, self._clock)
                self.period_s = COUNTER_S
            except JoulewiseError:
                if self._gauge is None:
                    raise
        self.look_at(self._clock.now_ns())
        self._read()

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # a driver that errs must not end the thread that reads the others
            self.failure = str(error) if isinstance(error, JoulewiseError) else f"{type(error).__name__}: {error}"

    @property
    def senses(self) -> bool:
        """Whether it can be told what the device uses."""
        return self._counter is not None or self._gauge is not None

    def look_at(self, edge_ns: int) -> None:
        """Expect readings that tell what was used until an instant."""
        self._edge_ns = edge_ns
        self._edge = CounterEdge(edge_ns, self.device.capabilities[Kind.ENERGY_COUNTER]) if self._counter else None

    @property
    def looking(self) -> bool:
        """Whether the readings after the instant are still to come."""
        if self.failure or not self.senses:
            return False
        if self._edge is not None:
            return self._edge.after is None and self._clock.now_ns() < self._edge_ns + 2 * UNKNOWN_TICK_S * 1e9
        period_s = (self._gauge and update_period_s(self._gauge)) or UNKNOWN_TICK_S
        return not self._at_ns or self._at_ns[-1] < self._edge_ns + period_s * 1e9

    def read(self) -> None:
        """Read once."""
        if not self.failure:
            self._try(self._read)

    def _read(self) -> None:
        if self._counter is not None:
            reading = self._counter.read()
            if self._edge is not None and reading.fresh:
                self._edge.add(reading)
            if reading.fresh:
                self._counted_ns.append(reading.at_ns)
                self._counted_j.append(reading.energy_j)
                self._epoch.append(reading.epoch)
            else:
                self._doubted = [*self._doubted[-999:], reading]
        if self._read_w is not None:
            at_ns, power_w = self._clock.now_ns(), self._read_w()
            if 0 <= power_w < math.inf and not (self._at_ns and at_ns <= self._at_ns[-1]):
                self._at_ns.append(at_ns)
                self._power_w.append(power_w)

    def _readings(self) -> Iterator[CounterReading]:
        good = map(CounterReading, self._counted_j, self._counted_ns, self._epoch)
        yield from sorted([*good, *self._doubted], key=lambda one: one.at_ns)

    def energy(self, begin_ns: int, end_ns: int) -> Energy:
        """What the device used in a window: counted, else integrated.

        Raises:
            CapabilityError: If it has neither.
            CounterError: If its counter failed and it has no power gauge.
            UsageError: If it was not read at the begin of the window.
        """
        provenance = self.device.identity.provenance
        if self._counter is not None:
            try:
                entry = self.device.capabilities[Kind.ENERGY_COUNTER]
                return count_energy(self._readings(), begin_ns, end_ns, entry, provenance)
            except JoulewiseError:
                if self._gauge is None:
                    raise
        if self._gauge is None:
            raise CapabilityError(self.device.identity.uid, "measuring energy", ", ".join(self.device.capabilities))
        samples = zip(self._at_ns, self._power_w, strict=True)
        return integrate_power(samples, begin_ns, end_ns, self._gauge, provenance)

    def peak_w(self, begin_ns: int, end_ns: int) -> float | None:
        """The largest power that was seen in a window [W]: of the gauge, else of the counter over 0.1 s or more."""
        within = [w for at, w in zip(self._at_ns, self._power_w, strict=True) if begin_ns <= at < end_ns]
        if within or self._read_w is not None:
            return max(within, default=None)
        peak, start, rows = None, 0, list(zip(self._counted_ns, self._counted_j, self._epoch, strict=True))
        for at_ns, energy_j, epoch in rows:
            while rows[start][0] + PEAK_SPAN_S * 1e9 <= at_ns:
                since_ns, since_j, since = rows[start]
                start += 1
                if begin_ns <= since_ns and at_ns <= end_ns and since == epoch:
                    peak = max(peak or 0.0, (energy_j - since_j) / (at_ns - since_ns) * 1e9)
        return peak
