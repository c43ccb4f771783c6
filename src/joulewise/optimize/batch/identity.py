"""Which job is this: a digest of what its epochs and the cost of its epochs depend on.

Two keys, since two things are learned. What epochs to target depend on - model, data lineage, optimizer, target, global
batch size - is the *learning problem*. Where it runs is the *device*. Jobs of equal keys share all that was learned; of
equal learning problem only, the epochs; goals such as the weight of energy against time are in neither.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from joulewise.errors import UsageError


@dataclass(frozen=True, slots=True)
class Target:
    """When a run has done its work.

    Attributes:
        metric: Name of the metric.
        value: Value to reach.
        higher_is_better: Whether reaching it means at least, or at most.
    """

    metric: str
    value: float
    higher_is_better: bool = True

    def is_reached(self, value: float) -> bool:
        """Whether a value is good enough; NaN never is."""
        return value >= self.value if self.higher_is_better else value <= self.value


@dataclass(frozen=True, slots=True)
class JobIdentity:
    """What matters of a job.

    Attributes:
        model: The model, as the user names it, its version included.
        data: Lineage of the data: where it comes from, not today's slice of it.
        optimizer: Optimizer and schedule.
        targets: All of them must be reached.
        max_epochs: A run ends there.
        gpu_type: Name of the device, or empty.
        gpu_count: How many of them, at least one.
    """

    model: str
    data: str
    optimizer: str
    targets: tuple[Target, ...]
    max_epochs: int
    gpu_type: str = ""
    gpu_count: int = 1

    def __post_init__(self) -> None:
        """Check, and sort the targets: their order does not matter."""
        if not self.targets or len({target.metric for target in self.targets}) != len(self.targets):
            seen = f"{len(self.targets)} targets"
            raise UsageError("the targets of a job are not usable", seen, "give at least one, each of another metric")
        if self.gpu_count < 1 or self.max_epochs < 1:
            seen = f"{self.gpu_count} devices, {self.max_epochs} epochs"
            raise UsageError("a job runs nowhere or for no time", seen, "give at least 1 of each")
        object.__setattr__(self, "targets", tuple(sorted(self.targets, key=lambda target: target.metric)))

    def is_reached(self, values: dict[str, float]) -> bool:
        """Whether all targets are reached; a metric that is missing is not."""
        return all(target.is_reached(values.get(target.metric, float("nan"))) for target in self.targets)

    @property
    def curriculum(self) -> str:
        """Digest of model, data and optimizer: jobs of equal curriculum and other targets have curves of like shape."""
        return _digest([self.model, self.data, self.optimizer])

    @property
    def learning_problem(self) -> str:
        """Digest of what epochs to target depend on; max_epochs only ends runs and is left out."""
        return _digest([self.model, self.data, self.optimizer, [asdict(target) for target in self.targets]])

    @property
    def device(self) -> str:
        """Digest of what the cost of an epoch depends on beside the learning problem."""
        return _digest([self.gpu_type, self.gpu_count])

    @property
    def key(self) -> str:
        """Digest of both."""
        return _digest([self.learning_problem, self.device])


def _digest(parts: list[object]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
