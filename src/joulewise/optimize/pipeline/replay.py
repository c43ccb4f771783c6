"""What a choice of settings really takes: times and energies of the tables, no fit, no grid.

A rank that changes its setting between two computations may need ``switch_latency_s`` for it, during which it waits.
The first setting of an iteration counts as set. Operations that cannot be told anything (one option) need no switch.
A switch may also cost energy, or be discouraged by a price: ``penalty_j``, which is part of no energy told here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.problem import PipelineProblem

Floats = NDArray[np.float64]
Choices = NDArray[np.int16]
_PLANS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class SwitchCost:
    """What a change of setting between two computations of a rank costs.

    Attributes:
        latency_s: Time during which the rank waits for it [s].
        penalty_j: Energy that it must save to be worth planning [J].
    """

    latency_s: float = 0.0
    penalty_j: float = 0.0

    def __post_init__(self) -> None:
        """Check both."""
        for name in ("latency_s", "penalty_j"):
            value = getattr(self, name)
            if not (value >= 0 and np.isfinite(value)):
                raise UsageError(f"the {name} of a switch is not usable", repr(value), "give a number, not negative")

    def __bool__(self) -> bool:
        """Whether a switch costs anything."""
        return self.latency_s > 0 or self.penalty_j > 0


FREE = SwitchCost()


@dataclass(frozen=True, eq=False)
class Execution:
    """One iteration as it ran.

    Attributes:
        ready_s: When all that an operation waits for was done [s].
        start_s, duration_s: Of every operation [s]; it starts when it is ready and its setting is in force.
        energy_j: Energy of every operation, waiting not included [J].
        time_s: End of the last operation [s].
        total_energy_j: Energy of all ranks, waiting included, up to ``time_s`` [J].
        switches: How often a rank changed its setting.
    """

    ready_s: Floats
    start_s: Floats
    duration_s: Floats
    energy_j: Floats
    time_s: float
    total_energy_j: float
    switches: int


def realise(problem: PipelineProblem, choices: Choices) -> tuple[Floats, Floats]:
    """Iteration time and energy of many choices, without switch latency.

    Args:
        problem: The problem.
        choices: A row of its table for each operation, per choice.

    Returns:
        Time [s] and energy including waiting up to that time [J].

    Shapes:
        choices: (n_choices, n_operations); results: (n_choices,).
    """
    time_s, energy_j = np.empty(len(choices)), np.empty(len(choices))
    for begin in range(0, len(choices), _PLANS_AT_ONCE):
        part = choices[begin : begin + _PLANS_AT_ONCE]
        duration_s = problem.times_s(part)
        ends_s = _ends(problem, duration_s.T)
        here = slice(begin, begin + len(part))
        time_s[here] = ends_s.max(axis=0)
        energy_j[here] = _total(problem, duration_s, problem.energies_j(part), time_s[here])
    return time_s, energy_j


def _ends(problem: PipelineProblem, duration_s: Floats, delay_s: Floats | None = None) -> Floats:
    """Ends of operations that start as early as they can. Shapes: duration_s (n_operations, ...)."""
    ends_s = duration_s.copy() if delay_s is None else duration_s + delay_s
    for index, before in enumerate(problem.predecessors):
        if len(before) == 1:
            ends_s[index] += ends_s[before[0]]
        elif before:
            ends_s[index] += ends_s[list(before)].max(axis=0)
    return ends_s


def _total(problem: PipelineProblem, duration_s: Floats, energy_j: Floats, time_s: Floats | float) -> Floats:
    """Energy of all ranks up to ``time_s`` (the energy identity). Shapes: duration_s (..., n_operations)."""
    power_w = np.array([table.wait_power_w for table in problem.tables])[problem.kind]
    total_j = (energy_j - power_w * duration_s).sum(axis=-1) + problem.total_wait_power_w * time_s
    return np.asarray(np.maximum(total_j, energy_j.sum(axis=-1)))  # nobody waits less than not at all


def count_switches(problem: PipelineProblem, choice: Choices) -> int:
    """How often ranks change their setting within the iteration."""
    return int(switched(problem, choice).sum())


def switched(problem: PipelineProblem, choice: Choices) -> NDArray[np.bool_]:
    """Whether a rank changes its setting right before each operation. Shapes: (n_operations,)."""
    changes = np.zeros(len(choice), dtype=np.bool_)
    settings = [table.settings for table in problem.tables]
    for order in problem.schedule.orders:
        present = None
        for index in order:
            known = settings[problem.kind[index]]
            if len(known) == 1:
                continue
            setting = known[choice[index]]
            changes[index] = present is not None and setting != present
            present = setting
    return changes


def replay(
    problem: PipelineProblem,
    choice: Choices,
    *,
    switch: SwitchCost = FREE,
    jitter_frac: float = 0.0,
    generator: np.random.Generator | None = None,
) -> Execution:
    """Execute one iteration on the tables.

    Args:
        problem: The problem.
        choice: A row of its table for each operation.
        switch: What a change of setting costs; only its latency matters here.
        jitter_frac: Standard deviation of each duration as a fraction of it; its energy follows.
        generator: Source of the jitter; needed if there is any.

    Raises:
        UsageError: If an argument is not usable.

    Shapes:
        choice: (n_operations,).
    """
    if not 0 <= jitter_frac < 1 or (jitter_frac > 0 and generator is None):
        seen = f"jitter_frac {jitter_frac!r}, generator {generator!r}"
        raise UsageError("the jitter is not usable", seen, "give a fraction below 1, and a generator")
    duration_s, energy_j = problem.times_s(choice), problem.energies_j(choice)
    if generator is not None and jitter_frac > 0:
        stretch = np.maximum(0.0, 1.0 + jitter_frac * generator.standard_normal(len(choice)))
        duration_s, energy_j = duration_s * stretch, energy_j * stretch
    changes = switched(problem, choice)
    delay_s = changes * np.float64(switch.latency_s)
    ends_s = _ends(problem, duration_s, delay_s)
    time_s = float(ends_s.max())
    total_j = float(_total(problem, duration_s, energy_j, time_s))
    start_s = ends_s - duration_s
    return Execution(start_s - delay_s, start_s, duration_s, energy_j, time_s, total_j, int(changes.sum()))


def latest_ready_s(problem: PipelineProblem, run: Execution, deadline_s: float) -> Floats:
    """The latest time at which every operation of an execution may be ready for a deadline to hold [s]."""
    ready_s = np.full(len(run.start_s), deadline_s)
    spent_s = run.start_s + run.duration_s - run.ready_s
    for index in range(len(ready_s) - 1, -1, -1):
        ready_s[index] -= spent_s[index]
        for before in problem.predecessors[index]:
            ready_s[before] = min(ready_s[before], ready_s[index])
    return ready_s


def critical(problem: PipelineProblem, run: Execution) -> NDArray[np.bool_]:
    """Whether delaying an operation would delay the end. Shapes: (n_operations,)."""
    slack_s = latest_ready_s(problem, run, run.time_s) - run.ready_s
    return np.asarray(slack_s <= 1e-9 * run.time_s)
