"""Time, as a parameter: the one module that imports ``time``.

Whoever needs to know or to wait for time is handed a `Clock`. A `VirtualClock` jumps, so that hours of simulated work
take milliseconds and repeat to the bit.
"""

from __future__ import annotations

import time
from typing import Protocol

from joulewise.errors import UsageError


class Clock(Protocol):
    """What time it is, and waiting."""

    def now_ns(self) -> int:
        """An instant [ns]; only differences mean anything, and they are never negative."""

    def sleep(self, duration_s: float) -> None:
        """Return after ``duration_s`` [s]."""


class MonotonicClock:
    """The machine's monotonic clock."""

    def now_ns(self) -> int:
        """Nanoseconds since some fixed instant."""
        return time.monotonic_ns()

    def sleep(self, duration_s: float) -> None:
        """Block the calling thread."""
        time.sleep(duration_s)


def thread_cpu_ns() -> int:
    """CPU time that the calling thread has used [ns]."""
    return time.thread_time_ns()


def epoch_offset_s(clock: Clock) -> float:
    """What to add to instants of a clock, as seconds, to have seconds since 1970 (UTC); 0 for time that jumps [s]."""
    return 0.0 if isinstance(clock, VirtualClock) else time.time() - clock.now_ns() * 1e-9


class VirtualClock:
    """A clock that stands still until it is told to move; sleeping moves it.

    Example:
        >>> clock = VirtualClock()
        >>> clock.sleep(28_800.0)
        >>> clock.now_ns()
        28800000000000
    """

    def __init__(self, start_ns: int = 0) -> None:
        """Start at ``start_ns`` [ns]."""
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """The instant that it was moved to."""
        return self._now_ns

    def sleep(self, duration_s: float) -> None:
        """Jump ahead at once."""
        if not 0 <= duration_s < float("inf"):
            raise UsageError("a clock cannot jump like this", f"{duration_s!r} s", "give finite seconds, not negative")
        self._now_ns += round(duration_s * 1e9)
