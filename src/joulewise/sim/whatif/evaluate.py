"""One point of the question: the row of figures of a workload under a changed contract. Pure, and fit for sweeps."""

from __future__ import annotations

from collections.abc import Mapping

from joulewise.errors import UsageError
from joulewise.sim.whatif.asks import BY_NAME, On
from joulewise.sim.whatif.contract import Contract
from joulewise.sim.whatif.job import evaluate_job
from joulewise.sim.whatif.pipeline import evaluate_pipeline
from joulewise.sim.whatif.row import Row, Value, not_applicable
from joulewise.sim.whatif.workload import JobWork, PipelineWork, Work

LEARNED = "learned"
"""Field of a point that says whether plans are made from what a profiler learns with the contract's sensors."""


def evaluate(point: Mapping[str, Value], *, work: Work, today: Contract) -> Row:
    """What a workload takes at one point; the same for the same arguments, wherever it runs.

    Args:
        point: Values of asks by name; those that are absent or None are as today. ``learned``, if true, plans from
            what a profiler learns.
        work: What is planned or tuned anew.
        today: The contract that the point changes.

    Returns:
        Flat figures; ``applies`` is false, with the ``reason``, where the workload tells nothing of what is asked.
    """
    changes = {name: value for name, value in point.items() if name != LEARNED and value is not None}
    for name in changes:
        reason = BY_NAME[name].not_on.get(work.on)
        if reason is not None:
            return not_applicable(reason, work.slowdowns)
    try:
        contract = today.with_({BY_NAME[name].field: value for name, value in changes.items()})
        if isinstance(work, JobWork):
            return evaluate_job(work, contract)
        return evaluate_pipeline(work, today, contract, learned=bool(point.get(LEARNED)))
    except UsageError as error:
        return not_applicable(f"{error.what} ({error.seen})", work.slowdowns)


def is_learned(work: Work, names: tuple[str, ...]) -> bool:
    """Whether asks act through what a profiler learns; a job's tuner always learns."""
    return (
        isinstance(work, PipelineWork)
        and work.on in (On.PIPELINE, On.SIMULATED)
        and any(BY_NAME[name].learned for name in names)
    )
