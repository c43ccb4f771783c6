"""Devices that wait for a straggler are lowered, at equal time; equal devices are left alike."""

from collections.abc import Sequence

import pytest

from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.optimize.power.apart import ApartTuner
from joulewise.optimize.power.goal import Goal
from joulewise.optimize.protocol import Apart
from joulewise.runtime.knob import Knob
from joulewise.runtime.session import JobTuner
from joulewise.sim.training import SimulatedTraining


def tuned(sizes: Sequence[float], *, apart: bool, knob: Knob) -> tuple[JobTuner, float, float]:
    """The tuner, and time [s] and energy [J] of the last 300 of 1800 steps."""
    job = SimulatedTraining(f"v100x{len(sizes)}", 1800, sizes=sizes)
    tuner = JobTuner(Goal.max_slowdown(1.05), knob=knob, devices=job.devices, clock=job.clock)
    if not apart:
        assert isinstance(tuner.tuner, ApartTuner)
        tuner.loop.tuner = tuner.tuner = tuner.tuner.inner
    gpus = [one for one in job.devices if isinstance(one, SimulatedGpu)]
    begun_s = begun_j = 0.0
    tuner.start()
    for index in job:
        tuner.step()
        if index == 1499:
            begun_s, begun_j = job.clock.now_ns() * 1e-9, sum(gpu.true_energy_j() for gpu in gpus)
    spent = job.clock.now_ns() * 1e-9 - begun_s, sum(gpu.true_energy_j() for gpu in gpus) - begun_j
    tuner.close()
    assert all(gpu.read_power_limit_w() == 250.0 and gpu.read_core_clock_lock() is None for gpu in gpus)
    return tuner, *spent


@pytest.mark.slow
@pytest.mark.parametrize("knob", [Knob.POWER_LIMIT, Knob.CORE_CLOCK])
def test_who_waits_is_lowered_at_equal_time(knob: Knob) -> None:
    sizes = [1.0, 1.0, 1.0, 1.3]
    alike, alike_s, alike_j = tuned(sizes, apart=False, knob=knob)
    apart, apart_s, apart_j = tuned(sizes, apart=True, knob=knob)
    assert alike.is_decided
    assert apart.is_decided
    assert isinstance(apart.choice, Apart)
    assert apart.choice.settings[3] == max(apart.choice.settings) == alike.choice
    assert apart_s < 1.006 * alike_s
    assert apart_j < 0.97 * alike_j
    assert " on " in apart.name(apart.choice)


@pytest.mark.slow
def test_equal_devices_stay_alike() -> None:
    tuner, _, _ = tuned([1.0, 1.0], apart=True, knob=Knob.POWER_LIMIT)
    assert tuner.is_decided
    assert not isinstance(tuner.choice, Apart)
