"""DeepSpeed: sees every forward and backward pass of a pipeline engine.

Theory of operation. DeepSpeed's ``PipelineEngine`` runs a schedule instruction by instruction, each through the method
that its ``_INSTRUCTION_MAP`` names. The engine under our care gets a map of its own, in which ``ForwardPass`` and
``BackwardPass`` run through us; the map of the class stays as it is. An instruction names the buffer that it works on,
and a buffer holds the same microbatch from its forward to its backward pass; a stage takes microbatches in their order.
``train_batch`` is an iteration; during ``eval_batch`` the clocks are as they were found. With DualPipeV, the pass of
phase 1 on rank ``r`` of ``p`` is stage ``2p - 1 - r``.

Tried: with DeepSpeed 0.19.8 on CPUs and gloo: real engines with ``TrainSchedule``, ``InferenceSchedule`` and DualPipeV,
from profile to plan on simulated devices (tests/unit/runtime/pipeline/test_deepspeed_pipeline.py).
"""

from __future__ import annotations

from typing import Any

from joulewise.errors import UsageError
from joulewise.runtime.pipeline.computation import Act
from joulewise.runtime.pipeline.exchange import Alone, Exchange, GroupExchange
from joulewise.runtime.pipeline.passes import Passes
from joulewise.runtime.pipeline.stage_hooks import EngineHooks, hook_iterations, replace

MAP = "_INSTRUCTION_MAP"


class DeepSpeedPipeline:
    """A rank of a DeepSpeed pipeline: ``joulewise.pipeline(DeepSpeedPipeline(engine))``.

    Args:
        engine: What ``deepspeed.initialize`` returned for a ``PipelineModule``.

    Raises:
        UsageError: If it is no pipeline engine.

    Effects:
        While it is hooked, the engine has its own ``train_batch``, ``eval_batch`` and ``_INSTRUCTION_MAP``.
    """

    def __init__(self, engine: Any) -> None:
        """Look up the stages."""
        names = {kind.__name__ for kind in getattr(engine, MAP, {})}
        if not {"ForwardPass", "BackwardPass"} <= names:
            fix = "give what deepspeed.initialize returned for a PipelineModule"
            raise UsageError("this is no pipeline engine of DeepSpeed", type(engine).__name__, fix)
        self._engine = engine
        self._rank, self._ranks = int(engine.stage_id), int(engine.num_stages)
        both_ways = "CommitP2P" in names
        self.stages = [self._stage(phase) for phase in ((0, 1) if both_ways else (0,))]
        self.name = "DeepSpeed " + ("DualPipeV" if both_ways else "1F1B")
        self.accelerator = str(engine.device).partition(":")[0]

    def exchange(self, group: Any) -> Exchange:
        """See `joulewise.runtime.pipeline.adapter.PipelineAdapter`."""
        if self._ranks == 1 and group is None:
            return Alone()
        return GroupExchange(self._engine.grid.get_pipe_parallel_group() if group is None else group)

    def hook(self, hooks: EngineHooks) -> Act:
        """See `joulewise.runtime.pipeline.adapter.PipelineAdapter`."""
        passes, known = Passes(hooks), getattr(self._engine, MAP)
        forward, backward = (_named(known, name) for name in ("ForwardPass", "BackwardPass"))

        def forward_pass(engine: Any, buffer_id: int, **kwargs: Any) -> None:
            stage = self._stage(kwargs.get("phase", 0))
            passes.forward(stage, None, lambda: known[forward](engine, buffer_id, **kwargs), lambda _: buffer_id)

        def backward_pass(engine: Any, buffer_id: int, **kwargs: Any) -> None:
            passes.backward(buffer_id, lambda: known[backward](engine, buffer_id, **kwargs))

        undo = [
            replace(self._engine, MAP, {**known, forward: forward_pass, backward: backward_pass}),
            hook_iterations(self._engine, "train_batch", passes, lambda arguments: True),
            hook_iterations(self._engine, "eval_batch", passes, lambda arguments: False),
        ]

        def undo_all() -> None:
            for act in reversed(undo):
                act()

        return undo_all

    def _stage(self, phase: int) -> int:
        return 2 * self._ranks - 1 - self._rank if phase else self._rank


def _named(instructions: dict[type, Any], name: str) -> type:
    return next(kind for kind in instructions if kind.__name__ == name)
