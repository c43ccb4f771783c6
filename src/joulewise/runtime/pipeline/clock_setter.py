"""Tells devices the clock of each computation without holding up the host: a thread of its own, the latest wins.

Theory of operation. Whoever runs computations only leaves a request, and only if the clock differs from the one that
was last asked for; that takes about a microsecond. The thread takes requests in their order. On an accelerator the host
runs ahead of the device, so a request may carry a *mark*: an event that the device passes when its time has come (a
CUDA event recorded behind the work before it). The thread waits for the mark, then skips on to the latest request whose
time has come as well, and tells that one: a slow driver or agent delays clocks, never the training.

What was found comes back with `ClockSetter.close`, and with ``None`` as a request; on exit, signals and crashes as
everything that `joulewise.devices.apply` tells. If a device fails, what was found is put back as far as it can be, and
nothing is told any more. A mark that never passes, as on an accelerator that hangs, holds up nobody: whoever closes
waits for the thread for a moment only, and then puts back by himself; telling and putting back exclude each other.
"""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import NamedTuple, Protocol

from joulewise.clock import Clock, MonotonicClock
from joulewise.devices.apply import Applied, apply, restore_all
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Lent
from joulewise.devices.exit import restore_on_exit
from joulewise.devices.journal import Journal
from joulewise.errors import RestoreError
from joulewise.runtime.knob import Tunable


class Mark(Protocol):
    """A point in the work of an accelerator; ``torch.cuda.Event`` is one."""

    def query(self) -> bool:
        """Whether the device has passed it."""

    def synchronize(self) -> None:
        """Wait until it has."""


class _Request(NamedTuple):
    clock_mhz: int | None
    mark: Mark | None


_Item = _Request | threading.Event
"""A request, or somebody who waits until all before him are done."""
END_WAIT_S = 2.0
LOOK_S = 0.05
"""How often somebody who waits looks whether the thread is still there."""


class ClockSetter:
    """Sets the core clock of a rank's devices, asynchronously.

    Args:
        tunable: The devices and what they take.
        clock: Time.
        journal: Where what was found is written down first.
        end_wait_s: How long `close` waits for the thread, and for a driver that does not answer [s].

    Attributes:
        failure: Why nothing is told any more, or nothing.
        told: How often devices were told a clock.
        skipped: Requests that a later one overtook.

    Effects:
        One thread, until it is closed. Call it from the main thread, so that signals restore, too.
    """

    def __init__(
        self,
        tunable: Tunable,
        *,
        clock: Clock | None = None,
        journal: Journal | None = None,
        end_wait_s: float = END_WAIT_S,
    ) -> None:
        """Nothing is told yet."""
        self._end_wait_s, self._hardware = end_wait_s, threading.Lock()
        self._tunable, self._clock, self._journal = tunable, clock or MonotonicClock(), journal
        self.failure, self.told, self.skipped = "", 0, 0
        self._asked: int | None = None
        self._in_force: int | None = None
        self._handles: dict[tuple[str, Kind], Applied] = {}
        self._unrestored: list[RestoreError] = []
        self._items: SimpleQueue[_Item] = SimpleQueue()
        self._pending: deque[_Item] = deque()
        self._closing = False
        restore_on_exit(restore_all)
        self._thread = threading.Thread(target=self._serve, name="joulewise-clocks", daemon=True)
        self._thread.start()

    def request(self, clock_mhz: int | None, mark: Mark | None = None) -> None:
        """Ask for a clock [MHz], or None for what was found. Never blocks, never raises.

        Args:
            clock_mhz: The clock.
            mark: When it is to be told; None for at once.
        """
        if clock_mhz == self._asked:
            return
        self._asked = clock_mhz
        self._items.put(_Request(clock_mhz, mark))

    @property
    def asked_mhz(self) -> int | None:
        """The clock that was last asked for [MHz]; None: what was found, and nothing else once something failed."""
        return None if self.failure else self._asked

    def drain(self) -> None:
        """Wait until everything that was asked for has been told, or nothing will be any more."""
        done = threading.Event()
        self._items.put(done)
        while not done.wait(LOOK_S) and self._thread.is_alive() and not self._closing:
            pass

    def close(self) -> None:
        """Put back what was found, and end the thread; if it waits for a mark that does not pass, without it.

        Raises:
            RestoreError: If something could not be put back, or a driver does not answer.
        """
        self._closing = True
        self._items.put(threading.Event())
        self._thread.join(self._end_wait_s)
        if not self._hardware.acquire(timeout=self._end_wait_s):
            seen = f"a driver has not answered for {self._end_wait_s:g} s"
            fix = "look at the device, then run joulewise restore"
            raise RestoreError("a clock could not be put back", seen, fix)
        try:
            self._restore()
        finally:
            self._hardware.release()
        errors, self._unrestored = self._unrestored, []
        if errors:
            raise errors[0]

    def _serve(self) -> None:
        while not self._closing:
            item = self._next()
            if isinstance(item, threading.Event):
                item.set()
            elif not self.failure and not self._closing:
                try:
                    if item.mark is not None:
                        item.mark.synchronize()
                    with self._hardware:
                        if not self._closing:  # else the clocks have been put back meanwhile
                            self._tell(self._latest(item).clock_mhz)
                except Exception as error:  # whatever hardware does, training goes on
                    self.failure = str(error) or type(error).__name__
                    with self._hardware:
                        self._restore()
        while self._pending or not self._items.empty():
            item = self._next()
            if isinstance(item, threading.Event):
                item.set()
        with self._hardware:  # for one who closed while a driver did not answer
            self._restore()

    def _next(self) -> _Item:
        """The next item; waits for it."""
        return self._pending.popleft() if self._pending else self._items.get()

    def _latest(self, request: _Request) -> _Request:
        """The last of the requests whose time has come."""
        while not self._items.empty():
            self._pending.append(self._items.get())
        while self._pending and isinstance(coming := self._pending[0], _Request):
            if coming.mark is not None and not coming.mark.query():
                break
            request = coming
            self._pending.popleft()
            self.skipped += 1
        return request

    def _tell(self, clock_mhz: int | None) -> None:
        if clock_mhz == self._in_force:
            return
        if clock_mhz is None:
            self._restore()
        else:
            for device in self._tunable.devices:
                for setting in self._tunable.settings(clock_mhz, device):
                    knob = device.identity.uid, setting.kind
                    if knob in self._handles:
                        self._handles[knob].change(setting)
                    else:
                        self._handles[knob] = apply(
                            device, setting, journal=self._journal, clock=self._clock, settle_s=0.0
                        )
        self._in_force = clock_mhz
        self.told += 1

    def _restore(self) -> None:
        """Give every knob back; what could not be is kept for `close` to raise."""
        self._in_force = None
        while self._handles:
            _, handle = self._handles.popitem()
            try:
                handle.restore()
            except RestoreError as error:
                device = handle.device
                if not isinstance(device, Lent) or device.holds(handle.setting.kind):  # else its lender puts it back
                    self._unrestored.append(error)
            except Exception as error:  # the thread must live: others wait for it
                fix = "look at the device, then run joulewise restore"
                self._unrestored.append(RestoreError("a clock could not be put back", repr(error), fix))
