"""Whether the readings of a profile make sense together.

Theory of operation. A profile may be noisy, but physics leaves marks that no noise removes: a lower clock
makes a computation slower and draws less power, and a GPU draws watts, not milliwatts or megawatts.
Kendall's rank correlation tells a noisy trend from none at all: on measured profiles it lies below −0.7
between clock and time and above +0.8 between clock and power, on shuffled ones near 0. A curve whose values
lie within 10 % of each other (memory-bound work, a GPU at its power limit) has no trend to show and is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from joulewise.errors import InputFileError
from joulewise.records import Instruction, Reading
from joulewise.wire.profile_rows import Row

_HALVES = {Instruction.BACKWARD_INPUT, Instruction.BACKWARD_WEIGHT}
_COMPUTATIONS = {Instruction.FORWARD, Instruction.BACKWARD, Instruction.RECOMPUTATION} | _HALVES

LEAST_POWER_W, MOST_POWER_W = 2.0, 3000.0
"""Power of one GPU that can be meant [W]: 300 W read as 300 mW lies below, 400 W read as 400 kW above."""

MOST_TIME_RATIO = 100.0
"""A computation this many times longer or shorter than its like in the profile is in another unit."""

FLAT_FRAC, LEAST_TREND = 0.1, 0.3
"""A curve that varies by more than ``FLAT_FRAC`` must have a rank correlation of at least ``LEAST_TREND``."""

Operations = dict[tuple[int, Instruction], list[Row]]


def check_rows(file: str, rows: Sequence[Row]) -> None:
    """Raise unless the readings make a usable profile.

    Args:
        file: Path as the user gave it, for messages.
        rows: Every reading with its line, in file order.

    Raises:
        InputFileError: At the first thing that cannot be meant.
    """
    if not rows:
        raise InputFileError(file, None, "the profile has no readings", "no row", "add one row per stage and clock")
    operations: Operations = {}
    for row in rows:
        operations.setdefault((row.reading.stage, row.reading.instruction), []).append(row)
    _check_stages(file, operations)
    _check_instructions(file, operations)
    _check_clocks(file, operations)
    _check_power(file, rows)
    _check_time(file, operations)
    for (stage, instruction), group in operations.items():
        if instruction in _COMPUTATIONS and group[0].reading.clock_mhz is not None:
            name = f"{instruction} of stage {stage}"
            falls, rises = f"the time of {name} does not fall", f"the power of {name} does not rise"
            _check_trend(file, group, falls, "s", value=lambda one: one.time_s, sign=-1)
            _check_trend(file, group, rises, "W", value=lambda one: one.energy_j / one.time_s, sign=+1)


def _check_stages(file: str, operations: Operations) -> None:
    found = sorted({stage for stage, _ in operations})
    for expected, stage in enumerate(found):
        if stage != expected:
            line = min(rows[0].line for (other, _), rows in operations.items() if other == stage)
            raise InputFileError(
                file,
                line,
                f"stage {expected} is missing",
                f"stage {stage}" + (f" after stage {expected - 1}" if expected else " as the first"),
                "number the stages 0, 1, 2, ... and give readings of each",
            )


def _check_instructions(file: str, operations: Operations) -> None:
    of_stage: dict[int, set[Instruction]] = {}
    for stage, instruction in operations:
        of_stage.setdefault(stage, set()).add(instruction)
    trains = any(present & (_HALVES | {Instruction.BACKWARD}) for present in of_stage.values())
    for stage, present in sorted(of_stage.items()):
        missing = None
        if Instruction.FORWARD not in present:
            missing = "forward"
        elif len(present & _HALVES) == 1:
            missing = (_HALVES - present).pop().value
        elif trains and not present & (_HALVES | {Instruction.BACKWARD}):
            missing = "backward"
        if missing is not None:
            raise InputFileError(
                file,
                min(rows[0].line for (other, _), rows in operations.items() if other == stage),
                f"stage {stage} has no {missing}",
                f"only {', '.join(sorted(present))}",
                "give forward and backward (or backward_input and backward_weight) of every stage",
            )


def _check_clocks(file: str, operations: Operations) -> None:
    for (stage, instruction), rows in operations.items():
        clocks = {row.reading.clock_mhz for row in rows}
        if None in clocks and len(clocks) > 1:
            first_has_clock = rows[0].reading.clock_mhz is not None
            odd = next(row for row in rows if (row.reading.clock_mhz is not None) != first_has_clock)
            raise InputFileError(
                file,
                odd.line,
                f"{instruction} of stage {stage} has rows with a clock and rows without",
                "an empty clock" if odd.reading.clock_mhz is None else f"{odd.reading.clock_mhz} MHz",
                "give the clock in all of its rows, or in none if its time does not depend on the clock",
            )
        if instruction in _COMPUTATIONS and len(clocks) == 1 and None not in clocks:
            raise InputFileError(
                file,
                rows[0].line,
                f"{instruction} of stage {stage} has one clock only",
                f"{rows[0].reading.clock_mhz} MHz in {len(rows)} row(s)",
                "measure it at two clocks or more, or leave the clock empty if its time does not depend on it",
            )


def _check_power(file: str, rows: Sequence[Row]) -> None:
    for row in rows:
        reading = row.reading
        power_w = reading.energy_j / reading.time_s
        idle = reading.clock_mhz is None and reading.energy_j == 0
        if idle or LEAST_POWER_W <= power_w <= MOST_POWER_W:
            continue
        low = power_w < LEAST_POWER_W
        raise InputFileError(
            file,
            row.line,
            "the units look mixed up",
            f"{reading.energy_j:g} J in {reading.time_s:g} s is {power_w:.3g} W, which no GPU draws",
            "is the time in ms (column time_ms)?"
            if low
            else "is the energy in mJ (column energy_mj), or that of several GPUs? Give that of one GPU",
        )


def _check_time(file: str, operations: Operations) -> None:
    for instruction in _COMPUTATIONS:
        rows = [row for (_, other), group in operations.items() if other is instruction for row in group]
        middle_s = median(row.reading.time_s for row in rows) if rows else 0.0
        for row in rows:
            if not 1 / MOST_TIME_RATIO <= row.reading.time_s / middle_s <= MOST_TIME_RATIO:
                raise InputFileError(
                    file,
                    row.line,
                    "the units look mixed up",
                    f"{row.reading.time_s:g} s where {instruction} takes {middle_s:g} s in the middle",
                    "give all times in one unit and name it in the column (time_s, time_ms)",
                )


def _check_trend(
    file: str, rows: list[Row], what: str, unit: str, *, value: Callable[[Reading], float], sign: int
) -> None:
    """Raise unless ``value`` is nearly flat or goes with the clock (``sign`` +1) or against it (−1)."""
    at_clock: dict[int, list[float]] = {}
    for row in rows:
        at_clock.setdefault(row.reading.clock_mhz or 0, []).append(value(row.reading))
    clocks = np.array(list(at_clock))
    values = np.array([median(repetitions) for repetitions in at_clock.values()])
    spread = float(values.max() / values.min()) - 1
    agree = np.sign(np.subtract.outer(clocks, clocks)) * np.sign(np.subtract.outer(values, values))
    trend = float(agree.sum()) / (len(clocks) * (len(clocks) - 1))  # Kendall's tau
    if spread > FLAT_FRAC and sign * trend < LEAST_TREND:
        ends = [f"{values[at]:.4g} {unit} at {clocks[at]} MHz" for at in (clocks.argmin(), clocks.argmax())]
        raise InputFileError(
            file,
            rows[0].line,
            f"{what} with the clock",
            f"{ends[0]} and {ends[1]}, rank correlation {trend:+.2f} over {len(clocks)} clocks",
            "check that the columns are not mixed up and that the clock was held while measuring",
        )
