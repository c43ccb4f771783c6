"""Runs a rank of a pipeline at the clocks of its plan, and measures.

Theory of operation. Before each computation its clock is asked for, and as soon as one ends, that of the next one,
known from the iteration before: so the clock changes while the rank waits for others where it waits at all, and what it
waits at is known. Asking only leaves a request (`joulewise.runtime.pipeline.clock_setter`). On accelerators, requests
carry an event that the device passes at that point, for the host runs ahead of it.

A plan is looked up by stage, instruction and microbatch, so any order of any engine will do, and another plan may be
put in at any time (`PipelineEngine.follow`): the next computation runs by it. Without one the engine profiles and plans
by itself (`joulewise.runtime.pipeline.profiling`).

None of this changes what is computed, and none of it raises into training: what fails is kept in
`PipelineEngine.failure`, what was found is put back, and the job goes on. A failure is final: no plan is followed after
it, whoever brings one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast

from joulewise.clock import Clock
from joulewise.errors import JoulewiseError, UsageError
from joulewise.optimize.pipeline.plan import Plan
from joulewise.runtime.pipeline.clock_setter import ClockSetter, Mark
from joulewise.runtime.pipeline.computation import Act, Computation, Iteration, Ran
from joulewise.runtime.pipeline.gauge import Gauge, Tick
from joulewise.runtime.pipeline.plan_follower import PlanFollower
from joulewise.runtime.pipeline.profiling import Phase, Profiling

KEPT_ITERATIONS = 1000


@dataclass(slots=True)
class Overhead:
    """What asking for clocks has cost the host.

    Attributes:
        computations: How many ran.
        host_s: Time spent on deciding and asking [s].
    """

    computations: int = 0
    host_s: float = 0.0

    @property
    def per_computation_s(self) -> float:
        """Time for each computation [s]."""
        return self.host_s / max(1, self.computations)


class PipelineEngine:
    """One rank of a pipeline under our care; `joulewise.pipeline` makes it. A context manager.

    Args:
        stages: Numbers of the stages that this rank holds.
        setter: Tells its devices.
        gauge: Times its computations.
        profiling: Finds a plan; None to wait for `follow`.
        clock: Time of the host, for the overhead.
        mark: Makes a mark in the work of the accelerator; None if the host does the work itself.

    Attributes:
        iterations: What ran, the last thousand iterations.
        overhead: What asking for clocks has cost.
        failure: Why nothing is told or planned any more, or nothing.

    Effects:
        Changes clocks from the first sweep on. What was found comes back with `close`, at exit and on signals.
    """

    def __init__(
        self,
        stages: Collection[int],
        setter: ClockSetter,
        gauge: Gauge,
        profiling: Profiling | None,
        clock: Clock,
        *,
        mark: Callable[[], Mark] | None = None,
    ) -> None:
        """Nothing has run yet."""
        self.iterations: deque[Iteration] = deque(maxlen=KEPT_ITERATIONS)
        self.overhead = Overhead()
        self._stages, self._setter, self._gauge, self._profiling = frozenset(stages), setter, gauge, profiling
        self._clock, self._mark, self._failure = clock, mark, ""
        self._follower: PlanFollower | None = None
        self._open: list[Ran] | None = None
        self._number, self._begin_ns, self._begun_ns = 0, 0, 0
        self._training, self._kept, self._ticks = True, cast("Iteration | None", None), cast("Sequence[Tick]", ())
        self._planned = False
        self._next: dict[Computation, Computation] = {}
        self._at_close = ExitStack()
        self._at_close.callback(setter.close)

    # For people ------------------------------------------------------------------------------------------------------

    def follow(self, plan: Plan | Mapping[str, Any]) -> None:
        """Run by a plan, from the next computation on; while the job is profiled, as soon as that is over.

        Args:
            plan: A plan, or its document (docs/reference/plan-format.md).

        Raises:
            UsageError: If it is no plan, or not one for this rank's stages, or something has failed before.
        """
        if self.failure:
            fix = "mend that, and make another engine; this one leaves clocks as found"
            raise UsageError("no plan is followed after a failure", self.failure, fix)
        self._follower = PlanFollower(plan, self._stages)
        if self._profiling is not None:
            self._profiling.new_plan()

    @property
    def plan(self) -> Mapping[str, Any] | None:
        """The document of the plan that is followed."""
        return None if self._follower is None or self.failure else self._follower.document

    @property
    def phase(self) -> Phase:
        """What iterations are used for now."""
        return Phase.DONE if self._profiling is None else self._profiling.phase

    @property
    def failure(self) -> str:
        """Why nothing is told or planned any more, or nothing."""
        planning = "" if self._profiling is None else self._profiling.failure
        return self._failure or self._setter.failure or planning

    def describe(self) -> str:
        """What it is doing, in a few words."""
        if self.failure:
            return f"not planning: {self.failure}"
        if self.phase is not Phase.DONE:
            return str(self.phase)
        return "following a plan" if self._follower is not None else "waiting for a plan"

    def close(self) -> None:
        """Let go of the stages, and put back what was found, whatever of it fails.

        Raises:
            RestoreError: If something could not be put back.
        """
        self._at_close.close()

    def at_close(self, act: Act) -> None:
        """Do something when the engine is closed: what was added last is done first, and clocks are put back last."""
        self._at_close.callback(act)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    # For hooks: `joulewise.runtime.pipeline.stage_hooks.EngineHooks` --------------------------------------------------

    def begin_iteration(self, training: bool = True) -> None:
        """An iteration begins; one that does not train runs at the clocks that were found."""
        self._open, self._training = None, training
        if training:
            self._guard(self._begin_iteration)
        else:
            self._release()

    def before(self, computation: Computation) -> None:
        """A computation is about to run."""
        if self._open is not None:
            self._guard(lambda: self._before(computation))

    def after(self, computation: Computation) -> None:
        """It has run, as far as the host knows."""
        if self._open is not None:
            self._guard(lambda: self._after(computation))

    def end_iteration(self, completed: bool = True) -> None:
        """The iteration has ended. Collective while the job profiles and plans, and now and then after that
        (`joulewise.runtime.pipeline.profiling`); not if the iteration failed."""
        ran, self._open = self._open, None
        if not (completed and self._training):
            return
        if ran is not None:
            self._guard(lambda: self._keep(ran))
        if (profiling := self._profiling) is not None:
            self._guard(lambda: self._agree(profiling))

    def _begin_iteration(self) -> None:
        profiling = self._profiling is not None and self._profiling.measuring
        self._planned, self._kept, self._ticks = self._following, None, ()
        self._begin_ns = self._gauge.open(profiling=profiling)
        self._open = []

    def _before(self, computation: Computation) -> None:
        self._ask(computation)
        self._begun_ns = self._gauge.begin(computation, self._setter.drain)

    def _after(self, computation: Computation) -> None:
        end_ns = self._gauge.end(computation)
        if self._open is not None:
            self._open.append(Ran(computation, self._setter.asked_mhz, self._begun_ns, end_ns))
        if (coming := self._next.get(computation)) is not None:
            self._ask(coming)
        self.overhead.computations += 1

    def _agree(self, profiling: Profiling) -> None:
        """Go through the end of an iteration with the other ranks, whatever has failed here."""
        document = profiling.end_iteration(self._kept, self._ticks, self._gauge.tick_sd_s, self.failure)
        if document is not None:
            self.follow(document)
        if profiling.failure:
            self._release()

    def _keep(self, ran: list[Ran]) -> None:
        end_ns, energy_j = self._gauge.close()
        planned = self._planned and self._following
        iteration = Iteration(
            self._number, self._begin_ns, end_ns, tuple(ran), energy_j, self._gauge.provenance, planned
        )
        self._number += 1
        self._kept, self._ticks = iteration, self._gauge.take_ticks()
        self.iterations.append(iteration)
        order = [one.computation for one in ran]
        self._next = dict(zip(order, [*order[1:], *order[:1]], strict=True))

    @property
    def _following(self) -> bool:
        return self._follower is not None and self.phase is Phase.DONE and not self.failure

    def _ask(self, computation: Computation) -> None:
        begin_ns = self._clock.now_ns()
        clock_mhz = self._clock_for(computation)
        if clock_mhz != self._setter.asked_mhz:
            self._setter.request(clock_mhz, self._mark() if self._mark is not None else None)
        self.overhead.host_s += (self._clock.now_ns() - begin_ns) * 1e-9

    def _release(self) -> None:
        """Ask for what was found, as soon as the accelerator has come as far as the host. Never raises."""
        if self._setter.asked_mhz is None:
            return
        try:
            mark = self._mark() if self._mark is not None else None
        except Exception as error:  # then there is nothing to wait for
            self._failure, mark = self._failure or _text(error), None
        self._setter.request(None, mark)

    def _clock_for(self, computation: Computation) -> int | None:
        if self.failure:
            return None
        if self._profiling is not None and self._profiling.phase is not Phase.DONE:
            return self._profiling.asked.get(computation.operation)
        follower = self._follower
        return None if follower is None else follower.clock_mhz(computation, self._setter.asked_mhz)

    def _guard(self, act: Act) -> None:
        """Do something of ours. If it fails, put back what was found, and let training go on without us."""
        try:
            act()
        except Exception as error:
            self._failure = self._failure or _text(error)
            self._follower, self._open = None, None
            self._release()


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, JoulewiseError) else f"{type(error).__name__}: {error}"
