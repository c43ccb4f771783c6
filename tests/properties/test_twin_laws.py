"""Laws that every simulated chip keeps, whatever runs on it and whoever looks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from joulewise.clock import VirtualClock
from joulewise.devices.simulated import physics
from joulewise.devices.simulated.cpu import SimulatedCpu
from joulewise.devices.simulated.driver import make_chips
from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.devices.simulated.model import load_model, model_names
from joulewise.devices.simulated.work import Idle, Kernel, Wait, Work

GPUS = [name for name in model_names() if load_model(name).identity.kind == "gpu"]
seconds = st.floats(1e-4, 3.0)
fractions = st.floats(0.0, 1.0)
kernels = st.builds(
    lambda time_s, compute, rest, activity: Kernel(time_s, compute, (1 - compute) * rest, activity),
    seconds,
    fractions,
    fractions,
    st.floats(0.0, 1.5),
)
works = st.lists(st.one_of(kernels, st.builds(Wait, seconds), st.builds(Idle, seconds)), min_size=1, max_size=5)
models = st.sampled_from(model_names())
gpus = st.sampled_from(GPUS)


def chip_of(name: str, clock: VirtualClock, seed: int = 0) -> SimulatedGpu | SimulatedCpu:
    return make_chips(name, clock, seed=seed)[0]


def gpu_of(name: str, clock: VirtualClock, seed: int = 0) -> SimulatedGpu:
    chip = chip_of(name, clock, seed)
    assert isinstance(chip, SimulatedGpu)
    return chip


def total_s(work: list[Work]) -> float:
    return sum(one.time_s for one in work)


@settings(max_examples=40)
@given(models, works)
def test_energy_is_the_integral_of_power(name: str, work: list[Work]) -> None:
    """Each stretch without an event is integrated by quadrature of the true power, and compared."""
    clock = VirtualClock()
    chip = chip_of(name, clock)
    chip.submit(*work)
    plant, integral_j = chip._plant, 0.0
    while (event_ns := plant.next_event_ns()) is not None:
        begin_ns, end_ns = clock.now_ns(), event_ns
        integral_j += quad(lambda s, at=begin_ns: plant.power_w(at + round(s * 1e9)), 0, (end_ns - begin_ns) * 1e-9)[0]
        clock.sleep((end_ns - begin_ns) * 1e-9)
        chip.true_power_w()  # events up to now happen
    assert chip.true_energy_j() == pytest.approx(integral_j, rel=1e-6, abs=1e-5)


@settings(max_examples=40)
@given(models, works, st.lists(st.floats(0.0, 2.0), max_size=20))
def test_looking_changes_nothing(name: str, work: list[Work], pauses: list[float]) -> None:
    """Two chips that are told the same agree to the bit, however often one of them is read."""
    clock, other_clock = VirtualClock(), VirtualClock()
    looked_at, left_alone = chip_of(name, clock), chip_of(name, other_clock)
    looked_at.submit(*work)
    left_alone.submit(*work)
    for pause_s in pauses:
        clock.sleep(pause_s)
        other_clock.sleep(pause_s)
        looked_at.read_energy_j()
        looked_at.true_temperature_c()
    assert looked_at.true_energy_j() == left_alone.true_energy_j()
    assert looked_at.wait_done() == left_alone.wait_done()
    assert looked_at.true_energy_j() == left_alone.true_energy_j()
    assert looked_at.true_temperature_c() == left_alone.true_temperature_c()


@settings(max_examples=30)
@given(gpus, st.integers(0, 3), works)
def test_the_same_seed_is_the_same_board(name: str, seed: int, work: list[Work]) -> None:
    readings = []
    for _ in range(2):
        chip = gpu_of(name, clock := VirtualClock(), seed)
        chip.run(*work)
        clock.sleep(0.5)
        readings.append((chip.read_energy_j(), chip.read_power_w(), chip.read_utilisation_frac(), clock.now_ns()))
    assert readings[0] == readings[1]


@settings(max_examples=60)
@given(models, fractions, fractions, fractions)
def test_limit_is_kept_in_the_steady_state(name: str, share: float, compute: float, memory: float) -> None:
    clock = VirtualClock()
    chip = chip_of(name, clock)
    limit = chip.model.limit
    limit_w = round(limit.minimum_w + share * (limit.maximum_w - limit.minimum_w))
    if isinstance(chip, SimulatedGpu):
        chip.set_power_limit_w(limit_w)
    else:
        chip.set_power_cap_w(limit_w)
    chip.set_activity(compute, memory)
    chip.settle()
    lowest = chip.true_clock_mhz() <= max(chip.model.clock.minimum_mhz, limit.governor_floor_mhz)
    assert chip.true_power_w() <= limit_w * limit.margin_frac * (1 + 1e-9) or lowest
    chip.settle()
    assert chip.true_power_w() <= limit_w * limit.margin_frac * (1 + 1e-9) or lowest


@settings(max_examples=60)
@given(gpus, st.integers(0, 400), fractions, fractions)
def test_governor_leaves_no_clock_unused(name: str, limit_w: int, compute: float, memory: float) -> None:
    """The next higher clock, in its own steady state, would break the limit or come within the hysteresis of it."""
    clock = VirtualClock()
    chip = gpu_of(name, clock)
    limit = chip.model.limit
    limit_w = round(min(max(limit_w, limit.minimum_w), limit.maximum_w))
    chip.set_power_limit_w(limit_w)
    chip.set_activity(compute, memory)
    chip.settle(40)
    clocks = chip.model.clock.core_mhz
    if chip.read_throttle_reasons() != {"power_cap"}:
        assert chip.true_clock_mhz() in {clocks[-1], clocks[0]}
        return
    above = clocks[clocks.index(chip.true_clock_mhz()) + 1]
    chip.set_power_limit_w(limit.maximum_w)
    chip.lock_core_clock(above, above)
    chip.settle(40)
    reached = chip.true_clock_mhz() == above
    assert not reached or chip.true_power_w() > limit_w * limit.margin_frac * (1 - 2 * limit.hysteresis_frac)


@settings(max_examples=40)
@given(models, works)
def test_temperature_stays_between_air_and_the_hottest_steady_state(name: str, work: list[Work]) -> None:
    clock = VirtualClock()
    chip = chip_of(name, clock)
    heat, peak_w = chip.model.heat, 0.0
    chip.submit(*work)
    for _ in range(60):
        clock.sleep(max(1e-3, total_s(work) / 20))
        peak_w = max(peak_w, chip.model.power.idle_w, chip.true_power_w())
        temperature_c = chip.true_temperature_c()
        assert temperature_c >= heat.ambient_c
        hottest_w = chip.model.power.idle_w + 3 * (chip.model.power.core_w + chip.model.power.memory_w)
        assert temperature_c <= heat.ambient_c + heat.resistance_k_per_w * hottest_w


@settings(max_examples=40)
@given(models, st.floats(0.01, 2.0), fractions, st.floats(0, 1), st.data())
def test_a_lower_clock_is_never_faster_and_time_is_a_plus_b_over_f(
    name: str, time_s: float, compute: float, memory: float, data: st.DataObject
) -> None:
    kernel = Kernel(time_s, compute, (1 - compute) * memory, activity=0.0)
    clocks = load_model(name).clock.core_mhz
    low, high = sorted((data.draw(st.sampled_from(clocks)), data.draw(st.sampled_from(clocks))))
    times = []
    for mhz in (low, high):
        chip = chip_of(name, clock := VirtualClock())
        if isinstance(chip, SimulatedGpu):
            chip.lock_core_clock(mhz, mhz)
        else:
            chip.set_frequency_limits_mhz(mhz, mhz)
        clock.sleep(1.0)
        times.append(chip.run(kernel))
        told_s = time_s * (1 - compute + compute * clocks[-1] / mhz)
        if "power_cap" not in chip._plant.throttle_reasons:
            assert times[-1] == pytest.approx(told_s, rel=1e-6, abs=2e-9)
    assert times[0] >= times[1] - 2e-9


@settings(max_examples=40)
@given(gpus, st.integers(0, 5), fractions, fractions)
def test_power_reading_is_off_by_the_gain_of_the_board(name: str, seed: int, compute: float, memory: float) -> None:
    clock = VirtualClock()
    chip = gpu_of(name, clock, seed)
    chip.set_activity(compute, memory)
    chip.settle(40)
    truth_w, sensor = chip.true_power_w(), chip.model.sensor
    reading_w = chip.read_power_w()
    assert abs(reading_w / truth_w - 1) <= sensor.gain_error_frac + sensor.power_step_w / truth_w
    assert reading_w == pytest.approx(truth_w * chip.board.gain, abs=sensor.power_step_w, rel=1e-6)


@settings(max_examples=40)
@given(models, st.integers(0, 5), st.lists(st.floats(1e-4, 0.3), min_size=2, max_size=30))
def test_counter_never_falls_ticks_and_is_whole_steps(name: str, seed: int, pauses: list[float]) -> None:
    clock = VirtualClock()
    chip = chip_of(name, clock, seed)
    sensor = chip.model.sensor
    chip.set_activity(0.7, 0.3)
    before_j, before_ns, seen = chip.read_energy_j(), clock.now_ns(), 0
    for pause_s in pauses:
        clock.sleep(pause_s)
        now_j, now_ns = chip.read_energy_j(), clock.now_ns()
        steps = now_j / sensor.counter_step_j
        assert steps == pytest.approx(round(steps), abs=1e-3)
        assert now_j >= before_j
        ticks = (now_ns - before_ns) * 1e-9 / sensor.counter_period_s
        changed = now_j != before_j
        seen += changed
        assert not changed or ticks > 0
        assert changed or ticks < 1 + 1e-6, "a whole period passed under load and nothing was counted"
        before_j, before_ns = now_j, now_ns
    most = sum(pauses) / sensor.counter_period_s + 1
    assert seen <= most


@settings(max_examples=30)
@given(st.integers(0, 3), st.floats(100, 2000))
def test_counter_wraps_at_its_maximum(seed: int, time_s: float) -> None:
    clock = VirtualClock()
    cpu = chip_of("epyc", clock, seed)
    sensor, board = cpu.model.sensor, cpu.board
    cpu.set_activity(1.0, 1.0)
    before_j, truth_j = cpu.read_energy_j(), cpu.true_energy_j()
    clock.sleep(time_s)
    used_j = (cpu.true_energy_j() - truth_j) * board.counter_gain
    assert 0 <= cpu.read_energy_j() < sensor.counter_maximum_j
    counted_j = (cpu.read_energy_j() - before_j) % sensor.counter_maximum_j
    off_j = (used_j - counted_j) % sensor.counter_maximum_j
    assert min(off_j, sensor.counter_maximum_j - off_j) < 2 * 300 * sensor.counter_period_s


@settings(max_examples=40)
@given(gpus, st.floats(0.05, 0.95), st.data())
def test_cycles_are_conserved_when_the_clock_changes_within_a_kernel(
    name: str, part: float, data: st.DataObject
) -> None:
    clocks = load_model(name).clock.core_mhz
    first, second = data.draw(st.sampled_from(clocks)), data.draw(st.sampled_from(clocks))
    gpu = gpu_of(name, clock := VirtualClock())
    gpu.lock_core_clock(first, first)
    clock.sleep(1.0)
    kernel = Kernel(2.0, 1.0, activity=0.0)
    start_ns = clock.now_ns()
    gpu.submit(kernel)
    clock.sleep(part * kernel.time_s * clocks[-1] / first - 0.1)
    changed_ns = clock.now_ns() + round(gpu.true_switch_latency_s(second) * 1e9)
    gpu.lock_core_clock(second, second)
    end_ns = gpu.wait_done()
    cycles = (changed_ns - start_ns) * 1e-3 * first + (end_ns - changed_ns) * 1e-3 * second
    assert cycles == pytest.approx(kernel.time_s * 1e6 * clocks[-1], rel=1e-6)


@settings(max_examples=40)
@given(models, fractions, st.data())
def test_dynamic_power_is_in_proportion_to_the_clock_on_the_voltage_floor_and_more_than_that_above(
    name: str, compute: float, data: st.DataObject
) -> None:
    model = load_model(name)
    load = physics.Load(0.0, 0.0, compute, active=True, scales=False)
    low, high = sorted(data.draw(st.lists(st.floats(100, 3500), min_size=2, max_size=2)))
    watts_per_mhz = [physics.core_rail_w(model, load, mhz) / mhz for mhz in (low, high)]
    if high <= model.voltage.knee_mhz:
        assert watts_per_mhz[0] == pytest.approx(watts_per_mhz[1])
    elif high > low + 1:
        assert watts_per_mhz[1] > watts_per_mhz[0]
    top_w = physics.core_rail_w(model, load, float(model.clock.maximum_mhz))
    assert top_w == pytest.approx(model.power.clock_tree_w + model.power.core_w * compute)
