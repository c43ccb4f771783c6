"""Who makes the plan of a job: the seam, and a thread of the first rank.

A hub is another source: it is handed the portraits, plans elsewhere, and is asked for the plan. What it learns later
(stragglers, drift) it hands to each rank's `joulewise.runtime.pipeline.engine.PipelineEngine.follow`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from joulewise.frontier import Frontier
from joulewise.optimize.pipeline.plan import Plan
from joulewise.optimize.pipeline.planner import plan_frontier
from joulewise.optimize.pipeline.replay import FREE, SwitchCost
from joulewise.pipelines.planning import first_plan
from joulewise.runtime.pipeline.portrait import Portrait
from joulewise.wire.pipeline_hub import PipelineProfile

FAILED = "failed"
"""The one field of the answer of a source that has no plan: why."""


class PlanSource(Protocol):
    """Makes a plan of portraits; used on the first rank only, between iterations. Neither method blocks."""

    def submit(self, portraits: Sequence[Portrait], name: str) -> None:
        """Begin to plan.

        Args:
            portraits: One for each rank.
            name: Of the schedule, for people.
        """

    def poll(self) -> Mapping[str, Any] | None:
        """The document of the plan, or why there will be none as ``{"failed": ...}``; None until it is known."""


@runtime_checkable
class DriftSource(PlanSource, Protocol):
    """A source that knows by itself whether what was profiled still holds."""

    @property
    def should_profile(self) -> bool:
        """Whether to profile again."""


class PlanningThread:
    """Plans in a thread of this process, as a hub would (`joulewise.pipelines.planning`).

    Args:
        slowdown: By how much iterations may become longer, as a factor of their time at the highest clocks.
        plans: Plans of the frontier; 0 for none, only the plan.
        switch: What a change of clock is taken to cost.

    Attributes:
        plan: What was chosen, once `poll` says so.
        frontier: Time and energy of all plans, for stragglers and other slowdowns.
    """

    def __init__(self, slowdown: float = 1.0, *, plans: int = 50, switch: SwitchCost = FREE) -> None:
        """Plan nothing yet."""
        self.slowdown, self._plans, self._switch = slowdown, plans, switch
        self.plan: Plan | None = None
        self.frontier: Frontier | None = None
        self._answer: Mapping[str, Any] | None = None

    def submit(self, portraits: Sequence[Portrait], name: str) -> None:
        """See `PlanSource`."""
        self._answer = None
        arguments = (list(portraits), name)
        threading.Thread(target=self._work, args=arguments, name="joulewise-planner", daemon=True).start()

    def poll(self) -> Mapping[str, Any] | None:
        """See `PlanSource`."""
        return self._answer

    def _work(self, portraits: Sequence[Portrait], name: str) -> None:
        try:
            profile = PipelineProfile(1, name, tuple(portrait.to_wire() for portrait in portraits))
            plan, _ = first_plan(profile, self.slowdown, self._switch)
            self.frontier = plan_frontier(plan.problem, plans=self._plans) if self._plans else None
            self.plan = plan
            self._answer = plan.to_dict()
        except Exception as error:  # the job goes on at the clocks that were found
            self._answer = {FAILED: f"{type(error).__name__}: {error}"}
