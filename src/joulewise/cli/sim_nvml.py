"""``joulewise sim nvml -- CMD``: run any program that uses NVML with simulated GPUs in place of real ones."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from joulewise.clock import Clock

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # what shells and env(1) answer
FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
FOLLOW_PERIOD_S = 0.2
OF_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


def nvml(
    command: Annotated[list[str], typer.Argument(help="Program and its arguments, after --.", metavar="CMD...")],
    *,
    device: Annotated[str, typer.Option(help="Simulated GPUs, such as sim:a100x2.")] = "sim:a100",
    busy: Annotated[
        float | None, typer.Option(min=0, max=1, help="How busy the GPUs are; by default as the program keeps a CPU.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not say on stderr that the GPUs are simulated.")] = False,
) -> None:
    """Run a program that uses NVML on simulated GPUs; exit code, signals and standard streams are the program's."""
    from joulewise.clock import MonotonicClock  # noqa: PLC0415
    from joulewise.devices.device import Host  # noqa: PLC0415
    from joulewise.devices.selection import find_devices  # noqa: PLC0415
    from joulewise.devices.simulated.nvml_bridge import NvmlBridge, boards_of  # noqa: PLC0415
    from joulewise.devices.simulated.nvml_build import build_nvml  # noqa: PLC0415
    from joulewise.devices.simulated.nvml_page import NvmlPage  # noqa: PLC0415

    clock = MonotonicClock()
    twins = find_devices(device, Host(clock=clock))
    boards = boards_of(twins)
    library = build_nvml(os.environ)
    if not quiet:
        typer.echo(f"joulewise: {len(twins)} GPUs of {device} are simulated", err=True)
    with tempfile.TemporaryDirectory(prefix="joulewise-nvml-") as folder:
        page = NvmlPage(Path(folder) / "page", len(twins))
        with NvmlBridge(twins, boards, page, clock):
            paths = [str(library), os.environ.get("LD_LIBRARY_PATH", "")]
            seen = {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, paths)), "JOULEWISE_NVML_PAGE": str(page.path)}
            load = partial(_keep_busy, twins, clock, busy)
            code = run_forwarding(command, {**os.environ, **seen}, load)
    if code < 0:
        _end_by_signal(-code)
    raise typer.Exit(code)


@contextmanager
def _keep_busy(twins: Sequence[Any], clock: Clock, busy: float | None, pid: int) -> Iterator[None]:
    """Load twins, evenly if ``busy`` says how much, else as a process loads a CPU."""
    from joulewise.devices.device import Host  # noqa: PLC0415
    from joulewise.devices.simulated.shadow import MEMORY_SHARE, Shadow, read_cpu_s  # noqa: PLC0415
    from joulewise.errors import UsageError  # noqa: PLC0415

    if busy is not None:
        for twin in twins:
            twin.set_activity(busy, busy * MEMORY_SHARE)
        yield
        return
    ended = threading.Event()
    shadows = [Shadow(twin, clock, partial(read_cpu_s, Host(), pid)) for twin in twins]

    def follow() -> None:
        with suppress(UsageError):  # the process has ended
            while not ended.wait(FOLLOW_PERIOD_S):
                for shadow in shadows:
                    shadow.follow()

    thread = threading.Thread(target=follow, name="joulewise-shadow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def run_forwarding(
    command: Sequence[str],
    environ: Mapping[str, str],
    beside: Callable[[int], AbstractContextManager[object]] = nullcontext,
) -> int:
    """Run a program with our standard streams, and pass signals on to it.

    Args:
        command: Program and arguments.
        environ: Its environment variables.
        beside: Given the program's pid, a context that is held while it runs.

    Returns:
        Its exit code; minus the number of the signal that ended it; 126 or 127 if it could not be started.
    """
    started: list[subprocess.Popen[bytes]] = []

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        if started and not (number in OF_TERMINAL and _in_foreground()):
            started[0].send_signal(number)

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    try:
        started.append(subprocess.Popen(command, env=dict(environ)))
        with beside(started[0].pid):
            return started[0].wait()
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        sys.stderr.write(f"error: cannot run {command[0]}\n  {error.strerror}\n  name a program that is on PATH\n")
        return NOT_EXECUTABLE if isinstance(error, PermissionError) else NOT_FOUND
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


def _end_by_signal(number: int) -> None:
    """End as the program did, so that who waits for us sees the same."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    sys.stdout.flush()
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
