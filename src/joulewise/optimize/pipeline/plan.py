"""A plan: one setting for every operation of an iteration, with what it takes and how far it can be from the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.frontier import Frontier, Point
from joulewise.frontier.bound import Bound
from joulewise.frontier.settings import LazySettings, Setting
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import FREE, SwitchCost, replay

PLAN_SCHEMA = "joulewise.plan/1"


@dataclass(frozen=True, eq=False)
class Plan:
    """One setting for every operation.

    Attributes:
        problem: What is planned.
        choice: For each operation the row of its option table.
        deadline_s: The time that was asked for [s]; ``time_s`` is never above it.
        time_s: Realised iteration time [s], from the tables.
        energy_j: Realised energy of all ranks up to ``time_s``, waiting included [J].
        bound_j: Lower bound on the energy of every plan that takes ``time_s`` [J].
        predicted_j: Energy that the relaxation promises for the deadline [J]; no real settings reach it.
        solver: What found it.
        switch: What a change of setting was taken to cost.
        switches: How often ranks change their setting within the iteration.
    """

    problem: PipelineProblem
    choice: NDArray[np.int16]
    deadline_s: float
    time_s: float
    energy_j: float
    bound_j: float
    predicted_j: float
    solver: str
    switch: SwitchCost
    switches: int

    @classmethod
    def of(
        cls,
        problem: PipelineProblem,
        choice: NDArray[np.int16],
        deadline_s: float,
        bound: Bound,
        solver: str,
        *,
        switch: SwitchCost = FREE,
    ) -> Plan:
        """Realise a choice and certify it by the bound of the relaxation."""
        run = replay(problem, choice, switch=switch)
        time_s, energy_j = run.time_s, run.total_energy_j
        power_w, first_s = problem.total_wait_power_w, float(bound.time_s[0])
        bound_j = bound.at(max(time_s, first_s), power_w)
        predicted_j = bound.at(max(deadline_s, first_s), power_w)
        return cls(problem, choice, deadline_s, time_s, energy_j, bound_j, predicted_j, solver, switch, run.switches)

    @classmethod
    def from_point(
        cls, problem: PipelineProblem, frontier: Frontier, point: Point, solver: str, *, switch: SwitchCost = FREE
    ) -> Plan:
        """The plan that a point of a frontier of this problem stands for."""
        choice = choice_of(problem, point.setting)
        return cls.of(problem, choice, point.time_s, frontier.bound, solver, switch=switch)

    @property
    def gap_frac(self) -> float:
        """How far its energy lies above the bound at its own time, as a fraction: at most that much can be won.

        Infinite if the bound is nothing at all but the energy is not.
        """
        excess_j, waiting_j = self.energy_j - self.bound_j, self.problem.total_wait_power_w * self.time_s
        if excess_j <= 1e-12 * max(self.energy_j, waiting_j):
            return 0.0
        return excess_j / self.bound_j if self.bound_j > 0.0 else math.inf

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Setting of every operation, in the order of the schedule."""
        return settings_of(self.problem, self.choice)

    def to_dict(self) -> dict[str, Any]:
        """A JSON document with ``"schema": "joulewise.plan/1"``: per rank its operations in order, each with a
        setting, and beside them those of no rank.

        Numeric settings are core clocks and stand as ``clock_mhz``; others as ``setting``.
        """
        settings = self.settings
        operations = self.problem.schedule.operations

        def step(index: int) -> dict[str, Any]:
            operation, setting = operations[index], settings[index]
            key = "clock_mhz" if setting is None or isinstance(setting, int | float) else "setting"
            named = {"label": operation.label} if operation.label else {}
            what = {"operation": str(operation.instruction), "stage": operation.stage}
            return {**what, "microbatch": operation.microbatch, **named, key: setting}

        return {
            "schema": PLAN_SCHEMA,
            "schedule": self.problem.schedule.name,
            "provenance": str(self.problem.provenance),
            "deadline_s": self.deadline_s,
            "realised": {"time_s": self.time_s, "energy_j": self.energy_j},
            "predicted": {"time_s": self.deadline_s, "energy_j": self.predicted_j},
            "bound_j": self.bound_j,
            "gap_frac": self.gap_frac if math.isfinite(self.gap_frac) else None,
            "switches": self.switches,
            "switch_latency_s": self.switch.latency_s,
            "solver": self.solver,
            "ranks": [
                {"rank": rank, "wait_power_w": float(power_w), "steps": [step(index) for index in order]}
                for rank, (order, power_w) in enumerate(
                    zip(self.problem.schedule.orders, self.problem.wait_power_w, strict=True)
                )
            ],
            "links": [step(index) for index, operation in enumerate(operations) if operation.rank is None],
        }


def settings_of(problem: PipelineProblem, choice: NDArray[np.int16]) -> tuple[Setting, ...]:
    """Settings of all operations under a choice of rows."""
    return tuple(problem.setting_lookup[problem.kind, choice].tolist())


def choice_of(problem: PipelineProblem, settings: Setting) -> NDArray[np.int16]:
    """Rows of the option tables for one setting per operation.

    Raises:
        UsageError: If there is not one known setting for each operation.
    """
    if not isinstance(settings, Sequence) or len(settings) != len(problem.kind):
        seen = f"{len(settings)} settings" if isinstance(settings, Sequence) else repr(settings)
        what = "the setting is not a plan of this problem"
        raise UsageError(what, seen, f"give a point of its frontier, with {len(problem.kind)} settings")
    rows = [problem.tables[kind].row_of(s) for kind, s in zip(problem.kind.tolist(), settings, strict=True)]
    return np.array(rows, dtype=np.int16)


@dataclass(frozen=True, eq=False)
class PlanSettings(LazySettings):
    """The settings of many plans, made when asked for: item i is a tuple with one setting per operation.

    Shapes:
        choices: (n_plans, n_operations).
    """

    problem: PipelineProblem
    choices: NDArray[np.int16]

    def __len__(self) -> int:
        """Number of plans."""
        return len(self.choices)

    def at(self, index: int) -> tuple[Setting, ...]:
        """Settings of one plan."""
        return settings_of(self.problem, self.choices[index])
