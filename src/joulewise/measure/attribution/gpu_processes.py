"""Energy of a GPU per process, from how much each keeps its multiprocessors busy.

Theory of operation. The driver tells, for each process that computed lately, in which fraction of a sample period (1/6
to 1 s) it did. We ask it at intervals: what a process is told to have used holds since we asked before. If the idle
power is known, it stays unattributed and the rest is divided among whoever computes; else energy is divided by what the
GPU could do, so that its idle fraction is nobody's. That a multiprocessor is busy does not say how much power it draws,
so the division is rough between programs of different kinds; and while MIG is on, the driver tells nothing (see
`joulewise.measure.attribution.mig`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from joulewise.clock import Clock
from joulewise.devices.device import Device
from joulewise.devices.processes import ProcessLister
from joulewise.errors import CapabilityError
from joulewise.measure.attribution.share import Attribution
from joulewise.measure.attribution.spent import Spent
from joulewise.measure.attribution.use import Use, by_use


@dataclass
class GpuProcessRecorder:
    """Asks a GPU at intervals who computes on it. One thread owns it.

    Args:
        device: The GPU.
        clock: That of the measurement.

    Raises:
        CapabilityError: If the GPU cannot tell.
    """

    device: Device
    clock: Clock
    uses: list[Use] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Begin now."""
        if not isinstance(self.device, ProcessLister):
            identity, has = self.device.identity, ", ".join(self.device.capabilities)
            raise CapabilityError(identity.uid, "telling its processes", has, "attribute by CPU time, or exclusively")
        self._lister: ProcessLister = self.device
        samples = self._lister.read_process_utilisation(0)
        self._since_us = max((sample.at_us for sample in samples), default=0)
        self.last_ns = self.clock.now_ns()

    def mark(self) -> Sequence[Use]:
        """Ask now; what is told counts since the last time. About once a second is often enough.

        Returns:
            What was used since.
        """
        samples = self._lister.read_process_utilisation(self._since_us)
        now_ns = self.clock.now_ns()
        if now_ns <= self.last_ns:
            return ()
        elapsed_s = (now_ns - self.last_ns) * 1e-9
        of: dict[int, list[float]] = {}
        for sample in samples:
            of.setdefault(sample.pid, []).append(sample.compute_frac)
        found = [
            Use(str(pid), self.last_ns, now_ns, sum(fracs) / len(fracs) * elapsed_s)
            for pid, fracs in sorted(of.items())
        ]
        self.uses += found
        self._since_us = max((sample.at_us for sample in samples), default=self._since_us)
        self.last_ns = now_ns
        return found


def by_gpu_process(spent: Spent, uses: Iterable[Use], *, idle_w: float | None = None) -> Attribution:
    """Divide a GPU's energy among processes.

    Args:
        spent: What the GPU spent.
        uses: Busy multiprocessor seconds, keyed by pid, as `GpuProcessRecorder` tells.
        idle_w: The GPU's idle power, to be left unattributed, so that all of the rest is divided among whoever computes
            [W]; by default the baseline that was measured, if one was.
    """
    idle_w = spent.idle_w if idle_w is None else idle_w
    if idle_w is None:
        method = "in proportion to multiprocessor time of each process, of all that the GPU has; idle time unattributed"
        return by_use(spent, uses, method, capacity_per_s=1.0)
    method = "energy above idle in proportion to multiprocessor time of each process; idle power unattributed"
    return by_use(spent, uses, method, idle_w=idle_w)
