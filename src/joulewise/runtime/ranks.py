"""Ranks of one job that tune together: who turns which device, and one outcome of those of all.

A step of the job is done when its slowest rank is, and its energy is that of all of them: times are the largest,
energies sums. A probe that is void on one rank is void. A device that several ranks see is turned and counted by the
first of them; candidates are those of the first rank that turns any. So every rank's tuner hears the same, and
decides the same.
"""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from joulewise.devices.device import Device
from joulewise.errors import UsageError
from joulewise.optimize.protocol import Outcome
from joulewise.records import Provenance
from joulewise.runtime.knob import Tunable

LAUNCHERS = (
    ("LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    ("SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"),
    ("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
)
"""How torchrun, Slurm and Open MPI number the ranks of a node."""


@dataclass(frozen=True)
class Ranks:
    """The ranks of torch.distributed.

    Attributes:
        gather: Collective: the values of all ranks, in their order.
        rank: Ours.
    """

    gather: Callable[[Any], list[Any]]
    rank: int

    @classmethod
    def of_torch(cls) -> Ranks | None:
        """Those of this job; None if there is but one, or torch is not even imported."""
        torch: Any = sys.modules.get("torch")
        if torch is None or not torch.distributed.is_available() or not torch.distributed.is_initialized():
            return None
        count = torch.distributed.get_world_size()
        if count < 2:
            return None

        def gather(value: Any) -> list[Any]:
            gathered: list[Any] = [None] * count
            torch.distributed.all_gather_object(gathered, value)
            return gathered

        return cls(gather, torch.distributed.get_rank())

    def share(self, tunable: Tunable) -> Tunable:
        """What this rank is to turn: devices that no earlier rank turns, and the candidates of all. Collective.

        Raises:
            UsageError: If ranks would turn different knobs.
        """
        node = platform.node()
        named = [(node, device.identity.uid) for device in tunable.devices]
        ranks = self.gather((tunable.knob, named, (tunable.candidates, tunable.arms)))
        knobs = sorted({knob for knob, _, _ in ranks})
        if len(knobs) > 1:
            raise UsageError("ranks would turn different knobs", ", ".join(knobs), "name one knob for all")
        earlier = {one for _, theirs, _ in ranks[: self.rank] for one in theirs}
        devices = tuple(one for one, name in zip(tunable.devices, named, strict=True) if name not in earlier)
        candidates, arms = next((theirs for _, _, theirs in ranks if theirs[0]), ((), (0,)))
        everybody = {one for _, theirs, _ in ranks for one in theirs}
        count = len(everybody)
        return replace(tunable, devices=devices, candidates=candidates, arms=arms, first=len(earlier), count=count)

    def reduce(self, outcome: Outcome) -> Outcome:
        """The outcome of all. Collective."""
        return merge_outcomes(self.gather(outcome))


def merge_outcomes(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a job whose ranks did the same steps.

    Args:
        outcomes: One of each rank, in the order of ranks, none of which counts a device of another.

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
        shares=() if any(one.void for one in outcomes) else tuple(chain.from_iterable(one.shares for one in outcomes)),
    )


def devices_of_rank(devices: Sequence[Device], environ: Mapping[str, str]) -> list[Device]:
    """The share of a rank where each could have devices of its own, by the number that its launcher gave it; else all.

    A rank that sees only its own devices has fewer than the node has ranks, and keeps all.
    """
    for rank_name, size_name in LAUNCHERS:
        rank, size = environ.get(rank_name, ""), environ.get(size_name, "")
        if rank.isdecimal() and size.isdecimal() and int(rank) < int(size) <= len(devices):
            share = len(devices) // int(size)
            return list(devices[int(rank) * share : (int(rank) + 1) * share])
    return list(devices)
