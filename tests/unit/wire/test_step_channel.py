"""Steps reach whoever started the program, and cost nothing where nobody listens."""

import os
import subprocess
import sys

import pytest

from joulewise.wire.step_channel import Mark, StepChannel, announcer

CHILD = """
from joulewise.wire.step_channel import Mark, announcer
announce = announcer()
announce(Mark.BEGIN)
for _ in range(3):
    announce(Mark.STEP)
announce(Mark.END)
"""


def test_marks_of_a_program_arrive_in_order() -> None:
    with StepChannel() as channel:
        subprocess.run([sys.executable, "-c", CHILD], check=True, env={**os.environ, **channel.environ})
        marks = [channel.receive(1.0) for _ in range(5)]
        assert marks == [Mark.BEGIN, Mark.STEP, Mark.STEP, Mark.STEP, Mark.END]
        assert channel.receive(0.0) is None


def test_nobody_listens() -> None:
    assert announcer({}) is None


@pytest.mark.parametrize("rank", ["RANK", "SLURM_PROCID"])
def test_only_the_first_rank_announces(rank: str) -> None:
    with StepChannel() as channel:
        assert announcer({**channel.environ, rank: "1"}) is None
        assert announcer({**channel.environ, rank: "0"}) is not None


def test_a_listener_that_is_gone_or_deaf_disturbs_nobody() -> None:
    with StepChannel() as channel:
        announce = announcer(channel.environ)
        assert announce is not None
        for _ in range(10_000):
            announce(Mark.STEP)
    announce(Mark.STEP)
