"""One outcome of those of all ranks, so that every rank's tuner hears the same and decides the same.

A step of the job is done when its slowest rank is, and its energy is that of all of them: times are the largest,
energies sums. A probe that is void on one rank is void.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from joulewise.devices.device import Device
from joulewise.optimize.protocol import Outcome
from joulewise.records import Provenance


def merge_outcomes(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a job whose ranks did the same steps.

    Args:
        outcomes: One of each rank, in the order of ranks.

    Returns:
        Time and scatter of the slowest, energies of all; void, with the rank's number, if one is.
    """
    slowest = max(outcomes, key=lambda one: one.time_s)
    void = "; ".join(f"rank {rank}: {one.void}" for rank, one in enumerate(outcomes) if one.void)
    return replace(
        slowest,
        steps=min(one.steps for one in outcomes),
        energy_j=math.fsum(one.energy_j for one in outcomes),
        energy_lo_j=math.fsum(one.energy_lo_j for one in outcomes),
        energy_hi_j=math.fsum(one.energy_hi_j for one in outcomes),
        provenance=Provenance.weakest(one.provenance for one in outcomes),
        void=void,
    )


def torch_reduction() -> Callable[[Outcome], Outcome] | None:
    """Merges over the ranks of torch.distributed; None if there is but one, or torch is not even imported.

    Effects:
        The reduction is collective: every rank must call it as often. Blocks until all have.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return None
    ranks = torch.distributed.get_world_size()
    if ranks < 2:
        return None

    def reduce(outcome: Outcome) -> Outcome:
        gathered: list[Any] = [None] * ranks
        torch.distributed.all_gather_object(gathered, outcome)
        return merge_outcomes(gathered)

    return reduce


def devices_of_rank(devices: Sequence[Device], environ: Mapping[str, str]) -> list[Device]:
    """Those that this rank of a job is responsible for, so that no two ranks turn one.

    Launchers (torchrun, Slurm, Open MPI) number the ranks of a node; if each could have a device of its own, the
    rank's is the one of its number. If ranks see only their own devices, these are theirs.
    """
    for rank_name, size_name in (
        ("LOCAL_RANK", "LOCAL_WORLD_SIZE"),
        ("SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"),
        ("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ):
        rank, size = environ.get(rank_name, ""), environ.get(size_name, "")
        if rank.isdecimal() and size.isdecimal() and int(rank) < int(size) and int(size) > 1:
            if len(devices) >= int(size):
                share = len(devices) // int(size)
                return list(devices[int(rank) * share : (int(rank) + 1) * share])
            return list(devices)
    return list(devices)
