"""Constant operations: where they go, and that nothing else moves."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.schedule import Operation
from joulewise.optimize.pipeline.schedules import SCHEDULES, insert_constants, make_schedule
from joulewise.records import Instruction

CONSTANTS = (Instruction.LOAD, Instruction.EMBEDDING, Instruction.P2P, Instruction.COLLECTIVE, Instruction.OPTIMIZER)


def present_pairs(stages: int) -> st.SearchStrategy[set[tuple[int, Instruction]]]:
    return st.sets(
        st.tuples(st.integers(0, stages - 1), st.sampled_from((*CONSTANTS, Instruction.FORWARD, Instruction.BACKWARD)))
    )


@given(st.data(), st.sampled_from(list(SCHEDULES)), st.integers(1, 3))
def test_constants_stand_in_their_places(data: st.DataObject, name: str, ranks: int) -> None:
    plain = make_schedule(name, ranks, 2 * ranks)
    rank_of = {operation.stage: operation.rank for operation in plain.operations}
    present = data.draw(present_pairs(len(rank_of)))
    full = insert_constants(plain, present)

    crossing = {stage for stage in rank_of if stage + 1 in rank_of and rank_of[stage] != rank_of[stage + 1]}
    expected = set(plain.operations)
    for stage, instruction in present:
        for microbatch in range(2 * ranks):
            if instruction in (Instruction.LOAD, Instruction.EMBEDDING):
                expected.add(Operation(instruction, rank_of[stage], stage, microbatch))
            elif instruction is Instruction.P2P and stage in crossing:
                expected |= {
                    Operation(Instruction.P2P, None, stage, microbatch, way) for way in ("activation", "gradient")
                }
        if instruction in (Instruction.COLLECTIVE, Instruction.OPTIMIZER):
            expected.add(Operation(instruction, rank_of[stage], stage, -1))
    assert set(full.operations) == expected

    for order, plain_order in zip(full.orders, plain.orders, strict=True):
        work = [full.operations[index] for index in order]
        assert [o for o in work if o.instruction not in CONSTANTS] == [plain.operations[i] for i in plain_order]
        for here, following in pairwise(work):
            if here.instruction in (Instruction.LOAD, Instruction.EMBEDDING):
                assert (here.stage, here.microbatch) == (following.stage, following.microbatch)
                assert following.instruction in (Instruction.EMBEDDING, Instruction.FORWARD)
            if here.instruction is Instruction.COLLECTIVE and (here.stage, Instruction.OPTIMIZER) in present:
                assert following == Operation(Instruction.OPTIMIZER, here.rank, here.stage, -1)
        once = [o for o in work if o.microbatch == -1]
        assert work[len(work) - len(once) :] == once
        weight_gradients = (Instruction.BACKWARD, Instruction.BACKWARD_WEIGHT)
        last = {o.stage: place for place, o in enumerate(work) if o.instruction in weight_gradients}
        assert [last[o.stage] for o in once] == sorted(last[o.stage] for o in once)


@given(st.data(), st.sampled_from(list(SCHEDULES)), st.integers(1, 3))
def test_a_transfer_takes_the_place_of_the_dependency(data: st.DataObject, name: str, ranks: int) -> None:
    plain = make_schedule(name, ranks, 2 * ranks)
    stages = len({operation.stage for operation in plain.operations})
    sending = data.draw(st.sets(st.integers(0, stages - 1)))
    full = insert_constants(plain, {(stage, Instruction.P2P) for stage in sending})
    edges = {(full.operations[a], full.operations[b]) for a, b in full.edges.tolist()}
    for before_index, after_index in plain.edges.tolist():
        before, after = plain.operations[before_index], plain.operations[after_index]
        link = Operation(Instruction.P2P, None, min(before.stage, after.stage), before.microbatch, "activation")
        if before.stage > after.stage:
            link = Operation(Instruction.P2P, None, after.stage, before.microbatch, "gradient")
        if before.rank != after.rank and link.stage in sending:
            assert (before, after) not in edges
            assert {(before, link), (link, after)} <= edges
        else:
            assert (before, after) in edges
    degree = {link: [0, 0] for link in full.operations if link.rank is None}
    for before, after in edges:
        if after.rank is None:
            degree[after][0] += 1
        if before.rank is None:
            degree[before][1] += 1
    assert all(count == [1, 1] for count in degree.values())


def test_a_profile_with_more_stages_than_the_schedule_is_refused() -> None:
    with pytest.raises(UsageError, match=r"p2p of stage 5; stages: 0 to 3"):
        insert_constants(make_schedule("1f1b", 4, 8), {(5, Instruction.P2P)})


def test_constants_cannot_be_inserted_twice() -> None:
    once = insert_constants(make_schedule("1f1b", 2, 2), {(0, Instruction.LOAD)})
    with pytest.raises(UsageError, match="repeated"):
        insert_constants(once, {(0, Instruction.LOAD)})
