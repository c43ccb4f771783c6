"""Jobs to try tuners on: measured tables played back, and the chips of twins at every clock or power limit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from joulewise.devices.simulated import physics
from joulewise.devices.simulated.model import ChipModel
from joulewise.devices.simulated.work import Kernel, Wait
from joulewise.errors import UsageError
from joulewise.records import Provenance
from joulewise.sim.job import Floats, JobTable
from joulewise.wire.power_table import PowerTable


def replayed(table: PowerTable, steps_per_epoch: float) -> JobTable:
    """A measured job; an epoch is cut into equal steps.

    Args:
        table: Its times and powers.
        steps_per_epoch: Examples of the data set over the batch size.
    """
    step_s = np.array(table.epoch_s) / steps_per_epoch
    settings = tuple(int(w) if float(w).is_integer() else w for w in table.limit_w)
    return JobTable(table.name, settings, step_s, np.array(table.power_w), Provenance.MEASURED)


def at_clocks(chip: ChipModel, kernel: Kernel, wait_s: float = 0.0, *, clocks_mhz: Sequence[int] = ()) -> JobTable:
    """A job on a twin's chip at locked clocks, in the steady state; under the default power limit."""
    clocks = np.array(clocks_mhz or chip.clock.core_mhz, dtype=np.float64)
    held = np.minimum(clocks, _held_mhz(chip, kernel, chip.limit.default_w))
    step_s, power_w = _step(chip, kernel, wait_s, held, clocks)
    settings = tuple(int(clock) for clock in clocks)
    return JobTable(f"{chip.identity.model} by clock", settings, step_s, power_w, Provenance.SIMULATED)


def at_limits(chip: ChipModel, kernel: Kernel, wait_s: float = 0.0, *, stride_w: float = 25.0) -> JobTable:
    """A job on a twin's chip at power limits from its lowest to its highest, in the steady state."""
    limits_w = np.arange(chip.limit.minimum_w, chip.limit.maximum_w + 1e-9, stride_w)
    held = np.array([_held_mhz(chip, kernel, float(limit_w)) for limit_w in limits_w])
    step_s, power_w = _step(chip, kernel, wait_s, held, np.full_like(held, chip.clock.maximum_mhz))
    settings = tuple(round(float(limit_w)) for limit_w in limits_w)
    return JobTable(f"{chip.identity.model} by limit", settings, step_s, power_w, Provenance.SIMULATED)


def _step(chip: ChipModel, kernel: Kernel, wait_s: float, held_mhz: Floats, wait_mhz: Floats) -> tuple[Floats, Floats]:
    """Time [s] and average power [W] of a kernel at the clock it is held to, and a wait after it."""
    if wait_s < 0:
        raise UsageError("a job cannot wait for this long", f"{wait_s!r} s", "give seconds of at least 0")
    load, waiting = physics.Load.of(kernel), physics.Load.of(Wait(wait_s))
    kernel_s = kernel.time_s * physics.stretch(load, held_mhz / chip.clock.maximum_mhz)
    energy_j = kernel_s * physics.steady_power_w(chip, load, held_mhz)
    energy_j = energy_j + wait_s * physics.steady_power_w(chip, waiting, wait_mhz)
    return kernel_s + wait_s, energy_j / (kernel_s + wait_s)


def _held_mhz(chip: ChipModel, kernel: Kernel, limit_w: float) -> float:
    """The highest clock at which a kernel keeps a power limit."""
    clocks = np.array(chip.clock.core_mhz, dtype=np.float64)
    clocks = clocks[clocks >= chip.limit.governor_floor_mhz]
    power_w = physics.steady_power_w(chip, physics.Load.of(kernel), clocks)
    return float(clocks[max(0, int(np.searchsorted(power_w, limit_w * chip.limit.margin_frac, side="right")) - 1)])
