"""Fit the physics of a twin to a measured profile, and print the parameters with their errors.

    python -m joulewise.devices.simulated.fit_chip a100 gpt3-175b+a100_sxm_bf16.csv

Theory of operation. Idle power, clock tree, memory, heat and leakage are those of the model's file; fitted are the
knee and slope of the voltage, the power of the cores, the limit that held while the profile was taken (the governor's
margin is that over the limit in force), and for every measured operation its a + b/f and its activity. Errors are
relative. In turn:

1. the clock that each operation really had is the highest that keeps the limit; given it, times are linear in (a, b);
2. given (a, b), powers are fitted by nonlinear least squares; the activity is 1 for what computes most;

and of the limits that may have held, the one with the least squared errors of time and power is taken.

Judged is the law as the twin obeys it: on whole clocks, with the governor. Held-out errors: the whole fit sees every
other clock and is judged on those between.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from joulewise.devices.simulated import physics
from joulewise.devices.simulated.fit import FitErrors
from joulewise.devices.simulated.model import ChipModel, load_model
from joulewise.devices.simulated.work import Kernel
from joulewise.errors import JoulewiseError
from joulewise.records import Profile
from joulewise.wire.profile import read_profile

_Floats = NDArray[np.float64]
_TURNS = 3
_HELD = np.linspace(0.94, 1.02, 17)
"""Limits that may have held, relative to the highest power that was measured."""


@dataclass(frozen=True)
class Operation:
    """Readings of one operation: clocks [MHz], times [s], powers [W]; stages whose readings are equal are one."""

    name: str
    clock_mhz: _Floats
    time_s: _Floats
    power_w: _Floats


@dataclass(frozen=True)
class ChipFit:
    """A model with fitted physics, its kernels, and the limit that held while the profile was taken [W]."""

    model: ChipModel
    kernels: tuple[Kernel, ...]
    held_w: float


def operations_of(profile: Profile) -> list[Operation]:
    """The operations of a profile that have clocks."""
    found: dict[bytes, Operation] = {}
    stages: dict[bytes, list[int]] = {}
    for (stage, instruction), rows in profile.by_operation().items():
        if any(row.clock_mhz is None for row in rows):
            continue
        table = np.array([(row.clock_mhz, row.time_s, row.energy_j / row.time_s) for row in rows], dtype=np.float64)
        key = instruction.encode() + table.tobytes()
        found.setdefault(key, Operation(str(instruction), *table.T))
        stages.setdefault(key, []).append(stage)
    return [replace(one, name=f"{one.name} of {_ranges(stages[key])}") for key, one in found.items()]


def fit_chip(model: ChipModel, operations: Sequence[Operation]) -> ChipFit:
    """Fit the physics of a model to measured operations."""
    peak_w = max(float(one.power_w.max()) for one in operations)
    fits = [_fit_at_limit(model, operations, held_w) for held_w in peak_w * _HELD]
    best = min(fits, key=lambda fitted: sum(float(error @ error) for error in _errors(fitted, operations)))
    return _with_reference(best)


def _fit_at_limit(model: ChipModel, operations: Sequence[Operation], held_w: float) -> ChipFit:
    start = [0.75 * model.clock.maximum_mhz, 0.6, held_w, *[1.0] * (len(operations) - 1)]  # whatever the file says
    free, chip = np.array(start), model
    kernels = [_fit_time(one, one.clock_mhz, model) for one in operations]
    for _ in range(_TURNS):
        arguments = (model, operations, kernels, held_w)
        free = least_squares(_power_errors, free, x_scale=np.abs(free), args=arguments).x
        chip, activities = _unpack(model, free)
        kernels = [replace(kernel, activity=float(s)) for kernel, s in zip(kernels, activities, strict=True)]
        held = [held_clocks_mhz(chip, kernel, held_w) for kernel in kernels]
        kernels = [
            replace(_fit_time(one, np.minimum(one.clock_mhz, mhz), model), activity=kernel.activity)
            for one, mhz, kernel in zip(operations, held, kernels, strict=True)
        ]
    return ChipFit(chip, tuple(kernels), held_w)


def fit_errors(fitted: ChipFit, operations: Sequence[Operation]) -> FitErrors:
    """Relative errors of a fit, as the twin would run the operations in the steady state."""
    time, power = (np.abs(error) for error in _errors(fitted, operations))
    return FitErrors(float(time.mean()), float(time.max()), float(power.mean()), float(power.max()))


def _errors(fitted: ChipFit, operations: Sequence[Operation]) -> tuple[_Floats, _Floats]:
    time, power = [], []
    for kernel, one in zip(fitted.kernels, operations, strict=True):
        mhz = np.minimum(one.clock_mhz, held_clocks_mhz(fitted.model, kernel, fitted.held_w))
        load = physics.Load.of(kernel)
        stretched = physics.stretch(load, mhz / fitted.model.clock.maximum_mhz)
        time.append(kernel.time_s * stretched / one.time_s - 1)
        power.append(physics.steady_power_w(fitted.model, load, mhz) / one.power_w - 1)
    return np.concatenate(time), np.concatenate(power)


def held_out_errors(model: ChipModel, operations: Sequence[Operation]) -> FitErrors:
    """Errors on every other clock of a fit to the clocks between; the outermost clocks are fitted."""
    clocks = np.unique(np.concatenate([one.clock_mhz for one in operations]))
    out = clocks[1:-1:2]
    return fit_errors(
        fit_chip(model, [_only(one, ~np.isin(one.clock_mhz, out)) for one in operations]),
        [_only(one, np.isin(one.clock_mhz, out)) for one in operations],
    )


def held_clocks_mhz(chip: ChipModel, kernel: Kernel, held_w: float) -> int:
    """The highest clock whose steady power keeps the limit, or the lowest [MHz]."""
    clocks = np.array(chip.clock.core_mhz)
    keeps = physics.steady_power_w(chip, physics.Load.of(kernel), clocks.astype(np.float64)) <= held_w
    return int(clocks[keeps][-1]) if keeps.any() else int(clocks[0])


def _with_reference(fitted: ChipFit) -> ChipFit:
    """The same fit with activity 1 for the kernel that computes most."""
    reference = max(fitted.kernels, key=lambda kernel: kernel.compute_frac).activity
    power = replace(fitted.model.power, core_w=fitted.model.power.core_w * reference)
    kernels = tuple(replace(kernel, activity=kernel.activity / reference) for kernel in fitted.kernels)
    return ChipFit(replace(fitted.model, power=power), kernels, fitted.held_w)


def _unpack(model: ChipModel, free: _Floats) -> tuple[ChipModel, _Floats]:
    voltage = replace(model.voltage, knee_mhz=float(free[0]), slope_per_ghz=float(free[1]))
    chip = replace(model, voltage=voltage, power=replace(model.power, core_w=float(free[2])))
    return chip, np.concatenate([[1.0], free[3:]])


def _power_errors(
    free: _Floats, model: ChipModel, operations: Sequence[Operation], kernels: Sequence[Kernel], held_w: float
) -> _Floats:
    chip, activities = _unpack(model, free)
    errors = []
    for one, kernel, activity in zip(operations, kernels, activities, strict=True):
        load = replace(physics.Load.of(kernel), activity=float(activity))
        power_w = np.minimum(physics.steady_power_w(chip, load, one.clock_mhz), held_w)
        errors.append(power_w / one.power_w - 1)
    return np.concatenate(errors)


def _fit_time(one: Operation, clock_mhz: _Floats, model: ChipModel) -> Kernel:
    """A kernel whose time is a + b/f, by relative least squares; what is not cycles is memory."""
    ratio = clock_mhz / model.clock.maximum_mhz
    matrix = np.stack([np.ones_like(ratio), 1 / ratio], axis=1) / one.time_s[:, None]
    fixed, cycles = np.linalg.lstsq(matrix, np.ones_like(ratio), rcond=None)[0]
    fixed, cycles = max(0.0, float(fixed)), max(0.0, float(cycles))
    compute_frac = cycles / (fixed + cycles)
    return Kernel(fixed + cycles, compute_frac, 1 - compute_frac)


def _only(one: Operation, mask: NDArray[np.bool_]) -> Operation:
    return Operation(one.name, one.clock_mhz[mask], one.time_s[mask], one.power_w[mask])


def _ranges(stages: list[int]) -> str:
    return f"stage {stages[0]}" if len(stages) == 1 else f"stages {stages[0]} to {stages[-1]}"


def render(fitted: ChipFit, operations: Sequence[Operation], source: str) -> str:
    """The fitted parameters as they stand in the model's file."""
    voltage, power = fitted.model.voltage, fitted.model.power
    lines = [
        f"knee_mhz = {voltage.knee_mhz:.0f}",
        f"slope_per_ghz = {voltage.slope_per_ghz:.4f}",
        f"core_w = {power.core_w:.2f}",
        f"# limit that held: {fitted.held_w:.1f} W, {fitted.held_w / fitted.model.limit.maximum_w:.4f} of the maximum",
    ]
    for kernel, one in zip(fitted.kernels, operations, strict=True):
        lines += ["", "[[kernel]]", f"name = {json.dumps(one.name)}", f"source = {json.dumps('[fit] to ' + source)}"]
        lines += [f"{name} = {getattr(kernel, name):.5g}" for name in ("time_s", "compute_frac")]
        lines += [f"memory_frac = {1 - float(f'{kernel.compute_frac:.5g}'):.5g}", f"activity = {kernel.activity:.5g}"]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit the model named on the command line to a profile and print; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m joulewise.devices.simulated.fit_chip", description="Fit a twin's physics to a measured profile."
    )
    parser.add_argument("model", help="model of the twin, such as a100")
    parser.add_argument("profile", help="measured profile (CSV)")
    options = parser.parse_args(arguments)
    try:
        model, operations = load_model(options.model), operations_of(read_profile(options.profile))
        fitted = fit_chip(model, operations)
        sys.stdout.write(render(fitted, operations, Path(options.profile).name))
        sys.stdout.write(f"\n# all clocks:      {fit_errors(fitted, operations)}\n")
        sys.stdout.write(f"# held-out clocks: {held_out_errors(model, operations)}\n")
    except JoulewiseError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
