"""DeepSpeed's pipeline engine under our hooks: a stand-in for it, and, where DeepSpeed is installed, itself.

The latter needs ninja and a C++ compiler, too: on CPUs DeepSpeed compiles its communication when it first starts.
"""

from __future__ import annotations

from pathlib import Path
from types import MethodType, SimpleNamespace
from typing import Any

import pytest

from adapter_runs import check_adapter, is_installed, run_job
from joulewise.errors import UsageError
from joulewise.records import Instruction
from joulewise.runtime.pipeline.adapter import PipelineAdapter
from joulewise.runtime.pipeline.computation import Computation
from joulewise.runtime.pipeline.deepspeed import DeepSpeedPipeline

MICROBATCHES, BUFFERS = 5, 2


class ForwardPass:
    """An instruction."""


class BackwardPass:
    """An instruction."""


class Engine:
    """What DeepSpeed's engine is to us: the second of three stages, with two buffers that it uses in turn."""

    stage_id, num_stages, device = 1, 3, SimpleNamespace(type="cpu")

    def __init__(self) -> None:
        self.fails_at = -1

    def forward_pass(self, buffer_id: int) -> None:
        pass

    def backward_pass(self, buffer_id: int) -> None:
        if buffer_id == self.fails_at:
            raise RuntimeError("out of memory")

    _INSTRUCTION_MAP: dict[type, Any] = {ForwardPass: forward_pass, BackwardPass: backward_pass}  # noqa: RUF012

    def train_batch(self) -> str:
        self.run(ForwardPass, 0)
        for microbatch in range(1, MICROBATCHES):
            self.run(ForwardPass, microbatch % BUFFERS)
            self.run(BackwardPass, (microbatch - 1) % BUFFERS)
        self.run(BackwardPass, (MICROBATCHES - 1) % BUFFERS)
        return "loss"

    def eval_batch(self) -> None:
        self.run(ForwardPass, 0)

    def run(self, instruction: type, buffer_id: int) -> None:
        MethodType(self._INSTRUCTION_MAP[instruction], self)(buffer_id=buffer_id)


class Listener:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def begin_iteration(self, training: bool) -> None:
        self.heard.append(("begin", training))

    def before(self, computation: Computation) -> None:
        self.heard.append(computation)

    def after(self, computation: Computation) -> None:
        assert self.heard[-1] == computation

    def end_iteration(self, completed: bool) -> None:
        self.heard.append(("end", completed))


def test_microbatches_are_told_from_the_buffers_that_hold_them() -> None:
    engine, listener = Engine(), Listener()
    undo = DeepSpeedPipeline(engine).hook(listener)
    for _ in range(2):
        assert engine.train_batch() == "loss"
        forward, backward = Instruction.FORWARD, Instruction.BACKWARD
        steady = [
            Computation(1, way, m - (way is backward)) for m in range(1, MICROBATCHES) for way in (forward, backward)
        ]
        order = [Computation(1, forward, 0), *steady, Computation(1, backward, MICROBATCHES - 1)]
        assert listener.heard == [("begin", True), *order, ("end", True)]
        listener.heard.clear()
    engine.eval_batch()
    assert listener.heard == [("begin", False), ("end", True)]
    undo()
    assert set(vars(engine)) == {"fails_at"}


def test_a_failure_is_the_jobs_own_and_the_next_iteration_is_whole() -> None:
    engine, listener = Engine(), Listener()
    DeepSpeedPipeline(engine).hook(listener)
    engine.fails_at = 1
    with pytest.raises(RuntimeError, match="out of memory"):
        engine.train_batch()
    assert listener.heard[-1] == ("end", False)
    engine.fails_at = -1
    listener.heard.clear()
    engine.train_batch()
    assert len(listener.heard) == 2 * MICROBATCHES + 2


def test_it_is_an_adapter_of_pipeline_engines_only() -> None:
    assert isinstance(DeepSpeedPipeline(Engine()), PipelineAdapter)
    with pytest.raises(UsageError, match="no pipeline engine of DeepSpeed"):
        DeepSpeedPipeline(SimpleNamespace(train_batch=None))


@pytest.mark.slow
@pytest.mark.skipif(not is_installed("deepspeed"), reason="deepspeed is not installed")
@pytest.mark.parametrize("schedule", ["1F1B", "DualPipeV"])
def test_a_job_of_deepspeed_plans_for_itself_and_learns_the_same(schedule: str, tmp_path: Path) -> None:
    without = run_job("deepspeed_job.py", tmp_path / "without", "--schedule", schedule, "--mode", "off")
    ranks = run_job("deepspeed_job.py", tmp_path / "with", "--schedule", schedule)
    check_adapter(without, ranks, microbatches=8)
    assert [rank["evaluation"] for rank in ranks] == [rank["evaluation"] for rank in without]
    assert [rank["told_in_evaluation"] for rank in ranks] == [0, 0]
    assert [rank["stages"] for rank in ranks] == ([[0], [1]] if schedule == "1F1B" else [[0, 3], [1, 2]])
