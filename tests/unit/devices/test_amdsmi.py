"""AMD GPUs behind a stand-in for the binding that has the defects of real ones."""

from __future__ import annotations

import contextlib
import threading
from functools import partial

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.amdsmi import AmdSmiDriver
from joulewise.devices.amdsmi_binding import import_amdsmi
from joulewise.devices.amdsmi_validation import ROUND_S
from joulewise.devices.capabilities import Kind
from joulewise.devices.counter import CleanCounter
from joulewise.devices.device import Host, Scope, top_level
from joulewise.errors import CounterError, JoulewiseError, PermissionDeniedError, UsageError
from joulewise.testing import check_driver
from joulewise.testing.fake_amdsmi import NO_PERMISSION, NOT_FOUND, FakeAmdsmi, FakeGpu


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def host(tmp_path, clock):
    return Host(tmp_path, {}, clock)


def give_knobs(host, *gpus):
    for gpu in gpus:
        folder = host.path(f"/sys/bus/pci/devices/{gpu.pci}")
        (folder / "hwmon" / "hwmon3").mkdir(parents=True)
        (folder / "hwmon" / "hwmon3" / "power1_cap").touch()
        (folder / "pp_od_clk_voltage").touch()


def drive(*gpus, init_code=0):
    library = FakeAmdsmi(gpus, init_code)
    return AmdSmiDriver(load=lambda: library)


def test_conforms(host, clock):
    boards = [
        FakeGpu(clock, pci="0000:05:00.0"),
        FakeGpu(clock, pci="0000:26:00.0", model="AMD Instinct MI210", gauges=("average",)),
        FakeGpu(clock, pci="0000:46:00.0", counter="frozen"),
    ]
    give_knobs(host, *boards)
    check_driver(drive(*boards), host, advance=clock.sleep, devices=3)


def test_order_is_that_of_pci_addresses_and_uuid_is_an_alias(host, clock):
    later, earlier = FakeGpu(clock, pci="0000:C1:00.0"), FakeGpu(clock, pci="0000:05:00.0")
    found = drive(later, earlier).find(host)
    assert [gpu.identity.uid for gpu in found] == ["0000:05:00.0", "0000:c1:00.0"]
    assert [gpu.identity.aliases[1] for gpu in found] == ["GPU-d5a1afd405000000", "GPU-d5a1afd4c1000000"]


@pytest.mark.parametrize(
    ("defect", "reason"),
    [("frozen", "stood still"), ("backward", "ran backward"), ("misscaled", "it counted")],
)
def test_counter_that_disagrees_with_power_is_rejected_with_the_reason(host, clock, defect, reason):
    driver = drive(FakeGpu(clock, counter=defect))
    (gpu,) = driver.find(host)
    assert Kind.ENERGY_COUNTER not in gpu.capabilities
    assert reason in gpu.capabilities[Kind.POWER_INSTANT].note
    with pytest.raises(CounterError, match=reason):
        gpu.read_energy_j()
    assert [finding.found for finding in driver.examine(host)] == [True, False]


def test_good_counter_is_examined_once_in_a_process_for_half_a_second(host, clock):
    driver = drive(*(FakeGpu(clock, pci=f"0000:{bus:02x}:00.0") for bus in range(8)))
    assert all(Kind.ENERGY_COUNTER in gpu.capabilities for gpu in driver.find(host))
    assert clock.now_ns() == pytest.approx(ROUND_S * 1e9, rel=0.05)
    driver.find(host)
    assert clock.now_ns() == pytest.approx(ROUND_S * 1e9, rel=0.05)


def test_energy_is_accumulator_times_resolution(host, clock):
    fake = FakeGpu(clock)
    (gpu,) = drive(fake).find(host)
    counter, before_j = CleanCounter(gpu, clock), fake.settle()
    start_j = counter.read().energy_j
    clock.sleep(10.0)
    tick_j = gpu.capabilities[Kind.ENERGY_COUNTER].resolution
    assert counter.read().energy_j - start_j == pytest.approx(fake.settle() - before_j, abs=2 * tick_j)


def test_counter_without_a_power_reading_is_kept_and_said_to_be_unexamined(host, clock):
    (gpu,) = drive(FakeGpu(clock, gauges=())).find(host)
    assert "never compared" in gpu.capabilities[Kind.ENERGY_COUNTER].note


def test_second_die_of_mi250_counts_within_the_first(host, clock):
    dies = [
        FakeGpu(clock, pci=f"0000:{bus:02x}:00.0", model="AMD Instinct MI250X/MI250", gauges=gauges)
        for bus, gauges in ((0x29, ("average",)), (0x2C, ()), (0x2F, ("average",)), (0x32, ()))
    ]
    first, second, third, fourth = found = drive(*dies).find(host)
    assert (second.identity.parent, fourth.identity.parent) == (first.identity.uid, third.identity.uid)
    assert top_level(found) == [first, third]
    assert second.identity.scope is Scope.DIE
    assert not {Kind.ENERGY_COUNTER, Kind.POWER_AVERAGE, Kind.POWER_LIMIT} & set(second.capabilities)
    assert "both dies" in first.capabilities[Kind.POWER_AVERAGE].note


def test_second_die_alone_has_no_power_and_no_wrong_parent(host, clock):
    dies = [
        FakeGpu(clock, pci="0000:29:00.0", model="AMD Instinct MI250", gauges=()),
        FakeGpu(clock, pci="0000:2c:00.0", model="AMD Instinct MI250", gauges=("average",)),
    ]
    lone, _ = drive(*dies).find(host)
    assert lone.identity.parent is None
    assert Kind.POWER_AVERAGE not in lone.capabilities


@pytest.mark.parametrize("addresses", [["0000:05:00.0"] * 4, [f"0000:05:00.{number}" for number in range(4)]])
def test_partitions_count_within_partition_0(host, clock, addresses):
    parts = [FakeGpu(clock, pci=pci, partition=number) for number, pci in enumerate(addresses)]
    whole, *others = found = drive(*reversed(parts)).find(host)
    assert top_level(found) == [whole]
    assert len({gpu.identity.uid for gpu in found}) == 4
    assert all(Kind.POWER_INSTANT not in gpu.capabilities for gpu in others)
    assert "all partitions" in whole.capabilities[Kind.ENERGY_COUNTER].note


def test_clock_range_can_move_past_where_it_stands(host, clock):
    fake = FakeGpu(clock)
    (gpu,) = drive(fake).find(host)
    for low, high in ((1800, 2000), (300, 400), (2100, 2100), (132, 132), (132, 2100)):
        gpu.lock_core_clock(low, high)
        assert gpu.read_core_clock_lock() == (low, high)
    gpu.unlock_core_clock()
    assert gpu.read_core_clock_lock() is None


def test_unlocking_one_domain_leaves_the_other_and_the_level_comes_back_last(host, clock):
    fake = FakeGpu(clock, level="DETERMINISM")
    (gpu,) = drive(fake).find(host)
    gpu.lock_core_clock(1000, 1200)
    gpu.lock_memory_clock(900, 900)
    gpu.unlock_core_clock()
    assert (gpu.read_core_clock_lock(), gpu.read_memory_clock_lock(), fake.level) == (None, (900, 900), "MANUAL")
    gpu.unlock_memory_clock()
    assert (gpu.read_memory_clock_lock(), fake.level) == (None, "DETERMINISM")


def test_consumer_board_is_never_offered_more_than_factory_clocks(host, clock):
    fake = FakeGpu(clock, model="AMD Radeon RX 7900 XTX")
    fake.soft_mhz["sclk"] = [500, 1900]
    (gpu,) = drive(fake).find(host)
    assert gpu.capabilities[Kind.CORE_CLOCK].maximum == 1900


def test_zero_is_no_power_limit(host, clock):
    fake = FakeGpu(clock)
    (gpu,) = drive(fake).find(host)
    with pytest.raises(UsageError):
        gpu.set_power_limit_w(0)
    assert fake.cap_w == 750


def test_refusal_says_which_privilege(host, clock):
    fake = FakeGpu(clock, refuses={"amdsmi_set_power_cap": NO_PERMISSION})
    (gpu,) = drive(fake).find(host)
    with pytest.raises(PermissionDeniedError, match="root"):
        gpu.set_power_limit_w(300)


def test_throttling_at_the_cap(host, clock):
    fake = FakeGpu(clock, activity_frac=1.0)
    (gpu,) = drive(fake).find(host)
    assert gpu.read_throttle_reasons() == {"power_cap"}
    gpu.lock_core_clock(132, 1000)
    assert gpu.read_throttle_reasons() == frozenset()


def test_threads_take_turns(host, clock):
    (gpu,) = drive(FakeGpu(clock)).find(host)
    failed = []

    def read():
        try:
            for _ in range(300):
                gpu.read_power_w()
        except JoulewiseError as error:
            failed.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def raising(error):
    raise error


@pytest.mark.parametrize(
    ("load", "looked_for", "fix"),
    [
        (partial(FakeAmdsmi, [], init_code=34), "driver", "modprobe amdgpu"),
        (partial(FakeAmdsmi, [], init_code=NO_PERMISSION), "access", "usermod"),
        (partial(FakeAmdsmi, []), "AMD GPUs", "modprobe amdgpu"),
        (partial(raising, JoulewiseError("no library", "OSError", "set ROCM_PATH")), "working amdsmi", "ROCM_PATH"),
    ],
)
def test_what_is_missing_is_a_finding(host, load, looked_for, fix):
    driver = AmdSmiDriver(load=load)
    (finding,) = driver.examine(host)
    assert driver.find(host) == []
    assert (finding.found, looked_for in finding.looked_for, fix in finding.fix) == (False, True, True)


def test_gpu_that_falls_off_the_bus_is_lost_to_nobody_else(host, clock):
    fallen = FakeGpu(clock, pci="0000:05:00.0", refuses={"amdsmi_get_power_info": NOT_FOUND})
    found = drive(fallen, FakeGpu(clock, pci="0000:26:00.0")).find(host)
    assert [Kind.POWER_INSTANT in gpu.capabilities for gpu in found] == [False, True]


def test_binding_is_missing_or_usable_but_prints_nothing(capsys):
    with contextlib.suppress(JoulewiseError):
        import_amdsmi()
    assert capsys.readouterr() == ("", "")
