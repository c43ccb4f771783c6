"""Numbers as people and browsers read them: units of a fitting size, few digits, no NaN."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

_MINUS = "\u2212"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit to show a quantity in.

    Attributes:
        factor: Multiply an SI value by this.
        symbol: What to print behind the number.
    """

    factor: float
    symbol: str


def time_unit(largest_s: float) -> Unit:
    """Unit for times up to ``largest_s`` [s]."""
    return Unit(1e3, "ms") if largest_s < 1 else Unit(1.0, "s")


def energy_unit(largest_j: float) -> Unit:
    """Unit for energies up to ``largest_j`` [J]."""
    if largest_j >= 1e7:
        return Unit(1e-6, "MJ")
    return Unit(1e-3, "kJ") if largest_j >= 1e4 else Unit(1.0, "J")


def show(value: float, unit: Unit, digits: int = 5) -> str:
    """``value`` [SI] in ``unit`` with ``digits`` significant digits, such as ``2.8365 s``."""
    scaled = value * unit.factor
    places = max(0, digits - 1 - int(np.floor(np.log10(abs(scaled))))) if scaled else 0
    return f"{scaled:.{places}f} {unit.symbol}".replace("-", _MINUS)


def show_percent(fraction: float, signed: bool = False) -> str:
    """``fraction`` as percent with two decimals; a value that rounds to zero has no sign."""
    text = f"{100 * fraction:+.2f}" if signed else f"{100 * fraction:.2f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return f"{text} %".replace("-", _MINUS)


def numbers(values: ArrayLike, factor: float = 1.0, digits: int = 8) -> list[float | None]:
    """Values for JSON: scaled, cut to ``digits`` significant digits, None where not finite."""
    scaled = np.asarray(values, dtype=np.float64) * factor
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in scaled.tolist()]
