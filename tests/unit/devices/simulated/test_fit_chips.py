"""The physics of twins against measurements: what is committed is what commands find, and near what was measured."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.simulated import fit_chip, fit_limits, physics
from joulewise.devices.simulated.driver import make_chips
from joulewise.devices.simulated.fit import FitErrors
from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.devices.simulated.model import ChipModel, load_model
from joulewise.devices.simulated.power_model import load_device_law
from joulewise.devices.simulated.work import Kernel, Wait
from joulewise.wire.profile import read_profile

DATA = Path(__file__).parents[5] / "shared" / "data"
PROFILES = {"a100": "gpt3-175b+a100_sxm_bf16.csv", "a40": "bloom+a40_bf16.csv"}
AIMS = {"a100": (0.01, 0.02), "a40": (0.03, 0.04)}
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"published measurements are not at {DATA}")


def operations_of(name: str) -> list[fit_chip.Operation]:
    return fit_chip.operations_of(read_profile(DATA / "perseus" / PROFILES[name]))


def within(errors: FitErrors, time_mean: float, power_mean: float) -> bool:
    return errors.time_mean < time_mean and errors.power_mean < power_mean


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("name", PROFILES)
def test_fit_is_within_its_aim_also_on_clocks_it_never_saw(name: str) -> None:
    """Mean relative errors of time and power: 1 % and 2 % on A100, 3 % and 4 % on A40."""
    model, operations = load_model(name), operations_of(name)
    assert within(fit_chip.fit_errors(fit_chip.fit_chip(model, operations), operations), *AIMS[name])
    assert within(fit_chip.held_out_errors(model, operations), *AIMS[name])


@needs_data
@pytest.mark.parametrize("name", PROFILES)
def test_committed_physics_is_what_the_command_finds(name: str) -> None:
    model, operations = load_model(name), operations_of(name)
    fitted = fit_chip.fit_chip(model, operations)
    assert fitted.model.voltage.knee_mhz == pytest.approx(model.voltage.knee_mhz, rel=0.01)
    assert fitted.model.voltage.slope_per_ghz == pytest.approx(model.voltage.slope_per_ghz, rel=0.01)
    assert fitted.model.power.core_w == pytest.approx(model.power.core_w, rel=0.01)
    for kernel, one in zip(fitted.kernels, operations, strict=True):
        committed = model.kernels[one.name]
        assert committed.time_s == pytest.approx(kernel.time_s, rel=0.01)
        assert committed.compute_frac == pytest.approx(kernel.compute_frac, abs=0.01)
        assert committed.activity == pytest.approx(kernel.activity, rel=0.01)


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize(("name", "limit_w"), [("a100", 470.0), ("a40", 300.0)])
def test_running_the_kernels_on_the_twin_gives_what_was_measured(name: str, limit_w: float) -> None:
    """The twin itself, not its formula: clocks told, kernels run, truth read; mean errors within the aims."""
    time_errors, power_errors = [], []
    for one in operations_of(name):
        for index in range(0, one.clock_mhz.size, 9):
            gpu = make_chips(name, clock := VirtualClock())[0]
            assert isinstance(gpu, SimulatedGpu)
            mhz, kernel = round(one.clock_mhz[index]), gpu.model.kernels[one.name]
            gpu.set_power_limit_w(limit_w)
            gpu.lock_core_clock(mhz, mhz)
            clock.sleep(1.0)
            gpu.run(*[kernel] * int(150 / kernel.time_s))
            begin_j = gpu.true_energy_j()
            time_s = gpu.run(kernel)
            time_errors.append(abs(time_s / one.time_s[index] - 1))
            power_errors.append(abs((gpu.true_energy_j() - begin_j) / time_s / one.power_w[index] - 1))
    aims = AIMS[name]
    assert float(np.mean(time_errors)) < aims[0]
    assert float(np.mean(power_errors)) < aims[1]


def profile_of(model: ChipModel, held_w: float) -> list[fit_chip.Operation]:
    """What the twin's own law would have measured."""
    operations = []
    for name, kernel in model.kernels.items():
        clocks = np.arange(855.0, model.clock.maximum_mhz + 1, 15)
        mhz = np.minimum(clocks, fit_chip.held_clocks_mhz(model, kernel, held_w))
        load = physics.Load.of(kernel)
        time_s = kernel.time_s * physics.stretch(load, mhz / model.clock.maximum_mhz)
        operations.append(fit_chip.Operation(name, clocks, time_s, physics.steady_power_w(model, load, mhz)))
    return operations


def test_fit_finds_the_physics_that_made_the_profile() -> None:
    model = load_model("a100")
    operations = profile_of(model, 470.0)
    errors = fit_chip.fit_errors(fit_chip.fit_chip(model, operations), operations)
    assert errors.time_max < 0.002
    assert errors.power_max < 0.005


def jobs_of(name: str) -> list[fit_limits.Job]:
    return fit_limits.read_jobs(DATA / "zeus_nsdi23" / f"summary_power_{name}.csv")


@cache
def v100_fit() -> fit_limits.LimitFit:
    return fit_limits.fit_limits(load_model("v100"), jobs_of("v100"), physics_too=True)


@pytest.mark.slow
@needs_data
def test_v100_follows_jobs_under_power_limits() -> None:
    """Seen: time 0.96 % and power 1.99 % mean, 1.40 % and 2.27 % at limits left out of the fit.

    The worst single values, 6 % and 16 %, are of jobs whose repeated measurements differ by as much.
    """
    model, jobs = load_model("v100"), jobs_of("v100")
    fitted = v100_fit()
    errors = fit_limits.fit_errors(fitted, jobs)
    assert within(errors, 0.013, 0.025)
    assert errors.time_max < 0.08
    assert errors.power_max < 0.20
    assert within(fit_limits.held_out_errors(model, jobs, physics_too=True), 0.02, 0.03)
    assert fitted.model.voltage.knee_mhz == pytest.approx(model.voltage.knee_mhz, rel=0.02)
    assert fitted.model.power.core_w == pytest.approx(model.power.core_w, rel=0.02)


@needs_data
def test_a40_follows_jobs_under_power_limits_with_the_physics_of_another_workload() -> None:
    """Only the jobs are fitted, the chip is that of the profile by clock. Seen: 7.2 % and 3.9 %; 4.5 % and 2.9 % from
    150 W. Below, the real card is up to a third slower than the twin."""
    model, jobs = load_model("a40"), jobs_of("a40")
    fitted = fit_limits.fit_limits(model, jobs)
    assert within(fit_limits.fit_errors(fitted, jobs), 0.08, 0.045)
    assert within(fit_limits.fit_errors(fitted, [job.only(job.limit_w >= 150) for job in jobs]), 0.05, 0.035)


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("limit_w", [100.0, 150.0, 200.0, 250.0])
def test_running_a_job_on_the_v100_twin_gives_what_was_measured(limit_w: float) -> None:
    """ResNet-50 at batch size 128, in slices of a second: the twin itself, not its formula."""
    name = "resnet50 on imagenet, batch 128, adadelta"
    (job,) = [one for one in jobs_of("v100") if one.name == name]
    fitted = v100_fit()
    kernel, wait = fitted.work[name]
    slices = round(kernel.time_s)
    work = (
        Kernel(kernel.time_s / slices, kernel.compute_frac, kernel.memory_frac, kernel.activity),
        Wait(wait.time_s / slices),
    )
    gpu = SimulatedGpu(fitted.model, clock := VirtualClock(), uid="SIM-job")
    gpu.set_power_limit_w(limit_w)
    clock.sleep(1.0)
    gpu.run(*work * 120)
    begin_j = gpu.true_energy_j()
    time_s = gpu.run(*work * 20) / 20 * slices
    power_w = (gpu.true_energy_j() - begin_j) / (time_s / slices * 20)
    (index,) = np.flatnonzero(job.limit_w == limit_w)
    assert time_s == pytest.approx(job.time_s[index], rel=0.04)
    assert power_w == pytest.approx(job.power_w[index], rel=0.05)


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (fit_chip.main, ["a100", str(DATA / "perseus" / PROFILES["a100"])]),
        (fit_limits.main, ["a40", str(DATA / "zeus_nsdi23" / "summary_power_a40.csv")]),
    ],
)
def test_commands_print_their_errors(main, arguments, capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "held-out" in printed
    assert "time mean" in printed


def test_commands_say_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = str(tmp_path / "absent.csv")
    assert fit_limits.main(["v100", absent]) == fit_chip.main(["a100", absent]) == 2
    assert capsys.readouterr().err.count("absent.csv: ") == 2
    (tmp_path / "absent.csv").write_text("a,b\n1,2\n")
    assert fit_limits.main(["v100", absent]) == 2


def test_a40_has_a_law_for_simulated_profiles_too() -> None:
    law = load_device_law("a40")
    assert (law.clock_max_mhz, law.wait_power_w) == (1740, 70.38)
