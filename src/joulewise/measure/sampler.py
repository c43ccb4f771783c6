"""Read devices in one thread while something runs.

Theory of operation. One thread reads all devices ten times a second, or as often as a power gauge changes; and often
around the edges of windows, until every sensor has told what was used until then. An edge costs its caller a clock
reading, a reading of all counters if that takes no more than a few microseconds (previous ones tell), and at most a
wake-up of the thread, which reads them else. Devices whose readings were slow each get a lane, a thread that only waits
for them, so that all are read in the time of one, and one that hangs holds up nobody. `Sampler.tick` is all there is to
know of it; with a virtual clock, whoever lets time pass calls it, and there is no thread.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from joulewise.clock import Clock, VirtualClock, thread_cpu_ns
from joulewise.devices.device import Device
from joulewise.measure.trace import Trace

if TYPE_CHECKING:
    import random

FAST_S = 0.01
FAST_EDGE_S = 6e-6
TOGETHER_NS = 5_000_000
SLOW_READ_S = 0.5e-3
ROUND_S = 1.0
POLL_S = 0.5e-3
JITTER_FRAC = 0.25
ROUNDS = 16
LONGEST_SLEEP_S = 1.0


class Edges(Protocol):
    """Something whose edges are to be known: details around them are kept as long as it lives and is not settled."""

    begin_ns: int
    end_ns: int | None


class _Lane:
    """A thread that reads one slow device when it is told to."""

    def __init__(self, trace: Trace, name: str) -> None:
        self._orders: SimpleQueue[bool | None] = SimpleQueue()
        self.busy = False
        threading.Thread(target=self._serve, args=(trace,), name=name, daemon=True).start()

    def order(self, *, all_of_it: bool) -> None:
        self.busy = True
        self._orders.put(all_of_it)

    def close(self) -> None:
        self._orders.put(None)

    def _serve(self, trace: Trace) -> None:
        while (all_of_it := self._orders.get()) is not None:
            try:
                trace.read(all_of_it=all_of_it)
            finally:
                self.busy = False


def _close_lanes(lanes: dict[int, _Lane]) -> None:
    for lane in lanes.values():
        lane.close()
    lanes.clear()


class Sampler:
    """Reads devices, from the first edge until it is closed.

    Args:
        devices: Whom to read.
        clock: Real time, or a virtual clock: then there is no thread, and `tick` is for the caller.
        chance: For the jitter of readings of sensors that see only part of the time.

    Attributes:
        traces: What was read, one per device.
        cpu_ns: CPU time that the thread has used [ns].

    Effects:
        One thread, and one more for each device whose readings take longer than half a millisecond. They end when it
        is closed or collected, or the program ends. After a fork the child has none until its first edge.
    """

    def __init__(self, devices: Sequence[Device], clock: Clock, chance: random.Random | None = None) -> None:
        """Nothing is read yet."""
        self.clock, self._chance = clock, chance
        self.traces = [Trace(device, clock) for device in devices]
        self.threaded = not isinstance(clock, VirtualClock)
        self.cpu_ns = 0
        self._deaths: deque[tuple[int, int]] = deque(maxlen=100)
        self._kept: set[weakref.ref[Edges]] = set()
        self._due_ns = [0] * len(self.traces)
        self._first_due_ns, self._rounds, self._waiting = 0, 0, 0
        self._jitters = any(trace.part_time for trace in self.traces)
        self._look_s = min((min(FAST_S, max(trace.tick_s, FAST_S / 10)) for trace in self.traces), default=FAST_S)
        self._edge_ns, self._settled_ns, self._looking, self._round_ns = -1, -1, False, -1
        self._fast: Sequence[Trace] = []
        self._thread: threading.Thread | None = None
        self._pid, self._closed = os.getpid(), False
        self._lanes: dict[int, _Lane] = {}
        self._prepare()
        weakref.finalize(self, _close_lanes, self._lanes)
        _SAMPLERS.add(self)

    def _prepare(self) -> None:
        """Locks and wake-ups; again after a fork, where others may have held them."""
        self._starting, self._news = threading.Lock(), threading.Condition()
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._thread = None
        self._waiting = 0
        self._lanes.clear()

    @property
    def running(self) -> bool:
        """Whether readings go on."""
        return not self.threaded or (self._thread is not None and self._thread.is_alive())

    def start(self) -> None:
        """Take first readings and start the thread, unless that has happened."""
        with self._starting:
            if self.running and (self.threaded or self._round_ns >= 0):
                return
            if self._thread is not None:
                self._deaths.append((self._round_ns, self.clock.now_ns()))
            self._closed, self._looking, self._wake, self._rounds = False, False, SimpleQueue(), 0
            self._read_all(range(len(self.traces)), all_of_it=True)
            self._plan(range(len(self.traces)))
            self._round_ns = self.clock.now_ns()
            if self.threaded:
                arguments = (weakref.ref(self), self._wake)
                self._thread = threading.Thread(target=_run, args=arguments, name="joulewise-sampler", daemon=True)
                self._thread.start()

    def edge(self) -> int:
        """An edge of a window, now [ns]: all that can be known about it will be read."""
        if self._thread is None or not self._thread.is_alive():
            self.start()
        if not self.threaded:
            self.tick(now=True)
        for trace in self._fast:
            trace.read_edge()
        at_ns = self._edge_ns = self.clock.now_ns()
        if not self._looking:
            self._looking = True
            self._wake.put(True)
        return at_ns

    def keep(self, window: Edges) -> None:
        """Keep details around the edges of a window as long as it lives."""
        self._kept.add(weakref.ref(window, self._kept.discard))

    def tick(self, *, now: bool = False) -> float:
        """Read what is due, or all if it is to be now; how long nothing will be due [s]."""
        now_ns = self.clock.now_ns
        at_ns = now_ns()
        self._looking = self._edge_ns > self._settled_ns and self._unsettled()
        if not self._looking and self._edge_ns > self._settled_ns:  # an edge fell in between
            self._looking = True
        regular: Sequence[int] = ()
        if now or at_ns + TOGETHER_NS >= self._first_due_ns:
            regular = [i for i, due_ns in enumerate(self._due_ns) if now or at_ns + TOGETHER_NS >= due_ns]
            self._read_all(regular, all_of_it=True)
            self._plan(regular)
        if self._looking:
            edge_ns = self._edge_ns
            looking = [i for i, trace in enumerate(self.traces) if i not in regular and not trace.settled(edge_ns)]
            self._read_all(looking, all_of_it=False)
        self._rounds += 1
        if self._rounds % ROUNDS == 0:
            self._thin()
        round_ns = self._round_ns = now_ns()
        next_s = (self._first_due_ns - round_ns) * 1e-9
        if self._looking and next_s > self._look_s:
            next_s = self._look_s
        return next_s if next_s > FAST_S / 10 else FAST_S / 10

    def _thin(self) -> None:
        """Let go of old detail where there is much."""
        if any(trace.full for trace in self.traces):
            guarded_ns = self._guarded()
            for trace in self.traces:
                trace.thin(guarded_ns)

    def _unsettled(self) -> bool:
        edge_ns = self._edge_ns
        if edge_ns > self._settled_ns and all(trace.settled(edge_ns) for trace in self.traces):
            self._settled_ns = edge_ns
        return edge_ns > self._settled_ns

    def _plan(self, indices: Iterable[int]) -> None:
        """When to read next: at even distance, or with jitter for sensors that see only part of the time."""
        now_ns, due_ns, jitter = self.clock.now_ns(), self._due_ns, 1.0
        if self._jitters:
            if self._chance is None:
                from random import Random  # noqa: PLC0415 (costs milliseconds, and few devices need it)

                self._chance = Random(0)
            jitter = self._chance.uniform(1 - JITTER_FRAC, 1 + JITTER_FRAC)
        for index in indices:
            trace = self.traces[index]
            period_s = trace.period_s * jitter if trace.part_time else trace.period_s
            due_ns[index] = now_ns + round(period_s * 1e9)
        self._first_due_ns = min(due_ns, default=now_ns + 10**9)
        if self._rounds % ROUNDS == 0:
            fast = self.threaded and sum(trace.edge_s for trace in self.traces) < FAST_EDGE_S
            self._fast = self.traces if fast else []

    def _read_all(self, indices: Iterable[int], *, all_of_it: bool) -> None:
        """Read devices: fast ones here, slow ones each in its lane, which is not waited for."""
        in_lanes = self.threaded and len(self.traces) > 1
        for index in indices:
            trace = self.traces[index]
            if not in_lanes or trace.read_s < SLOW_READ_S:
                trace.read(all_of_it=all_of_it)
                continue
            lane = self._lanes.get(index)
            if lane is None:
                lane = self._lanes[index] = _Lane(trace, f"joulewise-lane-{index}")
            if not lane.busy:
                lane.order(all_of_it=all_of_it)

    def _guarded(self) -> list[int]:
        """Instants around which detail is still needed [ns], in order."""
        windows = [window for ref in self._kept.copy() if (window := ref()) is not None]
        edges = [self._edge_ns, *(window.begin_ns for window in windows)]
        return sorted([*edges, *(window.end_ns for window in windows if window.end_ns is not None)])

    def unread_in(self, begin_ns: int, end_ns: int) -> bool:
        """Whether nothing was read for some of a window, since the thread had ended."""
        gaps = [*self._deaths] if self.running else [*self._deaths, (self._round_ns, self.clock.now_ns())]
        return any(since_ns < end_ns and until_ns > begin_ns for since_ns, until_ns in gaps)

    def wait_tick(self) -> bool:
        """Wait until every energy counter has moved once, at most a second; whether they have."""
        waiting = {id(trace): (trace, trace.poll_counter()) for trace in self.traces if trace.counts}
        deadline_ns = self.clock.now_ns() + round(ROUND_S * 1e9)
        while waiting and self.clock.now_ns() < deadline_ns:
            self.clock.sleep(POLL_S)
            for key, (trace, first_j) in list(waiting.items()):
                if trace.poll_counter() != first_j or not trace.counts:
                    del waiting[key]
        return not waiting

    def wait_settled(self, edge_ns: int, timeout_s: float) -> bool:
        """Wait until readings tell what was used until an instant; whether they do."""
        deadline_ns = self.clock.now_ns() + round(timeout_s * 1e9)
        while not all(trace.settled(edge_ns) for trace in self.traces):
            left_s = (deadline_ns - self.clock.now_ns()) * 1e-9
            if left_s <= 0 or self._closed or not self.running:
                return False
            if not self.threaded:
                self.clock.sleep(min(left_s, self.tick()))
                continue
            self._edge_ns = max(self._edge_ns, edge_ns)
            if not self._looking:
                self._looking = True
                self._wake.put(True)
            with self._news:
                self._waiting += 1
                self._news.wait(min(left_s, FAST_S))
                self._waiting -= 1
        return True

    def close(self) -> None:
        """Stop reading; windows that were not settled by now are told with wider bounds."""
        self._closed = True
        self._wake.put(False)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread() and self._pid == os.getpid():
            thread.join(ROUND_S)
        self._thread = None
        _close_lanes(self._lanes)

    def finish(self) -> None:
        """Wait for what is to be known of the last edge, and stop."""
        if self._edge_ns >= 0:
            self.wait_settled(self._edge_ns, 2 * ROUND_S)
        self.close()

    def after_fork(self) -> None:
        """In a child: nothing runs there yet."""
        self._pid = os.getpid()
        self._prepare()
        for trace in self.traces:
            trace.after_fork()


_SAMPLERS: weakref.WeakSet[Sampler] = weakref.WeakSet()


def _after_fork() -> None:
    for sampler in list(_SAMPLERS):
        sampler.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _run(sampler_of: Callable[[], Sampler | None], wake: SimpleQueue[bool]) -> None:
    """The thread: holds its sampler only while it reads, so that one that nobody needs any more is collected."""
    while (sampler := sampler_of()) is not None and not sampler._closed:
        next_s = min(sampler.tick(), LONGEST_SLEEP_S)
        if sampler._waiting:
            with sampler._news:
                sampler._news.notify_all()
        sampler.cpu_ns = thread_cpu_ns()
        looking = sampler._looking
        del sampler
        try:
            if looking:
                wake.get(timeout=next_s)
            elif not wake.get(timeout=next_s):
                return
        except Empty:
            continue
