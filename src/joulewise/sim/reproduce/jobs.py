"""The recurring jobs of given traces, with what the paper says of them or, for others, what is assumed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from joulewise.sim.recurring import Problem
from joulewise.sim.trace_folder import TraceFolder, read_folder
from joulewise.sim.traces import PAPER, Paper, trace_problem
from joulewise.wire.trace_table import JobKey, TrainingRow


@dataclass(frozen=True)
class Job:
    """A job on a device.

    Attributes:
        name: Data set, or more where that is not enough.
        device: Name of its table.
        key: Of its rows.
        paper: Target, default size and longest run.
        is_assumed: Whether the paper has no such job, so that these are assumed.
        folder: Where its tables are.
    """

    name: str
    device: str
    key: JobKey
    paper: Paper
    is_assumed: bool
    folder: TraceFolder

    def problem(self, eta: float) -> Problem:
        """As the policies see it; ``eta`` is the weight of energy against time."""
        rates = self.folder.rates[self.device]
        return trace_problem(self.folder.training, rates, self.key, eta=eta, paper=self.paper, device=self.device)


ASSUMED = (
    "A star marks jobs that the paper does not have: their target is the one that most runs reached, of several the "
    "one that took longest; the default size is the largest that always reaches it; runs end at twice the epochs of "
    "the slowest that did."
)


def jobs_of(folders: Sequence[Path]) -> list[Job]:
    """Every job on every device of some folders.

    Raises:
        InputFileError: If a table cannot be meant.
    """
    found = []
    for path in folders:
        folder = read_folder(path)
        for name, key in folder.jobs.items():
            paper = PAPER.get(key) or assumed([row for row in folder.training if row.job == key])
            for device, rates in folder.rates.items():
                sizes = {row.batch_size for row in rates if row.job == key}
                if paper is not None and sizes & {row.batch_size for row in folder.training if row.job == key}:
                    found.append(Job(name, device, key, paper, key not in PAPER, folder))
    return found


def assumed(rows: Sequence[TrainingRow]) -> Paper | None:
    """Target, longest run and default size of a job that the paper does not have; None if nobody reached any target."""
    reached: dict[float, list[TrainingRow]] = {}
    for row in rows:
        if math.isfinite(row.target_epoch):
            reached.setdefault(row.target_metric, []).append(row)
    if not reached:
        return None
    target = max(reached, key=lambda metric: (len(reached[metric]), sum(row.target_epoch for row in reached[metric])))
    runs = [row for row in rows if row.target_metric == target]
    always = [
        size
        for size in {row.batch_size for row in runs}
        if all(math.isfinite(row.target_epoch) for row in runs if row.batch_size == size)
    ]
    longest = max(row.target_epoch for row in reached[target])
    return Paper(target, math.ceil(2 * longest), max(always or [row.batch_size for row in reached[target]]))
