"""The truth lies within the bounds of 99 % of random windows, and the bounds are not wider than they must be.

Loads, boards, phases and windows are random; sensors are those of every twin, read as the sampler reads them.
"""

from __future__ import annotations

import pytest

from joulewise.sim.reproduce.studies.sensor_windows import campaign
from joulewise.sim.reproduce.studies.sensors import coverage, rows, width_ratio


def test_a_few_windows_of_every_sensor_and_load():
    runs = campaign(85, seed=7)
    assert len({(one.sensor, one.load) for one in runs}) == 85
    assert coverage(runs) >= 0.98, rows(runs, "sensor")
    assert width_ratio(runs) <= 2
    for one in runs:
        assert 0 <= one.energy.lo_j <= one.energy.energy_j <= one.energy.hi_j


@pytest.fixture(scope="module")
def runs():
    made = campaign()
    print(*rows(made, "sensor"), *rows(made, "load"), sep="\n")
    return made


@pytest.mark.slow
def test_ten_thousand_windows(runs):
    """The law of the issue: at least 99 % of 10,000, and a median width of at most twice the resolution bound."""
    assert len(runs) == 10_000
    assert coverage(runs) >= 0.99
    assert width_ratio(runs) <= 2


@pytest.mark.slow
def test_no_sensor_and_no_load_falls_behind(runs):
    for by in ("sensor", "load"):
        for name in {getattr(one, by) for one in runs}:
            mine = [one for one in runs if getattr(one, by) == name]
            assert coverage(mine) >= 0.99, name
            assert width_ratio(mine) <= 2, name
