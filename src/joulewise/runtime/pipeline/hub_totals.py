"""What a process has used under plans, beside what it would have used without: counted here, told to the hub."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from joulewise.records import Provenance
from joulewise.runtime.pipeline.computation import Iteration
from joulewise.wire.pipeline_hub import Baseline, Totals


class Ledger:
    """Counts iterations as they end; each once.

    Attributes:
        totals: What it has come to.
        iterations: How many have ended since the process began.
        time_s: Median time of the last ones that followed one plan throughout [s], or 0.
    """

    def __init__(self) -> None:
        """Nothing has run yet."""
        self.totals, self.iterations, self.time_s = Totals(), 0, 0.0
        self._pure_from = 0

    def change_plan(self) -> None:
        """Another plan is followed from now on: the iteration that is under way counts for neither."""
        self._pure_from = self.iterations + 1

    def add(self, ran: Sequence[Iteration], baseline: Baseline | None) -> None:
        """Add what has ended; what was added before is passed over.

        Args:
            ran: Iterations by rising number; the last ones, at least.
            baseline: What to compare with; None if that is not known.
        """
        fresh = [one for one in ran if one.number >= self.iterations]
        pure = [one for one in fresh if one.planned and one.number >= self._pure_from]
        if fresh:
            self.iterations = fresh[-1].number + 1
        self.time_s = median([one.time_s for one in pure]) if pure else 0.0
        if baseline is not None:
            self.totals = _added(self.totals, pure, baseline)


def _added(totals: Totals, ran: Iterable[Iteration], baseline: Baseline) -> Totals:
    counted, used_j, unplanned_j = totals.iterations, totals.used_j, totals.unplanned_j
    kinds = [Provenance(totals.provenance)]
    for one in ran:
        if one.energy_j is None:
            continue
        counted += 1
        used_j += max(0.0, one.energy_j) + baseline.waited_j(one.time_s)
        unplanned_j += baseline.unplanned_j
        kinds.append(one.provenance)
    return Totals(counted, used_j, unplanned_j, str(Provenance.weakest(kinds)))
