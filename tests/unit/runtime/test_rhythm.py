"""Steps are found in the rhythm of a twin's sensors, and only where there is one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.clock import VirtualClock
from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.devices.simulated.model import load_model
from joulewise.runtime.observe.rhythm import BEATS, Rhythm


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(step_s=st.floats(0.8, 5.0), busy_frac=st.floats(0.4, 0.8))
def test_steps_of_a_twin_are_counted(step_s: float, busy_frac: float) -> None:
    clock = VirtualClock()
    gpu = SimulatedGpu(load_model("v100"), clock, uid="SIM-0")
    rhythm, seen, steps = Rhythm(), 0, 40
    for index in range(round(steps * step_s / 0.05)):
        gpu.set_activity(0.9 if (index * 0.05 % step_s) < busy_frac * step_s else 0.0)
        clock.sleep(0.05)
        seen += rhythm.add(clock.now_ns(), gpu.read_power_w())
    assert rhythm.doubt == ""
    assert abs(seen - steps) <= 2
    assert rhythm.step_s == pytest.approx(step_s, rel=0.1)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_noise_is_no_rhythm(seed: int) -> None:
    rng, rhythm, at_s = np.random.default_rng(seed), Rhythm(), 0.0
    busy = False
    for _ in range(600):
        at_s += 0.05
        if rng.random() < 0.1:
            busy = not busy
        rhythm.add(round(at_s * 1e9), 200.0 * busy + 50)
    assert rhythm.doubt


def test_a_steady_load_has_no_steps() -> None:
    rhythm = Rhythm()
    assert not any(rhythm.add(index * 100_000_000, 300.0 + index % 2) for index in range(500))
    assert f"of {BEATS}" in rhythm.doubt
