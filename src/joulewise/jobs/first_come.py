"""A lock that threads get in the order in which they asked for it.

Locks of the operating system, and SQLite's, go to whoever happens to ask when they are free; with many clients somebody
is unlucky a hundred times in a row. Here the lock is handed on: while anybody waits, it is never free.
"""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class FirstComeLock:
    """One thread at a time, first come, first served; a context manager."""

    def __init__(self) -> None:
        """Free."""
        self._inside = threading.Lock()
        self._is_held = False
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self, timeout_s: float = -1.0) -> bool:
        """Wait for it.

        Args:
            timeout_s: How long at most [s]; -1 for ever.

        Returns:
            Whether it is ours.
        """
        with self._inside:
            if not self._is_held:
                self._is_held = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=timeout_s):
            return True
        with self._inside:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return False
        return True  # handed to us at the last moment

    def release(self) -> None:
        """Hand it to whoever waits longest."""
        with self._inside:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_held = False

    def __enter__(self) -> None:
        """Wait for it."""
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hand it on."""
        self.release()
