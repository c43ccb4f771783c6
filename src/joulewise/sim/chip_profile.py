"""The profile of a pipeline on a chip that nobody measured pipelines on: what its simulated model says, to the letter.

Forward and backward are kernels that feel the core clock in part; stages differ a little in length. Where the model's
power limit does not let a clock be held, time and power are those of the highest clock that it does hold. Nothing is
fitted to a pipeline here, which is the point: what works on such profiles was not made for the measured ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from joulewise.devices.simulated.model import ChipModel, load_model
from joulewise.devices.simulated.physics import Load, steady_power_w, stretch
from joulewise.records import Instruction, Profile, Provenance, Reading

FORWARD_S, BACKWARD_S = 0.05, 0.1
"""Durations of the average stage at the highest clock [s]."""
UNEVEN_FRAC = 0.05
"""How much the longest stage exceeds the average."""
LOADS = {
    Instruction.FORWARD: Load(fixed_frac=0.1, memory_frac=0.2, compute_frac=0.7, activity=0.9, active=True),
    Instruction.BACKWARD: Load(fixed_frac=0.05, memory_frac=0.15, compute_frac=0.8, activity=1.0, active=True),
}


def chip_profile(chip: str | ChipModel, stages: int = 8, clocks_mhz: Sequence[int] | None = None) -> Profile:
    """Forward and backward of every stage at every clock of a simulated chip.

    Args:
        chip: As in ``sim:h100``, or a model.
        stages: Number of pipeline stages.
        clocks_mhz: Clocks [MHz] in place of the model's, with which durations are told; its physics hold beyond them.

    Returns:
        Simulated readings without noise. Waiting draws what the clock tree does at the knee of the voltage,
        near which planned operations run.

    Raises:
        UsageError: If there is no such model.
    """
    model = load_model(chip) if isinstance(chip, str) else chip
    clock = model.clock
    if clocks_mhz is None:
        steps = int((clock.maximum_mhz - clock.minimum_mhz) / clock.step_mhz)
        clocks_mhz = [round(clock.maximum_mhz - step * clock.step_mhz) for step in range(steps + 1)]
    readings = []
    for instruction, load in LOADS.items():
        base_s = FORWARD_S if instruction is Instruction.FORWARD else BACKWARD_S
        holds = [mhz for mhz in clocks_mhz if steady_power_w(model, load, mhz) <= model.limit.maximum_w]
        held_mhz = max(holds, default=min(clocks_mhz))
        for stage in range(stages):
            uneven = 1 + UNEVEN_FRAC * math.sin(1.7 * stage + base_s)
            for clock_mhz in clocks_mhz:
                runs_mhz = min(clock_mhz, held_mhz)
                time_s = base_s * uneven * stretch(load, runs_mhz / clock.maximum_mhz)
                energy_j = time_s * steady_power_w(model, load, runs_mhz)
                readings.append(Reading(stage, instruction, clock_mhz, float(time_s), float(energy_j)))
    wait_w = float(steady_power_w(model, Load(active=True), model.voltage.knee_mhz))
    return Profile(
        tuple(readings), Provenance.SIMULATED, f"simulated {model.identity.model}", (wait_w,) * stages,
        ("simulated, not measured: decide nothing about real hardware from it",),
    )  # fmt: skip
