"""What a frontier refuses, and that it holds on to large inputs by reference."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest

from joulewise.errors import UsageError
from joulewise.frontier import Bound, Frontier, Point
from joulewise.records import Provenance

MEASURED = Provenance.MEASURED
GOOD = Point(1.0, 10.0, "good", MEASURED)


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (Point(math.nan, 1.0, "odd", MEASURED), "time_s"),
        (Point(math.inf, 1.0, "odd", MEASURED), "time_s"),
        (Point(-1.0, 1.0, "odd", MEASURED), "time_s"),
        (Point(1.0, math.nan, "odd", MEASURED), "energy_j"),
        (Point(1.0, -1.0, "odd", MEASURED), "energy_j"),
        (Point(1.0, 1.0, "odd", MEASURED, samples=0), "samples"),
        (Point(1.0, 1.0, "odd", MEASURED, time_sd_s=-1.0), "time_sd_s"),
        (Point(1.0, 1.0, "odd", MEASURED, energy_sd_j=math.nan), "energy_sd_j"),
    ],
)
def test_a_point_that_cannot_be_is_refused_by_row(bad, name):
    with pytest.raises(UsageError, match=rf"row 1 .*{name}.*odd.*must be"):
        Frontier.from_points([GOOD, bad])


def test_arrays_and_tables_name_the_row_too():
    with pytest.raises(UsageError, match=r"row 2 .*energy_j.*1410"):
        Frontier.from_arrays([1, 2, 3], [1, 2, -3], [1200, 1300, 1410], MEASURED)
    with pytest.raises(UsageError, match=r"row 1 .*energy_j.*time_ms"):
        Frontier.from_table([{"time_s": 1, "energy_j": 2}, {"time_ms": 1, "energy_j": 2}], MEASURED)
    with pytest.raises(UsageError, match=r"row 0 .*fast"):
        Frontier.from_table([{"time_s": "fast", "energy_j": 2}], MEASURED)
    with pytest.raises(UsageError, match=r"row 1 .*unusable setting.*hashable"):
        Frontier.from_table([{"time_s": 1, "energy_j": 2}, {"time_s": 1, "energy_j": 2, "setting": [1]}], MEASURED)


def test_nothing_is_no_frontier():
    for empty in (lambda: Frontier.from_points([]), lambda: Frontier.from_arrays([], [], [], MEASURED)):
        with pytest.raises(UsageError, match="0 points"):
            empty()


def test_arrays_must_match_and_be_numbers():
    with pytest.raises(UsageError, match="shape"):
        Frontier.from_arrays([1, 2], [1], ["a", "b"], MEASURED)
    with pytest.raises(UsageError, match="numbers"):
        Frontier.from_arrays(["x"], [1], ["a"], MEASURED)
    with pytest.raises(UsageError, match="Provenance"):
        Frontier.from_arrays([1], [1], ["a"], "guessed")


@pytest.mark.parametrize(
    "bad", [Point("x", 1.0, "odd", MEASURED), Point(1.0, 1.0, "odd", "guessed"), Point(1.0, 1.0, "odd", MEASURED, 1.5)]
)
def test_a_point_of_other_types_is_refused_by_row(bad):
    with pytest.raises(UsageError, match=r"row 1 .*is not a point"):
        Frontier.from_points([GOOD, bad])


@pytest.mark.parametrize("options", [{"wait_power_w": -1}, {"wait_power_w": math.nan}, {"tolerance_frac": 1.0}])
def test_parameters_are_checked(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        Frontier.from_points([GOOD], **options)


def test_nothing_of_it_can_be_changed():
    frontier = Frontier.from_points([GOOD])
    with pytest.raises(dataclasses.FrozenInstanceError):
        frontier.wait_power_w = 3.0
    for column in (frontier.time_s, frontier.energy_j, frontier.effective_energy_j):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0.0


def test_the_callers_arrays_stay_the_callers():
    time_s = np.array([1.0, 2.0])
    frontier = Frontier.from_arrays(time_s, [5.0, 4.0], ["a", "b"], MEASURED)
    time_s[:] = 9.0
    assert frontier.time_s.tolist() == [1.0, 2.0]


class CountedPlans(Sequence):
    """A million plans, made when asked for, that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, index: int) -> tuple[str, int]:
        self.asked += 1
        return ("plan", index)


def test_settings_are_made_only_when_asked_for():
    plans = CountedPlans()
    time_s = np.arange(1.0, 1.0 + len(plans))
    frontier = Frontier.from_arrays(time_s, 1e7 - time_s, plans, MEASURED, wait_power_w=1.0)
    part = frontier.take(range(0, len(frontier), 1000))
    assert plans.asked == 0
    assert part.at_straggler(2000.5).setting == part[1].setting == part.settings[1] == ("plan", 1000)
    assert plans.asked == 3


def test_indexing_is_that_of_a_sequence():
    frontier = Frontier.from_arrays([1, 2, 3], [3, 2, 1], "abc", MEASURED)
    assert frontier[-1] == list(frontier)[2]
    assert frontier.settings[-1] == "c"
    assert list(frontier.settings[1:]) == ["b", "c"]
    for index in (3, -4):
        with pytest.raises(IndexError):
            frontier[index]
        with pytest.raises(IndexError):
            frontier.settings[index]


def test_rows_without_a_setting_are_not_repetitions_of_each_other():
    assert len(Frontier.from_table([{"time_s": 1, "energy_j": 2}, {"time_s": 2, "energy_j": 1}], MEASURED)) == 2


def test_provenance_is_that_of_the_least_trustworthy_point_kept():
    dominated = Point(2.0, 20.0, "worse", Provenance.SIMULATED)
    assert Frontier.from_points([GOOD, dominated]).provenance is MEASURED
    slower = Point(2.0, 5.0, "slower", Provenance.MODELLED)
    frontier = Frontier.from_points([GOOD, slower])
    assert frontier.provenance is Provenance.MODELLED
    assert [p.provenance for p in frontier] == [MEASURED, Provenance.MODELLED]

    again = Frontier.from_points([GOOD, dataclasses.replace(GOOD, provenance=Provenance.SIMULATED)])
    assert again.provenance is Provenance.SIMULATED


def test_a_gain_of_exactly_the_tolerance_is_noise():
    two = [Point(1.0, 8.0, "a", MEASURED), Point(2.0, 7.0, "b", MEASURED)]
    assert len(Frontier.from_points(two, tolerance_frac=0.125)) == 1
    assert len(Frontier.from_points(two, tolerance_frac=0.12)) == 2


def test_it_says_in_one_line_what_it_is():
    frontier = Frontier.from_points([GOOD, Point(2.0, 5.0, None, MEASURED)], wait_power_w=2.0)
    assert repr(frontier) == "<Frontier of 2 measured points, 1 to 2 s, 10 to 5 J, waiting at 2 W>"


@pytest.mark.parametrize(
    ("time_s", "energy_j", "reason"),
    [
        ([], [], "needs breakpoints"),
        ([1, 2], [1], "needs breakpoints"),
        ([1, 2], [1, math.nan], "not finite"),
        ([1, 1], [2, 1], "must rise"),
        ([1, 2, 3], [3, 2.5, 1], "must be convex"),
    ],
)
def test_a_bound_that_cannot_be_is_refused(time_s, energy_j, reason):
    with pytest.raises(UsageError, match=reason):
        Bound(time_s, energy_j)


def test_a_bound_cannot_rise_faster_than_waiting():
    rising = Bound([1, 2], [1, 4])
    with pytest.raises(UsageError, match="rise above waiting"):
        Frontier.from_points([GOOD], wait_power_w=2.0, bound=rising)
    assert Frontier.from_points([GOOD], wait_power_w=3.0, bound=rising).bound_j(4.0) == 10.0
