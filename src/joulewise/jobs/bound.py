"""When a run has cost too much: one rule, for the hub and for the script that has to decide without it."""

from __future__ import annotations

from collections.abc import Sequence

from joulewise.optimize.batch.protocol import EpochRate, JobSpec, best_rate, cost_of, epoch_cost


def passes_bound(
    spec: JobSpec,
    *,
    bound: float | None,
    least_epochs: int,
    epochs: float,
    spent: tuple[float, float],
    rates: Sequence[EpochRate],
) -> bool:
    """Whether one more epoch would pass the bound of a trial.

    Args:
        spec: The job.
        bound: ``stop_at_cost``; None for no bound.
        least_epochs: Epochs to run whatever they cost.
        epochs: Epochs run.
        spent: Time [s] and energy [J] of these.
        rates: What an epoch takes at each limit; without any, epochs go on as they went.
    """
    if bound is None or epochs < least_epochs or epochs <= 0:
        return False
    each = epoch_cost(best_rate(rates, spec.cost), spec.cost) if rates else cost_of(*spent, spec.cost) / epochs
    return (epochs + 1) * each > bound * (1 + 1e-9)
