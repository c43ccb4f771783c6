"""Read devices in a thread while something runs.

Theory of operation. One thread reads all devices: often around the edges of a window, where it matters for the bounds,
and else as often as a power gauge updates, at most a hundred times a second, or ten times for a counter. A device with
an energy counter is counted, and its power read for the peak; without one, or if the counter fails, power is
integrated. Samples are kept packed, 16 to 24 bytes each. A device that fails is left alone from then on, and says why.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from joulewise.clock import Clock
from joulewise.devices.device import Device
from joulewise.measure.trace import Trace

FAST_S = 0.01


class Sampler:
    """Reads devices in a thread while it is entered.

    Args:
        devices: Whom to read.
        clock: Real time.

    Effects:
        One thread. Leaving waits until the devices have been read once after the last instant that was looked at: one
        update of the slowest sensor, at most two seconds.
    """

    def __init__(self, devices: Sequence[Device], clock: Clock) -> None:
        """Read each once."""
        self._clock = clock
        self.traces = [Trace(device, clock) for device in devices]
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="joulewise-sampler", daemon=True)

    def mark(self) -> int:
        """An edge of a window, now [ns]: all that can be known about it will be read."""
        with self._lock:
            for trace in self.traces:
                trace.read()
            at_ns = self._clock.now_ns()
            for trace in self.traces:
                trace.look_at(at_ns)
        return at_ns

    def _run(self) -> None:
        due_ns: dict[int, float] = {}
        while True:
            with self._lock:
                now_ns, looking = self._clock.now_ns(), False
                for index, trace in enumerate(self.traces):
                    looking |= trace.looking
                    if trace.looking or now_ns >= due_ns.get(index, 0):
                        trace.read()
                        due_ns[index] = now_ns + trace.period_s * 1e9
            if self._ended.is_set() and not looking:
                return
            next_s = FAST_S if looking else (min(due_ns.values(), default=now_ns) - now_ns) * 1e-9
            if self._ended.is_set():
                self._clock.sleep(FAST_S)
            else:
                self._ended.wait(max(next_s, FAST_S))

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait until the thread has ended."""
        self._ended.set()
        self._thread.join()
