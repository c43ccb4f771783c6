"""The NVML driver, through the real nvidia-ml-py, on a real shared library whose GPUs are simulated."""

from __future__ import annotations

import pytest

from joulewise.devices.capabilities import Kind
from joulewise.devices.simulated.driver import make_chips
from joulewise.devices.simulated.faults import Failure, Fault
from joulewise.devices.simulated.model import load_model
from joulewise.devices.simulated.nvml_bridge import boards_of
from joulewise.errors import CapabilityError
from joulewise.testing.fake import FakeDevice
from nvml_stage import CLOCK, GPU_KINDS, fake_gpu, needs_binding, needs_compiler, publish, run_python

pytestmark = [needs_compiler, needs_binding]

IMPORTS = """
import json
from dataclasses import asdict
from joulewise.clock import MonotonicClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Host
from joulewise.devices.nvml import driver
from joulewise.devices.settings import CoreClock, MemoryClock, PowerLimit, Unlocked, read_setting, tell
from joulewise.errors import *
from joulewise.testing.conformance import check_driver
host = Host()
def name_of_error(act, *arguments):
    try:
        return repr(act(*arguments))
    except JoulewiseError as error:
        return type(error).__name__
"""
FIND = f"{IMPORTS}gpu = driver.find(host)[0]\n"


def findings_of(stage):
    return stage.run(f"{IMPORTS}print(json.dumps([asdict(finding) for finding in driver.examine(host)]))")


@pytest.mark.parametrize("board", ["v100", "a40", "a100", "h100", "b200"])
def test_conforms(tmp_path, board):
    with publish(tmp_path, [fake_gpu(0), fake_gpu(1, load_w=150.0)], board) as stage:
        assert stage.run(f"{IMPORTS}check_driver(driver, host, devices=2)\nprint(1)") == 1


@pytest.mark.parametrize("board", ["v100", "a40", "a100", "h100", "b200"])
def test_twins_conform(tmp_path, board):
    with publish(tmp_path, make_chips(f"{board}x2", CLOCK), board) as stage:
        assert stage.run(f"{IMPORTS}check_driver(driver, host, devices=2)\nprint(1)") == 1


APPLY = f"""{FIND}
import sys
from pathlib import Path
from joulewise.devices.apply import apply
from joulewise.devices.journal import Journal
def apply_to_gpu(setting, settle_s=2.0):
    with apply(gpu, setting, journal=Journal(Path(FOLDER)), clock=MonotonicClock(), settle_s=settle_s) as applied:
        return [applied.obeyed, repr(applied.seen), applied.clock_mhz]
"""


def apply_on_twin(tmp_path, code, *faults):
    """What a program prints that applies settings to a busy A100, and what the A100 is set to afterwards."""
    (twin,) = make_chips("a100", CLOCK, faults=faults)
    twin.set_activity(1.0, 0.4)
    with publish(tmp_path, [twin], "a100") as stage:
        said = stage.run(APPLY.replace("FOLDER", repr(str(tmp_path / "journal"))) + code)
        return said, (twin.read_power_limit_w(), twin.read_core_clock_lock())


def test_settings_are_obeyed_and_restored(tmp_path):
    code = "print(json.dumps([apply_to_gpu(CoreClock(705, 705)), apply_to_gpu(PowerLimit(300.0))]))"
    said, after = apply_on_twin(tmp_path, code)
    assert said[0] == [True, "CoreClock(minimum_mhz=705, maximum_mhz=705)", 705]
    assert said[1][:2] == [True, "PowerLimit(limit_w=300.0)"]
    assert after == (400.0, None)


def test_five_numbers_are_called_power_limit(tmp_path):
    twins = make_chips("a100", CLOCK, faults=[Fault(Failure.CAP_FOUND_LOWERED, value=250.0)])
    model = load_model("a100").limit
    with publish(tmp_path, twins, boards_of(twins)[0]) as stage:
        limits = stage.run(f"{FIND}print(json.dumps(asdict(gpu.read_power_limits())))")
    assert list(limits.values()) == [model.minimum_w, model.maximum_w, model.default_w, 250.0, 250.0]


def test_measuring_sets_nothing_and_permission_is_asked_when_it_is_wanted(tmp_path):
    with publish(tmp_path, make_chips("a100", CLOCK), "a100") as stage:
        seen = stage.run(
            """
            import json, pynvml
            set_limit, told = pynvml.nvmlDeviceSetPowerManagementLimit, []
            pynvml.nvmlDeviceSetPowerManagementLimit = lambda *words: told.append(words) or set_limit(*words)
            import joulewise as jw
            from joulewise.devices.capabilities import Kind
            meter = jw.Meter("nvidia")
            with meter.window("first") as window:
                meter.sleep(0.3)
            measured, before = window.energy_j >= 0, len(told)
            (device,) = meter.devices
            permitted = device.capabilities[Kind.POWER_LIMIT].permitted
            again = device.capabilities[Kind.CORE_CLOCK].permitted
            print(json.dumps([measured, before, permitted, again, len(told)]))
            """
        )
    assert seen == [True, 0, True, True, 1]


def test_limit_found_lowered_comes_back_lowered(tmp_path):
    code = "print(json.dumps(apply_to_gpu(PowerLimit(200.0))[:1]))"
    said, after = apply_on_twin(tmp_path, code, Fault(Failure.CAP_FOUND_LOWERED, value=250.0))
    assert (said, after) == ([True], (250.0, None))


def test_success_of_a_lock_is_not_obedience(tmp_path):
    code = "print(json.dumps(apply_to_gpu(CoreClock(705, 705), settle_s=0.2)))"
    (obeyed, seen, clock_mhz), after = apply_on_twin(tmp_path, code, Fault(Failure.NOT_OBEYED, kind=Kind.CORE_CLOCK))
    assert (obeyed, seen) == (False, "CoreClock(minimum_mhz=705, maximum_mhz=705)")
    assert clock_mhz > 705
    assert after == (400.0, None)


def test_conforms_without_privilege(tmp_path):
    with publish(tmp_path, [fake_gpu(denied=GPU_KINDS)]) as stage:
        findings = stage.run(
            f"{IMPORTS}check_driver(driver, host, devices=1)\n"
            "print(json.dumps([asdict(finding) for finding in driver.examine(host)]))"
        )
    (refused,) = [finding for finding in findings if finding["seen"] == "refused"]
    assert "power_limit, core_clock, memory_clock" in refused["looked_for"]
    assert "CAP_SYS_ADMIN" in refused["fix"]


def test_settings_reach_the_twin_and_go_back(tmp_path):
    twin = fake_gpu()
    with publish(tmp_path, [twin]) as stage:
        found, told, power_w = stage.run(
            f"""{FIND}
kinds = [Kind.POWER_LIMIT, Kind.CORE_CLOCK, Kind.MEMORY_CLOCK]
found = [read_setting(gpu, kind) for kind in kinds]
for setting in (PowerLimit(200.0), CoreClock(705, 1005), MemoryClock(810, 810)):
    tell(gpu, setting)
told = [repr(read_setting(gpu, kind)) for kind in kinds]
power_w = [gpu.read_power_w(), gpu.read_core_clock_mhz(), gpu.read_memory_clock_mhz()]
power_w.append(sorted(gpu.read_throttle_reasons()))
print(json.dumps([list(map(repr, found)), told, power_w]))"""
        )
        assert (twin.true_power_w(), twin.read_core_clock_lock(), twin.read_memory_clock_mhz()) == (
            200,
            (705, 1005),
            810,
        )
        stage.run(
            f"{FIND}tell(gpu, PowerLimit(400.0)); tell(gpu, Unlocked(Kind.CORE_CLOCK)); "
            "tell(gpu, Unlocked(Kind.MEMORY_CLOCK)); print(1)"
        )
        assert (twin.read_power_limit_w(), twin.read_core_clock_lock(), twin.read_memory_clock_lock()) == (
            400,
            None,
            None,
        )
    assert "PowerLimit(limit_w=400.0)" in found[0]
    assert told[:2] == ["PowerLimit(limit_w=200.0)", "CoreClock(minimum_mhz=705, maximum_mhz=1005)"]
    assert power_w == [200.0, 1005, 810, ["power_cap"]]


def test_success_is_not_obedience(tmp_path):
    with publish(tmp_path, [fake_gpu(deaf=[Kind.POWER_LIMIT])]) as stage:
        assert stage.run(f"{FIND}tell(gpu, PowerLimit(200.0)); print(gpu.read_power_limit_w())") == 400


def test_energy_and_power_are_those_of_the_twin(tmp_path):
    twin = fake_gpu(load_w=123.0)
    with publish(tmp_path, [twin]) as stage:
        before_j = twin.true_energy_j()
        energy_j, power_w = stage.run(f"{FIND}print(json.dumps([gpu.read_energy_j(), gpu.read_power_w()]))")
        assert before_j <= energy_j <= twin.true_energy_j()
    assert power_w == 123.0


def test_lost_gpu_is_said_to_be_lost(tmp_path):
    with publish(tmp_path, [fake_gpu(0), fake_gpu(1)]) as stage:
        stage.bridge.inject(1, {"nvmlDeviceGetTotalEnergyConsumption": 15})
        assert stage.run(f"{IMPORTS}print(len(driver.find(host)))") == 1
    twin = fake_gpu(2)
    with publish(tmp_path, [twin]) as stage:
        twin.lost = True
        stage.bridge.step()
        findings = findings_of(stage)
    assert [finding["found"] for finding in findings] == [True, False]
    assert "GPU is lost" in findings[1]["seen"]


def test_gpu_lost_between_two_readings(tmp_path):
    class LostAtTheEnd(FakeDevice):
        """Falls off the bus when it is told 300 W."""

        def set_power_limit_w(self, limit_w):
            super().set_power_limit_w(limit_w)
            self.lost = limit_w == 300.0

    with publish(tmp_path, [LostAtTheEnd(CLOCK, kinds=GPU_KINDS)]) as stage:
        seen = stage.run(
            f"""{FIND}
gpu.read_energy_j()
tell(gpu, PowerLimit(300.0))
print(json.dumps([name_of_error(act) for act in (gpu.read_energy_j, gpu.read_power_w, gpu.read_processes)]))"""
        )
    assert seen == ["DeviceLostError"] * 3


def test_board_that_supports_nothing(tmp_path):
    with publish(tmp_path, [fake_gpu(kinds=())]) as stage:
        assert stage.run(f"{IMPORTS}print(len(driver.find(host)))") == 0
        findings = findings_of(stage)
    assert "energy_counter, " in "".join(finding["looked_for"] for finding in findings)
    assert len(findings) < 8


def test_power_that_is_not_ready_is_a_counter_error(tmp_path):
    class Tired(FakeDevice):
        """Has no power reading once it was told 300 W."""

        def read_power_w(self):
            if self.read_power_limit_w() == 300.0:
                raise CapabilityError(self.identity.uid, "power", "no reading")
            return super().read_power_w()

    with publish(tmp_path, [Tired(CLOCK, kinds=GPU_KINDS)]) as stage:
        seen = stage.run(
            f"""{FIND}
gpu.read_power_w()
tell(gpu, PowerLimit(300.0))
print(json.dumps(name_of_error(gpu.read_power_w)))"""
        )
    assert seen == "CounterError"


def test_slices_and_modules_nest(tmp_path):
    with publish(tmp_path, [fake_gpu()]) as stage:
        gpu = stage.page.gpus[0]
        gpu.set_slices([("MIG-0a", 40 << 30), ("MIG-0b", 20 << 30)])
        gpu.module_power_mw = 612_345
        assert stage.run(f"{IMPORTS}check_driver(driver, host, devices=4)\nprint(1)") == 1
        devices, power_w, totals = stage.run(
            f"""{IMPORTS}
from joulewise.devices.device import top_level
devices = driver.find(host)
identities = [asdict(device.identity) | {{"kinds": list(device.capabilities)}} for device in devices]
print(json.dumps([identities, devices[0].read_power_w(), [device.identity.uid for device in top_level(devices)]]))"""
        )
    module, board, *slices = devices
    assert [device["scope"] for device in devices] == ["module", "board", "die", "die"]
    assert board["parent"] == module["uid"]
    assert [device["uid"] for device in slices] == ["MIG-0a", "MIG-0b"]
    assert all(device["parent"] == board["uid"] and not device["kinds"] for device in slices)
    assert (power_w, totals) == (612.345, [module["uid"]])


def test_threads_and_processes_may_set_at_once(tmp_path):
    with publish(tmp_path, [fake_gpu()]) as stage:
        assert stage.run(
            f"""{FIND}
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    list(pool.map(gpu.set_power_limit_w, range(200, 240)))
print(200 <= gpu.read_power_limit_w() < 240 and 1 or 0)"""
        )


def test_library_without_driver(tmp_path):
    with publish(tmp_path, [fake_gpu()]) as stage:
        done = run_python(
            f"{IMPORTS}print([(finding.found, finding.seen, finding.fix) for finding in driver.examine(host)])",
            LD_LIBRARY_PATH=str(stage.library),
            JOULEWISE_NVML_PAGE="",
        )
    assert "not loaded" in done.stdout
    assert "modprobe" in done.stdout
