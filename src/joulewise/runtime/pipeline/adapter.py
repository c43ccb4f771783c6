"""Where the computations of a pipeline engine are seen: one adapter for each engine, that of PyTorch among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from joulewise.runtime.pipeline.computation import Act
from joulewise.runtime.pipeline.exchange import Alone, Exchange, GroupExchange
from joulewise.runtime.pipeline.stage_hooks import EngineHooks, hook_schedule, hook_stages, stages_of


@runtime_checkable
class PipelineAdapter(Protocol):
    """One rank of a pipeline, whichever engine runs it. `joulewise.pipeline` takes one for a schedule."""

    @property
    def name(self) -> str:
        """Of the schedule, for people."""

    @property
    def stages(self) -> Sequence[int]:
        """Numbers of the stages that this rank holds."""

    @property
    def accelerator(self) -> str:
        """Which kind of device computes, in PyTorch's words."""

    def exchange(self, group: Any) -> Exchange:
        """The ranks of this pipeline.

        Args:
            group: Those that the user named, or None.
        """

    def hook(self, hooks: EngineHooks) -> Act:
        """Tell of iterations and computations from now on; what is returned ends it and leaves no trace."""


class TorchPipeline:
    """A schedule of torch.distributed.pipelining, or a rank's stages (`joulewise.runtime.pipeline.stage_hooks`).

    Args:
        schedule: It, or they.

    Raises:
        UsageError: If it is neither.
    """

    def __init__(self, schedule: Any) -> None:
        """Look for the stages."""
        self._schedule, self._stages = schedule, stages_of(schedule)
        self.name = type(schedule).__name__
        self.stages = [int(stage.stage_index) for stage in self._stages]
        self.accelerator = str(getattr(self._stages[0].device, "type", "cpu"))

    def exchange(self, group: Any) -> Exchange:
        """See `PipelineAdapter`."""
        first = self._stages[0]
        group = first.group if group is None else group
        return Alone() if first.group_size == 1 and group is None else GroupExchange(group)

    def hook(self, hooks: EngineHooks) -> Act:
        """See `PipelineAdapter`."""
        undo_stages = hook_stages(self._stages, hooks)
        if not callable(getattr(self._schedule, "step", None)):
            return undo_stages
        undo_schedule = hook_schedule(self._schedule, hooks)

        def undo() -> None:
            undo_schedule()
            undo_stages()

        return undo
