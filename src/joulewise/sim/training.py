"""A training job on simulated devices: a loader whose steps keep twins busy, on a virtual clock.

A step is a forward and a backward pass (mostly core cycles), an optimizer step (mostly memory traffic) and a pause in
which the host prepares the next batch. Devices start a step together and wait for the slowest at its end, as ranks of
data parallelism do. How long work takes and what it draws follows from the twin's physics at the settings in force;
sizes of batches scatter, the same for every run of one seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from joulewise.clock import VirtualClock
from joulewise.devices.device import Device, Scope
from joulewise.devices.simulated.chip import SimulatedChip
from joulewise.devices.simulated.driver import make_devices
from joulewise.devices.simulated.work import Kernel, Wait
from joulewise.errors import UsageError

LOOKS = 4
"""How often `SimulatedTraining.meanwhile` is called in the first half of a step."""


@dataclass(frozen=True, slots=True)
class StepShape:
    """What a step does on one device, in seconds at its highest clocks.

    Attributes:
        forward_s, backward_s: The passes [s]; mostly core cycles.
        optimizer_s: The update of weights [s]; mostly memory traffic.
        pause_s: What the host does meanwhile nothing runs [s].
        scatter_frac: Relative standard deviation of the size of a step.
    """

    forward_s: float = 0.06
    backward_s: float = 0.12
    optimizer_s: float = 0.02
    pause_s: float = 0.01
    scatter_frac: float = 0.01

    def work(self, size: float) -> tuple[Kernel | Wait, ...]:
        """The work of a step of relative ``size``."""
        return (
            Kernel(self.forward_s * size, compute_frac=0.75, memory_frac=0.2),
            Kernel(self.backward_s * size, compute_frac=0.75, memory_frac=0.2),
            Kernel(self.optimizer_s, compute_frac=0.1, memory_frac=0.85),
        )


@dataclass
class SimulatedTraining:
    """A training job; iterate over it as over a loader, once per epoch.

    Args:
        text: The node, as in ``a100x4`` or ``v100x2,epyc``.
        steps: Steps of an epoch.
        shape: What a step does.
        sizes: Relative size of each accelerator's share of a batch; all alike by default. A larger one is a straggler.
        seed: Of boards and batches.
        meanwhile: Called a few times while each step is under way, for a meter on the virtual clock to read devices.

    Attributes:
        clock: Virtual; it is the devices'.
        devices: All of the node. Its accelerators work, or, where there is none, its processors.

    Raises:
        UsageError: If the text means no device, or a number is out of range.

    Example:
        >>> job = SimulatedTraining("a100", steps=10)
        >>> sum(1 for _ in job), job.clock.now_ns() > 0
        (10, True)
    """

    text: str
    steps: int
    shape: StepShape = field(default_factory=StepShape)
    sizes: Sequence[float] | None = None
    seed: int = 0
    meanwhile: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        """Make the node."""
        if self.steps < 1:
            raise UsageError("a job needs steps", f"{self.steps!r}", "give at least 1")
        self.clock = VirtualClock()
        self.devices: list[Device] = make_devices(self.text, self.clock, seed=self.seed)
        chips = [one for one in self.devices if isinstance(one, SimulatedChip)]
        accelerators = [one for one in chips if one.identity.scope in (Scope.BOARD, Scope.MODULE)]
        self._chips = accelerators or [one for one in chips if one.identity.scope is Scope.PACKAGE]
        if self.sizes is not None and (len(self.sizes) != len(self._chips) or min(self.sizes) <= 0):
            seen = f"{len(self.sizes)} for {len(self._chips)} devices"
            raise UsageError("sizes do not fit the devices", seen, "give one above 0 for each")
        self._rng = np.random.default_rng(self.seed)

    def __len__(self) -> int:
        """Steps of an epoch."""
        return self.steps

    def __iter__(self) -> Iterator[int]:
        """Steps, each yielded when its work is done."""
        shares = self.sizes or [1.0] * len(self._chips)
        for index in range(self.steps):
            size = max(0.1, 1 + self.shape.scatter_frac * float(self._rng.standard_normal()))
            for chip, share in zip(self._chips, shares, strict=True):
                chip.submit(*self.shape.work(size * share))
            if self.meanwhile is not None:
                least_s = (self.shape.forward_s + self.shape.backward_s) * size * min(shares) + self.shape.optimizer_s
                for _ in range(LOOKS):
                    self.clock.sleep(least_s / (2 * LOOKS))
                    self.meanwhile()
            for chip in self._chips:
                chip.wait_done()
            self.clock.sleep(self.shape.pause_s)
            yield index
