"""Problems from traces in the format of Zeus: jobs x targets x devices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joulewise.errors import UsageError
from joulewise.frontier.objective import ZeusCost
from joulewise.optimize.batch.protocol import EpochRate
from joulewise.sim.recurring import Problem
from joulewise.wire.trace_table import EpochRow, JobKey, TrainingRow


@dataclass(frozen=True, slots=True)
class Paper:
    """How the paper ran a job.

    Attributes:
        target: Target metric.
        max_epochs: Epochs after which a run has missed it.
        default: Batch size that users would take.

    Source:
        Zeus (NSDI'23), table 1, and the artifact of the paper for max_epochs.
    """

    target: float
    max_epochs: int
    default: int


PAPER: Mapping[JobKey, Paper] = {
    JobKey("cifar100", "shufflenetv2", "adadelta"): Paper(0.60, 100, 1024),
    JobKey("imagenet", "resnet50", "adadelta"): Paper(0.65, 100, 256),
    JobKey("librispeech", "deepspeech2", "adamw"): Paper(40.0, 16, 192),
    JobKey("movielens-1m", "ncf", "adam"): Paper(0.41, 100, 1024),
    JobKey("sentiment140", "bert_base_uncased", "adamw"): Paper(0.84, 10, 128),
    JobKey("squad", "bert_base_uncased", "adamw"): Paper(84.0, 6, 32),
}


def targets(training: Sequence[TrainingRow], job: JobKey) -> list[float]:
    """Target metrics of a job in a table, rising."""
    return sorted({row.target_metric for row in training if row.job == job})


def trace_problem(
    training: Sequence[TrainingRow],
    epochs: Sequence[EpochRow],
    job: JobKey,
    *,
    eta: float,
    paper: Paper,
    device: str = "",
) -> Problem:
    """The problem of a job in two tables; sizes are those in both.

    Args:
        training: Epochs to target.
        epochs: What an epoch takes, on one device.
        job: Which job.
        eta: Weight of energy against time in the cost; power is priced at the highest limit of the table.
        paper: Target, longest run and default size; the default is capped by what the tables hold.
        device: Name of the device, for people.

    Raises:
        UsageError: If the tables have no size in common.
    """
    runs: dict[int, list[float]] = defaultdict(list)
    for row in training:
        if row.job == job and row.target_metric == paper.target:
            runs[row.batch_size].append(row.target_epoch)
    rates: dict[int, list[EpochRate]] = defaultdict(list)
    for measured in epochs:
        if measured.job == job:
            rates[measured.batch_size].append(EpochRate(measured.limit_w, measured.epoch_s, measured.power_w))
    sizes = sorted(set(runs) & set(rates))
    if not sizes:
        seen = f"{len(runs)} sizes trained and {len(rates)} measured for {job}, target {paper.target:g}"
        raise UsageError("the tables have no batch size in common", seen, "name a job and a target that both have")
    default = max((size for size in sizes if size <= paper.default), default=sizes[0])
    max_power_w = max(row.limit_w for row in epochs)
    return Problem(
        f"{job.dataset} {paper.target:g} {device}".strip(),
        {size: tuple(runs[size]) for size in sizes},
        {size: tuple(sorted(rates[size], key=lambda rate: -(rate.limit_w or 0.0))) for size in sizes},
        default,
        paper.max_epochs,
        ZeusCost(eta, max_power_w),
    )
