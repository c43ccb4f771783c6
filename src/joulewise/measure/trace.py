"""What one device was read to be, packed, and what it used in a window of that.

Theory of operation. The sampler's thread reads a device: its counter each time, its power gauge as often as that
changes, temperature and clock once a second. Whoever opens or ends a window may read the counter too, if that is fast:
raw readings go onto a tape, from which they are cleaned in the order of time by whoever needs them first. A sensor that
errs is left out until it answers again; without its counter, a device is integrated from its power.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import replace
from itertools import pairwise

from joulewise.clock import Clock
from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.counter import UNKNOWN_TICK_S, CleanCounter, CounterReading
from joulewise.devices.device import Device, can
from joulewise.errors import CapabilityError, JoulewiseError
from joulewise.measure.counted import STILL_TICKS, count_energy
from joulewise.measure.energy import Energy
from joulewise.measure.integrate import integrate_power, update_period_s
from joulewise.measure.log import Log, Row, earlier, same_epoch
from joulewise.measure.long_integral import integrate_long, is_long, keep_first, power_row
from joulewise.measure.sensor import Sensor, Tape

FASTEST_S, COUNTER_S, SLOWEST_S = 0.01, 0.1, 0.25
SLOW_S = 1.0
AROUND_NS = 2_500_000_000
PEAK_SPAN_S = 0.1
BATCH = 16
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
        period_s: How often it is read [s].
        read_s: How long its last reading took [s].
        power, temperature, clock_mhz: What was read.
    """

    def __init__(self, device: Device, clock: Clock) -> None:
        """Nothing is read yet."""
        self.device, self._clock = device, clock
        self.gauge = gauge_of(device)
        self.power = Log("ddddd", keep_first)
        self._counted = Log("diI", same_epoch)
        self.temperature, self.clock_mhz = Log("d", earlier), Log("d", earlier)
        self._counter = self._sensor(Kind.ENERGY_COUNTER, "read_energy_j")
        self._gauge = None if self.gauge is None else self._sensor(self.gauge.kind, READERS[self.gauge.kind])
        self._thermometer = self._sensor(Kind.TEMPERATURE, "read_temperature_c")
        self._core = self._sensor(Kind.CORE_CLOCK, "read_core_clock_mhz", reads_only=True)
        self._raw: deque[tuple[int, float, int]] = deque()
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
        tick_s = (self.gauge and update_period_s(self.gauge)) or 2 * COUNTER_S
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
    def counted(self) -> Log:
        """What the counter said, cleaned: instant, energy since the first reading, epoch, time that reading took."""
        self._clean_up()
        return self._counted

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

    @property
    def tick_s(self) -> float:
        """How long to wait, at most, for the sensor that tells energy to change [s]."""
        entry = self.device.capabilities[Kind.ENERGY_COUNTER] if self.counts else self.gauge
        return UNKNOWN_TICK_S if entry is None else (update_period_s(entry) or UNKNOWN_TICK_S)

    @property
    def _shown_after_s(self) -> float:
        """After so long the power gauge has shown all that was used [s]."""
        window_s = (self.gauge and self.gauge.averaging_window_s) or 0.0
        return min(self.tick_s + max(self.tick_s, window_s), 2 * UNKNOWN_TICK_S)

    @property
    def counts(self) -> bool:
        """Whether it has an energy counter that answers."""
        return self._counter is not None and not self._counter.failure

    def settled(self, edge_ns: int) -> bool:
        """Whether readings tell what was used until an instant; true as well if none will."""
        if not self.senses or (self._clock.now_ns() - edge_ns) >= 2 * UNKNOWN_TICK_S * 1e9:
            return True
        if self.counts:
            self._clean_up()
            later = self._counted.from_ns(edge_ns)
            sure_ns = edge_ns + STILL_TICKS * self.tick_s * 1e9
            return bool(later) and (later[-1][0] >= sure_ns or later[-1][1:3] > later[0][1:3])
        if self._gauge is None or self._gauge.failure:
            return True
        last_ns = self.power.last_ns
        return last_ns is not None and last_ns >= edge_ns + self._shown_after_s * 1e9

    def read_edge(self) -> None:
        """Read the counter, by whoever opens or ends a window."""
        sensor, now_ns = self._counter, self._clock.now_ns
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
            begin_ns = self._clock.now_ns()
            self._read(begin_ns, all_of_it=all_of_it)
            self.read_s = (self._clock.now_ns() - begin_ns) * 1e-9
        finally:
            self._reading.release()

    def _read(self, now_ns: int, *, all_of_it: bool) -> None:
        if self._counter is not None and (raw_j := self._counter.read()) is not None:
            took_ns = self._clock.now_ns() - now_ns
            self.edge_s = min(took_ns * 1e-9, self.edge_s * 1.1)  # others may have run meanwhile: the least counts
            self._raw.append((now_ns, raw_j, took_ns))
            if len(self._raw) >= BATCH:
                self._clean_up()
        if self._gauge is not None and (all_of_it or not self.counts):
            at_ns = self._clock.now_ns()
            power_w = self._gauge.read()
            if power_w is not None and 0 <= power_w < math.inf:
                row = power_row(self._last_power, at_ns, power_w)
                if self.power.append(row):
                    self._last_power = row
        if all_of_it and now_ns >= self._slow_ns:
            self._slow_ns = now_ns + round(SLOW_S * 1e9)
            for sensor, log in ((self._thermometer, self.temperature), (self._core, self.clock_mhz)):
                value = None if sensor is None else sensor.read()
                if value is not None:
                    log.append((now_ns, value))

    def _clean_up(self) -> None:
        """Clean what lies on the tape."""
        with self._cleaning:
            raw = [self._raw.popleft() for _ in range(len(self._raw))]
            for at_ns, raw_j, took_ns in sorted(raw):
                last_ns = self._counted.last_ns
                if last_ns is not None and at_ns <= last_ns:
                    continue
                self._tape.at_ns, self._tape.raw_j = at_ns, raw_j
                if self._clean is None:
                    self._clean = CleanCounter(self._tape, self._tape)
                reading = self._clean.read()
                if reading.fresh:
                    self._counted.append((at_ns, reading.energy_j, reading.epoch, min(took_ns, 2**31)))
                else:
                    self._doubted.append(reading)
                if reading.frozen and self._counter is not None:
                    since_ns = self._stood_since_ns = self._stood_since_ns or self._last_moved_ns()
                    self._counter.was_out(since_ns, at_ns, STILL)
                else:
                    self._stood_since_ns = 0

    def _last_moved_ns(self) -> int:
        """When the counter was last seen to move [ns], or as far back as is kept around here."""
        rows = self._counted.rows((self._counted.last_ns or 0) - STILL_NS, 2**62)
        return int(
            next((one[0] for one, two in pairwise(reversed(rows)) if two[1] < one[1]), rows[0][0] if rows else 0)
        )

    def after_fork(self) -> None:
        """In a child: locks that other threads of the parent may have held are free."""
        self._cleaning, self._reading = threading.RLock(), threading.Lock()
        for log in (self.power, self._counted, self.temperature, self.clock_mhz):
            log.lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether it is time to thin."""
        return self.power.full or self._counted.full or self.temperature.full

    def thin(self, guarded_ns: list[int]) -> None:
        """Let go of old detail, except around instants [ns], in order."""
        for log in (self.power, self._counted, self.temperature, self.clock_mhz):
            if log.full:
                log.thin(guarded_ns)

    def _readings(self, begin_ns: int, end_ns: int) -> list[CounterReading]:
        """Around both edges; what lies long between them tells nothing, and a reading during an edge nothing sure."""
        self._clean_up()
        with self._cleaning:
            if end_ns - begin_ns > 4 * AROUND_NS:
                rows = self._counted.rows(begin_ns - AROUND_NS, begin_ns + AROUND_NS)
                rows += self._counted.rows(end_ns - AROUND_NS, end_ns + AROUND_NS, before=0)
            else:
                rows = self._counted.rows(begin_ns - AROUND_NS, end_ns + AROUND_NS)
            doubted = [one for one in self._doubted if begin_ns - AROUND_NS <= one.at_ns <= end_ns + AROUND_NS]
        sure = [row for row in rows if not any(row[0] < edge < row[0] + row[3] for edge in (begin_ns, end_ns))]
        good = [CounterReading(row[1], int(row[0]), int(row[2])) for row in sure]
        return sorted([*good, *doubted], key=lambda one: one.at_ns)

    def energy(self, begin_ns: int, end_ns: int) -> Energy:
        """What the device used in a window: counted, else integrated.

        Raises:
            CapabilityError: If it has neither.
            CounterError: If its counter failed and it has no power gauge.
            UsageError: If it was not read at the begin of the window.
        """
        why = self._blind_at(begin_ns, end_ns)
        if why and self.gauge is not None:
            return self.integral(begin_ns, end_ns, f"its counter could not be used: {why}")
        if self._counter is not None:
            try:
                entry = self.device.capabilities[Kind.ENERGY_COUNTER]
                readings = self._readings(begin_ns, end_ns)
                most_w = math.inf if self._clean is None else self._clean.max_power_w
                provenance = self.device.identity.provenance
                return count_energy(readings, begin_ns, end_ns, entry, provenance, max_power_w=most_w)
            except JoulewiseError as error:
                if self.gauge is None:
                    raise
                return self.integral(begin_ns, end_ns, f"its counter could not be used: {error}")
        if self.gauge is None:
            raise CapabilityError(self.device.identity.uid, "measuring energy", ", ".join(self.device.capabilities))
        return self.integral(begin_ns, end_ns)

    def _blind_at(self, *edges_ns: int) -> str:
        """Why the counter gave nothing at one of some instants, or nothing: an outage between them loses no energy."""
        counter = self._counter
        return "" if counter is None else next(filter(None, (counter.failed_in(at, at) for at in edges_ns)), "")

    def integral(self, begin_ns: int, end_ns: int, note: str = "") -> Energy:
        """The same from its power gauge, whatever else it has.

        Raises:
            CapabilityError: If it has none.
            UsageError: If it was not read at the begin of the window.
        """
        if self.gauge is None:
            raise CapabilityError(self.device.identity.uid, "integrating power", ", ".join(self.device.capabilities))
        provenance = self.device.identity.provenance
        if is_long(self.power, begin_ns, end_ns):
            found = integrate_long(self.power, begin_ns, end_ns, self.gauge, provenance)
        else:
            rows = self.power.rows(begin_ns - AROUND_NS, end_ns + AROUND_NS)
            samples = [(int(at_ns), power_w) for at_ns, power_w, *_ in rows]
            found = integrate_power(samples, begin_ns, end_ns, self.gauge, provenance)
        return annotated(found, [note] if note else [])

    def peak_w(self, begin_ns: int, end_ns: int) -> float | None:
        """The largest power that was seen in a window [W]: of the gauge, else of the counter over 0.1 s or more."""
        within = [row[5] for row in self.power.rows(begin_ns, end_ns) if begin_ns <= row[0] < end_ns]
        if within or self._gauge is not None:
            return max(within, default=None)
        return _steepest_w([row for row in self._counted.rows(begin_ns, end_ns) if begin_ns <= row[0] <= end_ns])


def annotated(energy: Energy, notes: list[str]) -> Energy:
    """An energy with more to know about it."""
    return replace(energy, warnings=(*energy.warnings, *notes)) if notes else energy


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
