"""Jobs that tuners are tried on: their noise has the mean and the bounds that it says."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from joulewise.devices.simulated.model import load_model
from joulewise.devices.simulated.work import Kernel
from joulewise.errors import UsageError
from joulewise.optimize.protocol import Probe
from joulewise.records import Provenance
from joulewise.sim.job import EXACT, JobTable, Noise, SimulatedJob
from joulewise.sim.replay import at_clocks, at_limits

TABLE = JobTable("job", (100, 200), np.array([0.2, 0.1]), np.array([90.0, 150.0]), Provenance.MEASURED)


def job(noise=EXACT, **options):
    return SimulatedJob(TABLE, noise, np.random.default_rng(3), **options)


def test_without_noise_the_table_is_told():
    outcome = job().run(Probe(200, 8, settle_steps=5))
    assert (outcome.steps, outcome.time_s, outcome.energy_j) == (8, pytest.approx(0.8), pytest.approx(120.0))
    assert outcome.energy_lo_j == outcome.energy_j == outcome.energy_hi_j
    assert outcome.step_time_sd_s == pytest.approx(0.0)


def test_what_is_told_is_simulated_whatever_the_table_is():
    assert job().run(Probe(200, 1)).provenance is Provenance.SIMULATED


def test_noise_scatters_around_the_table_and_keeps_its_bounds():
    running, noise = job(Noise(0.05, 0.05, 0.1, 0)), []
    for _ in range(400):
        before_j = running.energy_j
        outcome = running.run(Probe(100, 20))
        true_j = running.energy_j - before_j
        assert outcome.energy_lo_j <= true_j <= outcome.energy_hi_j
        noise.append((outcome.time_s / 4.0, outcome.energy_j / 360.0, outcome.step_time_sd_s / 0.2))
    time, energy, spread = np.mean(noise, axis=0)
    assert time == pytest.approx(1, abs=0.003)
    assert energy == pytest.approx(1, abs=0.005)
    assert spread == pytest.approx(0.05, rel=0.05)


def test_epochs_cut_probes_short_and_settling_eats_them():
    running = job(epoch_steps=10)
    assert [running.run(Probe(100, 5, 4)).steps for _ in range(3)] == [5, 0, 5]
    assert running.steps == 19


def test_first_steps_take_longer():
    running = job(Noise(0.0, 0.0, 0.0, warmup_steps=10, warmup_frac=0.5))
    assert running.run(Probe(100, 10)).time_s > 1.2 * running.run(Probe(100, 10)).time_s


@pytest.mark.parametrize("column", [[1.0], [1.0, 0.0], [1.0, inf]])
def test_tables_that_cannot_be_are_refused(column):
    with pytest.raises(UsageError, match="table of job"):
        JobTable("job", (1, 2), np.array(column), np.ones(2), Provenance.MEASURED)


@pytest.mark.parametrize("name", ["v100", "a40", "a100", "h100", "b200", "mi300x", "epyc"])
def test_chips_are_slower_and_draw_less_at_lower_settings(name):
    for make in (at_clocks, at_limits):
        table = make(load_model(name), Kernel(0.2, 0.7, 0.2), 0.02)
        assert (np.diff(table.step_s) <= 1e-12).all()
        assert (np.diff(table.power_w) >= -1e-9).all()
        assert table.step_s[-1] < table.step_s[0]


def test_a_wait_that_cannot_be_is_refused():
    with pytest.raises(UsageError, match="cannot wait"):
        at_clocks(load_model("a100"), Kernel(0.2), -1.0)
