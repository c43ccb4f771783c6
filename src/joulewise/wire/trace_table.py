"""Read tables of training runs: epochs to target of recurring jobs, batch size by batch size.

The format is that of the public traces of Zeus (NSDI'23): one row for each run and target, with columns dataset,
network, batch_size, optimizer, learning_rate, run, target_metric, target_epoch. An empty target_epoch (or ``nan``)
says that the run never reached the target. A second table has what an epoch takes: dataset, network, batch_size,
optimizer, power_limit [W], time_per_epoch [s], average_power [W].
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from joulewise.errors import InputFileError

TRAIN_COLUMNS = (
    "dataset", "network", "batch_size", "optimizer", "learning_rate", "run", "target_metric", "target_epoch",
)  # fmt: skip
EPOCH_COLUMNS = ("dataset", "network", "batch_size", "optimizer", "power_limit", "time_per_epoch", "average_power")


@dataclass(frozen=True, slots=True)
class JobKey:
    """What the rows of one job have in common."""

    dataset: str
    network: str
    optimizer: str


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """Epochs to one target in one run.

    Attributes:
        job: Which job.
        batch_size: Its batch size.
        learning_rate: As the file has it.
        run: Which repetition.
        target_metric: The target.
        target_epoch: First epoch that reached it; infinite if none did.
    """

    job: JobKey
    batch_size: int
    learning_rate: float
    run: int
    target_metric: float
    target_epoch: float


@dataclass(frozen=True, slots=True)
class EpochRow:
    """What an epoch takes at one batch size and power limit."""

    job: JobKey
    batch_size: int
    limit_w: float
    epoch_s: float
    power_w: float


def read_training(path: str | Path) -> list[TrainingRow]:
    """Read a table of training runs, in file order.

    Raises:
        InputFileError: If a column is missing or a field cannot be meant.
    """
    rows = []
    for line, row in _rows(path, TRAIN_COLUMNS):
        reached = row["target_epoch"].strip().lower()
        epoch = math.inf if reached in ("", "nan") else _number(path, line, row, "target_epoch", least=1.0)
        rows.append(
            TrainingRow(
                _key(row),
                int(_number(path, line, row, "batch_size", least=1.0)),
                _number(path, line, row, "learning_rate", least=0.0),
                int(_number(path, line, row, "run", least=0.0)),
                _number(path, line, row, "target_metric"),
                epoch,
            )
        )
    return rows


def read_epoch_rates(path: str | Path) -> list[EpochRow]:
    """Read a table of what an epoch takes, in file order.

    Raises:
        InputFileError: If a column is missing or a field cannot be meant.
    """
    tiny = 5e-324
    return [
        EpochRow(
            _key(row),
            int(_number(path, line, row, "batch_size", least=1.0)),
            _number(path, line, row, "power_limit", least=tiny),
            _number(path, line, row, "time_per_epoch", least=tiny),
            _number(path, line, row, "average_power", least=0.0),
        )
        for line, row in _rows(path, EPOCH_COLUMNS)
    ]


def _key(row: dict[str, str]) -> JobKey:
    return JobKey(row["dataset"], row["network"], row["optimizer"])


def _rows(path: str | Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with their line numbers."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                seen = f"the columns {', '.join(reader.fieldnames or ()) or '(none)'}"
                raise InputFileError(str(path), 1, f"no column {missing[0]}", seen, f"give {','.join(columns)}")
            for row in reader:
                if any(row[name] is None for name in columns):
                    raise InputFileError(str(path), reader.line_num, "a row is too short", str(row), "complete it")
                yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise InputFileError(str(path), None, "the file is not UTF-8 text", str(error), "save it as UTF-8") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputFileError(str(path), None, "cannot read the table", reason, "name a readable CSV file") from error


def _number(path: str | Path, line: int, row: dict[str, str], name: str, least: float = -math.inf) -> float:
    try:
        value = float(row[name])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= least):
        bound = "" if least == -math.inf else ", above 0" if 0.0 < least < 1.0 else f" of at least {least:g}"
        raise InputFileError(str(path), line, f"{name} is not usable", repr(row[name]), f"give a finite number{bound}")
    return value
