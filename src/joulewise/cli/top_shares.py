"""Which processes draw what, for ``joulewise top``: every refresh divides what was used since the last one.

CPUs and their memory are divided by CPU time, and so are twins, since a twin here is as busy as the machine's CPUs; a
GPU whose driver tells its processes is divided by their time on its multiprocessors. What no method covers is nobody's,
and is shown as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joulewise.devices.device import Busy, Device, Host, Scope
from joulewise.errors import JoulewiseError, UsageError
from joulewise.export.names import hardware_type
from joulewise.export.observation import Observation
from joulewise.measure.attribution.cpu_time import CpuTimeRecorder, by_cpu_time
from joulewise.measure.attribution.gpu_processes import GpuProcessRecorder, by_gpu_process
from joulewise.measure.attribution.share import Attribution
from joulewise.measure.attribution.spent import Spent
from joulewise.measure.attribution.use import Use
from joulewise.measure.curve import EnergyCurve
from joulewise.measure.energy import Energy, Method
from joulewise.records import Provenance


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """What is attributed to one process: power since the last refresh [W], and energy since the reset [J]."""

    pid: int
    command: str
    power_w: float
    energy_j: float


@dataclass(frozen=True, slots=True)
class Shares:
    """What is attributed to processes.

    Attributes:
        rows: Those that drew something since the last refresh, or the reset.
        unattributed_w: What is nobody's [W].
        methods: How it was divided, in words.
        provenance: What the figures are worth.
    """

    rows: tuple[ProcessRow, ...] = ()
    unattributed_w: float = 0.0
    methods: tuple[str, ...] = ()
    provenance: Provenance = Provenance.MEASURED


class ProcessShares:
    """Divides what devices use among processes.

    Args:
        devices: All that are watched.
        host: The machine.
    """

    def __init__(self, devices: Sequence[Device], host: Host) -> None:
        """Begin now."""
        self._host, self._joules = host, dict[int, float]()
        self._before: dict[str, tuple[int, float]] = {}
        self._by_cpu_time = {
            one.identity.uid
            for one in devices
            if isinstance(one, Busy) or hardware_type(one.identity) in ("cpu", "memory")
        }
        self._cpu: CpuTimeRecorder | None = None
        self._why = ""
        try:
            self._cpu = CpuTimeRecorder(host)
        except UsageError as error:
            self._why = f"processes are not told apart: {error.seen}"
        self._gpus: dict[str, GpuProcessRecorder] = {}
        for one in devices:
            if one.identity.uid not in self._by_cpu_time:
                try:
                    self._gpus[one.identity.uid] = GpuProcessRecorder(one, host.clock)
                except JoulewiseError:  # it cannot tell: what it uses is nobody's
                    continue

    def reset(self) -> None:
        """Count energy from now."""
        self._joules.clear()

    def mark(self, seen: Sequence[Observation]) -> Shares:
        """Divide what was used since the last call."""
        used = {one.identity.uid: one for one in seen if not one.within and one.identity.scope is not Scope.NODE}
        watts = {uid: mean_w for uid, one in used.items() if (mean_w := self._mean_w(one)) is not None}
        parts: list[tuple[Attribution, float]] = []
        if self._cpu is not None:
            uses, of = self._cpu.mark(), [uid for uid in watts if uid in self._by_cpu_time]
            if of and uses:
                spent = _spent(sum(watts[uid] for uid in of), uses, [used[uid] for uid in of])
                parts.append((by_cpu_time(spent, uses, self._cpu.cpus), _length_s(spent)))
            self._cpu.uses.clear()
        for uid, recorder in list(self._gpus.items()):
            try:
                uses = recorder.mark()
            except Exception:  # the GPU may be lost; what it uses is nobody's from now on
                del self._gpus[uid]
                continue
            if uid in watts and uses:
                spent = _spent(watts[uid], uses, [used[uid]])
                parts.append((by_gpu_process(spent, uses), _length_s(spent)))
            recorder.uses.clear()
        return self._told(parts, sum(watts.values()), list(used.values()))

    def _told(self, parts: Sequence[tuple[Attribution, float]], whole_w: float, used: Sequence[Observation]) -> Shares:
        watts: dict[int, float] = {}
        for part, duration_s in parts:
            for share in part.shares:
                pid = int(share.key)
                watts[pid] = watts.get(pid, 0.0) + share.energy_j / duration_s
                self._joules[pid] = self._joules.get(pid, 0.0) + share.energy_j
        names = {} if self._cpu is None else {int(key): facts.command for key, facts in self._cpu.processes.items()}
        rows = tuple(
            ProcessRow(pid, names.get(pid, "?"), watts.get(pid, 0.0), energy_j)
            for pid, energy_j in self._joules.items()
        )
        methods = dict.fromkeys(part.method for part, _ in parts)
        if self._why:
            methods[self._why] = None
        provenance = Provenance.weakest(one.identity.provenance for one in used)
        return Shares(rows, max(0.0, whole_w - sum(watts.values())), tuple(methods), provenance)

    def _mean_w(self, one: Observation) -> float | None:
        """Mean power of a device since the last call [W], or None if it was not read since."""
        before = self._before.get(one.identity.uid)
        if one.energy_j is None or one.energy_at_ns is None:
            return None
        self._before[one.identity.uid] = (one.energy_at_ns, one.energy_j)
        if before is None or one.energy_at_ns <= before[0]:
            return None
        return (one.energy_j - before[1]) / (one.energy_at_ns - before[0]) * 1e9


def in_order(rows: Sequence[ProcessRow], key: str) -> list[ProcessRow]:
    """Rows in the order of a key: power or energy, largest first, or name, or pid."""
    keys: Mapping[str, tuple[str, bool]] = {
        "power": ("power_w", True),
        "energy": ("energy_j", True),
        "name": ("command", False),
        "pid": ("pid", False),
    }
    field, largest_first = keys[key]
    return sorted(sorted(rows, key=lambda row: row.pid), key=lambda row: getattr(row, field), reverse=largest_first)


def _spent(power_w: float, uses: Sequence[Use], of: Sequence[Observation]) -> Spent:
    """What devices spent while processes were looked at; which is not to the tick when their sensors were."""
    begin_ns, end_ns = min(use.begin_ns for use in uses), max(use.end_ns for use in uses)
    energy_j, lag_j = power_w * (end_ns - begin_ns) * 1e-9, sum(one.lag_j or 0.0 for one in of)
    provenance = Provenance.weakest(one.identity.provenance for one in of)
    energy = Energy(energy_j, max(0.0, energy_j - lag_j), energy_j + lag_j, lag_j, Method.MIXED, provenance)
    return Spent(energy, begin_ns, end_ns, EnergyCurve.even(energy_j, begin_ns, end_ns))


def _length_s(spent: Spent) -> float:
    return (spent.end_ns - spent.begin_ns) * 1e-9
