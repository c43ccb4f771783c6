"""Fit twins to jobs that were measured at several power limits, and print how well they follow.

    python -m joulewise.devices.simulated.fit_limits v100 summary_power_v100.csv --physics
    python -m joulewise.devices.simulated.fit_limits a40 summary_power_a40.csv

Theory of operation. A job (data set, network, batch size, optimizer) repeats a kernel and a wait. Four numbers
describe it: the time of an epoch at the highest clock, the part of it that waits, the part of the kernel that is core
cycles, and the activity of these. At each limit the governor holds the highest clock that keeps it during the kernel;
the wait takes as long as before. Time and average power of the epoch follow. The four numbers of all jobs are fitted
together by nonlinear least squares of relative errors; with ``--physics`` also the voltage and clock tree of
the chip, for one that no profile by clock exists of. Power of the cores and activity are one product: the activity of
the busiest tenth of the jobs is 1. Held-out limits: the whole fit sees every other limit.

Source: measurements published with Zeus, NSDI 2023. Single measurements of small jobs scatter by several percent (the
same job at limits that it never reaches differs by 5 %): no law can be nearer than that.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.sparse import lil_matrix

from joulewise.devices.simulated import physics
from joulewise.devices.simulated.fit import FitErrors
from joulewise.devices.simulated.model import ChipModel, load_model
from joulewise.devices.simulated.work import Kernel, Wait
from joulewise.errors import InputFileError, JoulewiseError

_Floats = NDArray[np.float64]
_PER_JOB = 4
_GRID = 120


@dataclass(frozen=True)
class Job:
    """What a job did: limits [W], times of an epoch [s], average powers [W]."""

    name: str
    limit_w: _Floats
    time_s: _Floats
    power_w: _Floats

    def only(self, mask: NDArray[np.bool_]) -> Job:
        """The job at some of its limits."""
        return Job(self.name, self.limit_w[mask], self.time_s[mask], self.power_w[mask])


@dataclass(frozen=True)
class LimitFit:
    """A model, and for each job the kernel and the wait that it repeats."""

    model: ChipModel
    work: Mapping[str, tuple[Kernel, Wait]]


def read_jobs(path: str | Path) -> list[Job]:
    """The jobs of a file of the Zeus traces.

    Raises:
        InputFileError: If it is none.
    """
    rows: dict[str, list[tuple[float, float, float]]] = {}
    try:
        with Path(path).open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                name = f"{row['network']} on {row['dataset']}, batch {row['batch_size']}, {row['optimizer']}"
                values = (float(row["power_limit"]), float(row["time_per_epoch"]), float(row["average_power"]))
                rows.setdefault(name, []).append(values)
    except (OSError, ValueError, KeyError) as error:
        fix = "give columns dataset,network,batch_size,optimizer,power_limit,time_per_epoch,average_power"
        raise InputFileError(
            str(path), None, "not a file of power limits", f"{type(error).__name__}: {error}", fix
        ) from (error)
    return [Job(name, *np.array(sorted(table), dtype=np.float64).T) for name, table in sorted(rows.items())]


def fit_limits(model: ChipModel, jobs: Sequence[Job], *, physics_too: bool = False) -> LimitFit:
    """Fit what jobs ask of a chip, and if asked its physics."""
    shared = [0.6 * model.clock.maximum_mhz, 0.6, 15.0] * physics_too  # whatever stands in the model's file
    if physics_too:
        model = replace(model, power=replace(model.power, core_w=model.limit.maximum_w))
    count = len(shared)
    start = np.concatenate([shared, np.tile([1.0, 0.15, 0.8, 0.8], len(jobs))])
    low = np.concatenate([0.2 * np.array(shared), np.tile([0.8, 0.0, 0.05, 0.02], len(jobs))])
    high = np.concatenate([4 * np.array(shared), np.tile([1.2, 0.9, 1.0, 4.0], len(jobs))])
    sizes = [2 * job.limit_w.size for job in jobs]
    pattern = lil_matrix((sum(sizes), start.size))
    pattern[:, :count] = 1
    for index, size in enumerate(sizes):
        first, column = sum(sizes[:index]), count + _PER_JOB * index
        pattern[first : first + size, column : column + _PER_JOB] = 1

    def errors(free: _Floats) -> _Floats:
        chip = _with_physics(model, free[:count])
        return np.concatenate(
            [
                np.concatenate(_job_errors(chip, job, free[count + _PER_JOB * index :][:_PER_JOB]))
                for index, job in enumerate(jobs)
            ]
        )

    solved = least_squares(
        errors,
        start,
        bounds=(low, high),
        jac_sparsity=pattern,
        x_scale=np.maximum(np.abs(start), 0.1),
        max_nfev=60,
        loss="soft_l1",
        f_scale=0.1,
    )
    chip, table = _with_physics(model, solved.x[:count]), solved.x[count:].reshape(-1, _PER_JOB)
    return _with_reference(LimitFit(chip, {job.name: _work(job, row) for job, row in zip(jobs, table, strict=True)}))


def fit_errors(fitted: LimitFit, jobs: Sequence[Job]) -> FitErrors:
    """Relative errors of a fit, as the twin would run the jobs in the steady state."""
    time, power = [], []
    for job in jobs:
        for limit_w, time_s, power_w in zip(job.limit_w, job.time_s, job.power_w, strict=True):
            told_s, told_w = epoch(fitted.model, fitted.work[job.name], float(limit_w))
            time.append(abs(told_s / time_s - 1))
            power.append(abs(told_w / power_w - 1))
    return FitErrors(float(np.mean(time)), max(time), float(np.mean(power)), max(power))


def held_out_errors(model: ChipModel, jobs: Sequence[Job], *, physics_too: bool = False) -> FitErrors:
    """Errors at every other limit of a fit to the limits between; the outermost limits are fitted."""
    limits = np.unique(np.concatenate([job.limit_w for job in jobs]))
    out = limits[1:-1:2]
    seen = fit_limits(model, [job.only(~np.isin(job.limit_w, out)) for job in jobs], physics_too=physics_too)
    return fit_errors(seen, [job.only(np.isin(job.limit_w, out)) for job in jobs])


def epoch(chip: ChipModel, work: tuple[Kernel, Wait], limit_w: float) -> tuple[float, float]:
    """Time [s] and average power [W] of a kernel and a wait under a limit, in the steady state."""
    kernel, wait = work
    clocks = np.array(chip.clock.core_mhz, dtype=np.float64)
    clocks = clocks[clocks >= chip.limit.governor_floor_mhz]
    power_w = physics.steady_power_w(chip, physics.Load.of(kernel), clocks)
    index = max(0, int(np.searchsorted(power_w, limit_w * chip.limit.margin_frac, side="right")) - 1)
    kernel_s = kernel.time_s * float(physics.stretch(physics.Load.of(kernel), clocks[index] / clocks[-1]))
    wait_w = float(physics.steady_power_w(chip, physics.Load.of(wait), clocks[-1]))
    total_s = kernel_s + wait.time_s
    return total_s, (float(power_w[index]) * kernel_s + wait_w * wait.time_s) / total_s


def _with_physics(model: ChipModel, shared: _Floats) -> ChipModel:
    if not shared.size:
        return model
    knee, slope, tree = map(float, shared)
    voltage = replace(model.voltage, knee_mhz=knee, slope_per_ghz=slope)
    return replace(model, voltage=voltage, power=replace(model.power, clock_tree_w=tree))


def _job_errors(chip: ChipModel, job: Job, row: _Floats) -> tuple[_Floats, _Floats]:
    """Relative errors of time and power, smooth in everything: clocks between the steps are allowed."""
    kernel, wait = _work(job, row)
    load, top = physics.Load.of(kernel), chip.clock.maximum_mhz
    grid = np.linspace(chip.limit.governor_floor_mhz, top, _GRID)
    power_w = physics.steady_power_w(chip, load, grid)
    held = np.interp(job.limit_w * chip.limit.margin_frac, power_w, grid)
    kernel_s = kernel.time_s * physics.stretch(load, held / top)
    wait_w = float(physics.steady_power_w(chip, physics.Load.of(wait), float(top)))
    total_s = kernel_s + wait.time_s
    average_w = (np.interp(held, grid, power_w) * kernel_s + wait_w * wait.time_s) / total_s
    return total_s / job.time_s - 1, average_w / job.power_w - 1


def _work(job: Job, row: _Floats) -> tuple[Kernel, Wait]:
    epoch_s, wait_frac, compute_frac, activity = (float(value) for value in row)
    epoch_s *= float(job.time_s[-1])
    compute_frac = min(1.0, compute_frac)
    return Kernel(epoch_s * (1 - wait_frac), compute_frac, 1 - compute_frac, activity), Wait(epoch_s * wait_frac)


def _with_reference(fitted: LimitFit) -> LimitFit:
    """The same fit with activity 1 for the job that computes most per time."""
    kernels = sorted((kernel.compute_frac * kernel.activity for kernel, _ in fitted.work.values()), reverse=True)
    reference = kernels[len(kernels) // 10]
    power = replace(fitted.model.power, core_w=fitted.model.power.core_w * reference)
    work = {name: (replace(k, activity=k.activity / reference), wait) for name, (k, wait) in fitted.work.items()}
    return LimitFit(replace(fitted.model, power=power), work)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit the model named on the command line to jobs and print; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m joulewise.devices.simulated.fit_limits", description="Fit a twin to jobs under power limits."
    )
    parser.add_argument("model", help="model of the twin, such as v100")
    parser.add_argument("jobs", help="jobs under power limits (CSV of the Zeus traces)")
    parser.add_argument("--physics", action="store_true", help="fit the chip too, not only the jobs")
    options = parser.parse_args(arguments)
    try:
        model, jobs = load_model(options.model), read_jobs(options.jobs)
        fitted = fit_limits(model, jobs, physics_too=options.physics)
        voltage, power = fitted.model.voltage, fitted.model.power
        if options.physics:
            sys.stdout.write(f"knee_mhz = {voltage.knee_mhz:.0f}\nslope_per_ghz = {voltage.slope_per_ghz:.4f}\n")
            sys.stdout.write(f"clock_tree_w = {power.clock_tree_w:.2f}\ncore_w = {power.core_w:.1f}\n\n")
        for name, (kernel, wait) in fitted.work.items():
            share = wait.time_s / (kernel.time_s + wait.time_s)
            text = f"waits {share:.2f}, computes {kernel.compute_frac:.2f}, activity {kernel.activity:.2f}"
            sys.stdout.write(f"# {name}: {text}\n")
        from_150 = [job.only(job.limit_w >= 150) for job in jobs]
        sys.stdout.write(f"# all limits:         {fit_errors(fitted, jobs)}\n")
        sys.stdout.write(f"# limits from 150 W:  {fit_errors(fitted, from_150)}\n")
        sys.stdout.write(f"# held-out limits:    {held_out_errors(model, jobs, physics_too=options.physics)}\n")
    except JoulewiseError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
