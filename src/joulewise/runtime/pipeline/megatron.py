"""Megatron-Core: sees every forward and backward pass of its pipeline schedules.

Theory of operation. All schedules of Megatron-Core (none, 1F1B, interleaved) run a microbatch through a model chunk by
``forward_step`` and ``backward_step`` of ``megatron.core.pipeline_parallel.schedules``, which they look up in their
module at every call. So the two are replaced in that module, as are the three ``forward_backward_*`` functions, a call
of which is an iteration, and put back at the end. ``forward_step`` is told microbatch and model chunk;
``backward_step`` is not, but gets the very output that ``forward_step`` returned, and is known by that. Chunk ``c`` of
rank ``r`` of ``p`` is stage ``c * p + r``. ``config.timers`` would see the same two calls, but not their microbatch,
and belongs to the user.

Tried: with megatron-core 0.16.1 on CPUs and gloo. Its ``forward_step`` and ``backward_step``, process groups and
schedule tables run there, and a pipeline of two ranks made of them goes from profile to plan on simulated devices, with
one and two model chunks for each rank (tests/unit/runtime/pipeline/test_megatron_pipeline.py). Its
``forward_backward_*`` functions ask for a CUDA tensor by name and its ``P2PCommunicator`` for a CUDA device: they were
not run as a whole, on GPUs neither.

Not seen: passes that Megatron-Core merges (``overlap_moe_expert_parallel_comm``) or replays from a CUDA graph of a
whole iteration. Both are refused.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from joulewise.errors import UsageError
from joulewise.runtime.pipeline.computation import Act
from joulewise.runtime.pipeline.exchange import Alone, Exchange, GroupExchange
from joulewise.runtime.pipeline.passes import Passes
from joulewise.runtime.pipeline.stage_hooks import EngineHooks, hook_iterations, replace

ITERATIONS = (
    "forward_backward_no_pipelining",
    "forward_backward_pipelining_with_interleaving",
    "forward_backward_pipelining_without_interleaving",
)


class MegatronPipeline:
    """The model chunks of this rank under Megatron-Core: ``joulewise.pipeline(MegatronPipeline(model))``.

    Make and hook it before ``get_forward_backward_func()`` is called: what was fetched before is not seen.

    Args:
        model: The model, or its chunks as ``get_model`` of Megatron-LM returns them.
        group: The ranks of this pipeline; by default Megatron-Core's pipeline-parallel group.

    Raises:
        UsageError: If this Megatron-Core cannot be hooked, or the model's configuration hides its passes.

    Effects:
        While it is hooked, five functions of ``megatron.core.pipeline_parallel.schedules`` are wrapped, for all models
        of the process.
    """

    def __init__(self, model: Any, *, group: Any = None) -> None:
        """Look up the stages."""
        import torch  # noqa: PLC0415 (optional, and slow to import)
        from megatron.core import parallel_state  # noqa: PLC0415
        from megatron.core.pipeline_parallel import schedules  # noqa: PLC0415
        from megatron.core.utils import get_model_config  # noqa: PLC0415

        chunks = list(model) if isinstance(model, list | tuple) else [model]
        self._schedules = schedules
        self._group = parallel_state.get_pipeline_model_parallel_group() if group is None else group
        self._ranks, self._rank = self._group.size(), self._group.rank()
        self._signature = inspect.signature(schedules.forward_step)
        _check(self._signature, get_model_config(chunks[0]))
        self.stages = [self._stage(chunk) for chunk in range(len(chunks))]
        self.name = "Megatron-Core " + ("interleaved 1F1B" if len(chunks) > 1 else "1F1B")
        self.accelerator = "cuda" if torch.cuda.is_available() else "cpu"

    def exchange(self, group: Any) -> Exchange:
        """See `joulewise.runtime.pipeline.adapter.PipelineAdapter`."""
        return Alone() if self._ranks == 1 and group is None else GroupExchange(self._group if group is None else group)

    def hook(self, hooks: EngineHooks) -> Act:
        """See `joulewise.runtime.pipeline.adapter.PipelineAdapter`."""
        passes, owner = Passes(hooks), self._schedules
        forward, backward = owner.forward_step, owner.backward_step

        @functools.wraps(forward)
        def forward_step(*args: Any, **kwargs: Any) -> Any:
            given = self._signature.bind(*args, **kwargs).arguments
            stage, microbatch = self._stage(given.get("vp_stage") or 0), given.get("current_microbatch")
            return passes.forward(stage, microbatch, lambda: forward(*args, **kwargs), lambda result: id(result[0]))

        @functools.wraps(backward)
        def backward_step(input_tensor: Any, output_tensor: Any, *args: Any, **kwargs: Any) -> Any:
            return passes.backward(id(output_tensor), lambda: backward(input_tensor, output_tensor, *args, **kwargs))

        undo = [replace(owner, "forward_step", forward_step), replace(owner, "backward_step", backward_step)]
        for name in ITERATIONS:
            undo.append(hook_iterations(owner, name, passes, lambda arguments: not arguments.get("forward_only")))

        def undo_all() -> None:
            for act in reversed(undo):
                act()

        return undo_all

    def _stage(self, chunk: int) -> int:
        return int(chunk * self._ranks + self._rank)


def _check(forward_step: inspect.Signature, config: Any) -> None:
    if not {"current_microbatch", "vp_stage"} <= set(forward_step.parameters):
        fix = "use megatron-core 0.16, the version that this was tried with"
        raise UsageError("this Megatron-Core does not say which microbatch it runs", str(forward_step), fix)
    if getattr(config, "overlap_moe_expert_parallel_comm", False):
        fix = "train without it, or without joulewise.pipeline"
        raise UsageError("merged passes cannot be told apart", "overlap_moe_expert_parallel_comm is set", fix)
    if any("full_iteration" in str(scope) for scope in getattr(config, "cuda_graph_scope", None) or ()):
        fix = "leave full_iteration out of cuda_graph_scope"
        raise UsageError("passes within a CUDA graph cannot be seen", "the graph spans a whole iteration", fix)
