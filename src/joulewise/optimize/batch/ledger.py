"""Trials by number: which are under way, which are over, and what may still change."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Self

from joulewise.errors import UsageError
from joulewise.optimize.batch.protocol import End, Kind, Report, Trial

KEPT_EXPIRED = 256
"""Expired trials that may still be told; older ones count as over."""


class Ledger:
    """Hands out trials with dense numbers, and says of each report whether it is news."""

    def __init__(self) -> None:
        """Start empty."""
        self.handed_out = 0
        self.under_way: dict[int, Trial] = {}
        self.expired: dict[int, Trial] = {}

    @property
    def over(self) -> int:
        """How many trials have ended."""
        return self.handed_out - len(self.under_way)

    def open(self, batch_size: int, kind: Kind, reason: str, *, retry_of: int | None, **more: Any) -> Trial:
        """Start the next trial; ``more`` are other fields of `Trial`."""
        if retry_of is not None:
            self.find(retry_of)
        self.handed_out += 1
        trial = Trial(self.handed_out, batch_size, kind, reason, retry_of=retry_of, **more)
        self.under_way[trial.number] = trial
        return trial

    def find(self, number: int) -> Trial | None:
        """The trial of a number if it is under way or has expired; None if it is over.

        Raises:
            UsageError: If it was never handed out.
        """
        if not 1 <= number <= self.handed_out:
            seen = f"number {number!r}; {self.handed_out} were handed out"
            raise UsageError("a report is of a trial that was never asked for", seen, "ask first")
        return self.under_way.get(number) or self.expired.get(number)

    def revise(self, number: int, bound: float | None) -> None:
        """Give a trial that is under way another bound."""
        self.under_way[number] = replace(self.under_way[number], stop_at_cost=bound)

    def close(self, report: Report) -> Trial | None:
        """End a trial.

        Returns:
            The trial if this is news, that is a first end, or the true end of one that had expired. Else None.

        Raises:
            UsageError: If the trial was never handed out, or the report has no end.
        """
        trial = self.find(report.trial)
        if report.end is None:
            raise UsageError("a trial is told without an end", f"number {report.trial}", "use progress until it ends")
        if trial is None or (report.end is End.EXPIRED and report.trial in self.expired):
            return None
        self.under_way.pop(trial.number, None)
        self.expired.pop(trial.number, None)
        if report.end is End.EXPIRED:
            self.expired[trial.number] = trial
            while len(self.expired) > KEPT_EXPIRED:
                del self.expired[next(iter(self.expired))]
        return trial

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        rows = {
            name: [{**asdict(trial), "kind": trial.kind.value} for trial in trials.values()]
            for name, trials in (("under_way", self.under_way), ("expired", self.expired))
        }
        return {"handed_out": self.handed_out, **rows}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        ledger = cls()
        ledger.handed_out = document["handed_out"]
        for name in ("under_way", "expired"):
            trials = [Trial(**{**row, "kind": Kind(row["kind"])}) for row in document[name]]
            setattr(ledger, name, {trial.number: trial for trial in trials})
        return ledger
