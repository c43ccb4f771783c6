"""What runs say of the epochs to target: samples, censored runs, and changes of the world.

Theory of operation
-------------------
A run that reached its target is a sample of its batch size's epochs. A run that was cut or missed says only that more
epochs would have been needed: a *censored* sample.

What both say of the curve is for `whole_epochs`. To notice changes, a size that has finished has samples; a censored
run of it that went beyond their mean is one of its epochs plus one mean: having got nowhere, it would have had to start
again.

Runs are of a *context*: the same job while it stays the same. If two runs in succession, at sizes that have finished,
both lie three standard deviations off on the same side, the world has changed, and a new context begins with the first
of them. What was learned before is kept, as evidence of a curve that differs from today's by an unknown level and a
little in shape. A context can also be handed on to another job (another device, target or cost); one that is handed on
as *the same* is believed until it is contradicted in this very way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

USUAL_VARIATION, USUAL_WEIGHT = 0.08, 4.0
"""Coefficient of variation of epochs over runs to start from, and how many samples it counts for."""

SURPRISE, IN_A_ROW = 3.0, 2
"""So many standard deviations, so many times in a row on one side, are a change."""

KEPT_CONTEXTS, KEPT_RUNS = 3, 32
"""Contexts, and runs of a size in one, that are remembered."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a finished trial says of epochs.

    Attributes:
        trial: Its number; 0 for runs of another job.
        size: Its batch size.
        epochs: Epochs run, > 0.
        reached: Whether the target was reached by then.
        surprise: How far it lay from what was expected [standard deviations]; 0 if nothing was.
    """

    trial: int
    size: int
    epochs: float
    reached: bool
    surprise: float = 0.0


@dataclass(frozen=True, slots=True)
class Context:
    """Runs under the same conditions, in the order in which they were told.

    Attributes:
        runs: The runs.
        is_same: Whether the next context is taken to be like this one until contradicted.
    """

    runs: tuple[Run, ...] = ()
    is_same: bool = False


Row = tuple[int, int, tuple[tuple[float, ...], tuple[float, ...]]]
"""Number of a context, size, and epochs of its runs that reached the target and of those that did not, rising."""


@dataclass(frozen=True)
class Samples:
    """Samples of one size in one context."""

    values: tuple[float, ...]

    @cached_property
    def mean(self) -> float:
        """Arithmetic mean [epochs]."""
        return sum(self.values) / len(self.values)

    @cached_property
    def deviations(self) -> float:
        """Sum of squared deviations, relative to the mean."""
        return sum((value / self.mean - 1.0) ** 2 for value in self.values)


def samples_of(runs: Sequence[Run]) -> Samples | None:
    """Samples of one size, censored ones included; None if it never finished."""
    reached = [run.epochs for run in runs if run.reached]
    if not reached:
        return None
    mean = sum(reached) / len(reached)
    return Samples(tuple(reached + [run.epochs + mean for run in runs if not run.reached and run.epochs >= mean]))


def by_size(runs: Sequence[Run]) -> dict[int, Samples]:
    """Samples of each size that has finished."""
    of_size: dict[int, list[Run]] = {}
    for run in runs:
        of_size.setdefault(run.size, []).append(run)
    found = {size: samples_of(its) for size, its in of_size.items()}
    return {size: samples for size, samples in found.items() if samples is not None}


def _pooled(known: Mapping[int, Samples]) -> float:
    """Squared coefficient of variation that is common to all sizes."""
    deviations = USUAL_WEIGHT * USUAL_VARIATION**2 + sum(samples.deviations for samples in known.values())
    return deviations / (USUAL_WEIGHT + sum(len(samples.values) - 1 for samples in known.values()))


def _variation(samples: Samples, pooled: float) -> float:
    """Squared coefficient of variation of one run at a size, shrunk to the common one; epochs are whole."""
    rounding = 1.0 / (12.0 * samples.mean**2)
    own = USUAL_WEIGHT * (pooled + rounding) + samples.deviations
    return own / (USUAL_WEIGHT + len(samples.values) - 1)


@dataclass
class Evidence:
    """All contexts of a job, the current one last.

    Attributes:
        sizes: Batch sizes, rising.
        contexts: At least one.
    """

    sizes: tuple[int, ...]
    contexts: list[Context] = field(default_factory=lambda: [Context()])

    @property
    def current(self) -> Context:
        """The context of today."""
        return self.contexts[-1]

    def add(self, run: Run) -> bool:
        """Add a run, or put it in the place of one of the same trial. Returns whether a new context began."""
        for place, context in enumerate(self.contexts):
            at = next((i for i, old in enumerate(context.runs) if run.trial and old.trial == run.trial), None)
            if at is not None:
                runs = (*context.runs[:at], run, *context.runs[at + 1 :])
                self.contexts[place] = replace(context, runs=runs)
                return False
        run = replace(run, surprise=self._surprise(run))
        runs = (*self.current.runs, run)
        told = [i for i, old in enumerate(runs) if old.surprise]
        last = [runs[i].surprise for i in told[-IN_A_ROW:]]
        if len(last) == IN_A_ROW and (min(last) > SURPRISE or max(last) < -SURPRISE):
            at = told[-IN_A_ROW]
            new = tuple(replace(old, surprise=0.0) for old in runs[at:] if old.surprise)
            kept = tuple(old for old in runs[at:] if not old.surprise)
            self.contexts[-1] = Context((*runs[:at], *kept))
            self.contexts = [replace(old, is_same=False) for old in self.contexts]
            self.contexts = [*self.contexts, Context(new)][-KEPT_CONTEXTS:]
            return True
        self.contexts[-1] = replace(self.current, runs=self._forgetting(runs, run.size))
        return False

    @staticmethod
    def _forgetting(runs: tuple[Run, ...], size: int) -> tuple[Run, ...]:
        of_size = [i for i, run in enumerate(runs) if run.size == size]
        drop = set(of_size[:-KEPT_RUNS])
        return tuple(run for i, run in enumerate(runs) if i not in drop) if drop else runs

    def _surprise(self, run: Run) -> float:
        """How far a run lies from the mean of its size, in standard deviations of a run and of that mean."""
        before = self._runs()
        last = max((at for at, old in enumerate(before) if old.surprise), default=-1)
        if last >= 0 and abs(before[last].surprise) > SURPRISE:
            del before[last]  # it may be the first of a change
        known = by_size(before)
        samples = known.get(run.size)
        if samples is None:
            return 0.0
        variance = _variation(samples, _pooled(known)) * (1.0 + 1.0 / len(samples.values))
        off = math.log(run.epochs / samples.mean) / math.sqrt(variance)
        return (off or 1e-9) if run.reached or off > SURPRISE else 0.0

    @property
    def samples(self) -> dict[int, Samples]:
        """Samples of each size that has finished in today's context, or in one that is taken to be the same."""
        return by_size(self._runs())

    def _runs(self) -> list[Run]:
        return [run for context in self._alike() for run in context.runs]

    def _alike(self) -> list[Context]:
        alike = [self.current]
        for context in reversed(self.contexts[:-1]):
            if not context.is_same:
                break
            alike.append(context)
        return alike[::-1]

    def rows(self) -> list[Row]:
        """Context (today's is 0, others are counted backwards, alike ones are one), size, and epochs of its runs."""
        alike = self._alike()
        others = self.contexts[: len(self.contexts) - len(alike)][::-1]
        found = []
        for which, runs in enumerate([self._runs(), *[list(context.runs) for context in others]]):
            of_size: dict[int, list[Run]] = {}
            for run in runs:
                of_size.setdefault(run.size, []).append(run)
            for size in sorted(of_size):
                its = of_size[size]
                reached = tuple(sorted(run.epochs for run in its if run.reached))
                if which == 0 or reached:
                    found.append((which, size, (reached, tuple(sorted(run.epochs for run in its if not run.reached)))))
        return found

    def misses(self, max_epochs: int) -> dict[int, int]:
        """How often each size ran to the end in vain, today."""
        counts: dict[int, int] = {}
        for run in self.current.runs:
            if not run.reached and run.epochs >= max_epochs:
                counts[run.size] = counts.get(run.size, 0) + 1
        return counts

    def handed_on(self, sizes: Sequence[int], *, is_same: bool) -> Evidence:
        """The evidence with which another job of these sizes starts."""
        wanted = tuple(sorted(sizes))
        kept = [
            Context(
                tuple(replace(run, trial=0, surprise=0.0) for run in context.runs if run.size in wanted),
                context.is_same,
            )
            for context in self.contexts
        ]
        kept[-1] = replace(kept[-1], is_same=is_same)
        return Evidence(wanted, [*kept, Context()][-KEPT_CONTEXTS:])

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        rows = [
            {"is_same": c.is_same, "runs": [[r.trial, r.size, r.epochs, r.reached, r.surprise] for r in c.runs]}
            for c in self.contexts
        ]
        return {"sizes": list(self.sizes), "contexts": rows}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        contexts = [Context(tuple(Run(*run) for run in c["runs"]), c["is_same"]) for c in document["contexts"]]
        return cls(tuple(document["sizes"]), contexts)
