"""One rank profiles, plans and follows by itself, and no failure reaches training."""

from __future__ import annotations

import threading
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

    def __init__(
        self,
        source: Any = None,
        exchange: Any = None,
        *,
        profile: bool = True,
        faults: Sequence[Fault] = (),
        scale: float = 4.0,
        mark: Any = None,
    ) -> None:
        self.gauge = TwinGauge(
            transformer_costs(1, scale=scale), rank=0, ranks=1, stages=1, local=[0], store=NoStore(), name="rig"
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
        self.engine = PipelineEngine(
            [0], self.setter, self.gauge, profiling if profile else None, MonotonicClock(), mark=mark
        )

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


@pytest.mark.parametrize("scale", [0.2, 0.05])
def test_iterations_shorter_than_a_few_ticks_are_profiled_together(scale: float) -> None:
    rig, usual = Rig(scale=scale), Rig()
    for one in (rig, usual):
        one.until_done()
        assert one.engine.describe() == "following a plan"
        one.engine.close()
    assert rig.engine.iterations[0].time_s < 0.15
    power_w, usual_w = (one.source.plan.energy_j / one.source.plan.time_s for one in (rig, usual))
    assert power_w == pytest.approx(usual_w, rel=0.05)


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


def test_nothing_counts_as_planned_after_the_setter_has_failed() -> None:
    rig = Rig(profile=False)
    rig.engine.follow(_plan(990, 1200))
    rig.iterate()

    def fail(*_: object) -> None:
        raise OSError("the driver is busy")

    rig.gauge.gpu.lock_core_clock = fail  # type: ignore[method-assign]
    rig.iterate()
    rig.iterate()
    first, second, last = rig.engine.iterations
    assert first.planned
    assert {ran.clock_mhz for ran in first.ran} == {990, 1200}
    assert "busy" in rig.engine.failure
    assert not second.planned
    assert not last.planned
    assert {ran.clock_mhz for ran in last.ran} == {None}
    assert rig.engine.plan is None
    assert rig.gauge.gpu.read_core_clock_lock() is None
    with pytest.raises(UsageError, match="after a failure"):
        rig.engine.follow(_plan(990))
    rig.engine.close()


def test_a_failure_is_final_whoever_brings_a_plan() -> None:
    rig = Rig(profile=False)
    rig.engine.follow(_plan(990))
    healthy = rig.gauge.open

    def fail(**_: object) -> int:
        raise OSError("no gauge")

    rig.gauge.open = fail  # type: ignore[method-assign]
    rig.iterate()
    rig.gauge.open = healthy  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="no gauge"):
        rig.engine.follow(_plan(990))
    rig.iterate()
    rig.setter.drain()
    assert rig.gauge.gpu.read_core_clock_lock() is None
    assert not rig.engine.iterations[-1].planned
    assert rig.engine.describe() == "not planning: OSError: no gauge"
    rig.engine.close()


def test_clocks_come_back_whatever_else_fails_at_the_end() -> None:
    rig = Rig(profile=False)
    done: list[str] = []

    def fail() -> None:
        done.append("fails")
        raise OSError("the hub is gone")

    for act in (lambda: done.append("unhooked"), fail, lambda: done.append("last word")):
        rig.engine.at_close(act)
    rig.engine.follow(_plan(990))
    rig.iterate()
    assert rig.gauge.gpu.read_core_clock_lock() is not None
    with pytest.raises(OSError, match="hub is gone"):
        rig.engine.close()
    assert done == ["last word", "fails", "unhooked"]
    assert rig.gauge.gpu.read_core_clock_lock() is None
    rig.engine.close()


class Mark:
    """A point that the accelerator has not passed yet."""

    def __init__(self) -> None:
        self.passed = threading.Event()
        self.query, self.synchronize = self.passed.is_set, self.passed.wait


@pytest.mark.parametrize("ends", ["evaluation", "failure"])
def test_what_was_found_comes_back_only_behind_the_work_before(ends: str) -> None:
    marks: list[Mark] = []

    def mark() -> Mark:
        marks.append(Mark())
        return marks[-1]

    rig = Rig(profile=False, mark=mark)
    rig.engine.follow(_plan(990))
    rig.engine.begin_iteration()
    rig.gauge.begin = lambda computation, drain: 0  # type: ignore[method-assign]
    rig.engine.before(ORDER[0])
    marks[0].passed.set()
    rig.setter.drain()
    assert rig.gauge.gpu.read_core_clock_lock() == (990, 990)
    if ends == "evaluation":
        rig.engine.begin_iteration(training=False)
    else:
        rig.gauge.end = None  # type: ignore[assignment]
        rig.engine.after(ORDER[0])
        assert rig.engine.failure
    assert len(marks) == 2
    assert rig.gauge.gpu.read_core_clock_lock() == (990, 990)  # it computes still
    marks[1].passed.set()
    rig.setter.drain()
    assert rig.gauge.gpu.read_core_clock_lock() is None
    rig.engine.close()


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
    with pytest.raises(UsageError, match="after a failure"):
        rig.engine.follow(_plan(990))  # a hub that answers too late
    rig.iterate()
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


def _plan(*clocks_mhz: int) -> dict[str, Any]:
    """A plan that takes clocks in turn."""
    steps = [{**one, "clock_mhz": clocks_mhz[i % len(clocks_mhz)]} for i, one in enumerate(_steps(0))]
    return {"schema": "joulewise.plan/1", "ranks": [{"steps": steps}]}


def _steps(clock_mhz: int) -> list[dict[str, Any]]:
    return [
        {"operation": str(one.instruction), "stage": one.stage, "microbatch": one.microbatch, "clock_mhz": clock_mhz}
        for one in ORDER
    ]
