"""Our bandit: two curves over the batch size, and runs that are worth what they cost.

Theory of operation
-------------------
Cost to target = epochs to target x cost of an epoch. The first is noisy and does not depend on the device; the second
is exact once an epoch has run at every power limit. Each has its curve over log batch size (`job_curves`). Epochs
are seen rounded up (`whole_epochs`), which is most of what there is to see where a run takes two or three.

*Deciding.* The incumbent is the cheapest, in expectation, of the sizes that have finished. Another size runs if what it
would teach is worth more than it costs (`value`), up to the bound at which that ends. How many runs are still to come
nobody knows; as many as have been is the guess, within limits. Once a new size has run one epoch, the cost of its
epochs is known, and its bound is decided anew.

*Never cut.* The incumbent runs without a bound, so a recurrence ends, and drift is seen (`evidence`). A retry is the
incumbent. A size that crashed or missed its target twice without ever having reached it is *hopeless* and not tried
again, unless nothing else is left.

*In flight.* A trial that has not ended counts as if it had ended at its mean: less variance, nothing else. So trials
that are submitted at the same time explore different sizes, at most two of them; the others run the incumbent.

*Another device, goal or target.* Epochs do not depend on the device or on the weights of energy and time, so `inherit`
keeps them, until they are contradicted. For another target they are kept as evidence of a curve of like shape.

Source: Zeus (NSDI'23) for the problem, for the separation of batch size and power limit, and for early stopping. The
rest is ours. Nothing is drawn by chance: equal evidence gives equal decisions.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, Self

import numpy as np
from scipy.special import ndtr

from joulewise.optimize.batch.evidence import Evidence, Run
from joulewise.optimize.batch.job_curves import EXACT, JobCurves
from joulewise.optimize.batch.ledger import Ledger
from joulewise.optimize.batch.protocol import End, EpochRate, JobSpec, Kind, Report, Trial, epoch_cost
from joulewise.optimize.batch.value import Outlook

LEAST_AHEAD, MOST_AHEAD = 10, 40
"""Runs that are taken to be still to come."""

MOST_EXPLORATIONS = 2
"""Explorations under way at a time."""

REACH = 2.0
"""Sizes within so many octaves of one that has finished are tried [octaves]."""

HOPELESS = 2
"""Crashes and misses, without any success, after which a size is given up."""

BELOW = 0.5
"""What a crash or miss of a size below the default counts for while nothing has finished, others counting one."""


class CurveBandit:
    """Our policy for one job.

    Args:
        spec: The job.
        evidence: What is known of its epochs, or None.
    """

    def __init__(self, spec: JobSpec, evidence: Evidence | None = None) -> None:
        """Start at the default size, or with what another job has learned."""
        self.spec, self.curves = spec, JobCurves(spec)
        self.evidence = evidence or Evidence(spec.batch_sizes)
        self.ledger = Ledger()
        self.rates: dict[int, tuple[EpochRate, ...]] = {}
        self.failures: dict[int, int] = {}
        self.changed_at = 0

    def inherit(self, spec: JobSpec, *, same_target: bool, same_device: bool) -> CurveBandit:
        """The bandit of another job that starts with what this one knows.

        Args:
            spec: The other job.
            same_target: Whether it has the same model, data and target, so that its epochs are the same. If not, they
                are evidence of a like shape only.
            same_device: Whether an epoch takes what it takes here; then nothing need be measured again.
        """
        other = CurveBandit(spec, self.evidence.handed_on(spec.batch_sizes, is_same=same_target))
        if same_device:
            other.rates = {size: rates for size, rates in self.rates.items() if size in spec.batch_sizes}
        return other

    # --- ask and tell

    def ask(self, retry_of: int | None = None) -> Trial:
        """What to run next; tries again for ``retry_of``."""
        finished = self._finished()
        if not finished:
            return self._first(retry_of)
        outlook = self._outlook(finished)
        incumbent = self.spec.batch_sizes[outlook.incumbent]
        exploring = self._exploring()
        if retry_of is not None:
            return self._open(incumbent, Kind.EXPLOITATION, "a retry runs the cheapest size known", retry_of)
        if exploring >= MOST_EXPLORATIONS:
            reason = f"{exploring} explorations are under way, so the cheapest size known"
            return self._open(incumbent, Kind.CONCURRENT, reason, retry_of)
        first_epochs = np.where([size in self.rates for size in self.spec.batch_sizes], 0.0, outlook.epoch)
        choice = outlook.explore(self._candidates(finished), first_epochs * self._profiling_frac())
        if choice is None:
            return self._open(incumbent, Kind.EXPLOITATION, "no other size is worth what it would cost to try", None)
        size, cost = self.spec.batch_sizes[choice.arm], float(outlook.expected[choice.arm])
        share = cost / float(outlook.expected[outlook.incumbent])
        reason = f"expected to cost {share:.2f} of what {incumbent} does, and uncertain enough to be worth a try"
        return self._open(size, Kind.EXPLORATION, reason, None, choice.bound)

    def progress(self, report: Report) -> float | None:
        """The bound of a trial under way; decided anew when the cost of its epochs is first known."""
        trial = self.ledger.find(report.trial)
        if trial is None:
            return None
        size = trial.batch_size
        is_new = bool(report.rates) and size not in self.rates
        if report.rates:
            self.rates[size] = tuple(report.rates)
        finished = self._finished()
        if trial.stop_at_cost is None or not is_new or not finished or trial.number not in self.ledger.under_way:
            return trial.stop_at_cost
        bound = self._outlook(finished, but=trial.number).go_on(self.curves.position[size], report.epochs).bound
        self.ledger.revise(trial.number, bound)
        return bound

    def tell(self, report: Report) -> bool:
        """How a trial ended. Returns whether this was news."""
        trial = self.ledger.close(report)
        if trial is None:
            return False
        size = trial.batch_size
        if report.rates:
            self.rates[size] = tuple(report.rates)
        elif size not in self.rates and min(report.epochs, report.time_s, report.energy_j) > 0.0:
            self.rates[size] = (EpochRate(None, report.time_s / report.epochs, report.energy_j / report.time_s),)
        if report.end is End.FAILED:
            self.failures[size] = self.failures.get(size, 0) + 1
        elif report.epochs > 0.0:
            if report.end is End.REACHED:
                self.failures.pop(size, None)
            run = Run(trial.number, size, report.epochs, report.end is End.REACHED)
            if self.evidence.add(run):
                self.changed_at = self.ledger.over
        return True

    def best(self) -> int:
        """The cheapest size, in expectation, of those that have finished; the default if none has."""
        finished = self._finished()
        return self.spec.batch_sizes[self._outlook(finished).incumbent] if finished else self.spec.default

    def _open(self, size: int, kind: Kind, reason: str, retry_of: int | None, bound: float | None = None) -> Trial:
        return self.ledger.open(size, kind, reason, retry_of=retry_of, stop_at_cost=bound)

    # --- what is believed

    def _outlook(self, finished: list[int], but: int | None = None) -> Outlook:
        """What is believed, trials under way (except one) counted as if they had ended at their mean."""
        epochs, noise = self.curves.epochs(self.evidence)
        costs = self.curves.epoch_costs(self.rates)
        for trial in self.ledger.under_way.values():
            if trial.number != but:
                arm = self.curves.position[trial.batch_size]
                epochs = epochs.seen(arm, float(noise[arm]))
                costs = costs.seen(arm, EXACT)
        ahead = min(max(self.ledger.over - self.changed_at, LEAST_AHEAD), MOST_AHEAD)
        return Outlook(epochs, costs, noise, finished, float(ahead))

    def _profiling_frac(self) -> float:
        """How much more an epoch costs in which all limits are tried, over one at the cheapest; as seen so far."""
        more = []
        for rates in self.rates.values():
            costs = [epoch_cost(rate, self.spec.cost) for rate in rates]
            more.append(float(np.mean(costs)) / min(costs) - 1.0)
        return float(np.mean(more)) if more else 0.0

    # --- which sizes

    def _troubles(self) -> dict[int, int]:
        """Crashes since the last success, and misses, of each size."""
        misses = self.evidence.misses(self.spec.max_epochs)
        return {size: misses.get(size, 0) + self.failures.get(size, 0) for size in self.spec.batch_sizes}

    def _finished(self) -> list[int]:
        """Positions of sizes that have finished; those that crash by now only if no other has."""
        arms = sorted(self.curves.position[size] for size in self.evidence.samples)
        sound = [arm for arm in arms if self.failures.get(self.spec.batch_sizes[arm], 0) < HOPELESS]
        return sound or arms

    def hopeless(self) -> list[int]:
        """Sizes that are not tried again."""
        finished = self.evidence.samples
        troubles = self._troubles()
        return [size for size in self.spec.batch_sizes if size not in finished and troubles[size] >= HOPELESS]

    def _candidates(self, finished: list[int]) -> list[int]:
        octaves, troubles = self.curves.octaves, self._troubles()
        near = [arm for arm, at in enumerate(octaves) if min(abs(at - octaves[other]) for other in finished) <= REACH]
        beside = {other + step for other in finished for step in (-1, 1)} & set(range(len(octaves)))
        tried = [
            arm
            for arm in sorted({*near, *beside})
            if arm in finished or troubles[self.spec.batch_sizes[arm]] < HOPELESS
        ]
        return [arm for arm in tried if self.failures.get(self.spec.batch_sizes[arm], 0) < HOPELESS]

    def _first(self, retry_of: int | None) -> Trial:
        """A trial while nothing has finished: the default, then every size once, then small ones twice as often.

        Among equals, the least expected cost over the chance to finish. In max_epochs a smaller batch makes more
        updates, and past the critical batch size a larger one gets less from each example, so a target that is missed
        at the default is likelier to be met below it than above; memory that ran out speaks likewise. But the theory
        supposes a learning rate that suits, so it sets an order, never a bar. Two to one is the mildest whole ratio
        that prefers: it costs a target met above only no more than twice the tries.

        Source: McCandlish et al. 2018 (2.3), Shallue et al. 2019 (4.1). Zeus (NSDI'23) explores downwards first, too.
        """
        troubles = self._troubles()
        is_told = len(self.evidence.contexts) > 1
        size, reason = self.spec.default, "the default size, since none has finished yet"
        if troubles[size] or is_told:
            (epochs, noise), costs = self.curves.epochs(self.evidence), self.curves.epoch_costs(self.rates)
            deviation = np.sqrt(np.diag(epochs.cov) + noise)
            chance = ndtr((math.log(self.spec.max_epochs) - epochs.mean) / deviation)
            price = np.exp(costs.mean + np.minimum(epochs.mean, math.log(self.spec.max_epochs))) / np.maximum(
                chance, 1e-6
            )
            weighed = [count * (BELOW if size < self.spec.default else 1.0) for size, count in troubles.items()]
            arm = min(range(len(price)), key=lambda arm: (weighed[arm], float(price[arm])))
            size, reason = self.spec.batch_sizes[arm], "none has finished yet; the best guess from what is known"
        kind = Kind.CONCURRENT if self._exploring() >= MOST_EXPLORATIONS else Kind.EXPLORATION
        return self._open(size, kind, reason, retry_of)

    def _exploring(self) -> int:
        """How many explorations are under way."""
        return sum(trial.kind is Kind.EXPLORATION for trial in self.ledger.under_way.values())

    # --- state

    def to_dict(self) -> dict[str, Any]:
        """All that it knows, as JSON; there is no random generator to keep."""
        return {
            "policy": "curves",
            "spec": self.spec.to_dict(),
            "evidence": self.evidence.to_dict(),
            "ledger": self.ledger.to_dict(),
            "rates": {str(size): [asdict(rate) for rate in rates] for size, rates in self.rates.items()},
            "failures": {str(size): count for size, count in self.failures.items()},
            "changed_at": self.changed_at,
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        bandit = cls(JobSpec.from_dict(document["spec"]), Evidence.from_dict(document["evidence"]))
        bandit.ledger = Ledger.from_dict(document["ledger"])
        bandit.rates = {
            int(size): tuple(EpochRate(**rate) for rate in rates) for size, rates in document["rates"].items()
        }
        bandit.failures = {int(size): count for size, count in document["failures"].items()}
        bandit.changed_at = document["changed_at"]
        return bandit
