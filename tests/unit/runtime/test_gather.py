"""Ranks that are real processes: through torch.distributed (gloo), through files, with and without one that dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.device import Identity, Scope
from joulewise.errors import UsageError
from joulewise.measure.energy import Energy, Method
from joulewise.measure.measurement import DeviceEnergy, Measurement
from joulewise.runtime.gather import gather, gather_mpi, gather_torch, hand_in, merge_files, this_rank

MPIRUN = Path(sys.executable).with_name("mpirun")
needs_mpi = pytest.mark.skipif(
    find_spec("mpi4py") is None or not MPIRUN.exists(), reason="mpi4py and mpirun are not in this environment"
)
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")

RANK = """
import json, os, sys
from joulewise.devices.device import Identity, Scope
from joulewise.measure.energy import Energy, Method
from joulewise.measure.measurement import DeviceEnergy, Measurement
from joulewise.measure.rank_document import merged_to_dict
from joulewise.runtime.gather import gather, hand_in
rank = int(os.environ["RANK"])
def device(uid, joules):
    energy = Energy(joules, joules - 1, joules + 1, 1.0, Method.COUNTER)
    return DeviceEnergy(Identity(uid, "nvidia", "A100", Scope.BOARD), energy)
# Every rank sees the CPUs, and a GPU of its own. Their monotonic clocks have nothing in common.
devices = (device("cpu", 500.0), device(f"GPU-{rank}", 100.0 + rank))
measurement = Measurement("train", 1000.0, rank * 777, rank * 777 + 10**10, devices)
"""
TORCH = """
import torch.distributed as distributed
from datetime import timedelta
distributed.init_process_group("gloo", timeout=timedelta(seconds=float(os.environ.get("TIMEOUT", "60"))))
"""
LEAVE = "\ndistributed.destroy_process_group()"  # else threads of gloo may still run when the interpreter ends


def start(code: str, rank: int, size: int, **environ: str) -> subprocess.Popen[str]:
    source = str(Path(__file__).parents[3] / "src")
    path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    known = {**os.environ, "PYTHONPATH": path, "RANK": str(rank), "WORLD_SIZE": str(size), **environ}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.Popen(command, env=known, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rendezvous() -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "GLOO_SOCKET_IFNAME": "lo"}


def said(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


@pytest.mark.slow
@needs_torch
def test_torch_ranks_get_one_result_and_count_the_cpus_once() -> None:
    code = f"{RANK}{TORCH}print(json.dumps(merged_to_dict(gather(measurement, uses=(f'GPU-{{rank}}',))))){LEAVE}"
    there = rendezvous()
    documents = [said(process) for process in [start(code, rank, 3, **there) for rank in range(3)]]
    assert documents[0] == documents[1] == documents[2]
    assert documents[0]["complete"]
    joules = {one["identity"]["uid"]: one["energy"]["energy_j"] for one in documents[0]["measurement"]["devices"]}
    assert joules == {"cpu": 500.0, "GPU-0": 100.0, "GPU-1": 101.0, "GPU-2": 102.0}
    (shared,) = documents[0]["shared"]
    assert (shared["uid"], shared["ranks"]) == ("cpu", [0, 1, 2])


@pytest.mark.slow
@needs_torch
def test_a_torch_rank_that_cannot_measure_says_why_to_all() -> None:
    code = (
        f"{RANK}{TORCH}told = dict(failure='no counter') if rank else {{}}\n"
        f"print(json.dumps(merged_to_dict(gather(None if rank else measurement, **told)))){LEAVE}"
    )
    there = rendezvous()
    documents = [said(process) for process in [start(code, rank, 2, **there) for rank in range(2)]]
    assert documents[0] == documents[1]
    assert not documents[0]["complete"]
    assert documents[0]["measurement"]["warnings"] == ["rank 1 is missing: no counter"]


@pytest.mark.slow
@needs_torch
def test_a_torch_rank_that_dies_is_seen_by_the_others() -> None:
    code = (
        f"{RANK}{TORCH}distributed.barrier()\nif rank == 1: os.kill(os.getpid(), 9)\n"
        "print(json.dumps(merged_to_dict(gather(measurement))), flush=True)\nos._exit(0)"
    )
    there = rendezvous()
    survivor, dead = [start(code, rank, 2, TIMEOUT="10", **there) for rank in range(2)]
    document = said(survivor)
    dead.communicate()
    assert dead.returncode == -signal.SIGKILL
    assert not document["complete"]
    assert document["measurement"]["warnings"][0].startswith("rank 1 is missing: the process group failed")
    assert len(document["measurement"]["devices"]) == 2


def test_file_ranks_are_processes_too(tmp_path: Path) -> None:
    code = f"{RANK}hand_in(sys.argv[1] if len(sys.argv) > 1 else os.environ['FOLDER'], rank, measurement)"
    processes = [start(code, rank, 3, FOLDER=str(tmp_path)) for rank in range(3)]
    merged = merge_files(tmp_path, 3, wait_s=60.0)
    assert [process.wait() for process in processes] == [0, 0, 0]
    for process in processes:
        process.communicate()
    assert merged.complete
    assert merged.measurement.energy_j == pytest.approx(500.0 + 303.0)
    assert len(merged.shared) == 1


def measured() -> Measurement:
    energy = Energy(100.0, 90.0, 110.0, 1.0, Method.COUNTER)
    return Measurement("w", 1000.0, 0, 10**9, (DeviceEnergy(Identity("GPU", "nvidia", "A100", Scope.BOARD), energy),))


def test_a_rank_without_a_file_is_missing_after_the_wait_and_not_before(tmp_path: Path) -> None:
    clock = VirtualClock()
    hand_in(tmp_path, 0, measured())
    hand_in(tmp_path, 1, None, failure="no counter")
    (tmp_path / "rank-00002.json").write_text("{", encoding="utf-8")
    merged = merge_files(tmp_path, 4, wait_s=30.0, clock=clock)
    assert clock.now_ns() == pytest.approx(30e9, abs=1e8)
    assert merged.failures[1] == "no counter"
    assert "cannot be read" in merged.failures[2]
    assert merged.failures[3] == "it wrote no file within 30 s"
    assert merged.measurement.energy_j == 100.0


def test_a_file_of_another_rank_is_refused(tmp_path: Path) -> None:
    hand_in(tmp_path, 0, measured())
    hand_in(tmp_path, 5, measured()).rename(tmp_path / "rank-00001.json")
    assert merge_files(tmp_path, 2).failures == {1: "rank-00001.json is of rank 5"}


def test_a_process_alone_is_one_rank() -> None:
    merged = gather(measured())
    assert (merged.complete, merged.measurement.energy_j, len(merged.ranks)) == (True, 100.0, 1)


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not initialised"):
        gather_torch(measured())
    with pytest.raises(UsageError, match="nothing to merge"):
        merge_files(tmp_path, 0)
    with pytest.raises(UsageError, match="not a rank"):
        hand_in(tmp_path, -1, measured())
    with pytest.raises(UsageError, match="no rank has a measurement"):
        merge_files(tmp_path, 1, wait_s=1.0, clock=VirtualClock())


@pytest.mark.slow
@needs_mpi
def test_mpi_ranks_get_one_result(tmp_path: Path) -> None:
    ours = RANK.replace('os.environ["RANK"]', "MPI.COMM_WORLD.Get_rank()")
    code = f"from mpi4py import MPI{ours}json.dump(merged_to_dict(gather(measurement)), open(f'{{rank}}.json', 'w'))"
    source = str(Path(__file__).parents[3] / "src")
    command = [str(MPIRUN), "-n", "3", sys.executable, "-c", code]
    environ = {**os.environ, "PYTHONPATH": source}
    subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, timeout=120, check=True)
    first, *others = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    assert all(other == first for other in others)
    assert first["complete"]
    assert sum(one["energy"]["energy_j"] for one in first["measurement"]["devices"]) == 803.0


class AloneInMpi:
    """A communicator of one, with the two methods of mpi4py that we use."""

    def Get_rank(self) -> int:  # noqa: N802 (as mpi4py names it)
        return 0

    def allgather(self, value: object) -> list[object]:
        return [value, {**value, "rank": 1, "failure": "no counter", "measurement": None}]  # type: ignore[dict-item]


def test_mpi_goes_the_same_way() -> None:
    merged = gather_mpi(measured(), communicator=AloneInMpi())
    assert merged.failures == {1: "no counter"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"RANK": "3", "WORLD_SIZE": "8"}, (3, 8)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, (1, 2)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, (0, 4)),
        ({"RANK": "3"}, None),
        ({}, None),
    ],
)
def test_ranks_as_launchers_tell_them(environ: dict[str, str], expected: tuple[int, int] | None) -> None:
    assert this_rank(environ) == expected
