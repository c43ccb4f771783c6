"""The baseline that tries everything once: every pair of size and limit, one a recurrence, then the best for good.

A batch size that does not reach its target is dropped. Here a size runs with all of its limits at once, as for every
policy, and stands in the grid as often as it has limits, so that the way takes as many recurrences as a grid has
points. A weak baseline: nothing is stopped early.

Source: Zeus (NSDI'23), section 6.1, "Grid Search with Pruning"; its code is not published, this is our reading of it.
"""

from __future__ import annotations

from typing import Any, Self

from joulewise.optimize.batch.ledger import Ledger
from joulewise.optimize.batch.protocol import End, JobSpec, Kind, Report, Trial, cost_of


class GridSearch:
    """Grid search with pruning.

    Args:
        spec: The job.
        limits: Power limits per size: how often each size stands in the grid.
    """

    def __init__(self, spec: JobSpec, limits: int = 1) -> None:
        """Start at the default size."""
        self.spec, self.limits = spec, limits
        down = [size for size in reversed(spec.batch_sizes) if size <= spec.default]
        order = down + [size for size in spec.batch_sizes if size > spec.default]
        self.todo = [size for size in order for _ in range(limits)]
        self.costs: dict[int, list[float]] = {}
        self.ledger = Ledger()

    def ask(self, retry_of: int | None = None) -> Trial:
        """What to run next."""
        if self.todo and retry_of is None:
            return self.ledger.open(self.todo.pop(0), Kind.EXPLORATION, "the next of the grid", retry_of=None)
        return self.ledger.open(self.best(), Kind.EXPLOITATION, "the best of the grid", retry_of=retry_of)

    def progress(self, report: Report) -> float | None:
        """No bound."""
        self.ledger.find(report.trial)
        return None

    def tell(self, report: Report) -> bool:
        """How a trial ended."""
        trial = self.ledger.close(report)
        if trial is None:
            return False
        if report.end is End.REACHED:
            cost = cost_of(report.time_s, report.energy_j, self.spec.cost)
            self.costs.setdefault(trial.batch_size, []).append(cost)
        elif report.end is not End.EXPIRED:
            self.todo = [size for size in self.todo if size != trial.batch_size]
        return True

    def best(self) -> int:
        """The size of the cheapest run that reached its target; the default if none has."""
        return min(self.costs, key=lambda size: min(self.costs[size]), default=self.spec.default)

    def to_dict(self) -> dict[str, Any]:
        """All that it knows, as JSON."""
        return {
            "policy": "grid",
            "spec": self.spec.to_dict(),
            "limits": self.limits,
            "todo": self.todo,
            "costs": {str(size): costs for size, costs in self.costs.items()},
            "ledger": self.ledger.to_dict(),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        policy = cls(JobSpec.from_dict(document["spec"]), document["limits"])
        policy.todo = list(document["todo"])
        policy.costs = {int(size): list(costs) for size, costs in document["costs"].items()}
        policy.ledger = Ledger.from_dict(document["ledger"])
        return policy
