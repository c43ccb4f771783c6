"""Tables of jobs that were measured at several power limits, job by job.

The rows are those of `joulewise.wire.trace_table.read_epoch_rates`: dataset, network, batch_size, optimizer,
power_limit [W], time_per_epoch [s], average_power [W], one for each limit. A table here is one job at one batch size,
with its limits rising. Any GPU and any job in this format will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from joulewise.errors import InputFileError
from joulewise.wire.trace_table import JobKey, read_epoch_rates


@dataclass(frozen=True, slots=True)
class PowerTable:
    """One job at one batch size, at every power limit that was measured.

    Attributes:
        job: Which job.
        batch_size: Its batch size.
        limit_w: Power limits, rising [W].
        epoch_s: Time of an epoch at each [s].
        power_w: Average power at each [W].
    """

    job: JobKey
    batch_size: int
    limit_w: tuple[float, ...]
    epoch_s: tuple[float, ...]
    power_w: tuple[float, ...]

    @property
    def name(self) -> str:
        """For titles and tables."""
        return f"{self.job.dataset}/{self.job.network}/{self.job.optimizer}/{self.batch_size}"


def read_power_tables(path: str | Path) -> tuple[PowerTable, ...]:
    """Read every job of a file of power limits, in the order of their first rows.

    Raises:
        InputFileError: If a column is missing, a field cannot be meant, a job has a limit twice, or there is no row.
    """
    groups: dict[tuple[JobKey, int], dict[float, tuple[float, float]]] = {}
    for row in read_epoch_rates(path):
        limits = groups.setdefault((row.job, row.batch_size), {})
        if row.limit_w in limits:
            seen = f"{row.job.dataset}, {row.job.network}, batch size {row.batch_size}, {row.limit_w:g} W"
            raise InputFileError(str(path), None, "a job was measured twice at one limit", seen, "keep one of the rows")
        limits[row.limit_w] = row.epoch_s, row.power_w
    if not groups:
        fix = "give one row for each job, batch size and limit"
        raise InputFileError(str(path), None, "the table has no rows", "no row", fix)
    return tuple(
        PowerTable(job, batch_size, *map(tuple, zip(*((w, *limits[w]) for w in sorted(limits)), strict=True)))
        for (job, batch_size), limits in groups.items()
    )
