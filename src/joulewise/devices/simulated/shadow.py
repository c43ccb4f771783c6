"""Let a simulated chip follow a real process, so that someone without a GPU sees something alive.

The chip is as busy as the process keeps CPUs, which says nothing about what a GPU would do: every output of a twin is
marked as simulated.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from joulewise.clock import Clock
from joulewise.devices.device import Busy, Device, Host
from joulewise.errors import UsageError

FOLLOW_PERIOD_S = 0.2
MEMORY_SHARE = 0.4
"""Memory traffic while the chip is fully busy, as a fraction of its time: an assumption."""


def read_cpu_s(host: Host, pid: int) -> float:
    """CPU time that a process and its finished children have used [s], from /proc.

    Raises:
        UsageError: If there is no such process, or no /proc.
    """
    path = host.path(f"/proc/{pid}/stat")
    try:
        # The name of the command stands in parentheses, and may itself hold spaces and parentheses.
        after_name = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        ticks = sum(map(int, after_name[11:15]))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot follow process {pid}", f"{path}: {error}", "name a running process, on Linux"
        ) from error
    return ticks / os.sysconf("SC_CLK_TCK")


def read_family_cpu_s(host: Host, pid: int) -> float:
    """The same with its living descendants; one that ends is with its parent from then on.

    Raises:
        UsageError: If there is no such process, or no /proc.
    """
    used_s = read_cpu_s(host, pid)
    for child in _children(host, pid):
        with suppress(UsageError):  # it has ended since
            used_s += read_family_cpu_s(host, child)
    return used_s


def _children(host: Host, pid: int) -> list[int]:
    """From the kernel's list where it keeps one, else by asking every process for its parent."""
    listed = list(host.path(f"/proc/{pid}/task").glob("*/children"))
    if listed:
        return [int(child) for file in listed for child in _words(file)]
    stats = ((file, _words(file)) for file in host.path("/proc").glob("[0-9]*/stat"))
    return [int(file.parent.name) for file, words in stats if words[1:2] == [str(pid)]]


def _words(file: Path) -> list[str]:
    """Those after the name of the command, if there is one; none of a process that has ended."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


@contextmanager
def following(devices: Iterable[Device], clock: Clock, pid: int) -> Iterator[None]:
    """Let those devices that no hardware keeps busy follow a process and its children, a few times each second.

    Args:
        devices: Any; those that cannot be told how busy they are, are left alone.
        clock: That of the devices.
        pid: The process, as we know it: wherever hardware is looked for, its /proc is ours.

    Effects:
        Runs a thread, if there is such a device. They are idle afterwards.
    """
    chips = [device for device in devices if isinstance(device, Busy)]
    if not chips:
        yield
        return
    host = Host(Path("/"), {}, clock)
    ended, shadows = threading.Event(), []
    with suppress(UsageError):  # it has ended already
        shadows = [Shadow(chip, clock, partial(read_family_cpu_s, host, pid)) for chip in chips]

    def follow() -> None:
        with suppress(UsageError):
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
        for chip in chips:
            chip.set_activity(0.0)


class Shadow:
    """Makes a chip as busy as a process was since the last call.

    Args:
        chip: Who follows.
        clock: The chip's clock.
        read_cpu_s: CPU time that the process has used so far [s].
        cpus: How many busy CPUs make the chip fully busy.
    """

    def __init__(self, chip: Busy, clock: Clock, read_cpu_s: Callable[[], float], *, cpus: float = 1.0) -> None:
        """Take the first reading."""
        if not cpus > 0:
            raise UsageError("a chip cannot follow no CPU", f"cpus = {cpus!r}", "give a number above 0")
        self._chip, self._clock, self._read_cpu_s, self._cpus = chip, clock, read_cpu_s, cpus
        self._last_ns, self._last_s = clock.now_ns(), read_cpu_s()

    def follow(self) -> float:
        """Set the chip's activity; call a few times each second.

        Returns:
            How busy the chip is from now on, 0 to 1.
        """
        now_ns, used_s = self._clock.now_ns(), self._read_cpu_s()
        elapsed_s = (now_ns - self._last_ns) * 1e-9
        if elapsed_s <= 0:
            return 0.0
        busy = min(1.0, max(0.0, (used_s - self._last_s) / elapsed_s / self._cpus))
        self._last_ns, self._last_s = now_ns, used_s
        self._chip.set_activity(busy, busy * MEMORY_SHARE)
        return busy
