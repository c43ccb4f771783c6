"""Bring the measurements of all ranks together: through torch.distributed, MPI, or files in a shared folder.

::

    with meter.window("train") as window:
        ...
    merged = gather(window.measurement)        # inside torchrun or mpirun: the same on every rank

A rank that cannot measure still takes part: it hands in None and says why. A rank that is dead cannot; a collective
then fails after its own time-out, and the result holds only this rank, with the others marked as missing. Files do
better there: whoever merges reads what is there and waits for the rest no longer than told.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from joulewise.clock import Clock, MonotonicClock
from joulewise.errors import MissingExtraError, UsageError
from joulewise.measure.measurement import Measurement
from joulewise.measure.merge import Merged, Rank, merge
from joulewise.measure.rank_document import rank_from_dict, rank_to_dict
from joulewise.wire.atomic import write_text_atomically

POLL_S = 0.05


def gather(measurement: Measurement | None, *, uses: Sequence[str] = (), failure: str = "") -> Merged:
    """Merge what all ranks measured; every rank calls it, and every rank gets the result.

    Through torch.distributed if it is initialised, else through MPI if this process was started by it; a process alone
    is rank 0 of one.

    Args:
        measurement: Of this rank, or None if it could not measure.
        uses: Uids of the devices that this rank computes on; by default all that it measured.
        failure: Why there is no measurement.

    Effects:
        Blocks until all ranks have called, or the time-out of the process group.
    """
    if _distributed() is not None:
        return gather_torch(measurement, uses=uses, failure=failure)
    if sys.modules.get("mpi4py.MPI") is not None:
        return gather_mpi(measurement, uses=uses, failure=failure)
    return merge([Rank.here(0, measurement, uses, failure)])


def gather_torch(
    measurement: Measurement | None, *, uses: Sequence[str] = (), failure: str = "", group: Any = None
) -> Merged:
    """Merge through an initialised process group of torch.distributed; with NCCL, through the current CUDA device.

    Raises:
        UsageError: If torch.distributed is not initialised, or no rank measured.
    """
    distributed = _distributed()
    if distributed is None:
        raise UsageError("torch.distributed is not initialised", "no process group", "call init_process_group first")
    rank, size = distributed.get_rank(group), distributed.get_world_size(group)
    mine = Rank.here(rank, measurement, uses, failure)
    documents: list[Any] = [None] * size
    try:
        distributed.all_gather_object(documents, rank_to_dict(mine), group=group)
    except (RuntimeError, ValueError) as error:  # time-outs and lost peers come as RuntimeError of several kinds
        return merge([mine, *_missing(size, {rank}, f"the process group failed: {error}".splitlines()[0])])
    return merge([rank_from_dict(document) for document in documents])


def gather_mpi(
    measurement: Measurement | None, *, uses: Sequence[str] = (), failure: str = "", communicator: Any = None
) -> Merged:
    """Merge through MPI, by default its world.

    Raises:
        MissingExtraError: If mpi4py is not installed.
        UsageError: If no rank measured.
    """
    if communicator is None:
        try:
            communicator = import_module("mpi4py.MPI").COMM_WORLD
        except ImportError:
            raise MissingExtraError("mpi") from None
    mine = rank_to_dict(Rank.here(communicator.Get_rank(), measurement, uses, failure))
    return merge([rank_from_dict(document) for document in communicator.allgather(mine)])


def hand_in(
    folder: str | Path, rank: int, measurement: Measurement | None, *, uses: Sequence[str] = (), failure: str = ""
) -> Path:
    """Write what one rank measured into a folder that all ranks see.

    Raises:
        UsageError: If the rank is negative, or the folder cannot be written.
    """
    if rank < 0:
        raise UsageError("not a rank", repr(rank), "count ranks from 0")
    target = Path(folder) / f"rank-{rank:05}.json"
    document = rank_to_dict(Rank.here(rank, measurement, uses, failure))
    write_text_atomically(target, json.dumps(document, allow_nan=False))
    return target


def merge_files(folder: str | Path, ranks: int, *, wait_s: float = 30.0, clock: Clock | None = None) -> Merged:
    """Merge what ranks wrote into a folder.

    Args:
        folder: Where `hand_in` wrote; one folder for each run, as old files are not told from new ones.
        ranks: How many ranks there are.
        wait_s: How long to wait for those that have not written yet [s]; then they count as missing.
        clock: Time.

    Raises:
        UsageError: If there are no ranks, or none of them measured.

    Effects:
        Blocks for ``wait_s`` at most.
    """
    if ranks < 1:
        raise UsageError("there is nothing to merge", f"ranks = {ranks!r}", "give the number of ranks")
    clock = clock or MonotonicClock()
    until_ns = clock.now_ns() + round(wait_s * 1e9)
    found: dict[int, Rank] = {}
    while True:
        for rank in range(ranks):
            path = Path(folder) / f"rank-{rank:05}.json"
            if rank not in found and path.exists():
                found[rank] = _read(path, rank)
        if len(found) == ranks or clock.now_ns() >= until_ns:
            break
        clock.sleep(min(POLL_S, wait_s))
    return merge([*found.values(), *_missing(ranks, found, f"it wrote no file within {wait_s:g} s")])


def this_rank(environ: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """Rank and number of ranks as torchrun, Slurm, Open MPI or MPICH tell a process, or None if none of them does."""
    for rank, size in _VARIABLES:
        if environ.get(rank, "").isdecimal() and environ.get(size, "").isdecimal():
            return int(environ[rank]), int(environ[size])
    return None


_VARIABLES = (
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
)


def _distributed() -> Any:
    """torch.distributed if this process imported and initialised it, else None."""
    torch: Any = sys.modules.get("torch")
    distributed: Any = getattr(torch, "distributed", None)
    ready = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return distributed if ready else None


def _read(path: Path, rank: int) -> Rank:
    try:
        found = rank_from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        return Rank(rank, failure=f"{path.name} cannot be read: {error}")
    return found if found.rank == rank else Rank(rank, failure=f"{path.name} is of rank {found.rank}")


def _missing(size: int, present: Any, why: str) -> list[Rank]:
    return [Rank(rank, failure=why) for rank in range(size) if rank not in present]
