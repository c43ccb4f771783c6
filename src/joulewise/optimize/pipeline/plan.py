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
from joulewise.optimize.pipeline.replay import FREE, SwitchCost, run_switched

PLAN_SCHEMA = "joulewise.plan/1"
ROUNDED_FRAC = 1e-9


@dataclass(frozen=True, eq=False)
class Plan:
    """One setting for every operation.

    Attributes:
        problem: What is planned.
        choice: For each operation the row of its option table.
        deadline_s: The time that was asked for [s]; ``time_s`` is never above it.
        time_s: Realised iteration time [s], from the tables; where switches scatter, what a share ``confidence`` of
            iterations keeps.
        energy_j: Realised energy of all ranks up to ``time_s``, waiting included [J].
        bound_j: Lower bound on the energy of every plan that takes ``time_s`` [J].
        predicted_j: Energy that the relaxation promises for the deadline [J]; no real settings reach it.
        solver: What found it.
        switch: What a change of setting was taken to cost.
        switches: How often ranks change their setting in one iteration, back to that of its beginning included.
        until_s: Until when energy counted at least when it was chosen [s]: its deadline, if that is beyond the time of
            least energy, so that somebody must be awaited; else 0, for its own end.
        expected_s: Mean iteration time [s]; ``time_s`` unless switches scatter.
        expected_j: Mean energy of an iteration that nobody delays [J]; ``energy_j`` unless switches scatter.
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
    until_s: float
    expected_s: float
    expected_j: float

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
        runs = run_switched(problem, choice[np.newaxis], switch)
        time_s, expected_s = float(runs.time_s[0]), float(runs.expected_s[0])
        energy_j, expected_j = (float(runs.energy_j(until_s)[0]) for until_s in (time_s, expected_s))
        power_w, first_s = problem.total_wait_power_w, float(bound.time_s[0])
        bound_j = bound.at(max(time_s, first_s), power_w)
        predicted_j = bound.at(max(deadline_s, first_s), power_w)
        return cls(
            problem,
            choice,
            deadline_s,
            time_s,
            energy_j,
            bound_j,
            predicted_j,
            solver,
            switch,
            int(runs.switches[0]),
            counts_until_s(bound, deadline_s),
            expected_s,
            expected_j,
        )

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
            **self._switch(),
            "solver": self.solver,
            "ranks": [
                {"rank": rank, "wait_power_w": float(power_w), "steps": [step(index) for index in order]}
                for rank, (order, power_w) in enumerate(
                    zip(self.problem.schedule.orders, self.problem.wait_power_w, strict=True)
                )
            ],
            "links": [step(index) for index, operation in enumerate(operations) if operation.rank is None],
        }

    def _switch(self) -> dict[str, Any]:
        """What a switch was taken to cost, and what is expected if its latency scatters."""
        told: dict[str, Any] = {"switch_latency_s": self.switch.latency_s}
        if self.switch.latencies_s:
            told["switch_latencies_s"] = [list(pair) for pair in self.switch.latencies_s]
        if self.switch.jitter_frac:
            told |= {"switch_jitter_frac": self.switch.jitter_frac, "confidence": self.switch.confidence}
            told["expected"] = {"time_s": self.expected_s, "energy_j": self.expected_j}
        return told


def counts_until_s(bound: Bound, deadline_s: float) -> float:
    """Until when energy counts at least [s]: to a deadline beyond T*, where somebody is awaited, else 0."""
    return deadline_s if deadline_s > least_energy_time_s(bound) else 0.0


def least_energy_time_s(bound: Bound) -> float:
    """T*: the time of least energy that is not awaited [s], and as much more as breakpoints are rounded down."""
    return float(bound.time_s[np.argmin(bound.energy_j)]) * (1 + ROUNDED_FRAC)


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
