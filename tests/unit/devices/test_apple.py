"""Apple silicon behind a stand-in for zeus-apple-silicon."""

from __future__ import annotations

import json
from functools import partial

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.apple import AppleDriver
from joulewise.devices.capabilities import Kind
from joulewise.devices.counter import CleanCounter
from joulewise.devices.device import Host, Scope, top_level
from joulewise.errors import CounterError, DeviceLostError, MissingExtraError
from joulewise.measure.document import measurement_from_dict, measurement_to_dict
from joulewise.measure.energy import Method
from joulewise.measure.meter import Meter
from joulewise.records import Provenance
from joulewise.testing import check_driver
from joulewise.testing.fake_apple import FakeZeusAppleSilicon


@pytest.fixture
def clock():
    return VirtualClock(3_600_000_000_000)


@pytest.fixture
def host(tmp_path, clock):
    return Host(tmp_path, {}, clock)


@pytest.fixture
def library(clock):
    return FakeZeusAppleSilicon(clock)


def drive(library, platform="darwin"):
    return AppleDriver(load=lambda: library, platform=platform, chip_name=lambda: "Apple M4 Pro")


def test_conforms(library, host, clock):
    check_driver(drive(library), host, advance=clock.sleep, devices=2)


def test_chip_is_cpu_gpu_and_neural_engine_and_memory_is_apart(library, host, clock):
    chip, memory = found = drive(library).find(host)
    assert [(one.identity.scope, one.identity.model) for one in found] == [
        (Scope.PACKAGE, "Apple M4 Pro"),
        (Scope.DRAM, "Apple M4 Pro memory"),
    ]
    assert top_level(found) == found
    before = chip.read_energy_j(), memory.read_energy_j()
    clock.sleep(10.0)
    after = chip.read_energy_j(), memory.read_energy_j()
    assert after[0] - before[0] == pytest.approx(8 * 10 + 12 * 10 + 1 * 10)
    assert after[1] - before[1] == pytest.approx(20)
    assert "modelled" in chip.capabilities[Kind.ENERGY_COUNTER].note
    assert {one.identity.provenance for one in found} == {Provenance.MODELLED}


def test_no_joule_of_a_model_looks_measured(library, host, clock):
    meter = Meter(drive(library).find(host), clock=clock)
    with meter.window("train") as window:
        meter.sleep(30.0)
    assert (window.method, window.provenance) == (Method.MODELLED, Provenance.MODELLED)
    assert window.energy_j == pytest.approx(23 * 30, rel=0.2)
    again = measurement_from_dict(json.loads(json.dumps(measurement_to_dict(window.result()))))
    assert again.provenance is Provenance.MODELLED


def test_batches_lose_nothing(library, host, clock):
    library.batch_s = 2.2
    chip, _ = drive(library).find(host)
    counter = CleanCounter(chip, clock)
    start_j = counter.read().energy_j
    for _ in range(1000):
        clock.sleep(0.022)
        counter.read()
    assert counter.read().energy_j - start_j == pytest.approx(21 * 22, rel=0.01)
    assert counter.rejections == ()


@pytest.mark.parametrize(("part", "index"), [("cpu_total_mj", 0), ("dram_mj", 1)])
def test_part_that_macos_stopped_publishing_is_not_taken_for_saving(library, host, clock, part, index):
    library.stalled[part] = 123_456
    domain = drive(library).find(host)[index]
    domain.read_energy_j()
    clock.sleep(9.0)
    domain.read_energy_j()
    clock.sleep(2.0)
    with pytest.raises(CounterError, match="powermetrics"):
        domain.read_energy_j()
    del library.stalled[part]
    assert domain.read_energy_j() > 0


def test_older_chip_has_no_memory_channel(clock, host):
    library = FakeZeusAppleSilicon(clock, {"cpu_total_mj": 5.0, "gpu_mj": 1.0})
    assert [one.identity.scope for one in drive(library).find(host)] == [Scope.PACKAGE]


def test_failure_while_reading_is_a_lost_device(library, host):
    chip, _ = drive(library).find(host)
    library.broken = True
    with pytest.raises(DeviceLostError, match="IOReport"):
        chip.read_energy_j()


def missing():
    raise MissingExtraError("apple")


@pytest.mark.parametrize(
    ("driver", "fix"),
    [
        (AppleDriver(load=missing, platform="darwin"), "pip install 'joulewise[apple]'"),
        (AppleDriver(load=missing, platform="linux"), "Mac"),
        (drive(FakeZeusAppleSilicon(VirtualClock(), broken=True)), "virtual machines"),
        (drive(FakeZeusAppleSilicon(VirtualClock(), {})), "pip install -U"),
    ],
)
def test_what_is_missing_is_a_finding(driver, fix, host):
    assert driver.find(host) == []
    (finding,) = driver.examine(host)
    assert (finding.found, fix in finding.fix) == (False, True)


def test_default_driver_never_raises(host):
    driver = AppleDriver(chip_name=partial(str, "Apple silicon"))
    driver.find(host)
    assert driver.examine(host)
