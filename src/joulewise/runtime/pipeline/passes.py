"""Forward and backward passes of an engine that does not name the microbatch of a backward pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from joulewise.records import Instruction
from joulewise.runtime.pipeline.computation import Computation
from joulewise.runtime.pipeline.stage_hooks import EngineHooks

T = TypeVar("T")


class Passes:
    """Tells hooks of passes, and knows a backward pass by what the engine keeps for it: a tensor, a buffer.

    During iterations that do not train nothing is told. Nor is a backward pass of which no forward pass is known.

    Args:
        hooks: Who is told. `Passes` are told of iterations in their place, and pass it on.
    """

    def __init__(self, hooks: EngineHooks) -> None:
        """Outside of an iteration."""
        self._hooks, self._training = hooks, True
        self._forward: dict[Hashable, Computation] = {}
        self._counts: dict[int, int] = {}

    def begin_iteration(self, training: bool) -> None:
        """See `EngineHooks`."""
        self._forward.clear()
        self._counts.clear()
        self._training = training
        self._hooks.begin_iteration(training)

    def before(self, computation: Computation) -> None:
        """See `EngineHooks`."""
        self._hooks.before(computation)

    def after(self, computation: Computation) -> None:
        """See `EngineHooks`."""
        self._hooks.after(computation)

    def end_iteration(self, completed: bool) -> None:
        """See `EngineHooks`."""
        self._training = True
        self._hooks.end_iteration(completed)

    def forward(self, stage: int, microbatch: int | None, act: Callable[[], T], key: Callable[[T], Hashable]) -> T:
        """A forward pass.

        Args:
            stage: Of which stage.
            microbatch: Of which microbatch; None if a stage takes them in their order.
            act: Runs it.
            key: What its backward pass will be known by, from its result.

        Returns:
            The result.
        """
        if not self._training:
            return act()
        count = self._counts.get(stage, 0)
        self._counts[stage] = count + 1
        computation = Computation(stage, Instruction.FORWARD, count if microbatch is None else microbatch)
        result = self._tell(computation, act)
        self._forward[key(result)] = computation
        return result

    def backward(self, key: Hashable, act: Callable[[], T]) -> T:
        """The backward pass of the forward pass that is known by a key; its result."""
        forward = self._forward.pop(key, None)
        if forward is None:
            return act()
        return self._tell(forward._replace(instruction=Instruction.BACKWARD), act)

    def _tell(self, computation: Computation, act: Callable[[], T]) -> T:
        self.before(computation)
        result = act()
        self.after(computation)
        return result
