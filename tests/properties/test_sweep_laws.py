"""Sweeps: whatever the order of finishing, the interruption and the engine, the rows are those of the plain loop."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.sim.sweep import Row, Scalar, run_sweep
from joulewise.sim.sweep.identity import identity_of
from sweep_points import rooted

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
columns = {"x": numbers, "word": st.none() | st.text(max_size=4), "flag": st.none() | st.booleans()}
points = st.lists(st.fixed_dictionaries(columns), max_size=30)


def described(point: Mapping[str, Scalar], seed: int) -> dict[str, Scalar]:
    """Fields of every kind, not all of them at every point."""
    values: dict[str, Scalar] = {"text": repr((point["x"], seed)), "known": point["flag"]}
    if isinstance(point["x"], float):
        values["fine"] = point["x"] if point["word"] else math.inf
    else:
        values["fine"] = point["x"]
        values["whole"] = None if point["flag"] else point["x"]
    return values


def plain(given_points: list[dict[str, Scalar]], seed: int) -> list[Row]:
    """The loop that a sweep stands for. Equal points are one: the last of them counts."""
    same = {frozenset(p.items()): p for p in given_points}
    found = [described(same[frozenset(p.items())], seed) for p in given_points]
    names = dict.fromkeys(name for values in found for name in values)
    rows = zip(given_points, found, strict=True)
    return [Row(point, {name: values.get(name) for name in names}) for point, values in rows]


@given(points, st.integers(0, 3), st.integers(0, 5))
def test_rows_are_those_of_the_loop(these: list[dict[str, Scalar]], workers: int, seed: int) -> None:
    if not workers:
        assert run_sweep(partial(described, seed=seed), these) == plain(these, seed)
        return
    with ThreadPoolExecutor(workers) as executor:
        assert run_sweep(partial(described, seed=seed), these, executor=executor) == plain(these, seed)


@settings(max_examples=40)
@given(points, st.integers(0, 30))
def test_a_resumed_sweep_is_an_uninterrupted_one(these: list[dict[str, Scalar]], stop: int) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    calls: list[int] = []

    def counted(point: Mapping[str, Scalar]) -> dict[str, Scalar]:
        calls.append(1)
        return described(point, 0)

    def interrupt(done: int, _total: int) -> None:
        if done >= stop:
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "rows.parquet"
        if stop <= len({frozenset(point.items()) for point in these}):
            with pytest.raises(KeyboardInterrupt):
                run_sweep(counted, these, store=store, on_progress=interrupt)
        assert run_sweep(counted, these, store=store) == plain(these, 0)
        assert run_sweep(counted, these, store=store) == plain(these, 0)
    assert len(calls) == len({frozenset(point.items()) for point in these})


@given(st.lists(st.sampled_from([4.0, 13.0, 25.0]), max_size=12))
def test_failures_are_told_where_they_are(xs: list[float]) -> None:
    rows = run_sweep(rooted, [{"x": x} for x in xs])
    assert [row.error is not None for row in rows] == [x == 13.0 for x in xs]
    assert [row["root"] ** 2 for row in rows if not row.error] == [x for x in xs if x != 13.0]


@given(
    st.recursive(numbers | st.text() | st.binary(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_equal_inputs_have_one_fingerprint(fixed: object) -> None:
    import copy  # noqa: PLC0415

    assert identity_of(partial(rooted, fixed)) == identity_of(partial(rooted, copy.deepcopy(fixed)))
    assert identity_of(partial(rooted, fixed)) != identity_of(partial(rooted, [fixed, 0]))
