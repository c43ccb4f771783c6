"""One rank profiles, plans and follows by itself, and no failure reaches training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from joulewise.clock import MonotonicClock
from joulewise.devices.simulated.faults import Failure, Fault, FaultScript
from joulewise.errors import UsageError
from joulewise.optimize.profiling.rank_sweep import SweepBudget
from joulewise.optimize.profiling.sweep import SweepPlan
from joulewise.records import Instruction
from joulewise.runtime.knob import Knob, find_tunable
from joulewise.runtime.pipeline.clock_setter import ClockSetter
from joulewise.runtime.pipeline.computation import Computation
from joulewise.runtime.pipeline.engine import PipelineEngine
from joulewise.runtime.pipeline.exchange import Alone
from joulewise.runtime.pipeline.plan_source import FAILED, PlanningThread
from joulewise.runtime.pipeline.portrait import Portrait
from joulewise.runtime.pipeline.profiling import Phase, Profiling
from joulewise.sim.torch_twin import TwinGauge, transformer_costs

F, B = Instruction.FORWARD, Instruction.BACKWARD
ORDER = [Computation(0, what, microbatch) for microbatch in range(4) for what in (F, B)]


class NoStore:
    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def set(self, key: str, value: str) -> None:
        self._values[key] = value.encode()

    def get(self, key: str) -> bytes:
        return self._values[key]

    def delete_key(self, key: str) -> bool:
        return self._values.pop(key, None) is not None


class Rig:
    """An engine that is a whole pipeline, on a twin."""

    def __init__(self, source: Any = None, exchange: Any = None, *, profile: bool = True, faults: Sequence[Fault] = ()):
        self.gauge = TwinGauge(
            transformer_costs(1, scale=4.0), rank=0, ranks=1, stages=1, local=[0], store=NoStore(), name="rig"
        )
        self.gauge.gpu._faults = FaultScript(tuple(faults))
        self.source = PlanningThread(plans=5) if source is None else source
        tunable = find_tunable([self.gauge.gpu], Knob.CORE_CLOCK)
        clocks = [int(clock) for clock in tunable.candidates]  # type: ignore[call-overload]
        profiling = Profiling(
            exchange or Alone(),
            self.source,
            lambda operations: SweepPlan(operations, SweepBudget(iterations=5)),
            clocks_mhz=clocks,
            gpus=1,
            name="test",
        )
        self.setter = ClockSetter(tunable, clock=self.gauge.clock)
        self.engine = PipelineEngine([0], self.setter, self.gauge, profiling if profile else None, MonotonicClock())

    def iterate(self, order: Sequence[Computation] = ORDER, *, training: bool = True, completed: bool = True) -> None:
        self.engine.begin_iteration(training)
        for computation in order if training else ():
            self.engine.before(computation)
            self.engine.after(computation)
        self.engine.end_iteration(completed)

    def until_done(self) -> None:
        for _ in range(3000):
            if self.engine.phase is Phase.DONE:
                return
            self.iterate()
            if self.engine.phase is Phase.PLAN:
                MonotonicClock().sleep(0.002)
        raise AssertionError(self.engine.describe())


def test_it_profiles_plans_and_follows_by_itself() -> None:
    rig = Rig()
    rig.until_done()
    assert rig.engine.describe() == "following a plan"
    plan = rig.source.plan
    for _ in range(11):
        rig.iterate()
    first, last = rig.engine.iterations[0], rig.engine.iterations[-1]
    assert (first.planned, last.planned) == (False, True)
    follower = {ran.computation: ran.clock_mhz for ran in last.ran}
    clocks = {
        Computation(one.stage, one.instruction, one.microbatch): setting
        for one, setting in zip(plan.problem.schedule.operations, plan.settings, strict=True)
    }
    assert follower == clocks
    assert last.time_s == pytest.approx(plan.time_s, rel=0.01)
    settled_j = [one.energy_j or 0.0 for one in list(rig.engine.iterations)[-10:]]  # one alone is up to a tick off
    assert sum(settled_j) / 10 == pytest.approx(plan.energy_j, rel=0.02)
    rig.engine.close()
    assert rig.gauge.gpu.read_core_clock_lock() is None


def test_another_plan_holds_from_the_next_computation_on() -> None:
    rig = Rig(profile=False)
    plan = {"schema": "joulewise.plan/1", "ranks": [{"steps": _steps(990)}]}
    other = {"schema": "joulewise.plan/1", "ranks": [{"steps": _steps(1200)}]}
    rig.iterate()
    rig.engine.follow(plan)
    rig.engine.begin_iteration()
    for number, computation in enumerate(ORDER):
        if number == 4:
            rig.engine.follow(other)
        rig.engine.before(computation)
        rig.engine.after(computation)
    rig.engine.end_iteration()
    assert [ran.clock_mhz for ran in rig.engine.iterations[-1].ran] == [990] * 4 + [1200] * 4
    with pytest.raises(UsageError):
        rig.engine.follow({"schema": "joulewise.plan/1", "ranks": []})
    rig.iterate(list(reversed(ORDER)))  # any order
    assert {ran.clock_mhz for ran in rig.engine.iterations[-1].ran} == {1200}
    rig.iterate(training=False)
    rig.setter.drain()
    assert rig.gauge.gpu.read_core_clock_lock() is None  # evaluation runs at what was found
    rig.engine.close()


def test_a_device_that_is_lost_ends_planning_and_not_training() -> None:
    rig = Rig(faults=[Fault(Failure.LOST, start_s=6.0)])
    for _ in range(12):
        rig.iterate()
    assert rig.engine.phase is Phase.DONE
    assert "lost" in rig.engine.failure
    with pytest.raises(Exception, match="could not be put back"):
        rig.engine.close()
    rig.gauge.gpu._faults = FaultScript()


class Broken:
    """A source that fails in one way or another."""

    def __init__(self, how: str) -> None:
        self._how = how

    def submit(self, portraits: Sequence[Portrait], name: str) -> None:
        if self._how == "submit":
            raise OSError("no route to hub")

    def poll(self) -> Mapping[str, Any] | None:
        if self._how == "poll":
            raise OSError("no route to hub")
        return {FAILED: "no plan"} if self._how == "answer" else {"schema": "nonsense"}


@pytest.mark.parametrize(
    ("how", "said"), [("submit", "no route"), ("poll", "no route"), ("answer", "no plan"), ("plan", "not a plan")]
)
def test_without_a_plan_the_job_goes_on_as_found(how: str, said: str) -> None:
    rig = Rig(Broken(how))
    rig.until_done()
    rig.iterate()
    assert said in rig.engine.failure
    rig.setter.drain()
    assert rig.gauge.gpu.read_core_clock_lock() is None
    rig.engine.close()


class Words:
    """Other ranks, one of which has failed, or that cannot be reached."""

    rank = 0

    def __init__(self, reachable: bool) -> None:
        self._reachable, self.calls = reachable, 0

    def gather(self, value: Any) -> list[Any]:
        self.calls += 1
        if not self._reachable:
            raise RuntimeError("Connection closed by peer")
        return [value, type(value)(True, failure="its device is gone")]

    def broadcast(self, value: Any) -> Any:
        raise AssertionError("nobody plans")


@pytest.mark.parametrize(("reachable", "said"), [(True, "rank 1: its device is gone"), (False, "cannot be reached")])
def test_what_fails_elsewhere_is_said_here_and_not_asked_again(reachable: bool, said: str) -> None:
    words = Words(reachable)
    rig = Rig(exchange=words)
    for _ in range(3):
        rig.iterate()
    assert said in rig.engine.failure
    assert words.calls == 1
    rig.engine.close()


def test_a_failure_of_ours_still_takes_part_in_what_is_said_together() -> None:
    words = Words(reachable=True)
    rig = Rig(exchange=words)

    def fail(**_: object) -> int:
        raise OSError("no gauge")

    rig.gauge.open = fail  # type: ignore[method-assign]
    rig.iterate()
    assert words.calls == 1
    assert "no gauge" in rig.engine.failure
    rig.iterate(training=False)
    rig.iterate(completed=False)
    assert words.calls == 1
    rig.engine.close()


def _steps(clock_mhz: int) -> list[dict[str, Any]]:
    return [
        {"operation": str(one.instruction), "stage": one.stage, "microbatch": one.microbatch, "clock_mhz": clock_mhz}
        for one in ORDER
    ]
