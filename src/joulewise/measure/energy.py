"""An energy as measured: never without its bounds, its resolution and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from joulewise.records import Provenance


class Method(StrEnum):
    """How an energy was found."""

    COUNTER = "counter"
    INTEGRATED = "integrated"
    MODELLED = "modelled"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy over a window.

    Attributes:
        energy_j: What the sensor says [J].
        lo_j, hi_j: Between them lies what was used, unless a warning says under which condition [J].
        resolution_j: How far two windows of the same use may read apart, for where their edges fall between updates of
            the sensor [J].
        method: How it was found.
        provenance: Whether the device is one.
        warnings: What else the reader must know.
    """

    energy_j: float
    lo_j: float
    hi_j: float
    resolution_j: float
    method: Method
    provenance: Provenance = Provenance.MEASURED
    warnings: tuple[str, ...] = ()


def total(parts: Sequence[Energy]) -> Energy:
    """The energy of several devices, none of which includes another (`joulewise.devices.device.top_level`).

    Bounds add up: errors of boards of one model need not be independent. Warnings stay with the parts.
    """
    methods = {part.method for part in parts}
    return Energy(
        energy_j=math.fsum(part.energy_j for part in parts),
        lo_j=math.fsum(part.lo_j for part in parts),
        hi_j=math.fsum(part.hi_j for part in parts),
        resolution_j=math.fsum(part.resolution_j for part in parts),
        method=methods.pop() if len(methods) == 1 else Method.MIXED,
        provenance=Provenance.weakest(part.provenance for part in parts),
    )
