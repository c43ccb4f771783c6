"""How a program tells whoever started it that a step of its loop is done: one small datagram per step.

The starter opens a channel and hands its path down in an environment variable; loops that joulewise wraps announce
their steps there, if it is set. Announcing never blocks and never fails: a step that nobody hears is lost. In a job of
several ranks only the first announces, since they do their steps together.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

VARIABLE = "JOULEWISE_STEPS"
RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")


class Mark(StrEnum):
    """What a loop tells."""

    BEGIN = "begin"
    STEP = "step"
    END = "end"


class Announcer:
    """The end of a channel that a loop holds; closes itself when nobody holds it any more."""

    def __init__(self, path: str) -> None:
        """Open a socket; whether somebody listens at ``path`` does not matter."""
        self._path, self._socket = path, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def __call__(self, mark: Mark) -> None:
        """Tell a mark, if it can be told at once."""
        with suppress(OSError):
            self._socket.sendto(mark.value.encode(), self._path)

    def __del__(self) -> None:
        """Close."""
        self._socket.close()


def announcer(environ: Mapping[str, str] | None = None) -> Announcer | None:
    """What a loop calls with its marks; None if nobody listens, or this is not the first rank."""
    environ = os.environ if environ is None else environ
    path = environ.get(VARIABLE)
    if not path or any(environ.get(name, "0") != "0" for name in RANKS) or not hasattr(socket, "AF_UNIX"):
        return None
    return Announcer(path)


class StepChannel:
    """The starter's end of it; a context manager.

    Attributes:
        environ: What to add to the environment of the program.
    """

    def __init__(self) -> None:
        """Open a socket in a folder of its own, that only we may enter."""
        self._folder = tempfile.TemporaryDirectory(prefix="joulewise-")
        path = str(Path(self._folder.name) / "steps")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self.environ = {VARIABLE: path}

    def receive(self, timeout_s: float) -> Mark | None:
        """The next mark, or None if none comes within ``timeout_s`` [s], or it is not one."""
        self._socket.settimeout(timeout_s)
        try:
            return Mark(self._socket.recv(64).decode(errors="replace"))
        except (TimeoutError, BlockingIOError, ValueError):
            return None

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._socket.close()
        self._folder.cleanup()
