"""When computations ran, and what the rank's energy counters showed meanwhile.

Counters are watched within iterations only, but what they showed last is remembered from one to the next: energies of
ticks are totals, so that what was used between two ticks is known even where an iteration ends between them. A tick
that falls between iterations is not told, for its instant is not known.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from joulewise.clock import Clock, MonotonicClock
from joulewise.devices.capabilities import UNKNOWN_TICK_S, Kind
from joulewise.devices.counter import CleanCounter
from joulewise.devices.device import Device, can
from joulewise.errors import JoulewiseError
from joulewise.measure.synchronise import wait_for_work
from joulewise.records import Provenance
from joulewise.runtime.pipeline.computation import Act, Computation

READS_PER_TICK = 10
QUICKEST_S = 0.001


class Tick(NamedTuple):
    """A counter moved.

    Attributes:
        counter: Which counter and which of its epochs: energies of different ones have nothing to do with each other.
        at_ns: When, as near as it is known [ns].
        energy_j: What it showed then [J].
    """

    counter: str
    at_ns: int
    energy_j: float


class Gauge(Protocol):
    """Times the computations of a rank and reads its counters; called on the thread that runs the computations."""

    @property
    def provenance(self) -> Provenance:
        """What its figures are worth."""

    @property
    def tick_sd_s(self) -> float:
        """How well it knows when counters tick, as a standard deviation [s]."""

    def open(self, *, profiling: bool) -> int:
        """An iteration begins; the instant [ns].

        Args:
            profiling: Whether computations are to be told apart exactly, and counters to be watched.
        """

    def begin(self, computation: Computation, drain: Act) -> int:
        """A computation begins; the instant [ns].

        Args:
            computation: Which.
            drain: Waits until all clocks that were asked for have been told: for gauges whose time does not go on by
                itself.
        """

    def end(self, computation: Computation) -> int:
        """It has ended; the instant [ns]."""

    def close(self) -> tuple[int, float | None]:
        """The iteration has ended; the instant [ns], and what was used meanwhile [J], if there are counters."""

    def take_ticks(self) -> Sequence[Tick]:
        """What counters showed since this was last asked, while profiling."""


class HostGauge:
    """Times computations by the host's clock; waits for accelerators at their edges only while profiling.

    Args:
        devices: Those of this rank; the ones with an energy counter are read.
        clock: Time.

    Effects:
        While profiling one thread reads the counters ten times for each of their ticks.
    """

    def __init__(self, devices: Sequence[Device], clock: Clock | None = None) -> None:
        """Read every counter once."""
        self.clock = clock or MonotonicClock()
        counting = [device for device in devices if can(device, Kind.ENERGY_COUNTER)]
        self._counters = [(device.identity.uid, CleanCounter(device, self.clock)) for device in counting]
        periods_s = [device.capabilities[Kind.ENERGY_COUNTER].update_period_s or UNKNOWN_TICK_S for device in counting]
        self._poll_s = max(QUICKEST_S, min(periods_s, default=UNKNOWN_TICK_S) / READS_PER_TICK)
        self.tick_sd_s = self._poll_s / 12**0.5
        self.provenance = Provenance.weakest(device.identity.provenance for device in devices)
        self._ticks: list[Tick] = []
        self._last: dict[str, tuple[int, float]] = {}
        self._lock, self._end_poll = threading.Lock(), threading.Event()
        self._poller: threading.Thread | None = None
        self._profiling, self._begin_j, self._opened_ns = False, self._read_j(), self.clock.now_ns()

    def open(self, *, profiling: bool) -> int:
        """See `Gauge`."""
        self._stop_poll()  # of an iteration that failed
        self._profiling = profiling
        self._begin_j = self._read_j()
        watching = profiling and bool(self._counters)
        if watching:
            self._watch(told=False)
        self._opened_ns = self.clock.now_ns()
        if watching:
            self._end_poll.clear()
            self._poller = threading.Thread(target=self._poll, name="joulewise-counters", daemon=True)
            self._poller.start()
        return self._opened_ns

    def begin(self, computation: Computation, drain: Act) -> int:
        """See `Gauge`."""
        return self._edge_ns()

    def end(self, computation: Computation) -> int:
        """See `Gauge`."""
        return self._edge_ns()

    def close(self) -> tuple[int, float | None]:
        """See `Gauge`."""
        end_ns = self._edge_ns()
        if self._poller is not None:
            self._stop_poll()
            self._watch()
        begin_j, end_j = self._begin_j, self._read_j()
        return end_ns, None if begin_j is None or end_j is None else end_j - begin_j

    def take_ticks(self) -> Sequence[Tick]:
        """See `Gauge`."""
        with self._lock:
            taken, self._ticks = self._ticks, []
        return taken

    def _stop_poll(self) -> None:
        if self._poller is not None:
            self._end_poll.set()
            self._poller.join()
            self._poller = None

    def _edge_ns(self) -> int:
        if self._profiling:
            wait_for_work("torch")
        return self.clock.now_ns()

    def _read_j(self) -> float | None:
        """What all counters show together, unless one of them fails or has lost count."""
        try:
            with self._lock:
                readings = [counter.read() for _, counter in self._counters]
        except JoulewiseError:
            return None
        known = readings and all(one.epoch == 0 and not one.frozen for one in readings)
        return sum(one.energy_j for one in readings) if known else None

    def _poll(self) -> None:
        while not self._end_poll.wait(self._poll_s):
            if not self._watch():
                return  # the setter meets the same, and says so

    def _watch(self, *, told: bool = True) -> bool:
        """Look at every counter once; a movement is a tick. False if one cannot be read."""
        for uid, counter in self._counters:
            try:
                with self._lock:
                    reading = counter.read()
            except JoulewiseError:
                return False
            name = f"{uid}/{reading.epoch}"
            before = self._last.get(name)
            if told and reading.fresh and before is not None and reading.energy_j > before[1]:
                at_ns = (before[0] + reading.at_ns) // 2
                if at_ns >= self._opened_ns:
                    with self._lock:
                        self._ticks.append(Tick(name, at_ns, reading.energy_j))
            if reading.fresh:
                self._last[name] = reading.at_ns, reading.energy_j
        return True
