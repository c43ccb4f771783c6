"""Which process a change belongs to, and whether it still lives.

A pid alone is used again; with the instant at which its process started and the boot it names one process. Homes are
shared between machines, so the machine's name belongs to it as well.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """One process of one boot of one machine.

    Attributes:
        machine: Name of the machine.
        boot: Identity of the boot, or empty if the system has none.
        pid: Its number.
        started: When it started, in the system's ticks since boot, or empty if the system does not say.
    """

    machine: str
    boot: str
    pid: int
    started: str

    @classmethod
    def this(cls) -> Process:
        """The calling process."""
        return cls(machine_name(), boot_identity(), os.getpid(), started(os.getpid()))

    @property
    def is_here(self) -> bool:
        """Whether it ran on this machine, in whichever boot."""
        return self.machine == machine_name()

    @property
    def same_boot(self) -> bool:
        """Whether the machine has not started again since."""
        return self.is_here and self.boot == boot_identity()

    @property
    def lives(self) -> bool:
        """Whether it still runs; processes of other machines are taken to run."""
        if not self.is_here:
            return True
        if not self.same_boot:
            return False
        if self.started:
            return started(self.pid) == self.started
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def machine_name() -> str:
    """Name of this machine."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


def boot_identity() -> str:
    """What tells this boot from others, or nothing if the system does not say."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def started(pid: int) -> str:
    """When a process started, as the kernel counts; empty if there is none, or it has ended and is only remembered."""
    with suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    return ""
