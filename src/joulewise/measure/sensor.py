"""One reading of a device, and whether it answers; and the tape from which raw counter readings are cleaned later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from joulewise.clock import Clock
from joulewise.devices.device import Device
from joulewise.errors import CounterError, JoulewiseError

RETRY_S = 1.0
PATIENCE_S = 5.0
STILL_TICKS = 5
"""An energy counter that does not move for so many ticks shows nothing of that time."""


class Sensor:
    """One reading of a device, and whether it answers.

    Attributes:
        failure: Why it gives nothing now, or nothing.
        failed_ns: Since when [ns].
    """

    def __init__(self, read: Callable[[], float], clock: Clock) -> None:
        """Nothing is read."""
        self.call, self._clock = read, clock
        self.failure, self.failed_ns, self._retry_ns = "", 0, 0
        self._erring_ns: int | None = None
        self._outages: deque[tuple[int, int, str]] = deque(maxlen=100)

    def failed_in(self, begin_ns: int, end_ns: int) -> str:
        """Why it gave nothing for some of a window; or nothing."""
        now = [(self.failed_ns, end_ns, self.failure)] if self.failure else []
        outages = [*self._outages, *now]
        return next((why for since_ns, until_ns, why in outages if since_ns <= end_ns and until_ns >= begin_ns), "")

    def silent_ns(self, begin_ns: int, end_ns: int) -> list[tuple[int, int]]:
        """When, within a window, it gave nothing: begins and ends [ns]."""
        now = [(self.failed_ns, end_ns)] if self.failure else []
        outages = [*((since_ns, until_ns) for since_ns, until_ns, _ in self._outages), *now]
        within = [(max(since_ns, begin_ns), min(until_ns, end_ns)) for since_ns, until_ns in outages]
        return [one for one in within if one[0] <= one[1]]

    def was_out(self, since_ns: int, until_ns: int, why: str) -> None:
        """Note that what it gave from one instant to another was worth nothing."""
        if self._outages and self._outages[-1][0] == since_ns:
            self._outages.pop()
        self._outages.append((since_ns, until_ns, why))

    def read(self, now_ns: int) -> float | None:
        """A value, or None if there is none at this instant [ns].

        Readings that fail once are left out; it has failed if they go on.
        """
        if self.failure and now_ns < self._retry_ns:
            return None
        try:
            value = self.call()
        except Exception as error:  # a driver that errs must not end the thread that reads the others
            self.err(error, now_ns)
            return None
        if self._erring_ns is not None:
            if self.failure:
                self._outages.append((self.failed_ns, self._clock.now_ns(), self.failure))
            self.failure, self._erring_ns = "", None
        return value

    def err(self, error: Exception, now_ns: int) -> None:
        """Note that it erred."""
        if self._erring_ns is None:
            self._erring_ns = now_ns
        if isinstance(error, CounterError) and now_ns - self._erring_ns < PATIENCE_S * 1e9:
            return
        self._retry_ns = now_ns + round(RETRY_S * 1e9)
        if not self.failure:
            self.failed_ns = now_ns
        self.failure = str(error) if isinstance(error, JoulewiseError) else f"{type(error).__name__}: {error}"


class Tape:
    """Plays raw readings to a `CleanCounter`, as the device and as the clock that it expects."""

    def __init__(self, device: Device) -> None:
        """Nothing is on it."""
        self.identity, self.capabilities = device.identity, device.capabilities
        self.at_ns, self.raw_j = 0, 0.0

    def now_ns(self) -> int:
        """When the present reading was taken [ns]."""
        return self.at_ns

    def sleep(self, duration_s: float) -> None:
        """Nobody sleeps."""

    def read_energy_j(self) -> float:
        """The present reading [J]."""
        return self.raw_j
