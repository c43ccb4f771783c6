"""Sensors that see the truth late, coarsely, averaged and through a gain error, as those of real boards do.

Theory of operation. A sensor updates at ticks of its own phase. At a tick, power is the mean over the window before
it, taken from the exact energy, times the gain of the board; a window shorter than the period leaves the rest of the
time unseen (25 of each 100 ms on A100 and H100). The counter shows the energy at the last tick in whole steps, and
wraps. Gains, phases and the counter's zero belong to the board: they are drawn once from its seed.

Source: averaging windows and update periods by generation, arXiv 2312.02741.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from joulewise.devices.simulated.model import ChipModel

Energy = Callable[[int], float]
"""Exact energy since the device exists [J] at an instant [ns]."""


def last_tick_ns(now_ns: int, period_ns: int, phase_ns: int) -> int:
    """The last update at or before ``now_ns``."""
    return now_ns - (now_ns - phase_ns) % period_ns


@dataclass(frozen=True, slots=True)
class Board:
    """How one board differs from its model.

    Attributes:
        gain: Power readings are the truth times this.
        counter_gain: The same for the energy counter.
        phase: Phase of the sensors' ticks, as a fraction of their period.
        switch_factor: Its switches take this times as long.
        counter_start_j: What its counter showed when the device came into existence [J].
    """

    gain: float
    counter_gain: float
    phase: float
    switch_factor: float
    counter_start_j: float

    @classmethod
    def of(cls, model: ChipModel, uid: str, seed: int) -> Board:
        """The board of a uid and a seed; the same ones give the same board."""
        chance = random.Random(f"{model.name}/{uid}/{seed}")
        gain = 1 + chance.uniform(-1, 1) * model.sensor.gain_error_frac
        return cls(
            gain=gain,
            counter_gain=gain * (1 + chance.uniform(-1, 1) * model.sensor.counter_error_frac),
            phase=chance.random(),
            switch_factor=1 + chance.uniform(-1, 1) * model.switch.board_frac,
            counter_start_j=chance.uniform(0, 50_000),
        )


@dataclass(frozen=True, slots=True)
class PowerSensor:
    """Power, averaged over ``window_s`` before each tick [W]."""

    period_s: float
    window_s: float
    step_w: float
    gain: float
    phase: float

    def read(self, energy_j: Energy, now_ns: int) -> float:
        """What it shows at ``now_ns``."""
        period_ns, window_ns = round(self.period_s * 1e9), round(self.window_s * 1e9)
        tick_ns = last_tick_ns(now_ns, period_ns, round(self.phase * period_ns))
        mean_w = (energy_j(tick_ns) - energy_j(tick_ns - window_ns)) / (window_ns * 1e-9)
        return round(mean_w * self.gain / self.step_w) * self.step_w


@dataclass(frozen=True, slots=True)
class CounterSensor:
    """An energy counter in whole steps that wraps at ``maximum_j`` (0: never)."""

    period_s: float
    step_j: float
    maximum_j: float
    gain: float
    phase: float
    start_j: float

    def read(self, energy_j: Energy, now_ns: int) -> float:
        """What it shows at ``now_ns`` [J]."""
        period_ns = round(self.period_s * 1e9)
        tick_ns = last_tick_ns(now_ns, period_ns, round(self.phase * period_ns))
        steps = math.floor((self.start_j + energy_j(tick_ns) * self.gain) / self.step_j)
        if self.maximum_j:
            steps %= round(self.maximum_j / self.step_j)
        return steps * self.step_j
