"""Baselines that learn nothing: one size for ever. At the default it is *default*, told the truth it is *oracle*."""

from __future__ import annotations

from typing import Any, Self

from joulewise.optimize.batch.ledger import Ledger
from joulewise.optimize.batch.protocol import JobSpec, Kind, Report, Trial


class FixedSize:
    """Runs one size, never stopped.

    Args:
        spec: The job.
        size: The size, or None for the default.
    """

    def __init__(self, spec: JobSpec, size: int | None = None) -> None:
        """Keep the size."""
        self.spec, self.size = spec, spec.default if size is None else size
        self.ledger = Ledger()

    def ask(self, retry_of: int | None = None) -> Trial:
        """What to run next."""
        return self.ledger.open(self.size, Kind.EXPLOITATION, "the one size", retry_of=retry_of)

    def progress(self, report: Report) -> float | None:
        """No bound."""
        self.ledger.find(report.trial)
        return None

    def tell(self, report: Report) -> bool:
        """How a trial ended."""
        return self.ledger.close(report) is not None

    def best(self) -> int:
        """The size."""
        return self.size

    def to_dict(self) -> dict[str, Any]:
        """All that it knows, as JSON."""
        return {"policy": "fixed", "spec": self.spec.to_dict(), "size": self.size, "ledger": self.ledger.to_dict()}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        policy = cls(JobSpec.from_dict(document["spec"]), document["size"])
        policy.ledger = Ledger.from_dict(document["ledger"])
        return policy
