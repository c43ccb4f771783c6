"""One device in the agent's hands: the only place of the agent that touches hardware.

Each device has a thread of its own, so that one that blocks makes nobody else wait, and so that it is never told two
things at once; a bare one with a queue, since an executor costs as much as all else that a setting takes. What is
found is on the disk before the first change (`joulewise.devices.journal`), and is ended there only after it was seen
to be back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from joulewise.clock import Clock
from joulewise.devices.apply import put_back
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device
from joulewise.devices.journal import Entry, Journal, end
from joulewise.devices.left_behind import LeftBehind, restore_left_behind
from joulewise.devices.settings import Setting, describe, tell
from joulewise.errors import DeviceLostError, JoulewiseError
from joulewise.services.agent.events import Told, WasPutBack

T = TypeVar("T")
_Work = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]
SETTLE_S = 1.0


class Hand:
    """See the module.

    Args:
        device: Whom it holds.
        journal: Where what was found is written.
        clock: Time, for waiting until hardware shows what was put back.
    """

    def __init__(self, device: Device, journal: Journal, clock: Clock) -> None:
        """Start no thread yet."""
        self.device, self._journal, self._clock = device, journal, clock
        self._entries: dict[Kind, Entry] = {}
        self._left: dict[Kind, LeftBehind] = {}
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread: Thread | None = None

    async def do(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do something in the device's thread."""
        if self._thread is None:
            name = f"joulewise-{self.device.identity.uid}"
            self._thread = Thread(target=_live, args=(self._queue,), name=name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        over: asyncio.Future[T] = loop.create_future()
        self._queue.put((loop, over, work, arguments))
        return await over

    def adopt(self, left: LeftBehind) -> None:
        """Keep in mind what an earlier agent left behind; `put_back` then means that."""
        self._left[left.entries[-1].kind] = left

    def take(self, setting: Setting) -> Told:
        """Write down what is there, then tell."""
        knob = (self.device.identity.uid, setting.kind)
        try:
            entry = self._entries[setting.kind] = self._journal.begin(self.device, setting)
        except Exception as error:  # whatever a driver does must not end the agent
            return Told(knob, None, ours(error))
        return Told(knob, entry.found, self.tell(setting).error)

    def tell(self, setting: Setting) -> Told:
        """Tell."""
        knob = (self.device.identity.uid, setting.kind)
        try:
            tell(self.device, setting)
        except Exception as error:  # as above
            return Told(knob, None, ours(error))
        return Told(knob, None)

    def put_back(self, kind: Kind) -> WasPutBack:
        """Put back what was found, and see that it is."""
        knob = (self.device.identity.uid, kind)
        try:
            if kind in self._left:
                did = restore_left_behind(self._left[kind], [self.device], self._clock, SETTLE_S)
                del self._left[kind]
                return WasPutBack(knob, did)
            entry = self._entries[kind]
            put_back(self.device, entry.found, clock=self._clock, settle_s=SETTLE_S)
        except Exception as error:  # as above
            return WasPutBack(knob, "", ours(error))
        del self._entries[kind]
        with suppress(OSError):  # it then counts as left behind, and is put back once more
            end(entry)
        return WasPutBack(knob, f"{describe(entry.found)} restored")

    def read(self, what: str) -> Any:
        """A reading, as JSON has it.

        Raises:
            JoulewiseError: If it cannot be read.
        """
        try:
            value = getattr(self.device, what)()
        except Exception as error:  # as above
            raise ours(error) from error
        return sorted(value) if isinstance(value, frozenset) else value

    def let_go(self) -> None:
        """End the thread, once it has done what it does."""
        self._queue.put(None)


def _live(queue: SimpleQueue[_Work | None]) -> None:
    while (item := queue.get()) is not None:
        loop, over, work, arguments = item
        try:
            result, error = work(*arguments), None
        except Exception as raised:  # it belongs to whoever waits
            result, error = None, raised
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(_finish, over, result, error)


def _finish(over: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if over.done():  # whoever waited was cancelled
        return
    if error is None:
        over.set_result(result)
    else:
        over.set_exception(error)


def ours(error: Exception) -> JoulewiseError:
    """An error that may be told to clients."""
    if isinstance(error, JoulewiseError):
        return error
    return DeviceLostError("the device's driver failed", f"{type(error).__name__}: {error}", "ask the operator")
