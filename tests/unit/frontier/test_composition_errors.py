"""What cannot be composed is refused with the reason."""

from __future__ import annotations

import pytest

from joulewise.errors import UsageError
from joulewise.frontier import Frontier, Point, parallel, repeat, scale, series
from joulewise.records import Provenance

PART = Frontier.from_points([Point(1.0, 2.0, "a", Provenance.MEASURED, 3, 0.3, 0.4)])


def test_nothing_cannot_be_composed():
    for compose in (series, parallel):
        with pytest.raises(UsageError, match="0 frontiers"):
            compose()


def test_one_resource_has_one_waiting_power():
    other = Frontier.from_points(PART, wait_power_w=5.0)
    with pytest.raises(UsageError, match="from 0 to 5 W"):
        series(PART, other)


@pytest.mark.parametrize("n", [0, -1, 1.5, "2"])
def test_times_are_counted_in_whole_numbers(n):
    for compose in (repeat, scale):
        with pytest.raises(UsageError, match="integer of at least 1"):
            compose(PART, n)


def test_spread_adds_in_squares_and_in_lock_step_outright():
    in_line, thrice, abreast, copies = (
        series(PART, PART)[0],
        repeat(PART, 4)[0],
        parallel(PART, PART)[0],
        scale(PART, 2)[0],
    )
    assert (in_line.time_sd_s, in_line.energy_sd_j) == pytest.approx((0.3 * 2**0.5, 0.4 * 2**0.5))
    assert (thrice.time_sd_s, thrice.energy_sd_j) == pytest.approx((0.6, 0.8))
    assert (abreast.time_sd_s, abreast.energy_sd_j) == pytest.approx((0.3, 0.4 * 2**0.5))
    assert (copies.time_sd_s, copies.energy_sd_j) == pytest.approx((0.3, 0.8))
    assert in_line.samples == thrice.samples == abreast.samples == copies.samples == 3
