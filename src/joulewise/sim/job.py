"""A training job that tuners can be tried on: at every setting its time and power are known, and so is the noise.

Theory of operation
-------------------
The truth is a table: time and power of a step at each setting, from measurements of others (`joulewise.sim.replay`) or
from a law. What a tuner is told differs from it as on a real machine. Times of single steps scatter (gamma distributed,
so that none is negative). Power scatters from step to step, too. The energy of a window is read off a counter that
moves once in a while: each edge is late by a random part of that period, and the bounds say so. The first steps of a
run take longer, an epoch may end in the middle of a probe, and time and power can shift for good.

Everything that the job does is counted, settling included, so that what tuning costs can be told.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.optimize.protocol import Outcome, Probe
from joulewise.records import Provenance

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class JobTable:
    """What a step of a job takes at every setting.

    Attributes:
        name: Of the job.
        settings: From the slowest to the fastest.
        step_s, power_w: Of a step at each setting [s], [W].
        source: Where the table comes from; what a job makes of it is simulated in any case.

    Raises:
        UsageError: If lengths differ or a number is not finite and above 0.
    """

    name: str
    settings: tuple[Hashable, ...]
    step_s: Floats
    power_w: Floats
    source: Provenance

    def __post_init__(self) -> None:
        """Check shapes and numbers."""
        for column in (self.step_s, self.power_w):
            if column.shape != (len(self.settings),) or not (np.isfinite(column) & (column > 0)).all():
                seen = f"{len(self.settings)} settings, a column of shape {column.shape}"
                raise UsageError(f"the table of {self.name} is not usable", seen, "give a number above 0 for each")

    @property
    def step_j(self) -> Floats:
        """Energy of a step at each setting [J]."""
        return self.step_s * self.power_w


@dataclass(frozen=True, slots=True)
class Noise:
    """How measurements differ from the truth.

    Attributes:
        step_frac: Relative standard deviation of the time of single steps.
        power_frac: Relative standard deviation of the power of single steps.
        counter_period_s: How often the energy counter moves [s]; 0 for one that always tells.
        warmup_steps, warmup_frac: So many steps at the beginning take so much longer, on a falling line.
    """

    step_frac: float = 0.01
    power_frac: float = 0.01
    counter_period_s: float = 0.1
    warmup_steps: int = 10
    warmup_frac: float = 0.5


EXACT = Noise(0.0, 0.0, 0.0, 0, 0.0)
"""No noise at all."""


class SimulatedJob:
    """Runs probes on a table.

    Args:
        table: The truth.
        noise: How measurements differ from it.
        rng: The source of chance.
        epoch_steps: Steps of an epoch; None for an epoch that never ends.

    Attributes:
        steps, time_s, energy_j: All that was run so far, settling included [s], [J].
        time_factor, power_factor: Multiply the truth from now on; set them to let the workload shift.
    """

    def __init__(
        self, table: JobTable, noise: Noise, rng: np.random.Generator, *, epoch_steps: int | None = None
    ) -> None:
        """Begin the first epoch."""
        self.table, self.noise, self.epoch_steps = table, noise, epoch_steps
        self.steps, self.time_s, self.energy_j = 0, 0.0, 0.0
        self.time_factor = self.power_factor = 1.0
        self._rng = rng
        self._rows = {setting: row for row, setting in enumerate(table.settings)}

    def run(self, probe: Probe) -> Outcome:
        """Run a probe: settle, measure, and tell; an epoch that ends cuts it short."""
        row = self._rows[probe.setting]
        left = probe.settle_steps + probe.steps
        if self.epoch_steps is not None:
            left = min(left, self.epoch_steps - self.steps % self.epoch_steps)
        self._work(row, min(left, probe.settle_steps))
        times_s, energy_j = self._work(row, max(0, left - probe.settle_steps))
        time_s, provenance = float(times_s.sum()), Provenance.SIMULATED
        if not len(times_s):
            return Outcome(probe.setting, 0, 0.0, 0.0, 0.0, 0.0, provenance)
        edge_j = self.noise.counter_period_s * energy_j / time_s
        late = float(np.subtract(*self._rng.random(2)))
        read_j = max(energy_j + edge_j * late, 1e-9 * energy_j)  # a counter that did not move within the window
        sd_s = float(times_s.std(ddof=1)) if len(times_s) > 1 else None
        lo_j, hi_j = max(0.0, read_j - edge_j), read_j + edge_j
        return Outcome(probe.setting, len(times_s), time_s, read_j, lo_j, hi_j, provenance, sd_s)

    def _work(self, row: int, steps: int) -> tuple[Floats, float]:
        """Times of single steps [s] and their energy [J]."""
        noise = self.noise
        times_s = self.table.step_s[row] * self.time_factor * self._scatter(noise.step_frac, steps)
        powers_w = self.table.power_w[row] * self.power_factor * self._scatter(noise.power_frac, steps)
        if noise.warmup_steps:
            since = self.steps + np.arange(steps)
            times_s = times_s * (1.0 + noise.warmup_frac * np.maximum(0.0, 1.0 - since / noise.warmup_steps))
        energy_j = float(times_s @ powers_w)
        self.steps += steps
        self.time_s += float(times_s.sum())
        self.energy_j += energy_j
        return times_s, energy_j

    def _scatter(self, frac: float, count: int) -> Floats:
        """Positive factors around one."""
        return self._rng.gamma(frac**-2, frac**2, count) if frac else np.ones(count)
