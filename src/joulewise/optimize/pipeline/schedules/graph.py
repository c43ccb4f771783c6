"""Any directed acyclic graph of operations, read from plain data (parsed JSON).

Theory of operation. The form, version 1; keys marked with ? may be left out::

    {"schema": "joulewise.dag/1",
     "name"?: "my pipeline",
     "provenance"?: "measured" | "modelled" | "simulated",
     "wait_power_w": [80.0, 80.0],                    one per rank; this is the number of ranks
     "operations": [
        {"name": "f0", "rank": 0, "instruction"?: "forward",
         "options": [{"time_s": 0.1, "energy_j": 30.0, "setting": 1410}, ...],
         "after"?: ["names of operations that come first"]},
        {"name": "send", "rank": null, "options": [{"time_s": 0.01, "energy_j": 0.0, "setting": null}],
         "after": ["f0"]}, ...]}

The operations of one rank run in the order in which they stand. ``rank`` null is a link: it keeps no rank busy. Without
an instruction, an operation on a rank counts as forward and one on a link as p2p. A setting is any JSON value but an
object.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from joulewise.errors import UsageError
from joulewise.frontier.point import Point
from joulewise.optimize.pipeline.schedule import Operation, Schedule
from joulewise.records import Instruction, Provenance

SCHEMA = "joulewise.dag/1"
_Kind = TypeVar("_Kind", bound=StrEnum)


class Graph(NamedTuple):
    """What a graph file says.

    Attributes:
        schedule: The operations; ``label`` is the name of each.
        options: For each operation of ``schedule.operations``, its options in the order of the file.
        wait_power_w: Power of each rank while it waits [W].
    """

    schedule: Schedule
    options: tuple[tuple[Point, ...], ...]
    wait_power_w: tuple[float, ...]


def read_graph(data: object) -> Graph:
    """Read a graph of operations from plain data.

    Args:
        data: Parsed JSON of the form above.

    Raises:
        UsageError: If the data have another form, or the operations form a cycle; names the operation at fault.
    """
    top = _table(data, "the graph", required=("schema", "wait_power_w", "operations"), optional=("name", "provenance"))
    if top["schema"] != SCHEMA:
        raise _refusal("the graph: unknown schema", top["schema"], f"write {SCHEMA!r}")
    name = _text(top.get("name", "graph"), "the graph: name")
    provenance = _one_of(Provenance, top.get("provenance", Provenance.MEASURED), "the graph: provenance")
    powers = _list(top["wait_power_w"], "the graph: wait_power_w", "the wait power of each rank")
    wait_power_w = tuple(_number(power, f"wait_power_w of rank {rank}") for rank, power in enumerate(powers))

    orders: list[list[Operation]] = [[] for _ in wait_power_w]
    links: list[Operation] = []
    by_name: dict[str, Operation] = {}
    options: dict[str, tuple[Point, ...]] = {}
    after: dict[str, list[Any]] = {}
    for place, row in enumerate(_list(top["operations"], "the graph: operations", "at least one operation")):
        entry = _table(row, f"operation number {place + 1}", ("name", "rank", "options"), ("instruction", "after"))
        label = _text(entry["name"], f"operation number {place + 1}: name")
        where = f"operation {label!r}"
        if label in by_name:
            raise _refusal(f"{where}: the name is taken", f"{label!r} twice", "give each operation a name of its own")
        by_name[label] = operation = _operation(entry, label, where, len(orders))
        (links if operation.rank is None else orders[operation.rank]).append(operation)
        options[label] = _options(entry["options"], where, provenance)
        after[label] = _list(entry.get("after", []), f"{where}: after", "names", empty=True)

    dependencies = []
    for label, names in after.items():
        for earlier in names:
            if not isinstance(earlier, str) or earlier not in by_name:
                raise _refusal(
                    f"operation {label!r}: after names an operation that does not exist",
                    earlier,
                    "correct the name or add the operation",
                )
            dependencies.append((by_name[earlier], by_name[label]))
    schedule = Schedule.from_orders(name, orders, dependencies, links)
    return Graph(schedule, tuple(options[operation.label] for operation in schedule.operations), wait_power_w)


def _operation(entry: Mapping[str, Any], label: str, where: str, ranks: int) -> Operation:
    """The operation of one entry; its stage is its rank, and it belongs to the whole iteration."""
    rank = entry["rank"]
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank < ranks):
        raise _refusal(
            f"{where}: no such rank", rank, f"give a rank from 0 to {ranks - 1}, one for each wait power, or null"
        )
    default = Instruction.P2P if rank is None else Instruction.FORWARD
    instruction = _one_of(Instruction, entry.get("instruction", default), f"{where}: instruction")
    return Operation(instruction, rank, 0 if rank is None else rank, -1, label)


def _options(rows: object, where: str, provenance: Provenance) -> tuple[Point, ...]:
    """The options of one operation."""
    points = []
    for place, row in enumerate(_list(rows, f"{where}: options", "at least one option")):
        each = f"{where}, option {place + 1}"
        entry = _table(row, each, ("time_s", "energy_j", "setting"), ())
        time_s = _number(entry["time_s"], f"{each}: time_s")
        energy_j = _number(entry["energy_j"], f"{each}: energy_j")
        points.append(Point(time_s, energy_j, _setting(entry["setting"], f"{each}: setting"), provenance))
    return tuple(points)


def _setting(value: object, where: str) -> Hashable:
    """A setting that can be compared and hashed: lists become tuples."""
    if isinstance(value, list | tuple):
        return tuple(_setting(part, where) for part in value)
    if value is None or isinstance(value, str | int | float):
        return value
    raise _refusal(f"{where} is an object", value, "give a number, a text, null, or a list of these")


def _table(data: object, where: str, required: tuple[str, ...], optional: tuple[str, ...]) -> Mapping[str, Any]:
    """A JSON object with all required and no unknown keys."""
    if not isinstance(data, Mapping):
        raise _refusal(f"{where} is no JSON object", data, f"give one with the keys {', '.join(required)}")
    for key in required:
        if key not in data:
            raise _refusal(f"{where}: a key is missing", sorted(map(str, data)), f"add {key!r}")
    for key in data:
        if key not in required + optional:
            raise _refusal(f"{where}: unknown key", key, f"known keys: {', '.join(required + optional)}")
    return data


def _list(data: object, where: str, wanted: str, *, empty: bool = False) -> list[Any]:
    """A JSON array, not empty unless allowed."""
    if not isinstance(data, list | tuple) or not (data or empty):
        raise _refusal(f"{where} is no list or an empty one", data, f"give a list of {wanted}")
    return list(data)


def _text(data: object, where: str) -> str:
    """A text that is not empty."""
    if not isinstance(data, str) or not data:
        raise _refusal(f"{where} is no text", data, "give a text that is not empty")
    return data


def _number(data: object, where: str) -> float:
    """A finite number of at least 0."""
    if isinstance(data, bool) or not isinstance(data, int | float) or not math.isfinite(data) or data < 0:
        raise _refusal(f"{where} is no finite number of at least 0", data, "correct the number")
    return float(data)


def _one_of(kind: type[_Kind], data: object, where: str) -> _Kind:
    """A member of an enumeration, given by its value."""
    for member in kind:
        if member == data:
            return member
    raise _refusal(f"{where} is unknown", data, f"use one of {', '.join(kind)}")


def _refusal(what: str, seen: object, fix: str) -> UsageError:
    """The error for people."""
    return UsageError(what, f"seen: {seen!r}", fix)
