"""Steps that are fast count by the group; figures stay those of a step, whatever the group."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.clock import VirtualClock
from joulewise.devices.simulated.driver import make_devices
from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.devices.simulated.work import Kernel
from joulewise.optimize.protocol import Outcome
from joulewise.records import Provenance
from joulewise.runtime.pace import Pace
from joulewise.runtime.tune import tune

times = st.floats(1e-4, 10.0)


def outcome(steps: int, step_s: float, step_j: float = 50.0) -> Outcome:
    energy_j = steps * step_j
    return Outcome(200.0, steps, steps * step_s, energy_j, 0.9 * energy_j, 1.1 * energy_j, Provenance.SIMULATED, 0.01)


@given(times, times, st.integers(1, 5000))
def test_figures_are_those_of_a_step(sensor_s: float, step_s: float, steps: int) -> None:
    pace = Pace(sensor_s)
    pace.learn(outcome(1, step_s))
    assert pace.group * step_s >= 2 * sensor_s * (1 - 1e-9)
    assert (pace.group - 1) * step_s < 2 * sensor_s
    raw, counted = outcome(steps, step_s), pace.counted(outcome(steps, step_s))
    assert 1 <= counted.steps <= steps
    assert counted.time_s / counted.steps == pytest.approx(raw.time_s / raw.steps)
    assert counted.energy_j / counted.steps == pytest.approx(raw.energy_j / raw.steps)
    assert counted.energy_lo_j <= counted.energy_j <= counted.energy_hi_j
    pace.learn(counted)
    assert pace.step_s == pytest.approx(step_s)


@given(st.lists(st.booleans(), max_size=20))
def test_counting_by_more_ends(mute: list[bool]) -> None:
    pace = Pace(0.1)
    lengthened = [pace.lengthen(outcome(5, 0.5, 0.0 if one else 10.0)) for one in mute]
    assert sum(lengthened) <= 6
    assert not any(longer for longer, one in zip(lengthened, mute, strict=True) if not one)
    assert pace.group == 2 ** sum(lengthened)


@pytest.mark.parametrize("step_s", [0.002, 0.01])
def test_a_loop_faster_than_its_sensor_is_tuned(step_s: float) -> None:
    clock = VirtualClock()
    (device,) = make_devices("v100", clock)
    assert isinstance(device, SimulatedGpu)
    gpu = device

    class Steps:
        def __iter__(self):
            for index in range(int(60 / step_s)):
                gpu.run(Kernel(step_s, compute_frac=0.7, memory_frac=0.25))
                yield index

    tuned = tune(Steps(), max_slowdown=1.1, devices=[gpu], clock=clock)
    for _ in tuned:
        pass
    assert tuned.tuner is not None
    assert tuned.tuner.is_decided
    assert 100 <= tuned.tuner.choice < 250
    for point in tuned.tuner.tuner.points():
        assert step_s <= point.time_s <= 3 * step_s
