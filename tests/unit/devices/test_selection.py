"""Devices are chosen as people name them, and as CUDA, ROCm and Slurm let a process see them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.clock import VirtualClock
from joulewise.devices import catalog
from joulewise.devices.device import Host, Scope, top_level
from joulewise.devices.selection import find_devices
from joulewise.devices.visible import filter_visible, mixed_order, visible
from joulewise.errors import UsageError
from joulewise.testing import FakeDevice


def gpu(uid, *, driver="nvidia", vendor="nvidia", parent=None, scope=Scope.BOARD, model="A100"):
    made = FakeDevice(VirtualClock(), uid=uid, parent=parent)
    made.identity = replace(made.identity, driver=driver, vendor=vendor, scope=scope, model=model)
    return made


GPUS = [gpu(uid) for uid in ("GPU-aa10", "GPU-ab20", "GPU-b300", "GPU-c400")]
SLICES = [gpu("MIG-1111", parent="GPU-aa10"), gpu("MIG-2222", parent="GPU-aa10")]
AMD = [gpu(uid, driver="amd", vendor="amd") for uid in ("0000:01:00.0", "0000:02:00.0", "0000:03:00.0")]
CPUS = [gpu("package-0", driver="cpu", vendor="amd", scope=Scope.PACKAGE)]


def uids(devices):
    return [device.identity.uid for device in devices]


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("0", [0]),
        ("2,0", [2, 0]),
        ("0,1,-1,2", [0, 1]),
        ("-1", []),
        ("", []),
        ("NoDevFiles", []),
        ("1,9,0", [1]),
        ("0,0", []),
        ("1gpu2, 2ampere", [1, 2]),
        ("GPU-b300", [2]),
        ("GPU-aa,GPU-ab", [0, 1]),
        ("GPU-a", []),
        ("GPU-c,GPU-a,GPU-b", [3]),
        ("GPU-c,GPU-c4", []),
        ("GPU-", []),
        ("0,nonsense,1", [0]),
        ("MIG-GPU-b300/3/0", [2]),
    ],
)
def test_cuda_visible_devices(text, indices):
    wanted = [GPUS[index] for index in indices]
    assert visible([*GPUS, *CPUS], {"CUDA_VISIBLE_DEVICES": text}) == [*wanted, *CPUS]


def test_slices_are_named_by_uuid_and_indices_count_boards():
    assert uids(filter_visible([GPUS[0], *SLICES, GPUS[1]], "MIG-2222,1")) == ["MIG-2222", "GPU-ab20"]


def test_rocm_counts_dies_and_partitions_where_cuda_counts_boards():
    dies = [
        gpu("0000:01:00.0", driver="amd", vendor="amd"),
        gpu("0000:02:00.0", driver="amd", vendor="amd", parent="0000:01:00.0", scope=Scope.DIE),
        gpu("0000:03:00.0", driver="amd", vendor="amd"),
    ]
    assert uids(visible(dies, {"HIP_VISIBLE_DEVICES": "1,2"})) == ["0000:02:00.0", "0000:03:00.0"]


def test_a_device_answers_to_its_aliases():
    named = gpu("0000:01:00.0", driver="amd", vendor="amd")
    named.identity = replace(named.identity, aliases=("GPU-5eed",))
    assert visible([*AMD[1:], named], {"ROCR_VISIBLE_DEVICES": "GPU-5e"}) == [named]


@given(st.text(alphabet="0123456789-,GPUMIabc ", max_size=12))
def test_any_text_shows_each_device_at_most_once(text):
    shown = filter_visible([*GPUS, *SLICES], text)
    assert len(set(uids(shown))) == len(shown)
    assert set(uids(shown)) <= set(uids([*GPUS, *SLICES]))


@pytest.mark.parametrize(
    ("environ", "indices"),
    [
        ({}, [0, 1, 2]),
        ({"ROCR_VISIBLE_DEVICES": "2,0"}, [2, 0]),
        ({"ROCR_VISIBLE_DEVICES": "2,0", "HIP_VISIBLE_DEVICES": "1"}, [0]),
        ({"HIP_VISIBLE_DEVICES": "1", "CUDA_VISIBLE_DEVICES": "0"}, [1]),
        ({"CUDA_VISIBLE_DEVICES": "2"}, [2]),
        ({"ROCR_VISIBLE_DEVICES": ""}, []),
    ],
)
def test_rocm_filters_and_then_counts_what_is_left(environ, indices):
    assert visible([*AMD, *CPUS], environ) == [*(AMD[index] for index in indices), *CPUS]


@pytest.mark.parametrize(
    ("environ", "indices"),
    [
        ({"SLURM_JOB_GPUS": "1,3"}, [1, 3]),
        ({"SLURM_JOB_GPUS": "0,1,2", "SLURM_STEP_GPUS": "2"}, [2]),
        ({"SLURM_JOB_GPUS": "1-2"}, [1, 2]),
        ({"SLURM_JOB_GPUS": "4,5,6,7"}, [0, 1, 2, 3]),
        ({"SLURM_JOB_GPUS": "5"}, [0, 1, 2, 3]),
        ({"SLURM_JOB_GPUS": "gres:x"}, [0, 1, 2, 3]),
        ({"SLURM_JOB_GPUS": "1", "CUDA_VISIBLE_DEVICES": "0"}, [0]),
    ],
)
def test_slurm_says_which_are_ours_unless_it_hides_the_others(environ, indices):
    assert visible(GPUS, environ) == [GPUS[index] for index in indices]


def test_slurm_takes_slices_with_their_boards():
    assert uids(visible([*GPUS, *SLICES], {"SLURM_JOB_GPUS": "0"})) == ["GPU-aa10", "MIG-1111", "MIG-2222"]


def test_mixed_models_by_index_need_the_order_of_the_bus():
    mixed = [GPUS[0], gpu("GPU-d5", model="V100")]
    assert mixed_order(mixed, {"CUDA_VISIBLE_DEVICES": "0"})
    assert not mixed_order(mixed, {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
    assert not mixed_order(mixed, {"CUDA_VISIBLE_DEVICES": "GPU-d5"})
    assert not mixed_order(GPUS, {"CUDA_VISIBLE_DEVICES": "0"})


@pytest.mark.parametrize(
    ("tree", "top"),
    [
        ({"psys": None, "package": "psys", "core": "package"}, ["psys"]),
        ({"package": "psys", "core": "package", "dram": None}, ["package", "dram"]),
        ({"core": "package"}, ["core"]),
        ({"module": None, "gpu": "module", "cpu": "module"}, ["module"]),
        ({"GPU-1": None, "MIG-1": "GPU-1", "MIG-2": "GPU-1"}, ["GPU-1"]),
        ({"die-0": None, "die-1": "die-0"}, ["die-0"]),
        ({"a": "b", "b": "a"}, []),
        ({"core": "uncore", "uncore": "package", "package": None}, ["package"]),
    ],
)
def test_sums_skip_what_another_in_the_sum_includes(tree, top):
    assert uids(top_level([gpu(uid, parent=parent) for uid, parent in tree.items()])) == top


def host(tmp_path, **environ):
    return Host(tmp_path, environ, VirtualClock())


def test_nothing_there_is_no_error(tmp_path):
    assert find_devices(host=host(tmp_path)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense:0", "unknown driver 'nonsense'"),
        ("0", "unknown driver '0'"),
        ("agent:somewhere", "there is no agent"),
        ("cpu", "driver cpu finds no device; asked for cpu; joulewise doctor says why"),
        ("cpu:0,", "finds no device"),
        (" , ", "no device is named"),
    ],
)
def test_what_is_not_there_says_what_to_do(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        find_devices(text, host(tmp_path))


def rapl(root, packages):
    """Packages as the kernel shows them."""
    for index in range(packages):
        zone = root / f"sys/class/powercap/intel-rapl:{index}"
        zone.mkdir(parents=True)
        facts = {"name": f"package-{index}", "energy_uj": "1000", "max_energy_range_uj": "262143328850"}
        for name, value in facts.items():
            (zone / name).write_text(f"{value}\n")


def test_devices_by_index_uid_and_several(tmp_path):
    rapl(tmp_path, 2)
    there = host(tmp_path)
    both = find_devices("cpu", there)
    assert len(both) == 2
    assert uids(find_devices("cpu:1", there)) == uids(both[1:])
    assert uids(find_devices("cpu:1,0", there)) == uids(both[::-1])
    assert uids(find_devices(["cpu:1", "cpu"], there)) == uids(both[::-1])
    assert uids(find_devices(f"cpu:{both[1].identity.uid}", there)) == uids(both[1:])
    assert uids(find_devices(host=there)) == uids(both)
    assert uids(find_devices(host=host(tmp_path, JOULEWISE_DEVICE="cpu:0"))) == uids(both[:1])
    for wrong in ("cpu:2", "cpu:nonsense"):
        with pytest.raises(UsageError, match=f"there is no {wrong}; there are cpu:0 .* cpu:1 "):
            find_devices(wrong, there)


def test_twins_are_made_to_order(tmp_path):
    assert len(find_devices("sim:a100x8", host(tmp_path))) == 8
    assert len(find_devices("sim:a100,sim:epyc", host(tmp_path))) >= 2


def test_every_driver_of_the_house_loads_and_never_raises(tmp_path):
    for name in catalog.IN_TREE:
        assert catalog.load_driver(name).name == name
        assert not any(finding.broken for finding in catalog.examine(name, host(tmp_path)))
        assert catalog.find(name, host(tmp_path)) == () or name in ("nvidia", "amd")
