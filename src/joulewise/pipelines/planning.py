"""From an uploaded profile to all plans of a job, as a document: what the worker process computes.

Theory of operation. What waiting draws depends on the clock that a rank waits at, and that on the plan. So a first plan
is made with the mean of what was measured; where its ranks wait, and at which clocks, gives the waiting power of the
problem that counts. Its frontier holds plans from the fastest to the least energy, and beyond for stragglers; the plan
for the job's own deadline is made with more effort and is one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from joulewise.errors import UsageError
from joulewise.frontier import Frontier
from joulewise.optimize.pipeline.plan import Plan, PlanSettings, choice_of
from joulewise.optimize.pipeline.planner import plan_frontier, plan_pipeline
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import FREE, SwitchCost, replay
from joulewise.pipelines.assembly import Waits, assemble, capped_time_s, waiting_w, waits_of
from joulewise.wire.envelope import open_envelope, schema_tag
from joulewise.wire.pipeline_hub import PipelineJob, PipelineProfile, StragglerNotice

NAME, VERSION = "pipeline_plans", 1
SLOWER_FRAC = 1e-9
PLANS_WITH_SWITCHES = 20
"""Plans that must pay for their switches take long each."""


def first_plan(profile: PipelineProfile, slowdown: float, switch: SwitchCost = FREE) -> tuple[Plan, Waits]:
    """The plan of a profile, its problem with the waiting power that follows from where its ranks wait.

    Args:
        profile: Of all ranks.
        slowdown: By how much iterations may become longer, as a factor of their time at the highest clocks.
        switch: What a change of clock is taken to cost.

    Returns:
        The plan, and how long each rank is taken to wait at which clock [s].

    Raises:
        UsageError: If the ranks of the profile do not fit together.
        InfeasibleError: If nothing was found that pays for its switches in time.
    """

    def planned(problem: PipelineProblem) -> Plan:
        least_s = replay(problem, problem.top_clocks, switch=switch).time_s
        return plan_pipeline(problem, least_s * slowdown, switch=switch)

    draft = planned(assemble(profile))
    waits_s = waits_of(draft.problem, draft.choice, switch)
    return planned(assemble(profile, waits_s)), waits_s


def plan_job(job: PipelineJob, profile: PipelineProfile) -> dict[str, Any]:
    """Plan.

    Returns:
        What `Plans` reads, as JSON.

    Raises:
        UsageError: If the ranks of the profile do not fit together.
        InfeasibleError: If nothing was found that pays for its switches in time.
    """
    switch = SwitchCost(job.switch_latency_s)
    base, waits_s = first_plan(profile, job.slowdown, switch)
    problem = base.problem
    count = min(job.plans, PLANS_WITH_SWITCHES) if switch else job.plans
    frontier = plan_frontier(problem, plans=count, switch=switch)
    choices = np.stack([choice_of(problem, setting) for setting in frontier.settings] + [base.choice])
    joined = Frontier.from_arrays(
        [*frontier.time_s.tolist(), base.time_s],
        [*frontier.energy_j.tolist(), base.energy_j],
        PlanSettings(problem, choices),
        problem.provenance,
        wait_power_w=problem.total_wait_power_w,
        bound=frontier.bound,
    )
    return {
        "schema": schema_tag(NAME, VERSION),
        "target_s": base.deadline_s,
        "solver": base.solver,
        "waits_s": [sorted(one.items()) for one in waits_s],
        "frontier": joined.to_dict(),
    }


@dataclass(frozen=True)
class RankBaseline:
    """A rank at the highest clocks: its energy up to the iteration's end [J], and what it draws while it waits [W]."""

    energy_j: float
    wait_power_w: float


class Plans:
    """All plans of one round of a job, read from what was stored; immutable.

    Args:
        job: The job.
        profile: What was planned with.
        document: What `plan_job` returned.

    Attributes:
        problem: What is planned.
        frontier: Time and energy of one replica, plan by plan.
        target_s: Time that an iteration of a healthy replica may take when nobody is awaited [s].
        top_time_s: How long one lasts at the highest clocks [s].
        baselines: Each rank without a plan.

    Raises:
        UsageError: If the document is not one, or of another version.
    """

    def __init__(self, job: PipelineJob, profile: PipelineProfile, document: Mapping[str, Any]) -> None:
        """Read it."""
        body = open_envelope(document, NAME, VERSION)
        try:
            waits_s = [{int(clock): float(time_s) for clock, time_s in rank} for rank in body["waits_s"]]
            self.problem = assemble(profile, waits_s)
            self.frontier = Frontier.from_dict(body["frontier"])
            self.target_s, self._solver = float(body["target_s"]), str(body["solver"])
        except (KeyError, TypeError, ValueError) as error:
            seen = f"{type(error).__name__}: {error}"
            raise UsageError("stored plans cannot be read", seen, "upload the profile again") from error
        self._gpus = [rank.gpus for rank in profile.ranks]
        self._switch = SwitchCost(job.switch_latency_s)
        top = replay(self.problem, self.problem.top_clocks, switch=self._switch)
        self.top_time_s = top.time_s
        top_waits_w = waiting_w(profile.ranks, waits_of(self.problem, self.problem.top_clocks, self._switch))
        self.baselines = tuple(
            RankBaseline(
                float(top.energy_j[list(order)].sum())
                + gpus * power_w * max(0.0, top.time_s - float(top.duration_s[list(order)].sum())),
                gpus * power_w,
            )
            for order, power_w, gpus in zip(self.problem.schedule.orders, top_waits_w, self._gpus, strict=True)
        )
        self.plan_at = lru_cache(maxsize=64)(self._plan_at)

    def index_for(self, deadline_s: float) -> int:
        """The slowest plan within a deadline, or the fastest of all: `Frontier.at_straggler` [s]."""
        times_s = self.frontier.time_s
        return max(0, int(np.searchsorted(times_s, deadline_s * (1 + SLOWER_FRAC), side="right")) - 1)

    def time_s(self, index: int) -> float:
        """How long an iteration of a plan lasts [s]."""
        return float(self.frontier.time_s[index])

    def factor_of(self, notice: StragglerNotice) -> float:
        """How many times as long as planned a replica takes that a notice speaks of; never below 1."""
        if notice.factor is not None:
            return notice.factor
        slowest_s = capped_time_s(
            self.problem,
            self._gpus,
            power_cap_w=notice.power_cap_w,
            clock_cap_mhz=notice.clock_cap_mhz,
            switch=self._switch,
        )
        return max(1.0, slowest_s / self.time_s(self.index_for(self.target_s)))

    def schedules(self, index: int) -> Sequence[dict[str, Any]]:
        """What a plan says, for each rank: a document as in docs/reference/plan-format.md, with that rank alone."""
        document = self.plan_at(index).to_dict()
        ranks = document.pop("ranks")
        return [{**document, "ranks": [rank]} for rank in ranks]

    def _plan_at(self, index: int) -> Plan:
        point = self.frontier[index]
        return Plan.from_point(self.problem, self.frontier, point, self._solver, switch=self._switch)
