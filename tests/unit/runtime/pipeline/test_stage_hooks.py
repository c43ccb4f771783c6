"""The hooks see every computation, and nobody else sees the hooks."""

from __future__ import annotations

from typing import Any

import pytest

from joulewise.errors import UsageError
from joulewise.records import Instruction
from joulewise.runtime.pipeline.computation import Computation
from joulewise.runtime.pipeline.stage_hooks import hook_schedule, hook_stages, stages_of


class Stage:
    """What torch's stages are to us."""

    def __init__(self, stage_index: int) -> None:
        self.stage_index, self.has_backward = stage_index, True

    def forward_one_chunk(self, fwd_chunk_id: int, args: tuple[Any, ...] = (), kwargs: object = None) -> str:
        return f"forward {fwd_chunk_id}"

    def backward_one_chunk(self, bwd_chunk_id: int, loss: object = None, full_backward: bool = True) -> None:
        if loss == "fails":
            raise RuntimeError("out of memory")

    def backward_weight_one_chunk(self, bwd_chunk_id: int, last_backward: bool = False) -> None:
        pass


class Schedule:
    def __init__(self, stages: list[Stage]) -> None:
        self._stages, self._has_backward = stages, True

    def step(self, batch: str, loss: object = None) -> str:
        for stage in self._stages:
            stage.forward_one_chunk(0, (batch,))
            stage.backward_one_chunk(0, loss)
        return f"outputs of {batch}"

    def eval(self, batch: str) -> str:
        self._has_backward = False
        try:
            return self.step(batch)
        finally:
            self._has_backward = True


class Listener:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def begin_iteration(self, training: bool) -> None:
        self.heard.append(("begin", training))

    def before(self, computation: Computation) -> None:
        self.heard.append(("before", *computation))

    def after(self, computation: Computation) -> None:
        self.heard.append(("after", *computation))

    def end_iteration(self, completed: bool) -> None:
        self.heard.append(("end", completed))


def test_each_call_is_the_computation_that_it_is() -> None:
    stage, listener = Stage(3), Listener()
    hook_stages([stage], listener)
    assert stage.forward_one_chunk(1, ()) == "forward 1"
    assert stage.forward_one_chunk(fwd_chunk_id=2) == "forward 2"
    stage.backward_one_chunk(1)
    stage.backward_one_chunk(2, None, False)
    stage.backward_one_chunk(bwd_chunk_id=4, full_backward=False)
    stage.backward_weight_one_chunk(2, last_backward=True)
    seen = [entry[1:] for entry in listener.heard if entry[0] == "before"]
    assert seen == [entry[1:] for entry in listener.heard if entry[0] == "after"]
    assert seen == [
        (3, Instruction.FORWARD, 1),
        (3, Instruction.FORWARD, 2),
        (3, Instruction.BACKWARD, 1),
        (3, Instruction.BACKWARD_INPUT, 2),
        (3, Instruction.BACKWARD_INPUT, 4),
        (3, Instruction.BACKWARD_WEIGHT, 2),
    ]


def test_undoing_leaves_no_trace() -> None:
    stages, listener = [Stage(0), Stage(1)], Listener()
    schedule = Schedule(stages)
    before = [dict(vars(one)) for one in (schedule, *stages)]
    undo = hook_stages(stages, listener), hook_schedule(schedule, listener)
    for act in undo:
        act()
    assert [dict(vars(one)) for one in (schedule, *stages)] == before
    assert schedule.step("batch") == "outputs of batch"
    assert not listener.heard


def test_a_wrapping_on_top_of_ours_is_left_alone() -> None:
    stage, listener = Stage(0), Listener()
    undo = hook_stages([stage], listener)
    ours = stage.forward_one_chunk
    stage.forward_one_chunk = lambda *arguments: ours(*arguments, {})  # type: ignore[method-assign]
    theirs = stage.forward_one_chunk
    undo()
    assert stage.forward_one_chunk is theirs
    assert stage.forward_one_chunk(0, ()) == "forward 0"


def test_iterations_are_told_from_evaluation_and_from_failures() -> None:
    stage, listener = Stage(0), Listener()
    schedule = Schedule([stage])
    hook_schedule(schedule, listener)
    assert schedule.step("a") == "outputs of a"
    schedule.eval("b")
    with pytest.raises(RuntimeError, match="out of memory"):
        schedule.step("c", loss="fails")
    assert listener.heard == [
        ("begin", True), ("end", True), ("begin", False), ("end", True), ("begin", True), ("end", False)
    ]  # fmt: skip


def test_a_stage_that_does_not_train_is_not_looked_at() -> None:
    stage, listener = Stage(0), Listener()
    stage.has_backward = False
    hook_stages([stage], listener)
    assert stage.forward_one_chunk(0) == "forward 0"
    assert not listener.heard


def test_stages_are_found_wherever_they_are_held() -> None:
    stages = [Stage(0), Stage(1)]
    assert stages_of(Schedule(stages)) == stages_of(stages) == stages
    assert stages_of(stages[0]) == stages[:1]
    for wrong in (object(), [], [object()]):
        with pytest.raises(UsageError, match="no pipeline stages"):
            stages_of(wrong)
