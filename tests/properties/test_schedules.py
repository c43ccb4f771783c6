"""Laws of every schedule, checked from the graph alone: nothing here knows how a schedule is generated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.optimize.pipeline.schedule import Operation, Schedule
from joulewise.optimize.pipeline.schedules import SCHEDULES, make_schedule
from joulewise.records import Instruction

SPLIT = {"zb-h1", "zb-v", "dualpipe-v"}
V_SHAPED = {"zb-v", "dualpipe-v"}


@dataclass(frozen=True)
class Size:
    name: str
    ranks: int
    microbatches: int
    chunks: int

    def build(self) -> Schedule:
        return make_schedule(self.name, self.ranks, self.microbatches, self.chunks)

    def rank_of_stage(self, stage: int) -> int:
        if self.name in V_SHAPED:
            return min(stage, 2 * self.ranks - 1 - stage)
        return stage % self.ranks


@st.composite
def sizes(draw: st.DrawFn, names: tuple[str, ...] = tuple(SCHEDULES)) -> Size:
    name = draw(st.sampled_from(names))
    ranks = draw(st.integers(1, 6))
    if name == "interleaved":
        return Size(name, ranks, ranks * draw(st.integers(1, 3)), draw(st.integers(2, 4)))
    least = 2 * ranks if name == "dualpipe-v" else 1
    return Size(name, ranks, draw(st.integers(least, least + 14)), 2 if name in V_SHAPED else 1)


times = st.integers(1, 50)


def durations(
    forward: int, backward_input: int, backward_weight: int, recomputation: int = 0
) -> dict[Instruction, int]:
    return {
        Instruction.FORWARD: forward,
        Instruction.BACKWARD: backward_input + backward_weight,
        Instruction.BACKWARD_INPUT: backward_input,
        Instruction.BACKWARD_WEIGHT: backward_weight,
        Instruction.RECOMPUTATION: recomputation,
    }


def spans(schedule: Schedule, duration: dict[Instruction, int]) -> list[tuple[int, int]]:
    """(start, end) of each operation when all start as early as they can: the longest paths."""
    start = [0] * len(schedule.operations)
    end = [0] * len(schedule.operations)
    successors: dict[int, list[int]] = {}
    for before, after in schedule.edges.tolist():
        successors.setdefault(before, []).append(after)
    for index, operation in enumerate(schedule.operations):
        end[index] = start[index] + duration[operation.instruction]
        for after in successors.get(index, ()):
            start[after] = max(start[after], end[index])
    return list(zip(start, end, strict=True))


def bubble(schedule: Schedule, duration: dict[Instruction, int]) -> int:
    """How much longer the iteration takes than the work of the busiest rank."""
    end = max(end for _, end in spans(schedule, duration))
    busy = [sum(duration[schedule.operations[index].instruction] for index in order) for order in schedule.orders]
    return end - max(busy)


def bubble_in_blocks(schedule: Schedule, duration: dict[Instruction, int]) -> int:
    """The bubble if a forward pass and the backward pass right after it start and end together."""
    block = list(range(len(schedule.operations)))
    for rank, order in enumerate(schedule.orders):
        pairs = [
            (first, second)
            for first, second in pairwise(order)
            if schedule.operations[first].instruction is Instruction.FORWARD
            and schedule.operations[second].instruction is Instruction.BACKWARD
        ]
        for first, second in pairs[1:] if rank == schedule.ranks - 1 else pairs:  # the turn of the V starts unpaired
            block[second] = first
    length = [0] * len(block)
    for index, operation in enumerate(schedule.operations):
        length[block[index]] += duration[operation.instruction]
    earlier: dict[int, set[int]] = {first: set() for first in block}
    for before, after in schedule.edges.tolist():
        earlier[block[after]] |= {block[before]} - {block[after]}
    end: dict[int, int] = {}
    for first in TopologicalSorter(earlier).static_order():
        end[first] = length[first] + max((end[before] for before in earlier[first]), default=0)
    busy = [sum(duration[schedule.operations[index].instruction] for index in order) for order in schedule.orders]
    return max(end.values()) - max(busy)


def held_activations(schedule: Schedule, rank: int) -> int:
    """The most activations that a rank keeps: from a forward pass until its weight gradient is done."""
    held = most = 0
    for index in schedule.orders[rank]:
        instruction = schedule.operations[index].instruction
        held += (instruction is Instruction.FORWARD) - (
            instruction in (Instruction.BACKWARD, Instruction.BACKWARD_WEIGHT)
        )
        most = max(most, held)
    return most


def model_dependencies(schedule: Schedule) -> Iterator[tuple[Operation, Operation]]:
    """Every (earlier, later) pair that training this model requires, written down pair by pair."""
    by_key = {(o.instruction, o.stage, o.microbatch): o for o in schedule.operations}
    stages = {o.stage for o in schedule.operations}
    for (instruction, stage, microbatch), later in by_key.items():
        needed: list[tuple[Instruction, int]] = []
        if instruction is Instruction.FORWARD:
            needed = [(Instruction.FORWARD, stage - 1)]
        elif instruction is Instruction.RECOMPUTATION:
            needed = [(Instruction.FORWARD, stage)]
        elif instruction in (Instruction.BACKWARD, Instruction.BACKWARD_INPUT):
            needed = [(Instruction.FORWARD, stage), (Instruction.RECOMPUTATION, stage)]
            needed += [(Instruction.BACKWARD, stage + 1), (Instruction.BACKWARD_INPUT, stage + 1)]
            needed += [(Instruction.FORWARD, other) for other in stages]  # the loss comes last
        elif instruction is Instruction.BACKWARD_WEIGHT:
            needed = [(Instruction.BACKWARD_INPUT, stage)]
        for kind, other in needed:
            if (earlier := by_key.get((kind, other, microbatch))) is not None:
                yield earlier, later


@given(sizes())
def test_every_operation_is_there_once(size: Size) -> None:
    schedule = size.build()
    assert len(set(schedule.operations)) == len(schedule.operations)
    kinds: dict[tuple[int, int], Counter[Instruction]] = {}
    for operation in schedule.operations:
        kinds.setdefault((operation.stage, operation.microbatch), Counter())[operation.instruction] += 1
    assert set(kinds) == {(s, m) for s in range(size.ranks * size.chunks) for m in range(size.microbatches)}
    whole = Counter([Instruction.FORWARD, Instruction.BACKWARD])
    split = Counter([Instruction.FORWARD, Instruction.BACKWARD_INPUT, Instruction.BACKWARD_WEIGHT])
    if size.name == "dualpipe-v":
        allowed = [whole, split]
    elif size.name in SPLIT:
        allowed = [split]
    elif size.name == "1f1b-recompute":
        allowed = [whole + Counter([Instruction.RECOMPUTATION])]
    else:
        allowed = [whole]
    assert all(count in allowed for count in kinds.values())


@given(sizes())
def test_each_stage_is_on_its_rank_and_ranks_are_complete(size: Size) -> None:
    schedule = size.build()
    assert schedule.ranks == size.ranks == len(schedule.orders)
    assert all(operation.rank == size.rank_of_stage(operation.stage) for operation in schedule.operations)
    assert sorted(index for order in schedule.orders for index in order) == list(range(len(schedule.operations)))


@given(sizes())
def test_edges_are_sorted_unique_topological_and_hold_each_ranks_order(size: Size) -> None:
    schedule = size.build()
    edges = [tuple(edge) for edge in schedule.edges.tolist()]
    assert schedule.edges.dtype == np.int32
    assert schedule.edges.shape == (len(edges), 2)
    assert edges == sorted(set(edges))
    assert all(before < after for before, after in edges)
    for order in schedule.orders:
        assert set(pairwise(order)) <= set(edges)


@given(sizes())
def test_the_graph_implies_the_model_and_nothing_more(size: Size) -> None:
    schedule = size.build()
    number = {operation: index for index, operation in enumerate(schedule.operations)}
    earlier = [0] * len(number)  # the operations that must come before, as bits
    for before, after in schedule.edges.tolist():  # sorted by predecessor, which is complete by then
        earlier[after] |= earlier[before] | 1 << before
    required = {(number[before], number[after]) for before, after in model_dependencies(schedule)}
    assert all(earlier[after] >> before & 1 for before, after in required)
    in_a_row = {pair for order in schedule.orders for pair in pairwise(order)}
    assert {tuple(edge) for edge in schedule.edges.tolist()} <= required | in_a_row


@given(sizes())
def test_activations_kept_never_exceed_the_published_bound(size: Size) -> None:
    schedule = size.build()
    ranks, microbatches, chunks = size.ranks, size.microbatches, size.chunks
    for rank in range(ranks):
        bound = {
            "gpipe": microbatches,
            "1f1b": min(microbatches, ranks - rank),
            "1f1b-recompute": min(microbatches, ranks - rank),
            "interleaved": min(microbatches * chunks, 2 * (ranks - 1 - rank) + (chunks - 1) * ranks + 1),
            "zb-h1": min(microbatches, ranks),
            "zb-v": min(2 * microbatches, 2 * ranks),
            "dualpipe-v": 2 * ranks + 1,
        }[size.name]
        held = held_activations(schedule, rank)
        assert held <= bound
        if size.name in {"gpipe", "1f1b", "interleaved", "zb-h1"}:
            assert held == bound


@given(sizes(("gpipe", "1f1b", "interleaved")), times, times, times)
def test_bubble_without_split(size: Size, forward: int, backward_input: int, backward_weight: int) -> None:
    """Same times on all stages: (S - 1)(t_F + t_B), of one chunk."""
    duration = durations(forward, backward_input, backward_weight)
    expected = (size.ranks - 1) * (forward + backward_input + backward_weight)
    assert bubble(size.build(), duration) == expected


@given(sizes(("1f1b-recompute",)), times, times, times)
def test_early_recomputation_adds_nothing_to_the_bubble(
    size: Size, forward: int, backward: int, recomputation: int
) -> None:
    duration = durations(forward, backward, 0, recomputation)
    assert bubble(size.build(), duration) == (size.ranks - 1) * (forward + backward)


@given(sizes(("zb-h1",)), times, times, times)
def test_bubble_of_zb_h1(size: Size, forward: int, backward_input: int, backward_weight: int) -> None:
    """(S - 1)(t_F + t_I - t_W) where t_W is the shortest; a longer t_W stops helping."""
    if size.microbatches >= size.ranks:
        longest = max(forward + backward_input - backward_weight, forward, backward_input)
        duration = durations(forward, backward_input, backward_weight)
        assert bubble(size.build(), duration) == (size.ranks - 1) * longest


@given(sizes(("dualpipe-v",)), times, times)
def test_bubble_of_dualpipe_v(size: Size, one: int, other: int) -> None:
    """With t_F = t_I >= t_W: as published if a pair is one block, and t_I per rank less if it is two operations."""
    long, short = max(one, other), min(one, other)
    schedule, duration = size.build(), durations(long, long, short)
    assert bubble(schedule, duration) == (size.ranks - 1) * (2 * long - short)
    pair, backward = 2 * long + short, long + short
    assert bubble_in_blocks(schedule, duration) == (size.ranks - 1) * (pair + backward - 3 * short)


@given(sizes(("zb-h1", "zb-v")), times)
def test_bubble_of_equal_thirds_for_any_number_of_microbatches(size: Size, time: int) -> None:
    s, m = size.ranks, size.microbatches
    expected = max(s - 1, 2 * s - 1 - m) if size.name == "zb-h1" else max(s - 1, 4 * s - 2 - 2 * m)
    assert bubble(size.build(), durations(time, time, time)) == expected * time


@given(st.integers(1, 6), st.integers(0, 12))
def test_zb_v_never_waits_once_it_has_begun(ranks: int, more: int) -> None:
    microbatches = 2 * ranks - 1 + more
    schedule = make_schedule("zb-v", ranks, microbatches)
    span = spans(schedule, durations(1, 1, 1))
    for rank, order in enumerate(schedule.orders):
        assert span[order[0]][0] == rank
        assert span[order[-1]][1] == rank + 6 * microbatches


@given(sizes(("1f1b", "interleaved", "zb-h1", "zb-v", "dualpipe-v")))
def test_no_schedule_is_slower_than_gpipe(size: Size) -> None:
    duration = durations(1, 1, 1)
    gpipe = make_schedule("gpipe", size.ranks, size.microbatches)
    share = {instruction: time * size.chunks for instruction, time in duration.items()}  # one stage per rank there
    end, end_of_gpipe = (
        max(e for _, e in spans(schedule, t)) for schedule, t in ((size.build(), duration), (gpipe, share))
    )
    assert end <= end_of_gpipe


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_same_call_same_schedule(name: str) -> None:
    first, second = make_schedule(name, 4, 8), make_schedule(name, 4, 8)
    assert first.name == name
    assert first.operations == second.operations
    assert np.array_equal(first.edges, second.edges)
