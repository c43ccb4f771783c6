"""Files of sysfs: read cheaply, told carefully, and every refusal in our words; and the machine made of files."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.devices import cpufreq, hwmon, jetson, rapl
from joulewise.devices.device import Host
from joulewise.devices.sysfs import KeptFile, folders, read_int, surroundings, write_int
from joulewise.errors import CapabilityError, CounterError, DeviceLostError, PermissionDeniedError
from joulewise.testing.sysfs import REGISTER_MAXIMUM, FakeSysfs, RaplCounter, Reading, rewrite
from unprivileged import open_folder, unprivileged


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_a_kept_file_is_opened_once_and_read_anew_each_time(tmp_path):
    file = tmp_path / "energy_uj"
    file.write_text("1\n")
    before = open_descriptors()
    kept = KeptFile(file, "cpu")
    for value in (1, 22, 333, 4):
        rewrite(file, value)
        assert kept.read_int() == value
    assert open_descriptors() == before + 1
    kept.close()
    kept.close()
    assert open_descriptors() == before
    assert kept.read_int() == 4
    del kept
    assert open_descriptors() == before


def test_what_cannot_be_read_says_whose_it_is(tmp_path):
    with pytest.raises(DeviceLostError, match="card is gone"):
        KeptFile(tmp_path / "none", "card").read_int()
    (tmp_path / "text").write_text("unknown\n")
    with pytest.raises(CounterError, match="holds no number"):
        KeptFile(tmp_path / "text", "card").read_int()
    with pytest.raises(CounterError, match="gave no reading"):
        KeptFile(tmp_path, "card").read_int()  # a folder opens, and refuses to be read
    assert read_int(tmp_path / "none") is None
    assert read_int(tmp_path / "text") is None


def test_what_cannot_be_told_says_why(tmp_path):
    with pytest.raises(DeviceLostError):
        write_int(tmp_path / "none", 1, "card")
    with pytest.raises(CapabilityError, match="card cannot do 1"):
        write_int(tmp_path, 1, "card")  # a folder refuses, as the kernel does with a value that it does not take
    assert not (tmp_path / "none").exists()


def test_what_may_not_be_told_says_what_it_takes():
    with open_folder() as folder:
        file = folder / "cap"
        file.write_text("5\n")
        file.chmod(0o444)
        with unprivileged(), pytest.raises(PermissionDeniedError, match="it takes root"):
            write_int(file, 1, "card")
        assert file.read_text() == "5\n"


def test_folders_come_in_numeric_order(tmp_path):
    for number in (10, 9, 1):
        (tmp_path / f"hwmon{number}").mkdir()
    assert [folder.name for folder in folders(tmp_path, "hwmon*")] == ["hwmon1", "hwmon9", "hwmon10"]
    assert folders(tmp_path / "none", "*") == []


@pytest.mark.parametrize(
    ("mark", "flags", "said"),
    [
        (None, "fpu sse", ""),
        (None, "fpu hypervisor sse", "a virtual machine"),
        ("/.dockerenv", "fpu sse", "a container"),
        ("/run/.containerenv", "fpu hypervisor", "a container in a virtual machine"),
    ],
)
def test_what_stands_between_us_and_the_hardware(tmp_path, mark, flags, said):
    sysfs = FakeSysfs(tmp_path)
    sysfs.write("/proc/cpuinfo", f"flags\t\t: {flags}")
    if mark:
        sysfs.write(mark, "")
    assert surroundings(Host(tmp_path, {})) == said


@pytest.mark.parametrize("driver", [rapl.driver, hwmon.driver, cpufreq.driver, jetson.driver], ids=lambda one: one.name)
def test_a_system_without_sysfs_is_none_of_ours(tmp_path, driver):
    (finding,) = driver.examine(Host(tmp_path, {}))
    assert (finding.found, finding.seen) == (False, "no /sys, as only Linux has it")
    assert driver.find(Host(tmp_path, {})) == []


@given(energy_j=st.floats(0, 1e9), unit_nj=st.sampled_from([61_035, 15_258]))
def test_a_fake_counter_shows_the_truth_modulo_its_range(energy_j, unit_nj):
    counter = RaplCounter([], unit_nj, energy_j)
    wraps = round(energy_j // ((REGISTER_MAXIMUM + 1) * unit_nj / 1e9))
    shown_j = counter.shown_uj / 1e6 + wraps * (REGISTER_MAXIMUM + 1) * unit_nj / 1e9
    assert 0 <= counter.shown_uj <= counter.maximum_uj
    assert shown_j == pytest.approx(energy_j, abs=2 * unit_nj / 1e9 + 1e-6)


def test_a_machine_made_of_files_can_follow_a_twin(tmp_path):
    truth = {"energy_j": 1000.0, "power_w": 80.0}
    sysfs = FakeSysfs(tmp_path)
    counter = sysfs.rapl("intel-rapl:0", "package-0")
    folder = sysfs.hwmon(0, "amdgpu", {"power1_average": 0}, device="0000:03:00.0")
    sysfs.follow(counter, lambda: truth["energy_j"])
    sysfs.follow(Reading(folder / "power1_average", 1e6), lambda: truth["power_w"])
    truth.update(energy_j=1234.5, power_w=99.5)
    sysfs.refresh()
    shown_uj = read_int(tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj")
    assert shown_uj == pytest.approx(1234.5e6, abs=62)
    assert read_int(folder / "power1_average") == 99_500_000
