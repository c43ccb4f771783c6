"""A loop on a twin is tuned while it runs, and the twin ends as it was found."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.simulated.driver import make_devices
from joulewise.devices.simulated.faults import Fault
from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.devices.simulated.work import Idle, Kernel
from joulewise.errors import CapabilityError, UsageError
from joulewise.optimize.power.goal import Goal
from joulewise.runtime.knob import Knob, find_tunable
from joulewise.runtime.session import Spent
from joulewise.runtime.tune import tune

STEP = (Kernel(0.2, compute_frac=0.6, memory_frac=0.3), Idle(0.02))


class Steps:
    """A loader whose steps keep a twin busy on its own clock."""

    def __init__(self, device: SimulatedGpu, count: int) -> None:
        self.device, self.count = device, count

    def __iter__(self) -> Iterator[int]:
        for index in range(self.count):
            for work in STEP:
                self.device.run(work)
            yield index


def twin(text: str = "v100", *faults: Fault) -> tuple[SimulatedGpu, VirtualClock]:
    clock = VirtualClock()
    (device,) = make_devices(text, clock, faults=faults)
    assert isinstance(device, SimulatedGpu)
    return device, clock


@pytest.mark.parametrize("model", ["v100", "a40", "a100", "mi300x"])
@pytest.mark.parametrize("knob", [Knob.POWER_LIMIT, Knob.CORE_CLOCK])
def test_a_loop_is_tuned_and_leaves_no_trace(model: str, knob: Knob) -> None:
    device, clock = twin(model)
    found = device.read_power_limit_w(), device.read_core_clock_lock()
    loader = Steps(device, 700)
    for _ in range(3):
        tuned = tune(loader, max_slowdown=1.1, knob=knob, devices=[device], clock=clock)
        assert sum(1 for _ in tuned) == 700
        assert (device.read_power_limit_w(), device.read_core_clock_lock()) == found
    assert tuned.tuner is not None
    assert tuned.tuner.is_decided
    frontier = tuned.tuner.frontier
    assert frontier is not None
    assert str(frontier.provenance) == "simulated"
    assert tuned.tuner.choice in tuned.tuner.tunable.candidates


def test_the_next_run_starts_from_what_was_learned(tmp_path: Path) -> None:
    store, steps = tmp_path / "job.json", []
    for _ in range(2):
        device, clock = twin()
        tuned = tune(Steps(device, 2000), max_slowdown=1.1, devices=[device], clock=clock, store=store)
        count = None
        for index, _ in enumerate(tuned):
            if count is None and tuned.tuner and tuned.tuner.is_decided:
                count = index
        steps.append(count)
    assert steps[0] is not None
    assert steps[1] is not None
    assert steps[1] < steps[0] / 2


def test_goals_may_change_as_the_job_goes_on() -> None:
    device, clock = twin()

    def goal(spent: Spent) -> Goal:
        return Goal.least_energy() if spent.steps < 1000 else Goal.least_time()

    tuned = tune(Steps(device, 2000), goal=goal, devices=[device], clock=clock)
    assert tuned.tuner is not None
    choices = [tuned.tuner.choice for index, _ in enumerate(tuned) if index in (900, 1999)]
    assert choices[0] < choices[1]


def test_a_break_puts_back_what_was_found() -> None:
    device, clock = twin()
    found = device.read_power_limit_w()
    for index in tune(Steps(device, 500), devices=[device], clock=clock):
        if index == 100:
            break
    assert device.read_power_limit_w() == found


def test_nothing_to_turn() -> None:
    clock = VirtualClock()
    dram = [one for one in make_devices("epyc", clock) if one.identity.scope == "dram"]
    with pytest.raises(CapabilityError, match="tuning by"):
        find_tunable(dram)
    with pytest.raises(UsageError, match="no such knob"):
        find_tunable(dram, "voltage")
    with pytest.raises(UsageError, match="goal of its own"):
        tune([1], max_slowdown=1.1, goal=Goal.least_energy())
