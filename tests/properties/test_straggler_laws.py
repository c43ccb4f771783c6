"""Laws of the governor of replicas and of detection: told, found, several at once, recovered, under noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.errors import UsageError
from joulewise.frontier import Frontier
from joulewise.optimize.straggling.detector import SlowdownDetector
from joulewise.optimize.straggling.governor import StragglerGovernor
from joulewise.optimize.straggling.notice import Notice
from joulewise.records import Provenance

NOISE = 0.01


def frontier(fastest_s: float = 10.0) -> Frontier:
    """100 plans from the fastest to 1.5 times as slow."""
    time_s = fastest_s * np.linspace(1, 1.5, 100)
    energy_j = 1000 * (fastest_s / time_s) ** 2
    return Frontier.from_arrays(time_s, energy_j, list(range(100)), Provenance.SIMULATED, wait_power_w=1.0)


def governor(pipelines: int) -> StragglerGovernor:
    return StragglerGovernor(dict.fromkeys(range(pipelines), frontier()), noise_frac=NOISE)


def run(told: StragglerGovernor, slow: dict[int, float], noise: np.ndarray) -> None:
    """One iteration of what was ordered."""
    orders = told.ask()
    told.tell({p: o.point.time_s * slow.get(p, 1.0) * (1 + noise[p]) for p, o in orders.items()})


slowdowns = st.dictionaries(st.integers(0, 5), st.floats(1.0, 2.0), max_size=4)


@given(slowdowns)
def test_nobody_is_slower_than_the_slowest_straggler(slow: dict[int, float]) -> None:
    """Several at once, in any order: all are done by the time of the slowest, at once, and it runs its fastest plan."""
    told = governor(6)
    for pipeline, factor in slow.items():
        told.notify(Notice(pipeline, slowdown=factor))
    slowest = max([1.0, *slow.values()])
    for pipeline, order in told.ask().items():
        assert order.done_s == pytest.approx(10.0 * slowest)
        assert order.point.time_s * slow.get(pipeline, 1.0) <= 10.0 * slowest * (1 + 1e-12)
        next_slower = [t for t in frontier().time_s if t > order.point.time_s]
        if next_slower:  # no slower plan would have been in time: nothing is left to save
            assert next_slower[0] * slow.get(pipeline, 1.0) > 10.0 * slowest * (1 - 1e-12)
        if slow.get(pipeline, 1.0) == slowest:
            assert order.point.time_s == 10.0


@given(slowdowns, st.randoms())
def test_all_return_to_the_fastest_after_recovery(slow: dict[int, float], chance: object) -> None:
    told = governor(6)
    for pipeline, factor in slow.items():
        told.notify(Notice(pipeline, slowdown=factor))
    for pipeline in slow:
        told.notify(Notice(pipeline, slowdown=1.0))
    assert all(order.point.time_s == 10.0 for order in told.ask().values())
    assert not told.stragglers()


@given(st.floats(5.0, 30.0))
def test_a_time_says_as_much_as_a_slowdown(time_s: float) -> None:
    by_time, by_factor = governor(2), governor(2)
    by_time.notify(Notice(0, time_s=time_s))
    by_factor.notify(Notice(0, slowdown=max(1.0, time_s / 10.0)))
    assert by_time.order(1).point.time_s == by_factor.order(1).point.time_s


@settings(max_examples=60, deadline=None)
@given(st.floats(1.0, 1.6), st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_bounded_noise_makes_nobody_oscillate(factor: float, seed: int, pipelines: int) -> None:
    """Noise of half a percent either way, relative to others one: at most one move, and never past the truth."""
    told, chance = governor(pipelines), np.random.default_rng(seed)
    slow, deadlines = {0: factor}, []
    for _ in range(60):
        run(told, slow, NOISE / 2 * chance.uniform(-1, 1, pipelines))
        deadlines.append(told.order(pipelines - 1).deadline_s)
    moves = int(np.count_nonzero(np.diff([10.0, *deadlines])))
    assert moves <= 1
    assert max(deadlines) <= 10.0 * factor * (1 + 0.2 * NOISE)


@settings(max_examples=40, deadline=None)
@given(st.floats(1.08, 1.6), st.integers(0, 2**32 - 1))
def test_a_straggler_is_found_within_two_iterations_and_let_go_within_two(factor: float, seed: int) -> None:
    told, chance = governor(8), np.random.default_rng(seed)

    def step(slow: dict[int, float]) -> None:
        run(told, slow, NOISE / 2 * chance.uniform(-1, 1, 8))

    for _ in range(20):
        step({})
    assert told.order(1).point.time_s == 10.0
    step({3: factor})
    step({3: factor})
    assert set(told.stragglers()) == {3}
    assert told.order(1).deadline_s >= 10.0 * factor * (1 - 2.5 * NOISE)
    step({})
    step({})
    assert told.order(1).point.time_s == 10.0


def test_one_odd_iteration_moves_nobody() -> None:
    told = governor(4)
    for number in range(40):
        run(told, {2: 3.0} if number % 7 == 5 else {}, np.zeros(4))
        assert not told.stragglers()


@pytest.mark.parametrize(("noise_frac", "pipelines"), [(0.01, 2), (0.01, 16), (0.01, 128), (0.03, 16)])
def test_false_alarms_are_rare(noise_frac: float, pipelines: int) -> None:
    """Gaussian noise of 1 %: none in 20,000 healthy pipeline iterations; nor of 3 %, once it has been measured."""
    told, chance = governor(pipelines), np.random.default_rng(7)
    alarms = 0
    for number in range(max(150, 6_000 // pipelines)):
        run(told, {}, noise_frac * chance.standard_normal(pipelines))
        alarms += bool(told.stragglers()) and (noise_frac <= NOISE or number > 40)
    assert alarms == 0


def test_what_slows_everybody_is_nobodys_straggling() -> None:
    told = governor(5)
    for _ in range(10):
        run(told, dict.fromkeys(range(5), 1.3), np.zeros(5))
    assert not told.stragglers()


def test_what_is_told_and_found_is_the_larger_and_recovery_clears_both() -> None:
    told = governor(3)
    told.notify(Notice(0, slowdown=1.1))
    for _ in range(6):
        run(told, {0: 1.4}, np.zeros(3))
    assert told.slowdown(0) == pytest.approx(1.4, rel=0.02)
    told.notify(Notice(0, slowdown=1.0))
    assert told.order(1).point.time_s == 10.0


@pytest.mark.parametrize("bad", [{}, {"slowdown": 1.2, "time_s": 3.0}, {"slowdown": float("nan")}, {"time_s": -1.0}])
def test_notices_that_say_nothing_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="how slow"):
        Notice(0, **bad)


def test_unknown_pipelines_and_times_are_refused() -> None:
    told = governor(2)
    with pytest.raises(UsageError, match="unknown"):
        told.notify(Notice(9, slowdown=1.2))
    with pytest.raises(UsageError, match="time"):
        told.tell({0: 0.0, 1: 1.0})
    with pytest.raises(UsageError, match="noise"):
        SlowdownDetector(0.0)
    with pytest.raises(UsageError, match="nobody"):
        StragglerGovernor({})
