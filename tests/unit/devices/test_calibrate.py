"""Calibrating a twin finds the twin's true values, within the error that it states."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from joulewise.cli.calibrate import calibrate as command
from joulewise.clock import VirtualClock
from joulewise.devices.calibrate import Calibration, calibrate
from joulewise.devices.capabilities import Capabilities, Kind
from joulewise.devices.device import Host
from joulewise.devices.selection import find_devices
from joulewise.devices.simulated.cpu import SimulatedCpu
from joulewise.devices.simulated.driver import make_chips
from joulewise.devices.simulated.faults import Failure, Fault
from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.devices.simulated.model import model_names
from joulewise.testing import FakeDevice


def calibrated(name: str, seed: int = 0, *faults: Fault) -> tuple[SimulatedGpu | SimulatedCpu, Calibration]:
    clock = VirtualClock()
    chip = make_chips(name, clock, seed=seed, faults=faults)[0]
    return chip, calibrate(chip, clock)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [*((name, 0) for name in model_names()), ("v100", 1)])
def test_true_values_of_every_model_are_found(name: str, seed: int) -> None:
    chip, found = calibrated(name, seed)
    sensor, board = chip.model.sensor, chip.board
    periods = {
        Kind.ENERGY_COUNTER: sensor.counter_period_s,
        Kind.POWER_INSTANT: sensor.instant_period_s,
        Kind.POWER_AVERAGE: sensor.average_period_s,
    }
    assert set(found.ticks) == set(chip.capabilities) & set(periods)
    for kind, tick in found.ticks.items():
        assert tick.covers(periods[kind])
        assert tick.error < 0.05 * tick.value or tick.error < 1e-4
    assert found.idle_w is not None
    assert found.idle_w.covers(chip.model.power.idle_w * board.counter_gain)
    assert found.idle_w.error < 0.002 * found.idle_w.value
    if Kind.POWER_INSTANT in chip.capabilities:
        assert found.integral_ratio is not None
        assert found.integral_ratio.covers(board.counter_gain / board.gain)
        assert found.integral_ratio.error < 0.005
    (rows,) = found.latencies.values()
    assert len(rows) == 5
    for row in rows:
        assert row.call_s == pytest.approx(chip.model.switch.call_s)
        assert row.obeyed is not None
        assert row.obeyed.covers(chip.true_switch_latency_s(round(row.value)))
        assert row.obeyed.error < 2e-4
    assert found.unknown == ()


def test_results_stand_in_the_contract_and_come_back_from_json() -> None:
    _, found = calibrated("a100")
    capabilities = Capabilities.from_dict(json.loads(json.dumps(found.capabilities.to_dict())))
    assert capabilities == found.capabilities
    clock = capabilities[Kind.CORE_CLOCK]
    assert clock.switch_latencies_s is not None
    assert clock.switch_latency_s == max(time_s for _, time_s in clock.switch_latencies_s)
    assert clock.set_latency_s == pytest.approx(0.004)
    counter = capabilities[Kind.ENERGY_COUNTER]
    assert (counter.idle_power_w, counter.integral_ratio) != (None, None)


@pytest.mark.parametrize("name", ["a100", "epyc"])
def test_everything_is_left_as_found(name: str) -> None:
    chip, _ = calibrated(name)
    if isinstance(chip, SimulatedGpu):
        assert chip.read_core_clock_lock() is None
    else:
        assert chip.read_frequency_limits_mhz() == (1500, 3500)
    chip.settle(30)
    assert chip.true_power_w() == pytest.approx(chip.model.power.idle_w)


def test_what_is_not_permitted_is_said_and_the_rest_is_measured() -> None:
    _, found = calibrated("a100", 0, Fault(Failure.PERMISSION_DENIED))
    assert found.latencies == {Kind.CORE_CLOCK: []}
    assert "root" in found.unknown[0]
    assert set(found.ticks) == {Kind.ENERGY_COUNTER, Kind.POWER_INSTANT}


def test_a_clock_that_is_never_reached_is_said() -> None:
    _, found = calibrated("a100", 0, Fault(Failure.NOT_OBEYED, kind=Kind.CORE_CLOCK))
    assert "never reached" in found.unknown[0]
    assert all(row.obeyed is None for row in found.latencies[Kind.CORE_CLOCK] if row.value > 210)


def test_without_a_counter_the_gauge_tells_idle_power() -> None:
    chip, found = calibrated("h100", 0, Fault(Failure.NOT_SUPPORTED, kind=Kind.ENERGY_COUNTER))
    assert found.idle_w is not None
    assert found.idle_w.value == pytest.approx(chip.model.power.idle_w * chip.board.gain, rel=1e-3)
    assert found.integral_ratio is None


def test_a_device_that_cannot_be_kept_busy_is_measured_as_it_is() -> None:
    clock = VirtualClock()
    found = calibrate(FakeDevice(clock), clock)
    assert found.idle_w is not None
    assert found.idle_w.covers(250.0)
    assert any("keep the device busy" in sentence for sentence in found.unknown)


def test_command_prints_and_keeps(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    output = tmp_path / "a100.json"
    result = CliRunner().invoke(app, ["sim:a100", "--virtual", "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert "simulated: nothing was measured" in result.output
    assert "idle power" in result.output
    document = json.loads(output.read_text(encoding="utf-8"))
    assert document["uid"].startswith("SIM-")
    assert Capabilities.from_dict(document)[Kind.CORE_CLOCK].switch_latency_s


def test_command_finds_out_first_whether_it_can_keep_the_result(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, ["sim:a100", "--virtual", "-o", str(tmp_path / "none" / "a100.json")])
    assert "nothing was measured" in str(result.exception)
    assert "simulated A100" not in result.output


def test_what_calibration_kept_holds_in_every_command(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    output = tmp_path / "two.json"
    assert CliRunner().invoke(app, ["sim:a100x2", "--virtual", "-o", str(output)]).exit_code == 0
    host = Host(environ={"JOULEWISE_CAPABILITIES": str(output)}, clock=VirtualClock())
    for device in find_devices("sim:a100x2", host):
        assert device.capabilities[Kind.CORE_CLOCK].switch_latencies_s
        assert device.capabilities[Kind.ENERGY_COUNTER].idle_power_w
