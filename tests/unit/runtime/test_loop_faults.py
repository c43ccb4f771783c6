"""Devices may fail while a loop is tuned; the job goes on, and what can be put back is."""

from collections.abc import Hashable
from contextlib import suppress
from typing import Any

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.simulated.driver import make_devices
from joulewise.devices.simulated.faults import Failure, Fault
from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.devices.simulated.work import Kernel
from joulewise.errors import PermissionDeniedError, RestoreError
from joulewise.measure.meter import Meter
from joulewise.optimize.power.goal import Goal
from joulewise.optimize.power.tuner import PowerTuner
from joulewise.optimize.protocol import Outcome, Probe
from joulewise.records import Provenance
from joulewise.runtime.knob import Knob, find_tunable
from joulewise.runtime.loop import TuningLoop
from joulewise.runtime.ranks import merge_outcomes


class Heard:
    """A tuner that keeps what it is told."""

    def __init__(self, tuner: PowerTuner) -> None:
        self.tuner, self.outcomes = tuner, list[Outcome]()

    def ask(self) -> Probe:
        return self.tuner.ask()

    def tell(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.tuner.tell(outcome)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tuner, name)


class Revoked(SimulatedGpu):
    """A twin whose operator takes our rights away, all but putting back."""

    told = 0

    def set_power_limit_w(self, limit_w: float) -> None:
        self.told += 1
        if self.told > 3 and limit_w != 250.0:
            raise PermissionDeniedError("setting the power limit", "root")
        super().set_power_limit_w(limit_w)


def ran(
    text: str | list[Any], steps: int, *faults: Fault, knob: Knob = Knob.POWER_LIMIT
) -> tuple[TuningLoop, Heard, list[Any]]:
    devices = make_devices(text, VirtualClock(), faults=faults) if isinstance(text, str) else text
    clock = devices[0]._clock
    tunable = find_tunable(devices, knob)
    heard = Heard(PowerTuner(tunable.candidates, Goal.least_energy()))
    with Meter(devices, clock=clock) as meter, suppress(RestoreError):
        loop = TuningLoop(heard, tunable, meter)
        loop.start()
        for _ in range(steps):
            for device in devices:
                if isinstance(device, SimulatedGpu):
                    device.submit(Kernel(0.2, 0.9))
            meter.sleep(0.15)
            for device in devices:
                if isinstance(device, SimulatedGpu):
                    device.wait_done()
            meter.tick()
            loop.step()
        loop.stop()
    return loop, heard, devices


def limit_w(device: Any) -> float:
    told: Hashable = device._told.get(Kind.POWER_LIMIT, device._limit_found_w)
    assert isinstance(told, float)
    return told


def test_a_lost_device_ends_tuning_and_not_the_job() -> None:
    loop, _, _ = ran("v100", 300, Fault(Failure.LOST, start_s=10.0))
    assert "lost" in loop.failure


def test_no_permission_midway_leaves_what_was_found() -> None:
    (device,) = made = make_devices("v100", VirtualClock())
    assert isinstance(device, SimulatedGpu)
    device.__class__ = Revoked
    loop, _, _ = ran(made, 300)
    assert "takes root" in loop.failure
    assert device.read_power_limit_w() == 250.0


@pytest.mark.parametrize("knob", [Knob.POWER_LIMIT, Knob.CORE_CLOCK])
def test_disobedience_voids_probes(knob: Knob) -> None:
    kind = Kind.POWER_LIMIT if knob is Knob.POWER_LIMIT else Kind.CORE_CLOCK
    loop, heard, _ = ran("v100", 600, Fault(Failure.NOT_OBEYED, kind=kind), knob=knob)
    lower = [one for one in heard.outcomes if one.setting != loop.tunable.candidates[-1]]
    assert lower
    assert any("did not obey" in one.void or "told at most" in one.void for one in lower)


def test_outcomes_of_ranks_add_up() -> None:
    def outcome(time_s: float, energy_j: float, void: str = "") -> Outcome:
        return Outcome(200.0, 10, time_s, energy_j, energy_j - 1, energy_j + 1, Provenance.SIMULATED, 0.1, void)

    merged = merge_outcomes([outcome(2.0, 100.0), outcome(3.0, 150.0)])
    assert (merged.time_s, merged.energy_j, merged.energy_lo_j, merged.energy_hi_j) == (3.0, 250.0, 248.0, 252.0)
    assert merged.void == ""
    assert "rank 1: hot" in merge_outcomes([outcome(2.0, 100.0), outcome(2.0, 100.0, "hot")]).void
