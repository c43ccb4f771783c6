"""Lines that match are steps, and the output stays what it was."""

import io
import os

import pytest

from joulewise.errors import UsageError
from joulewise.runtime.observe.marker import compile_marker, pass_on

OUTPUT = b"epoch 0\nstep 1 loss 3\rstep 2 loss 2\nstep 3 loss 1\nother\nstep 4"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_that_match_are_steps(size: int) -> None:
    reader, writer = os.pipe()
    sink, steps = io.BytesIO(), []
    thread = pass_on(os.fdopen(reader, "rb"), sink, compile_marker(r"^step \d+"), lambda: steps.append(1))
    with os.fdopen(writer, "wb", buffering=0) as stream:
        for at in range(0, len(OUTPUT), size):
            stream.write(OUTPUT[at : at + size])
    thread.join(timeout=10)
    assert sink.getvalue() == OUTPUT
    assert len(steps) == 3


@pytest.mark.parametrize("pattern", ["(", "", ".*"])
def test_markers_that_cannot_be_meant(pattern: str) -> None:
    with pytest.raises(UsageError):
        compile_marker(pattern)
