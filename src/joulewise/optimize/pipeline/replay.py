"""What a choice of settings really takes: times and energies of the tables, no fit, no grid.

A rank that changes its setting between two computations may need some time for it, during which it waits; the switch
begins when the computation could. Iterations repeat, so a rank that ends with another setting than it begins with
switches back, before its first computation. Operations that cannot be told anything (one option) need no switch. A
switch may also cost energy, or be discouraged by a price: ``penalty_j``, which is part of no energy told here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.switch_cost import FREE, SwitchCost, latencies_by_setting

__all__ = ["FREE", "Execution", "SwitchCost", "SwitchedRuns", "count_switches", "critical", "ends_of", "latest_ready_s"]
__all__ += ["realise", "replay", "run_switched", "switched", "switched_many"]

Floats = NDArray[np.float64]
Choices = NDArray[np.int16]
_PLANS_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Execution:
    """One iteration as it ran.

    Attributes:
        ready_s: When all that an operation waits for was done [s].
        start_s, duration_s: Of every operation [s]; it starts when it is ready and its setting is in force.
        energy_j: Energy of every operation, waiting not included [J].
        time_s: End of the last operation [s].
        total_energy_j: Energy of all ranks, waiting included, up to ``time_s`` [J].
        switches: How often a rank changed its setting, back to that of its first computation included.
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
        ends_s = ends_of(problem, duration_s.T)
        here = slice(begin, begin + len(part))
        time_s[here] = ends_s.max(axis=0)
        energy_j[here] = _total(problem, duration_s, problem.energies_j(part), time_s[here])
    return time_s, energy_j


def ends_of(problem: PipelineProblem, duration_s: Floats, delay_s: Floats | None = None) -> Floats:
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


@dataclass(frozen=True, eq=False)
class SwitchedRuns:
    """Many choices as they run with their switches.

    Attributes:
        time_s: Time that a share ``confidence`` of iterations keeps, not below the mean [s]; without jitter the time.
        expected_s: Mean time of an iteration [s].
        effective_j: Energy above waiting, the same however long switches take [J].
        busy_j: Energy of all operations, waiting not included [J].
        switches: How often ranks change their setting in one iteration.
        wait_power_w: Power of all ranks while all wait [W].

    Shapes:
        all arrays: (n_choices,).
    """

    time_s: Floats
    expected_s: Floats
    effective_j: Floats
    busy_j: Floats
    switches: NDArray[np.int64]
    wait_power_w: float

    def joined(self, more: SwitchedRuns) -> SwitchedRuns:
        """These, then others of the same problem."""
        return replace(
            self,
            time_s=np.concatenate([self.time_s, more.time_s]),
            expected_s=np.concatenate([self.expected_s, more.expected_s]),
            effective_j=np.concatenate([self.effective_j, more.effective_j]),
            busy_j=np.concatenate([self.busy_j, more.busy_j]),
            switches=np.concatenate([self.switches, more.switches]),
        )

    def energy_j(self, until_s: Floats | float) -> Floats:
        """Energy of all ranks up to a time [J]."""
        return np.asarray(np.maximum(self.effective_j + self.wait_power_w * until_s, self.busy_j))


def run_switched(problem: PipelineProblem, choices: Choices, switch: SwitchCost = FREE) -> SwitchedRuns:
    """Realise many choices, switches included. Shapes: choices (n_choices, n_operations)."""
    count = len(choices)
    floats = [np.empty(count) for _ in range(4)]
    time_s, expected_s, effective_j, busy_j = floats
    switches = np.empty(count, dtype=np.int64)
    latency_s = latencies_by_setting(switch, problem.all_settings)[problem.setting_codes]
    factors = switch.factors(len(problem.kind))
    power_w = np.array([table.wait_power_w for table in problem.tables])[problem.kind]
    at_once = max(1, 2 * _PLANS_AT_ONCE // factors.shape[1])
    for begin in range(0, count, at_once):
        part = np.ascontiguousarray(choices[begin : begin + at_once].T)
        here = slice(begin, begin + part.shape[1])
        kind = problem.kind[:, None]
        changes = switched_many(problem, part)
        duration_s = problem.times_s(part.T).T
        energy_j = problem.energies_j(part.T).T
        delay_s = np.where(changes, latency_s[kind, part], 0.0)
        lasting_s = duration_s[..., None] + delay_s[..., None] * factors[:, None, :]
        ends_s = ends_of(problem, lasting_s.reshape(len(part), -1)).max(axis=0).reshape(part.shape[1], -1)
        expected_s[here] = ends_s.mean(axis=1)
        time_s[here] = np.maximum(switch.kept_s(ends_s), expected_s[here])
        busy_j[here] = energy_j.sum(axis=0)
        effective_j[here] = (energy_j - power_w[:, None] * duration_s).sum(axis=0)
        switches[here] = changes.sum(axis=0)
    return SwitchedRuns(time_s, expected_s, effective_j, busy_j, switches, problem.total_wait_power_w)


def count_switches(problem: PipelineProblem, choice: Choices) -> int:
    """How often ranks change their setting in one iteration."""
    return int(switched(problem, choice).sum())


def switched(problem: PipelineProblem, choice: Choices) -> NDArray[np.bool_]:
    """Whether a rank changes its setting right before each operation. Shapes: (n_operations,)."""
    return switched_many(problem, choice[:, None])[:, 0]


def switched_many(problem: PipelineProblem, choices: Choices) -> NDArray[np.bool_]:
    """Whether settings change before each operation. Shapes: (n_operations, n_choices)."""
    codes = problem.setting_codes[problem.kind[:, None], choices]
    return np.asarray(codes != codes[problem.told_before])


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
        switch: What a change of setting costs; only its latency matters here, its mean or, if it scatters and there is
            a generator, one drawn for each switch.
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
    delay_s = changes * latencies_by_setting(switch, problem.all_settings)[problem.setting_codes[problem.kind, choice]]
    if generator is not None and switch.jitter_frac > 0:
        delay_s = delay_s * switch.drawn(len(choice), generator)
    ends_s = ends_of(problem, duration_s, delay_s)
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
