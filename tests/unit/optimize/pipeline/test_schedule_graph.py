"""Graphs from plain data: what they mean, and that every fault is named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.schedules import Graph, read_graph
from joulewise.records import Instruction, Provenance


def option(time_s: float, setting: object = None) -> dict[str, Any]:
    return {"time_s": time_s, "energy_j": 10 * time_s, "setting": setting}


GRAPH: dict[str, Any] = {
    "schema": "joulewise.dag/1",
    "name": "two ranks",
    "provenance": "simulated",
    "wait_power_w": [80.0, 70],
    "operations": [
        {"name": "g0", "rank": 1, "options": [option(3.0, [1410, "high"]), option(4.0, [1200, "low"])], "after": ["s"]},
        {"name": "f0", "rank": 0, "options": [option(1.0, 1410)]},
        {"name": "s", "rank": None, "options": [option(0)], "after": ["f0"]},
        {"name": "b0", "rank": 0, "instruction": "backward", "options": [option(2.0, 1410)], "after": ["g0"]},
    ],
}


def test_a_graph_keeps_what_it_says() -> None:
    graph = read_graph(json.loads(json.dumps(GRAPH)))
    schedule, options, wait_power_w = graph
    assert isinstance(graph, Graph)
    assert (schedule.name, schedule.ranks, wait_power_w) == ("two ranks", 2, (80.0, 70.0))
    assert [operation.label for operation in schedule.operations] == ["f0", "s", "g0", "b0"]
    assert [operation.instruction for operation in schedule.operations] == [
        Instruction.FORWARD,
        Instruction.P2P,
        Instruction.FORWARD,
        Instruction.BACKWARD,
    ]
    assert [operation.rank for operation in schedule.operations] == [0, None, 1, 0]
    assert schedule.edges.tolist() == [[0, 1], [0, 3], [1, 2], [2, 3]]
    assert [[point.time_s for point in points] for points in options] == [[1.0], [0.0], [3.0, 4.0], [2.0]]
    assert options[2][1].setting == (1200, "low")
    assert {point.provenance for points in options for point in points} == {Provenance.SIMULATED}


def operation(index: int, **changes: object) -> Callable[[dict[str, Any]], object]:
    return lambda data: data["operations"][index].update(changes)


def top(**changes: object) -> Callable[[dict[str, Any]], object]:
    return lambda data: data.update(changes)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (top(schema="joulewise.dag/2"), "unknown schema"),
        (top(extra=1), "unknown key; seen: 'extra'"),
        (top(name=7), "name is no text"),
        (top(wait_power_w=[]), "empty"),
        (top(wait_power_w=[80.0, -1.0]), "wait_power_w of rank 1"),
        (top(provenance="guessed"), "use one of measured, modelled, simulated"),
        (top(operations=[]), "at least one operation"),
        (top(operations=["f0"]), "operation number 1 is no JSON object"),
        (lambda data: data.pop("wait_power_w"), "add 'wait_power_w'"),
        (lambda data: data["operations"][1].pop("rank"), "operation number 2: a key is missing"),
        (operation(1, name="g0"), "operation 'g0': the name is taken"),
        (operation(1, name=""), "operation number 2: name"),
        (operation(1, rank=2), "operation 'f0': no such rank; seen: 2; give a rank from 0 to 1"),
        (operation(1, rank=True), "operation 'f0': no such rank"),
        (operation(1, instruction="think"), "operation 'f0': instruction is unknown"),
        (operation(1, colour="red"), "operation number 2: unknown key; seen: 'colour'"),
        (operation(1, options=[]), "operation 'f0': options"),
        (operation(1, options=[option(1.0), option(float("nan"))]), "operation 'f0', option 2: time_s"),
        (operation(1, options=[{**option(1.0), "energy_j": -1.0}]), "operation 'f0', option 1: energy_j"),
        (operation(1, options=[{**option(1.0), "energy_j": "12"}]), "operation 'f0', option 1: energy_j"),
        (operation(1, options=[option(1.0, {"clock": 3})]), "operation 'f0', option 1: setting is an object"),
        (operation(1, after="s"), "operation 'f0': after"),
        (
            operation(1, after=["nobody"]),
            "operation 'f0': after names an operation that does not exist; seen: 'nobody'",
        ),
        (operation(1, after=["b0"]), "cycle"),
        (operation(1, after=["f0"]), "cycle of 1; seen: 'f0'"),
    ],
)
def test_every_fault_is_named(spoil: Callable[[dict[str, Any]], object], said: str) -> None:
    data = copy.deepcopy(GRAPH)
    spoil(data)
    with pytest.raises(UsageError) as error:
        read_graph(data)
    assert said in str(error.value)
    assert error.value.fix


@pytest.mark.parametrize("data", [None, [], "graph", 3])
def test_something_else_is_no_graph(data: object) -> None:
    with pytest.raises(UsageError, match="the graph is no JSON object"):
        read_graph(data)


@given(st.permutations(range(4)))
def test_options_stay_with_their_operation(order: list[int]) -> None:
    """Any order of the rows that keeps each rank's own order means the same."""
    rows = [GRAPH["operations"][index] for index in order]
    if order.index(1) > order.index(3):
        with pytest.raises(UsageError, match="cycle"):
            read_graph({**GRAPH, "operations": rows})
        return
    schedule, options, _ = read_graph({**GRAPH, "operations": rows})
    told = {row["name"]: [each["time_s"] for each in row["options"]] for row in rows}
    assert {
        each.label: [point.time_s for point in points]
        for each, points in zip(schedule.operations, options, strict=True)
    } == told
