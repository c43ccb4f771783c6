"""What to minimise over a frontier: a cost of time and energy, computed for all points at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError

Floats = NDArray[np.float64]


class Objective(Protocol):
    """A cost of time and energy.

    Shapes:
        time_s, energy_j, cost: (n,).
    """

    def __call__(self, time_s: Floats, energy_j: Floats, /) -> Floats:
        """The cost of each (time [s], energy [J])."""
        ...


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy alone [J]."""

    def __call__(self, time_s: Floats, energy_j: Floats, /) -> Floats:
        """The cost of each (time [s], energy [J])."""
        return energy_j


@dataclass(frozen=True, slots=True)
class Time:
    """Time alone [s]."""

    def __call__(self, time_s: Floats, energy_j: Floats, /) -> Floats:
        """The cost of each (time [s], energy [J])."""
        return time_s


@dataclass(frozen=True, slots=True)
class EnergyDelayProduct:
    """Energy times time [J s]."""

    def __call__(self, time_s: Floats, energy_j: Floats, /) -> Floats:
        """The cost of each (time [s], energy [J])."""
        return energy_j * time_s


@dataclass(frozen=True, slots=True)
class EnergyDelaySquaredProduct:
    """Energy times time squared [J s²], which weighs time more."""

    def __call__(self, time_s: Floats, energy_j: Floats, /) -> Floats:
        """The cost of each (time [s], energy [J])."""
        return energy_j * time_s**2


@dataclass(frozen=True, slots=True)
class ZeusCost:
    """Energy and time blended into joules: eta·E + (1 − eta)·P_max·t.

    Attributes:
        eta: 1 counts energy alone, 0 time alone.
        max_power_w: Power at which a second is priced [W]; Zeus takes the largest power limit of the device.

    Raises:
        UsageError: If ``eta`` lies outside [0, 1] or ``max_power_w`` is negative or not finite.

    Source:
        Zeus (NSDI'23), section 3, the energy-time cost.
    """

    eta: float
    max_power_w: float

    def __post_init__(self) -> None:
        """Check both weights."""
        if not 0.0 <= self.eta <= 1.0:
            raise UsageError("eta is not a share", f"{self.eta!r}", "give a number from 0 (time) to 1 (energy)")
        _check_weight("max_power_w", self.max_power_w)

    def __call__(self, time_s: Floats, energy_j: Floats, /) -> Floats:
        """The cost of each (time [s], energy [J])."""
        return self.eta * energy_j + (1.0 - self.eta) * self.max_power_w * time_s


@dataclass(frozen=True, slots=True)
class Price:
    """A price of energy and of time in one currency: money, or grams of carbon dioxide.

    Attributes:
        per_joule: Price of a joule; a tariff per kWh is divided by 3.6e6.
        per_second: Price of a second, for example of renting the hardware.

    Raises:
        UsageError: If a price is negative or not finite.
    """

    per_joule: float
    per_second: float = 0.0

    def __post_init__(self) -> None:
        """Check both prices."""
        _check_weight("per_joule", self.per_joule)
        _check_weight("per_second", self.per_second)

    def __call__(self, time_s: Floats, energy_j: Floats, /) -> Floats:
        """The cost of each (time [s], energy [J])."""
        return self.per_joule * energy_j + self.per_second * time_s


def _check_weight(name: str, value: float) -> None:
    if not (np.isfinite(value) and value >= 0.0):
        raise UsageError(f"{name} is not usable", f"{value!r}", "give a finite number that is not negative")
