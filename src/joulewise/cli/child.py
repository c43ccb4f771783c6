"""Run a program as if we were not there: exit code, signals and standard streams are its own."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import FrameType

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # what shells and env(1) answer
FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
TO_END = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
OF_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        code: Its exit code; minus the number of the signal that ended it; 126 or 127 if it could not be started.
        started: Whether it could be.
        asked_by: The last signal that asked us to end meanwhile, whatever the program made of it.
    """

    code: int
    started: bool = True
    asked_by: int | None = None


def run_forwarding(
    command: Sequence[str],
    environ: Mapping[str, str],
    beside: Callable[[int], AbstractContextManager[object]] = nullcontext,
    *,
    without_input: bool = False,
    outputs: tuple[int | None, int | None] = (None, None),
) -> Ended:
    """Run a program with our standard streams, and pass signals on to it.

    Args:
        command: Program and arguments.
        environ: Its environment variables.
        beside: Given the program's pid, a context that is held while it runs.
        without_input: Whether its standard input is empty, not ours.
        outputs: File descriptors in place of our standard output and error.
    """
    started: list[subprocess.Popen[bytes]] = []
    asked_by: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        if number in TO_END:
            asked_by.append(number)
        if started and not (number in OF_TERMINAL and _in_foreground()):
            started[0].send_signal(number)

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    try:
        source = subprocess.DEVNULL if without_input else None
        started.append(subprocess.Popen(command, env=dict(environ), stdin=source, stdout=outputs[0], stderr=outputs[1]))
        with beside(started[0].pid):
            code = started[0].wait()
        return Ended(code, asked_by=asked_by[-1] if asked_by else None)
    except OSError as error:
        sys.stderr.write(f"error: cannot run {command[0]}\n  {error.strerror}\n  name a program that is on PATH\n")
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        return Ended(NOT_FOUND if missing else NOT_EXECUTABLE, started=False)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_foreground() -> bool:
    """Whether a terminal sends its signals to the program too, since it is of our group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def end_by_signal(number: int) -> None:
    """End as the program did, so that who waits for us sees the same."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    sys.stdout.flush()
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
