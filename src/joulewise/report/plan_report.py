"""The report of a comparison: plans and baselines turned into what the page shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joulewise.frontier import Frontier
from joulewise.optimize.pipeline.comparison import Comparison, Outcome
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import FREE, critical, replay
from joulewise.records import Instruction
from joulewise.report.content import BASELINE, CHOSEN, Mark, PipelineReport, Timeline

_LETTER = {
    Instruction.FORWARD: "F",
    Instruction.BACKWARD: "B",
    Instruction.BACKWARD_INPUT: "I",
    Instruction.BACKWARD_WEIGHT: "W",
    Instruction.RECOMPUTATION: "R",
    Instruction.LOAD: "L",
    Instruction.EMBEDDING: "E",
    Instruction.P2P: "P",
    Instruction.COLLECTIVE: "C",
    Instruction.OPTIMIZER: "O",
}
_NOTES = (
    "Realised figures are sums and longest paths over the profile's own times and energies; nothing is fitted.",
    "The lower bound is the relaxation in which an operation may mix two clocks; no plan with one clock per operation "
    "can be below it, so the gap is the most that any planner could still win.",
    "The saving of a row is against all at max clock, each up to its own end; while a straggler is awaited, both up to "
    "the straggler's end. Columns that begin with vs compare with the best that a method does in the same time, both "
    "up to the same end. Whoever waits draws waiting power.",
)


def plan_report(
    title: str,
    subtitle: str,
    *,
    problem: PipelineProblem,
    frontier: Frontier,
    comparison: Comparison,
    table: tuple[tuple[str, ...], tuple[tuple[str, ...], ...]],
    facts: tuple[tuple[str, str], ...],
) -> PipelineReport:
    """Gather what the page shows of a plan.

    Args:
        title: Heading.
        subtitle: Line below it.
        problem: What was planned.
        frontier: Plans of it.
        comparison: Baselines and chosen plans; the first plan is drawn against all at max clock.
        table: Heads and rows of the result table, formatted.
        facts: Name and value of what else is worth knowing.
    """
    alone, chosen = frontier.alone(), comparison.plans[0]
    beyond = frontier.time_s >= alone.time_s[-1]
    bound = frontier.bound
    shown = bound.time_s <= max(alone.time_s[-1], bound.time_s[np.argmin(bound.energy_j)])
    marks = [_mark(outcome, BASELINE, comparison) for outcome in comparison.baselines]
    marks += [_mark(outcome, CHOSEN, comparison) for outcome in comparison.plans]
    return PipelineReport(
        title=title,
        subtitle=subtitle,
        provenance=str(problem.provenance),
        plan_time_s=alone.time_s,
        plan_energy_j=alone.energy_j,
        bound_time_s=bound.time_s[shown],
        bound_energy_j=bound.energy_j[shown],
        straggler_time_s=frontier.time_s[beyond],
        straggler_energy_j=frontier.energy_j[beyond],
        marks=tuple(marks),
        table_columns=table[0],
        table_rows=table[1],
        before=timeline(problem, comparison.reference),
        after=timeline(problem, chosen),
        facts=facts,
        notes=(*_NOTES, *problem.notes),
    )


def timeline(problem: PipelineProblem, outcome: Outcome) -> Timeline:
    """One iteration as a plan or a baseline runs it."""
    run = replay(problem, outcome.choice, switch=outcome.plan.switch if outcome.plan else FREE)
    shown = [i for i, operation in enumerate(problem.schedule.operations) if operation.rank is not None]
    operations = [problem.schedule.operations[i] for i in shown]
    settings = [problem.tables[problem.kind[i]].settings[outcome.choice[i]] for i in shown]
    duration_s = run.duration_s[shown]
    power_w = np.divide(run.energy_j[shown], duration_s, out=np.full(len(shown), np.nan), where=duration_s > 0)
    return Timeline(
        title=outcome.name,
        ranks=problem.schedule.ranks,
        rank=np.array([operation.rank for operation in operations], dtype=np.int_),
        start_s=run.start_s[shown],
        duration_s=duration_s,
        clock_mhz=_clocks(settings),
        power_w=power_w,
        label=tuple(_LETTER[o.instruction] + (str(o.microbatch) if o.microbatch >= 0 else "") for o in operations),
        kind=tuple(str(operation.instruction) for operation in operations),
        stage=np.array([operation.stage for operation in operations], dtype=np.int_),
        microbatch=np.array([operation.microbatch for operation in operations], dtype=np.int_),
        critical=critical(problem, run)[shown],
        makespan_s=run.time_s,
    )


def _clocks(settings: list[object]) -> NDArray[np.float64]:
    return np.array([float(s) if isinstance(s, int | float) else np.nan for s in settings])


def _mark(outcome: Outcome, kind: str, comparison: Comparison) -> Mark:
    reference_j = comparison.reference_j(outcome) if kind == CHOSEN else None
    return Mark(outcome.name, outcome.until_s, outcome.energy_j, kind, reference_j)
