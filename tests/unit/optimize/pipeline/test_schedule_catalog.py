"""Schedules by name: sizes that make no sense are refused in words."""

from __future__ import annotations

import pytest

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.schedules import SCHEDULES, make_schedule


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(UsageError) as error:
        make_schedule("2f2b", 4, 8)
    assert all(name in str(error.value) for name in SCHEDULES)


@pytest.mark.parametrize("name", list(SCHEDULES))
@pytest.mark.parametrize(("ranks", "microbatches", "seen"), [(0, 8, "0 ranks"), (4, 0, "0 microbatches")])
def test_nothing_is_no_size(name: str, ranks: int, microbatches: int, seen: str) -> None:
    with pytest.raises(UsageError, match=seen):
        make_schedule(name, ranks, microbatches)


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_chunks_are_what_the_schedule_can_have(name: str) -> None:
    usual = make_schedule(name, 2, 4)
    chunks = len({operation.stage for operation in usual.operations}) // 2
    assert make_schedule(name, 2, 4, chunks).operations == usual.operations
    for wrong in {0, 1, 2, 3} - {chunks} - ({3} if name == "interleaved" else set()):
        with pytest.raises(UsageError, match=f"seen: {wrong} chunks"):
            make_schedule(name, 2, 4, wrong)


def test_interleaved_wants_whole_groups() -> None:
    with pytest.raises(UsageError, match=r"6 microbatches on 4 ranks; give a multiple of the ranks, such as 4 or 8"):
        make_schedule("interleaved", 4, 6)


def test_dualpipe_v_wants_two_microbatches_a_rank() -> None:
    with pytest.raises(UsageError, match="at least 8 microbatches"):
        make_schedule("dualpipe-v", 4, 7)


def test_1f1b_of_two_ranks_operation_by_operation() -> None:
    schedule = make_schedule("1f1b", 2, 3)
    words = [
        [f"{o.instruction[0]}{o.microbatch}" for o in map(schedule.operations.__getitem__, order)]
        for order in schedule.orders
    ]
    assert words == [["f0", "f1", "b0", "f2", "b1", "b2"], ["f0", "b0", "f1", "b1", "f2", "b2"]]
