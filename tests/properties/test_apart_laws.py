"""Lowering those that wait: never longer than allowed, never dearer, soon over, whatever the devices are."""

from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.optimize.power.apart import LONGER_FRAC, ApartTuner
from joulewise.optimize.power.goal import Goal
from joulewise.optimize.power.tuner import PowerTuner
from joulewise.optimize.protocol import Apart, Outcome, Probe, Share
from joulewise.records import Provenance

CLOCKS = tuple(range(600, 1500, 60))
WAIT_W = 60.0


def run(probe: Probe, sizes: list[float], resolution_j: float = 0.0) -> Outcome:
    """Devices of the law t = a + b/f that wait for the slowest, at exact figures."""
    chosen = probe.setting.settings if isinstance(probe.setting, Apart) else (probe.setting,) * len(sizes)
    times_s = [size * (0.05 + 200.0 / clock) for size, clock in zip(sizes, chosen, strict=True)]
    step_s = max(times_s)
    shares = tuple(
        Share(probe.steps * (busy_s * (80 + 220 * (clock / 1440) ** 3) + (step_s - busy_s) * WAIT_W), resolution_j)
        for busy_s, clock in zip(times_s, chosen, strict=True)
    )
    total_j = sum(share.energy_j for share in shares)
    return Outcome(
        probe.setting,
        probe.steps,
        probe.steps * step_s,
        total_j,
        total_j,
        total_j,
        Provenance.SIMULATED,
        0.0,
        "",
        shares,
    )


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.floats(0.5, 1.5), min_size=2, max_size=6), factor=st.floats(1.0, 1.3))
def test_equal_time_less_energy_and_an_end(sizes: list[float], factor: float) -> None:
    tuner = ApartTuner(PowerTuner(CLOCKS, Goal.max_slowdown(factor)), len(sizes))
    while not tuner.inner.ask().is_final:
        tuner.tell(run(tuner.ask(), sizes))
    alike, probes = run(Probe(tuner.inner.best(), 1), sizes), 0
    while not tuner.ask().is_final:
        tuner.tell(run(tuner.ask(), sizes))
        probes += 1
        assert probes <= 2 + len(CLOCKS) + 3 * len(sizes)
    apart = run(Probe(tuner.best(), 1), sizes)
    assert apart.time_s <= alike.time_s * (1 + LONGER_FRAC) * (1 + 1e-9)
    assert apart.energy_j <= alike.energy_j * (1 + 1e-9)
    slowest = max(range(len(sizes)), key=sizes.__getitem__)
    if isinstance(tuner.best(), Apart):
        assert tuner.best().settings[slowest] == tuner.inner.best()


@settings(max_examples=20, deadline=None)
@given(count=st.integers(2, 6))
def test_equal_devices_cost_a_reference_and_two_probes(count: int) -> None:
    tuner, probes = ApartTuner(PowerTuner(CLOCKS, Goal.least_time()), count), 0
    while not tuner.inner.ask().is_final:
        tuner.tell(run(tuner.ask(), [1.0] * count))
    while not tuner.ask().is_final:
        tuner.tell(run(tuner.ask(), [1.0] * count))
        probes += 1
    assert probes == 3
    assert not isinstance(tuner.best(), Apart)


def test_a_shift_puts_the_setting_for_all_back() -> None:
    tuner = ApartTuner(PowerTuner(CLOCKS, Goal.least_time()), 2)
    while not tuner.ask().is_final:
        tuner.tell(run(tuner.ask(), [1.0, 1.4]))
    assert isinstance(tuner.best(), Apart)
    for _ in range(tuner.inner.effort.drift_reports):
        tuner.tell(run(tuner.ask(), [1.4, 1.4]))
    assert not isinstance(tuner.ask().setting, Apart)


def test_what_sensors_cannot_tell_is_not_done() -> None:
    tuner = ApartTuner(PowerTuner(CLOCKS, Goal.least_time()), 2)
    while not tuner.ask().is_final:
        tuner.tell(run(tuner.ask(), [1.0, 1.4], resolution_j=1e6))
    assert not isinstance(tuner.best(), Apart)
