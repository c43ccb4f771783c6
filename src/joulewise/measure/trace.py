"""What one device was read to be, packed.

Theory of operation. The sampler's thread reads a device: its counter each time, its power gauge as often as that
changes, temperature and clock once a second. Whoever opens or ends a window may read the counter too, if that is fast.
At first raw readings are only kept, since a thread that wakes ten times a second finds cold caches each time; they are
cleaned and packed in the order of time by whoever needs them first, or many at once. A sensor that errs is left out
until it answers again; without its counter, a device is integrated from its power (`joulewise.measure.used`).
"""

from __future__ import annotations

import math
import threading
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

from joulewise.clock import Clock
from joulewise.devices.capabilities import UNKNOWN_TICK_S, Capability, Kind
from joulewise.devices.device import Device, can
from joulewise.measure.log import Log, Row, earlier, keep_first, power_row, same_epoch
from joulewise.measure.sensor import STILL_TICKS, Sensor, Tape

if TYPE_CHECKING:
    from joulewise.devices.counter import CleanCounter, CounterReading

FASTEST_S, COUNTER_S, SLOWEST_S = 0.01, 0.1, 0.25
SLOW_NS = 1_000_000_000
BATCH = 32
STILL, STILL_NS = "its energy counter stood still", 30_000_000_000
READERS = {Kind.POWER_INSTANT: "read_power_w", Kind.POWER_AVERAGE: "read_average_power_w"}


def gauge_of(device: Device) -> Capability | None:
    """The power gauge to integrate: one that sees all of the time before one that does not, instant before averaged."""
    there = [device.capabilities[kind] for kind in READERS if can(device, kind)]
    return max(there, key=lambda one: one.duty_frac is None or one.duty_frac >= 1, default=None)


class Trace:
    """What one device was read to be.

    Attributes:
        device: Whom it reads.
        gauge: Its power gauge, if it has one.
        period_s: How often it is read [s].
        read_s: How long its last reading took [s].
        temperature, clock_mhz: What was read.
    """

    def __init__(self, device: Device, clock: Clock) -> None:
        """Nothing is read yet."""
        self.device, self._clock, self._now_ns = device, clock, clock.now_ns
        self.gauge = gauge_of(device)
        self._power, self._counted = Log("ddddd", keep_first), Log("diI", same_epoch)
        self.temperature, self.clock_mhz = Log("d", earlier), Log("d", earlier)
        self._counter = self._sensor(Kind.ENERGY_COUNTER, "read_energy_j")
        self._gauge = None if self.gauge is None else self._sensor(self.gauge.kind, READERS[self.gauge.kind])
        self._thermometer = self._sensor(Kind.TEMPERATURE, "read_temperature_c")
        self._core = self._sensor(Kind.CORE_CLOCK, "read_core_clock_mhz", reads_only=True)
        self._raw: deque[tuple[int, float, int]] = deque()
        self._raw_w: deque[tuple[int, float]] = deque()
        self._raw_j: float | None = None
        self._stood_since_ns = 0
        self._clean: CleanCounter | None = None
        self._tape = Tape(device)
        self._doubted: deque[CounterReading] = deque(maxlen=1000)
        self._cleaning, self._reading = threading.RLock(), threading.Lock()
        self._last_power: Row | None = None
        self._slow_ns = 0
        self.read_s = 0.0
        self.edge_s = math.inf if self._counter else 0.0
        tick_s = (self.gauge and self.gauge.period_s) or 2 * COUNTER_S
        self.period_s = COUNTER_S if self._counter else min(max(tick_s / 2, FASTEST_S), SLOWEST_S)
        duty_frac = 1.0 if self.gauge is None or self.gauge.duty_frac is None else self.gauge.duty_frac
        self.part_time = duty_frac < 1 or (self._counter is None and self.period_s > tick_s)

    def _sensor(self, kind: Kind, method: str, *, reads_only: bool = False) -> Sensor | None:
        there = kind in self.device.capabilities if reads_only else can(self.device, kind)
        return Sensor(getattr(self.device, method), self._clock) if there else None

    @property
    def senses(self) -> bool:
        """Whether it can be told what the device uses."""
        return self._counter is not None or self._gauge is not None

    @property
    def has_counter(self) -> bool:
        """Whether it has an energy counter, whether or not that answers."""
        return self._counter is not None

    @property
    def counts(self) -> bool:
        """Whether it has an energy counter that answers."""
        return self._counter is not None and not self._counter.failure

    @property
    def counted(self) -> Log:
        """What the counter said, cleaned: instant, energy since the first reading, epoch, time that reading took."""
        self._clean_up()
        return self._counted

    @property
    def power(self) -> Log:
        """What the power gauge said: rows of `joulewise.measure.log.power_row`."""
        self._clean_up()
        return self._power

    @property
    def max_power_w(self) -> float:
        """More than the device can ever draw [W]; infinite before its counter was first read."""
        return math.inf if self._clean is None else self._clean.max_power_w

    def doubted_in(self, begin_ns: int, end_ns: int) -> list[CounterReading]:
        """Readings of the counter between two instants [ns] that could not be true."""
        with self._cleaning:
            return [one for one in self._doubted if begin_ns <= one.at_ns <= end_ns]

    @property
    def failure(self) -> str:
        """Why the device is not, or no longer, read as it should be; or nothing."""
        return next((one.failure for one in (self._counter, self._gauge) if one is not None and one.failure), "")

    def failed_in(self, begin_ns: int, end_ns: int) -> str:
        """Why it was not read as it should be for some of a window; or nothing."""
        for sensor in (self._counter, self._gauge):
            if sensor is not None and (said := sensor.failed_in(begin_ns, end_ns)):
                return said
        return ""

    def dark_ns(self, begin_ns: int, end_ns: int) -> list[tuple[int, int]]:
        """When, within a window, the power gauge gave nothing: begins and ends [ns]."""
        return [] if self._gauge is None else self._gauge.silent_ns(begin_ns, end_ns)

    def blind_at(self, *edges_ns: int) -> str:
        """Why the counter gave nothing at one of some instants, or nothing: an outage between them loses no energy."""
        counter = self._counter
        return "" if counter is None else next(filter(None, (counter.failed_in(at, at) for at in edges_ns)), "")

    @property
    def tick_s(self) -> float:
        """How long to wait, at most, for the sensor that tells energy to change [s]."""
        entry = self.device.capabilities[Kind.ENERGY_COUNTER] if self.counts else self.gauge
        return UNKNOWN_TICK_S if entry is None else (entry.period_s or UNKNOWN_TICK_S)

    @property
    def _shown_after_s(self) -> float:
        """After so long the power gauge has shown all that was used [s]."""
        window_s = (self.gauge and self.gauge.averaging_window_s) or 0.0
        return min(self.tick_s + max(self.tick_s, window_s), 2 * UNKNOWN_TICK_S)

    def settled(self, edge_ns: int) -> bool:
        """Whether readings tell what was used until an instant; true as well if none will."""
        if not self.senses or (self._now_ns() - edge_ns) >= 2 * UNKNOWN_TICK_S * 1e9:
            return True
        if self.counts:
            later = self.counted.from_ns(edge_ns)
            sure_ns = edge_ns + STILL_TICKS * self.tick_s * 1e9
            return bool(later) and (later[-1][0] >= sure_ns or later[-1][1:3] > later[0][1:3])
        if self._gauge is None or self._gauge.failure:
            return True
        last_ns = self.power.last_ns
        return last_ns is not None and last_ns >= edge_ns + self._shown_after_s * 1e9

    def read_edge(self) -> None:
        """Read the counter, by whoever opens or ends a window."""
        sensor, now_ns = self._counter, self._now_ns
        if sensor is None or sensor.failure:
            return
        at_ns = now_ns()
        try:
            raw_j = self._raw_j = sensor.call()
        except Exception as error:  # as in Sensor.read
            sensor.err(error, at_ns)
            return
        self._raw.append((at_ns, raw_j, now_ns() - at_ns))

    def poll_counter(self) -> float | None:
        """Read the counter now [J]; None if it does not answer."""
        self.read_edge()
        return self._raw_j

    def read(self, *, all_of_it: bool = True) -> None:
        """Read once; only the counter, if there is one, unless all is asked for. One thread at a time reads."""
        if not self._reading.acquire(blocking=False):
            return
        try:
            counter, gauge, now_ns = self._counter, self._gauge, self._now_ns
            begin_ns = at_ns = now_ns()
            if counter is not None and (raw_j := counter.read(begin_ns)) is not None:
                at_ns = now_ns()
                took_s, known_s = (at_ns - begin_ns) * 1e-9, self.edge_s * 1.1
                self.edge_s = took_s if took_s < known_s else known_s  # others may have run: the least counts
                self._raw.append((begin_ns, raw_j, at_ns - begin_ns))
            wanted = gauge is not None and (all_of_it or counter is None or counter.failure)
            if gauge is not None and wanted and (power_w := gauge.read(at_ns)) is not None:
                self._raw_w.append((at_ns, power_w))
            if all_of_it and begin_ns >= self._slow_ns:
                self._slow_ns = begin_ns + SLOW_NS
                self._read_slow(begin_ns)
            if len(self._raw) >= BATCH or len(self._raw_w) >= BATCH:
                self._clean_up()
            self.read_s = (now_ns() - begin_ns) * 1e-9
        finally:
            self._reading.release()

    def _read_slow(self, at_ns: int) -> None:
        for sensor, log in ((self._thermometer, self.temperature), (self._core, self.clock_mhz)):
            value = None if sensor is None else sensor.read(at_ns)
            if value is not None:
                log.append((at_ns, value))

    def _clean_up(self) -> None:
        """Clean and pack what was read."""
        with self._cleaning:
            if self._raw_w:
                self._pack_power([self._raw_w.popleft() for _ in range(len(self._raw_w))])
            if self._raw:
                self._pack_counted(sorted([self._raw.popleft() for _ in range(len(self._raw))]))

    def _pack_power(self, readings: list[tuple[int, float]]) -> None:
        last, rows = self._last_power, []
        for at_ns, power_w in readings:
            if 0 <= power_w < math.inf and (last is None or at_ns > last[0]):
                last = power_row(last, at_ns, power_w)
                rows.append(last)
        self._last_power = last
        self._power.extend(rows)

    def _pack_counted(self, raw: list[tuple[int, float, int]]) -> None:
        clean, last_ns, rows = self._clean, self._counted.last_ns, list[Row]()
        if clean is None:
            from joulewise.devices.counter import CleanCounter  # noqa: PLC0415 (a first window needs no clean reading)

            self._tape.at_ns, self._tape.raw_j = raw[0][:2]
            clean = self._clean = CleanCounter(self._tape, self._tape)
        for at_ns, raw_j, took_ns in raw:
            if last_ns is not None and at_ns <= last_ns:  # a later one was taken before
                continue
            reading = clean.take(at_ns, raw_j)
            if reading.fresh:
                rows.append((at_ns, reading.energy_j, reading.epoch, min(took_ns, 2**31)))
                last_ns = at_ns
            else:
                self._doubted.append(reading)
            if not reading.frozen:
                self._stood_since_ns = 0
            elif self._counter is not None:
                since_ns = self._stood_since_ns = self._stood_since_ns or self._last_moved_ns(rows)
                self._counter.was_out(since_ns, at_ns, STILL)
        self._counted.extend(rows)

    def _last_moved_ns(self, rows: list[Row]) -> int:
        """When the counter was last seen to move [ns], or as far back as is kept around here."""
        since_ns = (rows[-1][0] if rows else self._counted.last_ns or 0) - STILL_NS
        rows = [*self._counted.rows(int(since_ns), 2**62), *rows]
        return int(
            next((one[0] for one, two in pairwise(reversed(rows)) if two[1] < one[1]), rows[0][0] if rows else 0)
        )

    def after_fork(self) -> None:
        """In a child: locks that other threads of the parent may have held are free."""
        self._cleaning, self._reading = threading.RLock(), threading.Lock()
        for log in (self._power, self._counted, self.temperature, self.clock_mhz):
            log.lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether it is time to thin."""
        return self._power.full or self._counted.full or self.temperature.full

    def thin(self, guarded_ns: list[int]) -> None:
        """Let go of old detail, except around instants [ns], in order."""
        for log in (self._power, self._counted, self.temperature, self.clock_mhz):
            if log.full:
                log.thin(guarded_ns)
