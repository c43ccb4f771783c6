"""What an NVIDIA power reading means, by generation: over how long it averages, and which part of the time it sees.

Theory of operation. A board's power is sensed in windows: 25 ms of each 100 ms on A100 and H100, all of each 100 ms
elsewhere, 10 ms of each 20 ms on Volta and Pascal. The plain call (``nvmlDeviceGetPowerUsage``) hands that out on some
generations, and the mean of the last second on others; fields 186 and 185 name the two apart where they are supported.

Source: table of sampling behaviours of yang2024, measured against an external meter;
for Blackwell and newer only NVIDIA's statement that the plain call averages one second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

KEPLER, MAXWELL, PASCAL, VOLTA, TURING, AMPERE, ADA, HOPPER = range(2, 10)
"""Generations as nvmlDeviceGetArchitecture numbers them."""

UNTOLD = 2**32 - 1  # so are those that the driver does not know; 0 stands for a driver that tells none

GAIN_ERROR_FRAC = 0.05  # usual, and of the single board: of 20 boards, most were off by 1 to 6 %
DRIVER_WITHOUT_MEAN = "530"  # this one driver branch answers the plain call unaveraged


@dataclass(frozen=True, slots=True)
class Sensing:
    """How one kind of power reading is made.

    Attributes:
        window_s: Over how long it averages [s].
        duty_frac: Which part of the time it sees.
    """

    window_s: float | None = None
    duty_frac: float | None = None


MEAN_OF_A_SECOND = Sensing(1.0, 1.0)
UNKNOWN = Sensing()


@dataclass(frozen=True, slots=True)
class PowerSensing:
    """What the readings of a board mean.

    Attributes:
        instant: Of the reading that follows the load fastest.
        average: Of the averaged reading.
        plain_is_average: Whether the plain call hands out the averaged reading.
    """

    instant: Sensing
    average: Sensing
    plain_is_average: bool


_LOW_PASS = PowerSensing(Sensing(0.1), UNKNOWN, plain_is_average=False)
_HALF_OF_20_MS = PowerSensing(Sensing(0.010, 0.5), UNKNOWN, plain_is_average=False)
GA100 = PowerSensing(Sensing(0.025, 0.25), UNKNOWN, plain_is_average=False)
_OF_GENERATION: Mapping[int, PowerSensing] = MappingProxyType(
    {
        KEPLER: _LOW_PASS,
        MAXWELL: _LOW_PASS,
        PASCAL: _HALF_OF_20_MS,
        VOLTA: _HALF_OF_20_MS,
        TURING: PowerSensing(Sensing(0.1, 1.0), UNKNOWN, plain_is_average=False),
        AMPERE: PowerSensing(Sensing(0.1, 1.0), MEAN_OF_A_SECOND, plain_is_average=True),
        ADA: PowerSensing(Sensing(0.1, 1.0), MEAN_OF_A_SECOND, plain_is_average=True),
        HOPPER: PowerSensing(Sensing(0.025, 0.25), MEAN_OF_A_SECOND, plain_is_average=True),
    }
)
_NEWER = PowerSensing(UNKNOWN, MEAN_OF_A_SECOND, plain_is_average=True)
_UNTOLD = PowerSensing(UNKNOWN, UNKNOWN, plain_is_average=False)


def power_sensing(architecture: int, compute: tuple[int, int], driver_version: str) -> PowerSensing:
    """What the power readings of a board mean.

    Args:
        architecture: Generation.
        compute: CUDA compute capability: (8, 0) is the GA100 die, which differs from other Amperes.
        driver_version: Such as "535.54.03".
    """
    if architecture == AMPERE and compute == (8, 0):
        return GA100
    known = _OF_GENERATION.get(architecture, _NEWER if HOPPER < architecture < UNTOLD else _UNTOLD)
    if architecture in (AMPERE, ADA) and driver_version.split(".", maxsplit=1)[0] == DRIVER_WITHOUT_MEAN:
        return replace(known, plain_is_average=False)
    return known
