"""Let a simulated chip follow a real process, so that someone without a GPU sees something alive.

The chip is as busy as the process keeps CPUs, which says nothing about what a GPU would do: every output of a twin is
marked as simulated.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from joulewise.clock import Clock
from joulewise.devices.device import Host
from joulewise.devices.simulated.chip import SimulatedChip
from joulewise.errors import UsageError

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


class Shadow:
    """Makes a chip as busy as a process was since the last call.

    Args:
        chip: Who follows.
        clock: The chip's clock.
        read_cpu_s: CPU time that the process has used so far [s].
        cpus: How many busy CPUs make the chip fully busy.
    """

    def __init__(
        self, chip: SimulatedChip, clock: Clock, read_cpu_s: Callable[[], float], *, cpus: float = 1.0
    ) -> None:
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
