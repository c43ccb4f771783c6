"""Schedules from rank orders: what is kept, what is refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.schedule import Operation, Schedule
from joulewise.optimize.pipeline.schedules.model import schedule_of_model
from joulewise.records import Instruction

A, B, C = (Operation(Instruction.FORWARD, rank, rank, 0) for rank in range(3))
LINK = Operation(Instruction.P2P, None, 0, 0, "activation")


def test_links_stand_between_ranks_and_on_none() -> None:
    schedule = Schedule.from_orders("x", [[A], [B]], [(A, LINK), (LINK, B)], [LINK])
    assert schedule.operations == (A, LINK, B)
    assert schedule.edges.tolist() == [[0, 1], [1, 2]]
    assert schedule.orders == ((0,), (2,))


def test_a_dependency_given_twice_or_implied_by_a_rank_is_one_edge() -> None:
    d = Operation(Instruction.BACKWARD, 0, 0, 0)
    e = Operation(Instruction.OPTIMIZER, 0, 0, -1)
    schedule = Schedule.from_orders("x", [[A, d, e], [B]], [(A, B), (A, B), (A, e), (A, d), (B, d)])
    assert schedule.operations == (A, B, d, e)
    assert schedule.edges.tolist() == [[0, 1], [0, 2], [1, 2], [2, 3]]


def test_nothing_to_do_is_a_schedule() -> None:
    schedule = Schedule.from_orders("x", [[], []], [])
    assert schedule.orders == ((), ())
    assert schedule.edges.shape == (0, 2)


@pytest.mark.parametrize(
    ("orders", "dependencies", "links", "seen"),
    [
        ([[A], [B], [C]], [(A, B), (B, C), (C, A)], [], "cycle of 3"),
        ([[A], [B]], [(A, A)], [], "cycle of 1"),
        ([[A], [B]], [(A, C)], [], "unknown: forward of stage 2"),
        ([[A, A]], [], [], "repeated"),
        ([[A]], [], [LINK, LINK], "repeated"),
        ([[A, B]], [], [], "not on that rank"),
        ([[A]], [], [B], "among the links"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    orders: list[list[Operation]],
    dependencies: list[tuple[Operation, Operation]],
    links: list[Operation],
    seen: str,
) -> None:
    with pytest.raises(UsageError, match=seen) as error:
        Schedule.from_orders("x", orders, dependencies, links)
    assert error.value.what
    assert error.value.seen
    assert error.value.fix


def test_the_cycle_is_named_in_order_and_without_bystanders() -> None:
    before, after = (Operation(Instruction.LOAD, 0, 0, 0), Operation(Instruction.OPTIMIZER, 2, 2, -1))
    with pytest.raises(UsageError) as error:
        Schedule.from_orders("x", [[before, A], [B], [C, after]], [(A, B), (B, C), (C, A)])
    assert "load" not in error.value.seen
    assert "optimizer" not in error.value.seen
    places = [error.value.seen.index(f"forward of stage {stage}") for stage in (0, 1, 2)]
    assert sorted(places) in ([places[i], places[(i + 1) % 3], places[(i + 2) % 3]] for i in range(3))


@pytest.mark.parametrize("letters", ["BF", "FWI", "WFI", "FBR", "IFW", "RFB"])
def test_an_order_that_contradicts_the_model_is_refused(letters: str) -> None:
    instructions = {
        "F": Instruction.FORWARD,
        "R": Instruction.RECOMPUTATION,
        "B": Instruction.BACKWARD,
        "I": Instruction.BACKWARD_INPUT,
        "W": Instruction.BACKWARD_WEIGHT,
    }
    with pytest.raises(UsageError, match="cycle of"):
        schedule_of_model("x", [[Operation(instructions[letter], 0, 0, 0) for letter in letters]])


def test_operations_are_named_for_people() -> None:
    assert str(LINK) == "'activation': p2p of stage 0, microbatch 0, on a link"
    assert str(Operation(Instruction.OPTIMIZER, 1, 3, -1)) == "optimizer of stage 3, on rank 1"


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[list[Operation]], list[tuple[Operation, Operation]]]:
    """Random orders with random dependencies, some of which form cycles."""
    ranks = draw(st.integers(1, 4))
    placed = draw(st.lists(st.integers(0, ranks - 1), min_size=1, max_size=12))
    operations = [Operation(Instruction.FORWARD, rank, rank, number) for number, rank in enumerate(placed)]
    orders = [[operation for operation in operations if operation.rank == rank] for rank in range(ranks)]
    pairs = st.tuples(st.sampled_from(operations), st.sampled_from(operations))
    return orders, draw(st.lists(pairs, max_size=15))


@given(graphs())
def test_a_graph_is_ordered_or_has_a_cycle(
    graph: tuple[list[list[Operation]], list[tuple[Operation, Operation]]],
) -> None:
    orders, dependencies = graph
    edges = set(dependencies) | {pair for order in orders for pair in pairwise(order)}
    reach = {operation: {b for a, b in edges if a == operation} for order in orders for operation in order}
    for middle in tuple(reach):  # Warshall's closure
        beyond = reach[middle]
        reach = {start: ends | beyond if middle in ends else ends for start, ends in reach.items()}
    if any(operation in ends for operation, ends in reach.items()):
        with pytest.raises(UsageError, match="cycle"):
            Schedule.from_orders("x", orders, dependencies)
        return
    schedule = Schedule.from_orders("x", orders, dependencies)
    place = {operation: index for index, operation in enumerate(schedule.operations)}
    assert len(place) == sum(map(len, orders))
    assert all(place[before] < place[after] for before, after in edges)
    assert [[schedule.operations[i] for i in order] for order in schedule.orders] == orders
