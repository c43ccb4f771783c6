"""Restore at the end of a process, however it ends: exit, SIGTERM or SIGHUP; SIGKILL is the journal's."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_installed: dict[int, set[object]] = {}


def restore_on_exit(restore: Callable[[], None]) -> None:
    """Call ``restore`` when this process exits or is told to end; once, however often this is called.

    Handlers that were there before are called after it. A signal that nobody handled ends the process as it would have;
    one that is ignored stays so. Handlers can only be installed from the main thread; elsewhere only exit is watched,
    until the main thread calls this too. A forked child inherits handlers, and restores nothing of its parent's.
    """
    owner = os.getpid()
    known = _installed.setdefault(owner, set())

    def at_exit() -> None:
        if os.getpid() != owner:
            return
        try:
            restore()
        except Exception as error:  # others must still be called
            sys.stderr.write(f"error: {error}\n")

    if ("exit", restore) not in known:
        known.add(("exit", restore))
        atexit.register(at_exit)
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        if (number, restore) not in known and signal.getsignal(number) not in (signal.SIG_IGN, None):
            known.add((number, restore))
            _chain(number, at_exit)


def _chain(number: int, first: Callable[[], None]) -> None:
    before = signal.getsignal(number)

    def handler(received: int, frame: FrameType | None) -> None:
        first()
        if callable(before):
            before(received, frame)
        else:
            signal.signal(received, signal.SIG_DFL)
            os.kill(os.getpid(), received)

    signal.signal(number, handler)
