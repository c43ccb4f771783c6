"""Fits recover what made the data, stay convex and falling, and say how far off they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from joulewise.errors import UsageError
from joulewise.frontier import fit_convex, fit_exponential

TIME_S = np.linspace(0.1, 0.25, 20)
FITS = (fit_exponential, fit_convex)
scales = st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6])


@given(st.floats(0.5, 15), scales, scales, st.floats(-2, 5))
def test_an_exponential_is_recovered_at_any_scale(rate, second, joule, floor):
    x = np.linspace(1.0, 2.5, 12)
    energy_j = joule * (3.0 * np.exp(-rate * (x - 1.0)) + floor)
    fit = fit_exponential(second * x, energy_j)
    assert fit.b * second == pytest.approx(-rate, rel=1e-4)
    assert fit.a == pytest.approx(3.0 * joule * math.exp(rate), rel=1e-3)
    assert fit.c == pytest.approx(floor * joule, abs=1e-4 * joule)
    assert fit.max_error_j <= 1e-5 * joule
    assert fit(second * x) == pytest.approx(energy_j, abs=2e-5 * joule)


ys = st.lists(st.integers(0, 100).map(float), min_size=3, max_size=10)


@given(ys, st.sampled_from(FITS))
def test_a_fit_is_convex_and_falling_or_is_refused(energies, fit):
    time_s = np.arange(1.0, 1.0 + len(energies))
    try:
        curve = fit(time_s, energies)
    except UsageError as refusal:
        assert "no convex falling curve" in refusal.what  # noqa: PT017 (most data can be fitted)
        assert np.polyfit(time_s, energies, 1)[0] >= -1e-9
        return
    dense = np.linspace(0.5, 2.0 + len(energies), 200)
    values = curve(dense)
    assert (np.diff(values) <= 1e-6).all()
    assert (np.diff(values, 2) >= -1e-6).all()
    error_j = curve(time_s) - energies
    assert curve.rmse_j == pytest.approx(np.sqrt(np.mean(error_j**2)), abs=1e-9)
    assert curve.max_error_j == pytest.approx(np.abs(error_j).max(), abs=1e-9)


@given(ys, st.integers(0, 2**32 - 1))
def test_no_other_convex_falling_curve_is_closer(energies, seed):
    """Tries other sums of ramps, and small changes of the one found."""
    assume(np.polyfit(np.arange(len(energies)), energies, 1)[0] < -1e-6)
    time_s = np.arange(1.0, 1.0 + len(energies))
    fit = fit_convex(time_s, energies)
    ramps = np.maximum(0.0, time_s[1:] - time_s[:, None])
    rng = np.random.default_rng(seed)
    found = fit(time_s)
    for share in (1.0, 0.1, 1e-3):
        other = ramps @ (rng.exponential(size=ramps.shape[1]) * rng.integers(0, 2, ramps.shape[1]) * 10)
        other += rng.uniform(0, 100)
        mixed = (1 - share) * found + share * other
        assert np.mean((mixed - energies) ** 2) ** 0.5 >= fit.rmse_j - 1e-7


@given(scales, scales)
def test_convex_data_are_kept_as_they_are(second, joule):
    energy_j = joule * np.array([50.0, 30.0, 20.0, 15.0, 15.0])
    fit = fit_convex(second * np.arange(1.0, 6.0), energy_j)
    assert fit.energy_j == pytest.approx(energy_j, rel=1e-9)
    assert fit.max_error_j <= 1e-9 * joule
    assert fit(second * 10.0) == pytest.approx(15.0 * joule)
    assert fit(second * 0.5) == pytest.approx(60.0 * joule)


def test_weights_count_like_repetitions():
    time_s, energy_j = [1.0, 2.0, 3.0], [9.0, 8.0, 2.0]
    weighted = fit_convex(time_s, energy_j, weights=[1, 3, 1])
    repeated = fit_convex([1.0, 2.0, 2.0, 2.0, 3.0], [9.0, 8.0, 8.0, 8.0, 2.0])
    at = np.array(time_s)
    assert weighted(at) == pytest.approx(repeated(at))


def test_noise_is_reported_as_error():
    rng = np.random.default_rng(7)
    energy_j = 40.0 * np.exp(-20.0 * (TIME_S - 0.1)) + 5.0 + rng.normal(0.0, 0.5, len(TIME_S))
    for fit in FITS:
        assert 0.2 < fit(TIME_S, energy_j).rmse_j < 0.8


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    ("time_s", "energy_j", "reason"),
    [
        ([1, 2, 3], [1, 2, 3], "no convex falling curve"),
        ([1, 2, 3], [2, 2, 2], "no convex falling curve"),
        ([1, 1, 1], [3, 2, 1], "too few different times"),
        ([1, 2], [3, 2, 1], "needs times and energies"),
        ([1, math.nan, 3], [3, 2, 1], "row 1"),
        ([1, 2, -3], [3, 2, 1], "row 2"),
        ([1, 2, 3], [3, math.inf, 1], "row 1"),
    ],
)
def test_data_that_allow_no_fit_are_refused(fit, time_s, energy_j, reason):
    with pytest.raises(UsageError, match=reason):
        fit(time_s, energy_j)


def test_times_too_close_together_and_odd_weights_are_refused():
    with pytest.raises(UsageError, match="too close together"):
        fit_exponential(1e9 + np.arange(3.0), [3, 2, 1])
    with pytest.raises(UsageError, match="weights"):
        fit_convex([1, 2], [2, 1], weights=[1, 0])
