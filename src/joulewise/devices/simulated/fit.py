"""Fit the law of power_model.py to a measured profile and print it as TOML, with its errors as comments.

    python -m joulewise.devices.simulated.fit PROFILE.csv --name A100-SXM4-80GB --wait-power-w 83.64

The command that printed a committed file stands at its top.

Theory of operation. All errors are relative, so that long and short computations weigh the same.

1. For a given cap, the times of each operation are linear in (a, b): ordinary least squares.
2. The powers are s_op (c0 + c1 f + c2 f³) with one shape for all operations: linear in c for fixed s and in s
   for fixed c. Alternating least squares converges in a few rounds because s stays near 1; it is normalised to
   s = 1 for the first operation.
3. The cap is the clock of the upper half of the range whose fit has the least sum of squared errors of time and
   power together; the highest clock is among them, and means that there is no cap.

Held-out errors: the whole fit, cap included, sees every other clock and is judged on the clocks between.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joulewise.devices.simulated.power_model import DeviceLaw, OperationLaw
from joulewise.errors import JoulewiseError, UsageError
from joulewise.records import Instruction, Profile, Reading
from joulewise.wire.profile import read_profile

_ROUNDS = 200
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FitErrors:
    """Relative errors of a law on readings, mean and largest [fraction]."""

    time_mean: float
    time_max: float
    power_mean: float
    power_max: float

    def __str__(self) -> str:
        """In percent, for people."""
        time = f"time mean {self.time_mean:.2%} max {self.time_max:.2%}"
        return f"{time}, power mean {self.power_mean:.2%} max {self.power_max:.2%}"


def fit_device_law(
    profile: Profile, name: str, wait_power_w: float, *, source: str = "", capped: bool = True
) -> DeviceLaw:
    """Fit the law of a GPU to the profile of a pipeline that ran on it.

    Args:
        profile: Readings of computations at several clocks; operations without a clock are left out.
        name: GPU model.
        wait_power_w: Power while the GPU waits for others [W].
        source: Where the profile comes from, if its own ``source`` does not tell.
        capped: Whether to look for the highest clock that the GPU holds, or to take its highest.

    Raises:
        UsageError: If fewer than four clocks were measured: the power law has three coefficients.
    """
    groups = {
        key: rows for key, rows in profile.by_operation().items() if all(row.clock_mhz is not None for row in rows)
    }
    clocks = sorted({row.clock_mhz for rows in groups.values() for row in rows if row.clock_mhz is not None})
    if len(clocks) < 4:
        raise UsageError("cannot fit a power law", f"seen: {len(clocks)} clocks", "measure at four clocks or more")
    caps = clocks[len(clocks) // 2 :] if capped else clocks[-1:]
    fits = [_fit_at_cap(groups, cap) for cap in caps]
    squares, power, operations = min(fits, key=lambda one: one[0])
    return DeviceLaw(
        name=name,
        source=source or f"{profile.source} ({profile.provenance})",
        clock_min_mhz=clocks[0],
        clock_max_mhz=clocks[-1],
        clock_step_mhz=int(np.gcd.reduce(np.diff(clocks))),
        cap_mhz=caps[[fit[0] for fit in fits].index(squares)],
        wait_power_w=wait_power_w,
        c0_w=float(power[0]),
        c1_w_per_ghz=float(power[1]),
        c2_w_per_ghz3=float(power[2]),
        operations=operations,
    )


def fit_errors(law: DeviceLaw, readings: Sequence[Reading]) -> FitErrors:
    """Relative errors of a law on the readings that have a clock, within its range."""
    time, power = [], []
    for row in readings:
        if row.clock_mhz is not None:
            operation = law.operation(row.instruction, row.stage)
            time.append(abs(float(law.time_s(operation, row.clock_mhz)) / row.time_s - 1))
            power.append(abs(float(law.power_w(operation, row.clock_mhz)) * row.time_s / row.energy_j - 1))
    return FitErrors(float(np.mean(time)), max(time), float(np.mean(power)), max(power))


def held_out_errors(profile: Profile, *, capped: bool = True) -> FitErrors:
    """Errors on every other clock of a law fitted to the clocks between; the outermost clocks are fitted."""
    clocks = sorted({row.clock_mhz for row in profile.readings if row.clock_mhz is not None})
    held_out = set(clocks[1:-1:2])
    seen = tuple(row for row in profile.readings if row.clock_mhz not in held_out)
    law = fit_device_law(replace(profile, readings=seen), "", 0.0, capped=capped)
    return fit_errors(law, [row for row in profile.readings if row.clock_mhz in held_out])


def _fit_at_cap(
    groups: dict[tuple[int, Instruction], tuple[Reading, ...]], cap_mhz: int
) -> tuple[float, _Floats, tuple[OperationLaw, ...]]:
    """Sum of squared relative errors, coefficients of power, laws of the operations."""
    held = [np.minimum([row.clock_mhz or 0 for row in rows], cap_mhz) / 1e3 for rows in groups.values()]
    times = [np.array([row.time_s for row in rows]) for rows in groups.values()]
    powers = [np.array([row.energy_j / row.time_s for row in rows]) for rows in groups.values()]
    squares, coefficients = 0.0, []
    for ghz, time in zip(held, times, strict=True):
        solution, error = _relative_least_squares(np.stack([np.ones_like(ghz), 1 / ghz], axis=1), time)
        coefficients.append(solution)
        squares += error
    shapes = [np.stack([np.ones_like(ghz), ghz, ghz**3], axis=1) for ghz in held]
    scales, power, error = np.ones(len(groups)), np.ones(3), np.inf
    for _ in range(_ROUNDS):
        before = error
        scaled = np.concatenate([scale * shape for scale, shape in zip(scales, shapes, strict=True)])
        power, error = _relative_least_squares(scaled, np.concatenate(powers))
        ratios = [shape @ power / target for shape, target in zip(shapes, powers, strict=True)]
        scales = np.array([ratio.sum() / (ratio @ ratio) for ratio in ratios], dtype=np.float64)
        if before - error <= 1e-14 * error:
            break
    merged: dict[tuple[Instruction, float, float, float], list[int]] = {}
    for (stage, instruction), (a_s, b_s_ghz), scale in zip(groups, coefficients, scales / scales[0], strict=True):
        key = (instruction, _rounded(a_s), _rounded(b_s_ghz), _rounded(scale))
        merged.setdefault(key, []).append(stage)
    operations = tuple(OperationLaw(key[0], tuple(sorted(stages)), *key[1:]) for key, stages in merged.items())
    return squares + error, power * scales[0], operations


def _relative_least_squares(matrix: _Floats, target: _Floats) -> tuple[_Floats, float]:
    """Solution x of matrix @ x ≈ target with the least sum of squared relative errors, and that sum."""
    relative = matrix / target[:, None]
    solution = np.linalg.lstsq(relative, np.ones_like(target), rcond=None)[0].astype(np.float64)
    return solution, float(np.sum((relative @ solution - 1) ** 2))


def _rounded(value: float) -> float:
    """To six significant digits, far below the errors of a fit."""
    return float(f"{value:.6g}")


def render_toml(law: DeviceLaw, comments: Sequence[str] = (), wait_source: str = "") -> str:
    """The law as ``read_device_law`` reads it.

    Args:
        law: What to print.
        comments: Lines for the top of the file.
        wait_source: Where the wait power comes from.
    """
    step = "# distance of the clocks of the profile"
    lines = [f"# {comment}".rstrip() for comment in comments]
    lines += [
        f"name = {json.dumps(law.name)}",
        f"source = {json.dumps(law.source)}",
        f"clock_min_mhz = {law.clock_min_mhz}  # lowest clock of the profile; the law is not known below",
        f"clock_max_mhz = {law.clock_max_mhz}  # highest clock of the profile",
        f"clock_step_mhz = {law.clock_step_mhz}  {step}",
        f"cap_mhz = {law.cap_mhz}  # fitted: highest clock that the GPU holds under this load",
        f"wait_power_w = {law.wait_power_w:.6g}" + (f"  # source: {wait_source}" if wait_source else ""),
        "",
        "[power]  # fitted: c0 + c1 f + c2 f^3, one shape for all operations",
        f"c0_w = {_rounded(law.c0_w)!r}",
        f"c1_w_per_ghz = {_rounded(law.c1_w_per_ghz)!r}",
        f"c2_w_per_ghz3 = {_rounded(law.c2_w_per_ghz3)!r}",
    ]
    for one in law.operations:
        lines += [
            "",
            "[[operation]]  # fitted: time a + b/f, power relative to the shared law",
            f"instruction = {json.dumps(one.instruction.value)}",
            f"stages = {list(one.stages)}",
            f"a_s = {one.a_s!r}",
            f"b_s_ghz = {one.b_s_ghz!r}",
            f"power_scale = {one.power_scale!r}",
        ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the fitted law of the profile named on the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m joulewise.devices.simulated.fit", description="Fit the law of a GPU to a profile, print TOML."
    )
    parser.add_argument("profile", help="measured profile (CSV)")
    parser.add_argument("--name", default="GPU", help="GPU model")
    parser.add_argument("--wait-power-w", type=float, help="power while waiting [W]; default: that of the profile")
    parser.add_argument("--wait-source", default="as measured with the profile", help="where the wait power comes from")
    parser.add_argument("--source", default="", help="where the profile comes from; default: its header")
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.parse_args(given)
    try:
        profile = read_profile(options.profile)
        wait_power_w = options.wait_power_w
        if wait_power_w is None:
            if profile.wait_power_w is None:
                raise UsageError("no wait power", "the profile does not give it", "give --wait-power-w")
            wait_power_w = float(np.mean(profile.wait_power_w))
        law = fit_device_law(profile, options.name, wait_power_w, source=options.source)
        plain = fit_device_law(profile, options.name, wait_power_w, capped=False)
        comments = [
            "Printed by:",
            f"  python -m joulewise.devices.simulated.fit {shlex.join(_without_folder(given, options.profile))}",
            "Relative errors of the law:",
            f"  with cap, all clocks:       {fit_errors(law, profile.readings)}",
            f"  with cap, held-out clocks:  {held_out_errors(profile)}",
            f"  no cap, all clocks:         {fit_errors(plain, profile.readings)}",
            f"  no cap, held-out clocks:    {held_out_errors(profile, capped=False)}",
        ]
        sys.stdout.write(render_toml(law, comments, options.wait_source))
    except JoulewiseError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _without_folder(arguments: Sequence[str], path: str) -> list[str]:
    """The arguments with the profile named by its file name, so that the text is the same on every machine."""
    return [Path(one).name if one == path else one for one in arguments]


if __name__ == "__main__":
    sys.exit(main())
