"""One function at many points, on any executor; rows in the order of points, whatever order they finish in.

Theory of operation. Points go out in chunks, so that a point of a millisecond is not drowned by the cost of sending it.
A chunk is made to take about `CHUNK_S`, from what points took so far, but never more than a fair share of what is left,
so that all workers end together. At most `AHEAD` chunks for each worker are under way: that bounds memory, and what an
interruption throws away. The function travels as bytes that each worker unpickles once.

A point that raises fails alone: its row says why. Rows that are finished are kept in the store as they come.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from joulewise.clock import MonotonicClock
from joulewise.errors import UsageError
from joulewise.sim.sweep.identity import identity_of
from joulewise.sim.sweep.row import Columns, Fields, Key, Row, Scalar, checked_fields, fields_of, key_of
from joulewise.sim.sweep.store import opened

P = TypeVar("P")

CHUNK_S = 0.2
AHEAD = 2
FAIR = 4
"""Chunks that every worker still gets of what is left."""

Found = tuple[Fields, str | None]
"""Values, and what went wrong if anything did."""


class Answer(NamedTuple):
    """What a worker made of a chunk, and how long it took [s]."""

    found: list[Found]
    spent_s: float


class Chunk(NamedTuple):
    """Points that go out together."""

    keys: list[Key]
    points: list[Any]


def run_sweep(
    evaluate: Callable[[P], Mapping[str, Scalar]],
    points: Iterable[P],
    *,
    executor: Executor | None = None,
    store: str | os.PathLike[str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Evaluate a function at every point.

    Args:
        evaluate: From a point to a flat record of JSON scalars: a top-level function of a module, or a
            `functools.partial` of one. It must give the same for the same point.
        points: Frozen dataclasses or mappings of JSON scalars, all with the same fields. Equal ones are evaluated once.
        executor: Where; None: here, one after the other.
        store: Parquet file in which finished points are kept, and found again by a later run of the same sweep.
        on_progress: Called with the number of finished points, and of all.

    Returns:
        A row for each point, in their order. Every row has the same fields; those that a point did not have are None.

    Raises:
        UsageError: If points or values are no flat records, the function cannot be sent to workers, or workers are
            lost. What is finished is in the store.
        InputFileError: If the store holds another sweep.
        MissingExtraError: If there is to be a store, and pyarrow is not installed.

    Effects:
        Blocks until all is done. KeyboardInterrupt ends it at once; all chunks that were finished are in the store.
    """
    given = list(points)
    fields = [fields_of(point) for point in given]
    names = list(fields[0]) if fields else []
    columns = Columns()
    for one in fields:
        if set(one) != set(names):
            raise UsageError("points differ in their fields", f"{sorted(one)} and {sorted(names)}", "give all to each")
        columns.check(one, "a point")
    keys = [key_of(one) for one in fields]
    by_key = dict(zip(keys, zip(fields, given, strict=True), strict=True))
    tell = on_progress or (lambda _done, _total: None)
    with opened(store, identity_of(evaluate), names) as kept:
        found: dict[Key, Found] = {}
        for key, values in kept.rows.items() if kept else ():
            if key in by_key:
                columns.check(values, "a kept row")
                found[key] = values, None
        todo = Chunk([key for key in by_key if key not in found], [])
        todo.points.extend(by_key[key][1] for key in todo.keys)
        tell(len(found), len(by_key))
        for done, answers in _answers(evaluate, todo, executor):
            fresh = [(key, _checked(one, by_key[key][0], columns)) for key, one in zip(done, answers, strict=True)]
            found.update(fresh)
            if kept:
                kept.add([(by_key[key][0], values) for key, (values, error) in fresh if error is None])
            tell(len(found), len(by_key))
    all_names = dict.fromkeys(name for key in keys for name in found[key][0])
    return [_row(one, *found[key], all_names) for one, key in zip(fields, keys, strict=True)]


def _row(point: Fields, values: Fields, error: str | None, names: Iterable[str]) -> Row:
    return Row(point, {} if error else {name: values.get(name) for name in names}, error)


def _checked(found: Found, point: Fields, columns: Columns) -> Found:
    values, error = found
    if error is not None:
        return found
    values = checked_fields(values, f"the value at {point}")
    if both := sorted(set(values) & set(point)):
        raise UsageError(f"the value at {point} repeats fields of its point", ", ".join(both), "give them other names")
    columns.check(values, f"the value at {point}")
    return values, None


def _answers(
    evaluate: Callable[..., Any], todo: Chunk, executor: Executor | None
) -> Iterator[tuple[list[Key], list[Found]]]:
    """Keys of chunks and what was found there, as they finish."""
    if not todo.keys:
        return
    if executor is None:
        for chunk in (chunks := _Chunks(todo, 1)):
            answer = _evaluate(evaluate, chunk.points)
            chunks.learn(answer)
            yield chunk.keys, answer.found
        return
    workers = workers_of(executor)
    chunks, message = _Chunks(todo, workers), _message(evaluate)
    under_way: dict[Future[Answer], Chunk] = {}
    try:
        while True:
            while len(under_way) < AHEAD * workers and (following := next(chunks, None)):
                under_way[executor.submit(_evaluate_message, message, following.points)] = following
            if not under_way:
                return
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                answer = future.result()
                chunk = under_way.pop(future)
                chunks.learn(answer)
                yield chunk.keys, answer.found
    except (UsageError, GeneratorExit):
        raise
    except Exception as error:
        fix = "see that workers live and can import what is evaluated; with a store, what is finished is not lost"
        raise UsageError("the sweep lost its workers", f"seen: {type(error).__name__}: {error}", fix) from error
    finally:
        for future in under_way:
            future.cancel()


def workers_of(executor: Executor) -> int:
    """How many points an executor can evaluate at a time, as far as it says."""
    workers = getattr(executor, "_max_workers", None)  # of both pools of the standard library, and ours
    if workers is None and hasattr(executor, "_client"):  # of Dask
        workers = sum(executor._client.nthreads().values())
    return max(1, int(workers or os.cpu_count() or 1))


class _Chunks:
    """Points in chunks of a size that is learnt."""

    def __init__(self, todo: Chunk, workers: int) -> None:
        self._todo, self._workers = todo, workers
        self._sent = self._learnt = 0
        self._spent_s = 0.0

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        left = len(self._todo.keys) - self._sent
        if not left:
            raise StopIteration
        in_time = CHUNK_S * self._learnt / max(self._spent_s, 1e-9) if self._learnt else 1
        size = max(1, int(min(in_time, left / (FAIR * self._workers))))
        part = slice(self._sent, self._sent + size)
        self._sent += size
        return Chunk(self._todo.keys[part], self._todo.points[part])

    def learn(self, answer: Answer) -> None:
        """Take note of what a chunk took."""
        self._learnt += len(answer.found)
        self._spent_s += answer.spent_s


def _message(evaluate: Callable[..., Any]) -> bytes:
    try:
        return pickle.dumps(evaluate)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        fix = "give a top-level function of a module, or a functools.partial of one"
        raise UsageError("what is evaluated cannot be sent to workers", f"seen: {error}", fix) from error


@lru_cache(maxsize=4)
def _unpacked(message: bytes) -> Callable[..., Any]:
    evaluate: Callable[..., Any] = pickle.loads(message)
    return evaluate


def _evaluate_message(message: bytes, points: Sequence[Any]) -> Answer:
    """Runs in a worker."""
    return _evaluate(_unpacked(message), points)


def _evaluate(evaluate: Callable[..., Any], points: Sequence[Any]) -> Answer:
    clock = MonotonicClock()
    begin_ns, found = clock.now_ns(), list[Found]()
    for point in points:
        try:
            values = evaluate(point)
        except Exception as error:  # one point must not take the others with it
            found.append(({}, f"{type(error).__name__}: {error}"))
        else:
            found.append((dict(values) if isinstance(values, Mapping) else values, None))
    return Answer(found, (clock.now_ns() - begin_ns) * 1e-9)
