"""A folder of traces: which jobs and devices it holds, and the worlds that they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from joulewise.errors import InputFileError, UsageError
from joulewise.sim.recurring_study import World
from joulewise.sim.traces import PAPER, Paper, targets, trace_problem
from joulewise.wire.trace_table import EpochRow, JobKey, TrainingRow, read_epoch_rates, read_training

TRAINING, RATES = "summary_train.csv", "summary_power_"


@dataclass(frozen=True)
class TraceFolder:
    """What was read.

    Attributes:
        path: Where.
        training: Epochs to targets.
        rates: What epochs take, by device.
    """

    path: Path
    training: tuple[TrainingRow, ...]
    rates: dict[str, tuple[EpochRow, ...]]

    @property
    def jobs(self) -> dict[str, JobKey]:
        """Jobs by name: the data set's, with the network's and optimizer's where that is not enough."""
        keys = list(dict.fromkeys(row.job for row in self.training))
        datasets = [key.dataset for key in keys]
        return {
            key.dataset if datasets.count(key.dataset) == 1 else f"{key.dataset}/{key.network}/{key.optimizer}": key
            for key in keys
        }


@dataclass(frozen=True)
class Wanted:
    """Which worlds of a folder; empty and None: all, or as the paper has it.

    Attributes:
        jobs: Names of jobs.
        devices: Names of devices.
        targets: Target metrics; several: the target changes from one to the next, untold.
        default: Default batch size.
        max_epochs: Longest run.
        then: Device on which the job goes on afterwards, or empty.
        eta: Weight of energy against time.
    """

    jobs: Sequence[str] = ()
    devices: Sequence[str] = ()
    targets: Sequence[float] = ()
    default: int | None = None
    max_epochs: int | None = None
    then: str = ""
    eta: float = 0.5


def read_folder(path: Path) -> TraceFolder:
    """Read ``summary_train.csv`` and every ``summary_power_DEVICE.csv``.

    Raises:
        InputFileError: If the folder or one of the tables is missing, or a table cannot be meant.
    """
    if not path.is_dir():
        raise InputFileError(str(path), None, "there is no such folder", "nothing", "name the folder of the traces")
    held = sorted(path.glob(f"{RATES}*.csv"))
    if not held:
        seen = ", ".join(sorted(one.name for one in path.iterdir())[:8]) or "an empty folder"
        raise InputFileError(str(path), None, f"no table {RATES}DEVICE.csv", seen, "give one for each device")
    rates = {one.stem.removeprefix(RATES): tuple(read_epoch_rates(one)) for one in held}
    training = tuple(read_training(path / TRAINING))
    for name, rows in ((TRAINING, training), *((one.name, rates[one.stem.removeprefix(RATES)]) for one in held)):
        if not rows:
            raise InputFileError(str(path / name), None, "the table is empty", "no row", "give at least one")
    return TraceFolder(path, training, rates)


def worlds(folder: TraceFolder, wanted: Wanted) -> tuple[list[World], list[str]]:
    """The worlds that are wanted, and notes on what was left out.

    Raises:
        UsageError: If a name is not in the folder, or nothing is left.
    """
    jobs = _chosen("job", wanted.jobs, folder.jobs)
    devices = _chosen("device", wanted.devices, folder.rates)
    _chosen("device", [wanted.then] if wanted.then else [], folder.rates)
    if wanted.targets and len(jobs) != 1:
        raise UsageError("a target is that of one job", f"{len(jobs)} jobs", "name one with --job")
    found, notes = [], []
    for name in jobs:
        job = folder.jobs[name]
        paper = _paper(folder, job, wanted)
        if paper is None:
            notes.append(f"{name} is left out: the paper has no such job; give target, default size and max epochs")
            continue
        for device in devices:
            if any(not any(row.job == job for row in folder.rates[one]) for one in {device, wanted.then or device}):
                notes.append(f"{name} on {device} is left out: it was not measured there")
            elif device != wanted.then:
                found.append(_world(folder, job, paper, wanted, device))
    if not found:
        raise UsageError("there is nothing to replay", "; ".join(notes) or "one device", "name other jobs or devices")
    return found, notes


def _world(folder: TraceFolder, job: JobKey, paper: Paper, wanted: Wanted, device: str) -> World:
    levels = wanted.targets or (paper.target,)
    held = targets(folder.training, job)
    for level in levels:
        if level not in held:
            seen = f"{level:g}; the table has {', '.join(f'{one:g}' for one in held)}"
            raise UsageError(f"{job.dataset}: no run was measured to this target", seen, "name one of them")
    stages = [
        trace_problem(
            folder.training,
            folder.rates[where],
            job,
            eta=wanted.eta,
            paper=replace(paper, target=level),
            device=where,
        )
        for where in ([device, wanted.then] if wanted.then else [device])
        for level in levels
    ]
    if wanted.then and len(levels) > 1:
        raise UsageError("the device and the target change at once", f"{len(levels)} targets", "change one of them")
    name = stages[0].name if len(stages) == 1 else f"{job.dataset} {device}, then {stages[-1].name.split(' ', 1)[1]}"
    if len(levels) > 1:
        name = f"{job.dataset} {' then '.join(f'{level:g}' for level in levels)} {device}"
    return World(name, tuple(stages), is_told=bool(wanted.then))


def _paper(folder: TraceFolder, job: JobKey, wanted: Wanted) -> Paper | None:
    """How the paper ran a job, with what is wanted in its place; None if something is missing."""
    known = PAPER.get(job)
    target = wanted.targets[0] if wanted.targets else known.target if known else None
    default = wanted.default or (known.default if known else None)
    most = wanted.max_epochs or (known.max_epochs if known else None)
    return None if target is None or default is None or most is None else Paper(target, most, default)


def _chosen(what: str, names: Sequence[str], held: Iterable[str]) -> list[str]:
    known = list(held)
    for name in names:
        if name not in known:
            raise UsageError(f"there is no {what} {name!r}", f"the folder has {', '.join(known)}", "name one of these")
    return list(names) or known
