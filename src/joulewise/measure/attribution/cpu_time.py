"""Energy of CPUs per process, from CPU time.

Theory of operation. Linux counts the CPU time of every process and of the machine. Read twice, the differences are what
each used in between; what the machine used beyond the processes that we saw (those that came and went, and the kernel)
is unattributed. If the idle power is known, it stays unattributed and the rest is divided by CPU time alone; else
energy is divided by what all CPUs could do, so that idle CPUs are nobody's. CPU time does not tell clocks, vector units
or memory traffic apart.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from joulewise.devices.device import Host
from joulewise.errors import UsageError
from joulewise.measure.attribution.share import UNATTRIBUTED, Attribution
from joulewise.measure.attribution.spent import Spent
from joulewise.measure.attribution.use import Use, by_use

_BUSY_COLUMNS = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal; guests are within user


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """Who a process is.

    Attributes:
        pid: Its number.
        command: Its name.
        cgroup: Where it is in the cgroup tree (version 2, else the first of version 1), or empty.
    """

    pid: int
    command: str
    cgroup: str


@dataclass
class CpuTimeRecorder:
    """Reads CPU times of all processes at intervals, from /proc. One thread owns it.

    Args:
        host: The machine; its clock is that of the measurement.

    Attributes:
        uses: CPU seconds, keyed by pid.
        processes: Who is behind a key, for `by_group`.

    Raises:
        UsageError: If there is no /proc.
    """

    host: Host
    uses: list[Use] = field(default_factory=list, init=False)
    processes: dict[str, ProcessFacts] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Begin now."""
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self.last_ns, self._machine_s = self.host.clock.now_ns(), self._read_machine()[0]
        self._of = self._read_processes()

    @property
    def cpus(self) -> int:
        """How many CPUs the machine has."""
        return self._read_machine()[1]

    def mark(self) -> Sequence[Use]:
        """Read now; differences count since the last time.

        Returns:
            What was used since, the rest of the machine included as `UNATTRIBUTED`.
        """
        machine_s, of, now_ns = self._read_machine()[0], self._read_processes(), self.host.clock.now_ns()
        if now_ns <= self.last_ns:
            return ()
        used: dict[str, float] = {}
        for (pid, started), cpu_s in of.items():
            used[pid] = used.get(pid, 0.0) + max(0.0, cpu_s - self._of.get((pid, started), 0.0))
        rest_s = max(0.0, machine_s - self._machine_s - sum(used.values()))
        used[UNATTRIBUTED] = rest_s
        found = [Use(key, self.last_ns, now_ns, amount) for key, amount in used.items() if amount > 0]
        self.uses += found
        self.last_ns, self._machine_s, self._of = now_ns, machine_s, of
        for use in found:
            if use.key != UNATTRIBUTED and use.key not in self.processes:
                self.processes[use.key] = self._facts(use.key)
        return found

    def _read_machine(self) -> tuple[float, int]:
        """CPU time of the machine [s], and how many CPUs it has."""
        path = self.host.path("/proc/stat")
        try:
            lines = path.read_text(encoding="ascii", errors="replace").splitlines()
            columns = [int(word) for word in lines[0].split()[1:]]
        except (OSError, ValueError, IndexError) as error:
            raise UsageError("CPU time cannot be read", f"{path}: {error}", "attribute by CPU time on Linux") from error
        cpus = sum(line.startswith("cpu") for line in lines) - 1
        return sum(columns[at] for at in _BUSY_COLUMNS if at < len(columns)) * self._tick_s, max(1, cpus)

    def _read_processes(self) -> dict[tuple[str, str], float]:
        """CPU time [s] by pid and start."""
        found: dict[tuple[str, str], float] = {}
        for file in self.host.path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError, IndexError, ValueError):  # it has ended since
                words = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                found[file.parent.name, words[19]] = (int(words[11]) + int(words[12])) * self._tick_s
        return found

    def _facts(self, pid: str) -> ProcessFacts:
        folder = self.host.path(f"/proc/{pid}")
        lines = _text(folder / "cgroup").splitlines()
        unified = [line for line in lines if line.startswith("0::")] or lines
        cgroup = unified[0].split(":", 2)[2] if unified and unified[0].count(":") >= 2 else ""
        return ProcessFacts(int(pid), _text(folder / "comm").strip(), cgroup)


def by_cpu_time(spent: Spent, uses: Iterable[Use], cpus: int, *, idle_w: float | None = None) -> Attribution:
    """Divide energy of CPUs among processes.

    Args:
        spent: What the CPUs spent, and their memory if wanted.
        uses: CPU seconds, as `CpuTimeRecorder` tells.
        cpus: How many CPUs there are.
        idle_w: Idle power, to be left unattributed, so that all of the rest is divided by CPU time [W]; by default the
            baseline that was measured, if one was.

    Raises:
        UsageError: If there are no CPUs.
    """
    if cpus < 1:
        raise UsageError("there is no machine without CPUs", f"cpus = {cpus!r}", "give 1 or more")
    idle_w = spent.idle_w if idle_w is None else idle_w
    if idle_w is None:
        method = f"in proportion to CPU time, of all that {cpus} CPUs have; idle time and unseen processes unattributed"
        return by_use(spent, uses, method, capacity_per_s=float(cpus))
    method = "energy above idle in proportion to CPU time; idle power and unseen processes unattributed"
    return by_use(spent, uses, method, idle_w=idle_w)


def cgroups(processes: Mapping[str, ProcessFacts]) -> Mapping[str, str]:
    """The cgroup of each key, for `by_group`."""
    return {key: facts.cgroup for key, facts in processes.items() if facts.cgroup}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
