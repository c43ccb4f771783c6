"""A backward pass is told as that of the microbatch whose forward pass went before, whatever the order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from joulewise.records import Instruction
from joulewise.runtime.pipeline.computation import Computation
from joulewise.runtime.pipeline.passes import Passes


class Listener:
    def __init__(self) -> None:
        self.heard: list[Computation] = []

    def begin_iteration(self, training: bool) -> None:
        self.heard.clear()

    def before(self, computation: Computation) -> None:
        self.heard.append(computation)

    def after(self, computation: Computation) -> None:
        assert self.heard[-1] == computation

    def end_iteration(self, completed: bool) -> None:
        pass


@given(st.data(), st.integers(1, 3), st.integers(1, 6), st.booleans())
def test_passes_find_their_microbatch(data: st.DataObject, stages: int, microbatches: int, named: bool) -> None:
    listener = Listener()
    passes = Passes(listener)
    passes.begin_iteration(True)
    waiting = [(stage, number) for number in range(microbatches) for stage in range(stages)]
    outputs: dict[tuple[int, int], object] = {}
    while waiting or outputs:
        if waiting and (not outputs or data.draw(st.booleans())):
            of, output = waiting.pop(0), object()
            result = passes.forward(of[0], of[1] if named else None, lambda made=output: made, id)  # type: ignore[misc]
            assert result is output
            outputs[of] = output
            assert listener.heard[-1] == Computation(of[0], Instruction.FORWARD, of[1])
        else:
            of = data.draw(st.sampled_from(sorted(outputs)))
            assert passes.backward(id(outputs.pop(of)), lambda: "gradient") == "gradient"
            assert listener.heard[-1] == Computation(of[0], Instruction.BACKWARD, of[1])
    assert len(listener.heard) == 2 * stages * microbatches


def test_what_is_not_known_is_run_and_not_told() -> None:
    listener = Listener()
    passes = Passes(listener)
    passes.begin_iteration(True)
    assert passes.backward("a buffer", lambda: "gradient") == "gradient"
    passes.begin_iteration(False)
    assert passes.forward(0, 0, lambda: "output", id) == "output"
    assert listener.heard == []
