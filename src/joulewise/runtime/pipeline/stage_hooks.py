"""Sees every computation of the stages of a torch.distributed.pipelining schedule.

Theory of operation. Whatever the schedule, PyTorch runs a microbatch through a stage by calling one of three methods
of the stage: ``forward_one_chunk``, ``backward_one_chunk`` (whole, or ``full_backward=False`` for the gradient by input
alone) and ``backward_weight_one_chunk``; an overlapped pair of actions is two such calls in a row. So these methods of
the stage *instances* are wrapped, and ``step`` of the schedule instance, which is an iteration. The user's model, the
classes of PyTorch and all arguments and results stay as they are. Other engines are seen by other adapters
(`joulewise.runtime.pipeline.adapter`).

Metadata inference before the first iteration, and evaluation, compute forward passes, too. The former does not go
through these methods; the latter is told from training by ``has_backward``, and left alone.

Source: torch/distributed/pipelining/stage.py and schedules.py of PyTorch 2.13; the three methods exist since 2.5.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from joulewise.errors import UsageError
from joulewise.records import Instruction
from joulewise.runtime.pipeline.computation import Computation

METHODS = ("forward_one_chunk", "backward_one_chunk", "backward_weight_one_chunk")


class EngineHooks(Protocol):
    """Who is told of an engine's iterations and computations, on the thread that runs them. None of it raises."""

    def begin_iteration(self, training: bool) -> None:
        """An iteration begins."""

    def before(self, computation: Computation) -> None:
        """A computation is about to run."""

    def after(self, computation: Computation) -> None:
        """It has run, as far as the host knows."""

    def end_iteration(self, completed: bool) -> None:
        """The iteration has ended, or failed."""


def stages_of(schedule: Any) -> list[Any]:
    """The stages of this rank of a schedule, of a stage, or of a list of stages.

    Raises:
        UsageError: If it is none of these.
    """
    if isinstance(schedule, list | tuple):
        found = list(schedule)
    else:
        held = getattr(schedule, "_stages", None) or [getattr(schedule, "_stage", schedule)]
        found = list(held)
    if not found or not all(callable(getattr(one, name, None)) for one in found for name in METHODS):
        seen = ", ".join(type(one).__name__ for one in found) or "nothing"
        fix = "give a schedule of torch.distributed.pipelining (2.5 or later), or its stages"
        raise UsageError("there are no pipeline stages to look at", seen, fix)
    return found


def hook_stages(stages: Sequence[Any], hooks: EngineHooks) -> Callable[[], None]:
    """Wrap the methods of stage instances.

    Returns:
        What takes the wrapping off again.
    """
    undo = []
    for stage in stages:
        for name, instruction in zip(METHODS, _INSTRUCTIONS, strict=True):
            original = getattr(stage, name)
            undo.append(replace(stage, name, _hooked(original, stage, instruction, hooks)))

    def undo_all() -> None:
        for act in reversed(undo):
            act()

    return undo_all


def hook_schedule(schedule: Any, hooks: EngineHooks) -> Callable[[], None]:
    """Wrap ``step`` of a schedule instance: each call is an iteration.

    Returns:
        What takes the wrapping off again.
    """
    return hook_iterations(schedule, "step", hooks, lambda arguments: bool(getattr(schedule, "_has_backward", True)))


def hook_iterations(
    owner: Any, name: str, hooks: EngineHooks, training: Callable[[Mapping[str, Any]], bool]
) -> Callable[[], None]:
    """Wrap a function of an object or module: each call is an iteration.

    Args:
        owner: What has it.
        name: Of the function.
        hooks: Who is told.
        training: Whether a call trains, by its keyword arguments.

    Returns:
        What takes the wrapping off again.
    """
    original = getattr(owner, name)

    @functools.wraps(original)
    def hooked(*args: Any, **kwargs: Any) -> Any:
        hooks.begin_iteration(training(kwargs))
        completed = False
        try:
            result = original(*args, **kwargs)
            completed = True
            return result
        finally:
            hooks.end_iteration(completed)

    return replace(owner, name, hooked)


def _full(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call of ``backward_one_chunk`` is for both gradients."""
    return bool(kwargs.get("full_backward", args[2] if len(args) > 2 else True))


def _forward(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Instruction:
    return Instruction.FORWARD


def _backward(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Instruction:
    return Instruction.BACKWARD if _full(args, kwargs) else Instruction.BACKWARD_INPUT


def _weight(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Instruction:
    return Instruction.BACKWARD_WEIGHT


_INSTRUCTIONS = (_forward, _backward, _weight)
_CHUNK_NAMES = ("fwd_chunk_id", "bwd_chunk_id")


def _hooked(original: Any, stage: Any, instruction: Callable[..., Instruction], hooks: EngineHooks) -> Any:
    @functools.wraps(original)
    def hooked(*args: Any, **kwargs: Any) -> Any:
        if not stage.has_backward:
            return original(*args, **kwargs)
        microbatch = args[0] if args else next(kwargs[name] for name in _CHUNK_NAMES if name in kwargs)
        computation = Computation(stage.stage_index, instruction(args, kwargs), microbatch)
        hooks.before(computation)
        result = original(*args, **kwargs)
        hooks.after(computation)
        return result

    return hooked


def replace(owner: Any, name: str, method: Any) -> Callable[[], None]:
    """Put a value on an instance or module; what is returned puts back what it had, if it still has ours."""
    had = vars(owner).get(name)
    setattr(owner, name, method)

    def undo() -> None:
        if vars(owner).get(name) is not method:
            return  # somebody wrapped it once more: ours only passes calls on by then
        if had is None:
            delattr(owner, name)
        else:
            setattr(owner, name, had)

    return undo
