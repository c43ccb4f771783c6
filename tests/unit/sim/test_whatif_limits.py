"""The limits of what-if: where a contract is the ideal, today's, or none at all, its price must be what is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.planner import plan_pipeline
from joulewise.optimize.pipeline.replay import count_switches
from joulewise.records import Profile, Provenance
from joulewise.sim.chip_profile import chip_profile
from joulewise.sim.whatif.asks import ASKS, BY_NAME, NEVER, On
from joulewise.sim.whatif.contract import COMPUTE_MEMORY, JOB, PARTITION, Contract
from joulewise.sim.whatif.evaluate import evaluate
from joulewise.sim.whatif.fleet import HOURS_PER_YEAR, Fleet
from joulewise.sim.whatif.plan import best, effective, top_clocks
from joulewise.sim.whatif.problem import problem_at
from joulewise.sim.whatif.row import figures_at
from joulewise.sim.whatif.split import fit_voltage, split_of
from joulewise.sim.whatif.study import corners
from joulewise.sim.whatif.workload import Assumptions, JobWork, PipelineWork, chip_at

SLOWDOWNS = (1.0, 1.2)
TODAY = Contract(switch_latency_s=0.002)


def measured_like(stages: int = 3) -> Profile:
    """The profile of a simulated chip, told to be measured."""
    profile = chip_profile("a100", stages, range(1410, 600, -45))
    return replace(profile, provenance=Provenance.MEASURED, source="as if measured")


WORK = PipelineWork(measured_like(), microbatches=4, slowdowns=SLOWDOWNS, idle_power_w=58.0, seeds=1)


def ends_s(work: PipelineWork) -> list[float]:
    problem = problem_at(work, Contract())
    reference_s = top_clocks(problem, 0.0).time_s
    return [slowdown * reference_s for slowdown in SLOWDOWNS]


def test_without_latency_the_plan_is_the_ideal_one() -> None:
    problem = problem_at(WORK, Contract())
    for end_s in ends_s(WORK):
        found = best(problem, 0.0, "device", end_s)
        ideal = plan_pipeline(effective(problem), end_s)
        assert found is not None
        assert np.array_equal(found[0], ideal.choice)


def test_with_endless_latency_there_is_one_clock_for_each_rank_and_iteration() -> None:
    problem = problem_at(WORK, Contract())
    for end_s in ends_s(WORK):
        found = best(problem, NEVER, "device", end_s)
        assert found is not None
        assert found[1].switches == 0 == count_switches(problem, found[0])
        assert found[1].time_s <= end_s


def test_one_domain_is_today() -> None:
    today = problem_at(WORK, TODAY)
    assert problem_at(WORK, replace(TODAY, domains="device")) is today
    even = replace(WORK, assumptions=Assumptions(loads=(1.0,)))
    for table in problem_at(even, replace(TODAY, domains=PARTITION)).tables:
        half = len(table) // 2
        order = np.argsort(table.time_s[:half])
        again = half + np.argsort(table.time_s[half:])
        assert table.energy_j[again] == pytest.approx(table.energy_j[order])
        assert table.time_s[again] == pytest.approx(table.time_s[order])


def test_more_domains_only_add_options_and_a_stalled_core_that_is_never_told_saves_nothing() -> None:
    today = problem_at(WORK, TODAY)
    for domains in (PARTITION, COMPUTE_MEMORY):
        for table, before in zip(problem_at(WORK, replace(TODAY, domains=domains)).tables, today.tables, strict=True):
            assert np.array_equal(table.energy_j[: len(before)], before.energy_j)
            assert table.provenance is Provenance.MODELLED
    gated = replace(WORK, assumptions=Assumptions(stalled_frac=0.0))
    for table in problem_at(gated, Contract(switch_latency_s=0.0, domains=COMPUTE_MEMORY)).tables:
        half = len(table) // 2
        assert np.sort(table.energy_j[half:]) == pytest.approx(np.sort(table.energy_j[:half]))


def test_the_split_finds_what_the_chip_was_made_of() -> None:
    """Forward has 30 % of its time at the highest clock that does not feel it, backward 20 %."""
    parts = set()
    for table in problem_at(WORK, TODAY).tables:
        split = split_of(table)
        assert split is not None
        parts.add(round(split.insensitive_s / float(split.time_s[-1]), 2))
        assert split.error_frac < 0.02
    assert all(0.15 < part < 0.35 for part in parts)


def test_a_profile_tells_the_knee_of_its_voltage() -> None:
    model = chip_at("a100", Contract())
    splits = [split for table in problem_at(WORK, TODAY).tables if (split := split_of(table)) is not None]
    law = fit_voltage(splits, 0.05)
    assert law.knee_ghz == pytest.approx(model.voltage.knee_mhz / 1e3, abs=0.08)
    flat = [split for split in splits if split.clock_mhz[0] > 0]
    upper = [replace(one, **_above(one, 1.15)) for one in flat]
    with pytest.raises(UsageError, match="no voltage floor"):
        fit_voltage(upper, 0.05)


def _above(split: object, ghz: float) -> dict[str, object]:
    keep = split.held_ghz >= ghz  # type: ignore[attr-defined]
    return {name: getattr(split, name)[keep] for name in ("clock_mhz", "held_ghz", "time_s", "energy_j")}


def test_one_clock_for_the_job_is_one_of_the_profiled_clocks() -> None:
    row = evaluate({"domains": JOB}, work=WORK, today=TODAY)
    figures = figures_at(row, 1.2)
    assert figures is not None
    assert figures.switches == 0
    assert 0 < figures.saving_frac < 1


def test_without_permission_nothing_is_saved() -> None:
    row = evaluate({"control": "denied"}, work=WORK, today=TODAY)
    for slowdown in SLOWDOWNS:
        figures = figures_at(row, slowdown)
        assert figures is not None
        assert figures.energy_j == pytest.approx(figures.untold_j)


def test_less_wait_and_idle_power_and_a_lower_floor_are_priced_and_marked_modelled() -> None:
    now = figures_at(evaluate({}, work=WORK, today=TODAY), 1.2)
    assert now is not None
    for name, value in (("wait-power", 40.0), ("idle-power", 29.0), ("voltage-floor", 0.9)):
        row = evaluate({name: value}, work=WORK, today=TODAY)
        then = figures_at(row, 1.2)
        assert then is not None
        assert then.energy_j < now.energy_j
        assert row["provenance"] == "modelled"


def test_what_a_profile_does_not_tell_is_said_and_not_invented() -> None:
    for point, words in (
        ({"clock-min": 300.0}, "nothing was measured there"),
        ({"clock-max": 2000.0}, "nothing was measured there"),
        ({"cap-response": 0.1}, "a plan sets clocks"),
    ):
        row = evaluate(point, work=WORK, today=TODAY)
        assert not row["applies"]
        assert words in str(row["reason"])
        assert figures_at(row, 1.0) is None
    unknown = evaluate({"idle-power": 20.0}, work=replace(WORK, idle_power_w=None), today=TODAY)
    assert "not known" in str(unknown["reason"])


def test_a_simulated_chip_has_clocks_that_nobody_profiled() -> None:
    work = PipelineWork(None, "h100", stages=2, microbatches=3, slowdowns=(1.2,))
    now = replace(TODAY, clock_step_mhz=90.0, clock_min_mhz=900.0)
    for point in ({"clock-min": 720.0}, {"voltage-floor": 0.9}, {"idle-power": 30.0}):
        row = evaluate(point, work=work, today=now)
        assert row["applies"], row["reason"]
        assert row["provenance"] == "simulated"


@pytest.mark.slow
def test_sensors_cost_what_a_profile_made_with_them_makes_plans_worse() -> None:
    truth = figures_at(evaluate({}, work=WORK, today=TODAY), 1.2)
    row = evaluate({"counter-step": 2.0, "learned": True}, work=WORK, today=TODAY)
    learned = figures_at(row, 1.2)
    assert truth is not None
    assert learned is not None
    assert row["provenance"] == "simulated"
    assert truth.energy_j <= learned.energy_j < 1.2 * truth.energy_j
    half_blind = evaluate({"sensor-duty": 0.1, "learned": True}, work=WORK, today=TODAY)
    assert half_blind["applies"]


def test_every_ask_applies_somewhere_and_says_why_not_elsewhere() -> None:
    job = JobWork("job", (100.0, 150.0, 200.0), (0.8, 0.6, 0.5), (90.0, 140.0, 190.0), Provenance.MEASURED)
    chip = PipelineWork(None, "a100", stages=2, microbatches=2)
    for work in (WORK, chip, job):
        found, without = corners(work, TODAY)
        assert {corner.ask.name for corner in found} | set(without) == set(BY_NAME)
        assert all(without.values())
    assert all(len(ask.not_on) < len(On) and ask.model and ask.what for ask in ASKS)


def test_a_job_pays_for_slow_limits_and_coarse_counters_and_loses_all_without_permission() -> None:
    limits = (100.0, 125.0, 150.0, 175.0, 200.0, 225.0, 250.0)
    times = tuple(0.4 + 18.0 / limit for limit in limits)
    job = JobWork("job", limits, times, tuple(0.95 * limit for limit in limits), Provenance.MEASURED, seeds=3)
    rows = {
        name: figures_at(evaluate(point, work=job, today=Contract()), 1.2)
        for name, point in {
            "today": {}, "slow": {"cap-response": 20.0}, "denied": {"control": "denied"}
        }.items()
    }  # fmt: skip
    today, slow, denied = rows["today"], rows["slow"], rows["denied"]
    assert today is not None
    assert slow is not None
    assert denied is not None
    assert today.saving_frac > 0.05
    assert today.energy_j < slow.energy_j < denied.energy_j
    assert denied.saving_frac == 0
    assert not evaluate({"switch-latency": 0.1}, work=job, today=Contract())["applies"]


def test_a_year_of_a_fleet_is_the_sum_that_the_formula_says() -> None:
    fleet = Fleet(gpus=1000, busy_frac=0.5, price_per_kwh=0.2, currency="EUR", pue=1.1, g_per_kwh=400.0)
    kwh = fleet.kwh_per_year(saved_j=640.0, until_s=10.0, gpus=64)  # one watt for each GPU
    assert kwh == pytest.approx(1000 * 0.5 * 1.1 * HOURS_PER_YEAR / 1e3)
    assert fleet.money_per_year(kwh) == pytest.approx(0.2 * kwh)
    assert fleet.tonnes_per_year(kwh) == pytest.approx(kwh * 400 / 1e6)
    with pytest.raises(UsageError):
        Fleet(busy_frac=0.0)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("switch-latency", "10us", 1e-5),
        ("switch-latency", "500ms", 0.5),
        ("switch-latency", "inf", NEVER),
        ("wait-power", "0.5x", 40.0),
        ("sensor-duty", "25%", 0.25),
        ("clock-max", "1.5GHz", 1500.0),
        ("domains", "partition", "partition"),
    ],
)
def test_values_are_read_with_their_units(name: str, text: str, value: float | str) -> None:
    assert BY_NAME[name].parse(text, 80.0) == pytest.approx(value) if isinstance(value, float) else value


@pytest.mark.parametrize(
    ("name", "text"), [("switch-latency", "10W"), ("domains", "core"), ("wait-power", "much"), ("control", "maybe")]
)
def test_what_is_no_value_is_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError):
        BY_NAME[name].parse(text, None)
