"""Shares of an energy, and the rest: exactly the total, in whatever order they are added.

Theory of operation. Sums of floating-point numbers depend on their order and are not exact, unless all of them are
multiples of one unit and the sum has no more than 53 bits. So shares are rounded down to multiples of the last bit of
the total; what that takes away, less than one bit each, is with the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joulewise.measure.energy import Energy, total

UNATTRIBUTED = "unattributed"


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several users used.

    Attributes:
        key: Who: a process, container, slice, rank or request.
        energy_j: Its part of what was measured [J].
        lo_j, hi_j: The same part of the bounds of what was measured. How far the method is off is not in them [J].
    """

    key: str
    energy_j: float
    lo_j: float
    hi_j: float


@dataclass(frozen=True)
class Attribution:
    """An energy divided among its users.

    Attributes:
        method: How it was divided, in words.
        total: What was divided.
        shares: By key, in the order of keys.
        unattributed: The rest: idle power, and whoever is not listed.
    """

    method: str
    total: Energy
    shares: tuple[Share, ...]
    unattributed: Share

    @property
    def by_key(self) -> Mapping[str, Share]:
        """The shares by who they are of."""
        return {share.key: share for share in self.shares}


def divide(whole: Energy, joules: Mapping[str, float], method: str) -> Attribution:
    """Divide an energy.

    Args:
        whole: What is divided.
        joules: What each used, not below zero [J]. If that is more than there is, all are cut by the same factor.
        method: How it was found, in words.
    """
    asked_j = math.fsum(joules.values())
    factor = whole.energy_j / asked_j if asked_j > whole.energy_j else 1.0
    bit_j = math.ulp(whole.energy_j)
    bits = {key: int(max(0.0, joules[key]) * factor / bit_j) for key in sorted(joules)} if whole.energy_j > 0 else {}
    left = (int(whole.energy_j / bit_j) if bits else 0) - sum(bits.values())
    for key in sorted(bits, key=lambda key: (-bits[key], key)):  # rounding of the factor
        taken = min(bits[key], max(0, -left))
        bits[key], left = bits[key] - taken, left + taken
    shares = tuple(_share(key, bits.get(key, 0) * bit_j, whole) for key in sorted(joules))
    rest_j = left * bit_j if bits else whole.energy_j
    return Attribution(method, whole, shares, _share(UNATTRIBUTED, rest_j, whole))


def together(parts: Sequence[Attribution], method: str) -> Attribution:
    """Attributions of several devices as one, by key."""
    keys = {share.key for part in parts for share in part.shares}
    joules = {key: math.fsum(part.by_key[key].energy_j for part in parts if key in part.by_key) for key in keys}
    return divide(total([part.total for part in parts]), joules, method)


def _share(key: str, energy_j: float, whole: Energy) -> Share:
    frac = energy_j / whole.energy_j if whole.energy_j > 0 else 0.0
    lo_j, hi_j = (0.0, 0.0) if frac == 0 else (whole.lo_j * frac, whole.hi_j * frac)
    return Share(key, energy_j, lo_j, hi_j)
