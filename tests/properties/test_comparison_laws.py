"""An interval of a ratio contains it as often as it says, and says the same whichever program comes first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.measure.comparison import compare, gain_span
from runs import run_of

GAIN = {"gpu": 0.05, "cpu": 0.08}
ENERGIES = st.floats(1.0, 1e6)
PAIRS = st.lists(st.tuples(ENERGIES, ENERGIES, ENERGIES, ENERGIES), min_size=2, max_size=6)


def both(pairs, scale=1.0):
    first = [run_of(gpu=scale * a, cpu=scale * b, resolution_j=scale * 0.01) for a, b, _, _ in pairs]
    second = [run_of(gpu=scale * c, cpu=scale * d, resolution_j=scale * 0.01) for _, _, c, d in pairs]
    return first, second


@given(PAIRS)
def test_the_other_way_round_it_is_the_inverse(pairs):
    first, second = both(pairs)
    there, back = compare(first, second, GAIN).energy, compare(second, first, GAIN).energy
    assert there.lo <= there.ratio <= there.hi
    assert there.ratio * back.ratio == pytest.approx(1)
    assert there.lo * back.hi == pytest.approx(1)


@given(PAIRS, st.floats(1e-3, 1e3))
def test_the_unit_does_not_matter(pairs, scale):
    one, other = compare(*both(pairs), GAIN).energy, compare(*both(pairs, scale), GAIN).energy
    assert (one.ratio, one.lo, one.hi) == pytest.approx((other.ratio, other.lo, other.hi))


@given(
    st.lists(st.tuples(ENERGIES, ENERGIES, st.floats(-1, 1)), min_size=1, max_size=6),
    st.floats(0.0, 0.3),
)
def test_no_gain_takes_the_ratio_out_of_its_span(devices, band):
    first = {str(n): a for n, (a, _, _) in enumerate(devices)}
    second = {str(n): b for n, (_, b, _) in enumerate(devices)}
    least, largest = gain_span(first, second, dict.fromkeys(first, band))
    true = [1 / (1 + band * where) for _, _, where in devices]
    ratio = np.dot(true, [b for _, b, _ in devices]) / np.dot(true, [a for a, _, _ in devices])
    read = sum(second.values()) / sum(first.values())
    assert least * (1 - 1e-9) <= ratio / read <= largest * (1 + 1e-9)


@pytest.mark.parametrize("pairs", [2, 3, 6])
@pytest.mark.parametrize("tick_j", [1e-3, 5.0])
def test_intervals_contain_the_truth_as_often_as_they_say(pairs, tick_j):
    """Runs that scatter by 3 %, read by a counter that ticks out of step with them."""
    rng, inside, trials = np.random.default_rng(pairs), 0, 600

    def read(true_j):
        begin_j = rng.uniform(0, tick_j, pairs)
        return np.floor((begin_j + true_j) / tick_j) * tick_j

    for _ in range(trials):
        a, b = (read(mean_j * rng.lognormal(0.0, 0.03, pairs)) for mean_j in (100.0, 90.0))
        first, second = ([run_of(gpu=j, resolution_j=tick_j) for j in arm] for arm in (a, b))
        found = compare(first, second, GAIN).energy
        inside += found.lo <= 0.9 <= found.hi
    assert inside / trials >= 0.93
