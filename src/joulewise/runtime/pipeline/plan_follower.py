"""Which clock a plan says for a computation, in whatever order an engine runs them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.plan import PLAN_SCHEMA, Plan
from joulewise.records import Instruction
from joulewise.runtime.pipeline.computation import Computation
from joulewise.wire.envelope import open_envelope

NAME, VERSION = PLAN_SCHEMA.removeprefix("joulewise.").split("/")


class PlanFollower:
    """The steps of a plan (docs/reference/plan-format.md) that concern some stages, by computation.

    Args:
        plan: A plan, or its document.
        stages: The stages that this rank holds.

    Attributes:
        document: The plan's document.
        clocks_mhz: The clock of each computation [MHz]; None where no clock matters.

    Raises:
        UsageError: If it is no plan, or not one for these stages.
    """

    def __init__(self, plan: Plan | Mapping[str, Any], stages: Collection[int]) -> None:
        """Read it."""
        document = plan.to_dict() if isinstance(plan, Plan) else plan
        self.document = open_envelope(document, NAME, int(VERSION))
        clocks: dict[Computation, int | None] = {}
        try:
            for rank in self.document["ranks"]:
                for step in rank["steps"]:
                    computation = Computation(step["stage"], Instruction(step["operation"]), step["microbatch"])
                    if computation.stage in stages:
                        clock_mhz = step["clock_mhz"]
                        clocks[computation] = None if clock_mhz is None else int(clock_mhz)
        except (KeyError, TypeError, ValueError) as error:
            seen = f"{type(error).__name__}: {error}"
            fix = "give what joulewise plan writes; every step needs a clock_mhz"
            raise UsageError("this plan cannot be followed", seen, fix) from error
        missing = set(stages) - {one.stage for one in clocks}
        if missing:
            seen = f"no step for stage {', '.join(map(str, sorted(missing)))}"
            raise UsageError("this plan is for another pipeline", seen, "plan with the schedule that the job runs")
        self.clocks_mhz: Mapping[Computation, int | None] = MappingProxyType(clocks)

    def clock_mhz(self, computation: Computation, present_mhz: int | None) -> int | None:
        """The clock for a computation [MHz].

        Args:
            computation: Which.
            present_mhz: What is in force: kept where the plan says that no clock matters.

        Returns:
            The clock; None, which is what was found, for a computation that the plan does not know.
        """
        if computation not in self.clocks_mhz:
            return None
        clock_mhz = self.clocks_mhz[computation]
        return present_mhz if clock_mhz is None else clock_mhz
