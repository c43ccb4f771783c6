"""Software Carbon Intensity: emissions per unit of what software is for.

Source: Green Software Foundation, SCI v1.1 (ISO/IEC 21031): SCI = (E × I + M) per R, with embodied emissions
M = TE × TS × RS. Offsets do not count. E here includes PUE if the footprint states one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from joulewise.errors import UsageError
from joulewise.measure.footprint.footprint import Footprint
from joulewise.records import Provenance


@dataclass(frozen=True, slots=True)
class Embodied:
    """The share of making the hardware.

    Attributes:
        total_g: Emitted in making and disposing of it, TE [g].
        lifetime_s: How long it is expected to serve, EL [s].
        reserved_s: How long it was reserved for the software, TiR [s]; TS = TiR / EL.
        share_frac: Which part of it was reserved, RS.
        source: Where ``total_g`` is from.
    """

    total_g: float
    lifetime_s: float
    reserved_s: float
    share_frac: float = 1.0
    source: str = "given by the user"

    @property
    def embodied_g(self) -> float:
        """M = TE × TS × RS [g].

        Raises:
            UsageError: If a figure cannot be meant.
        """
        figures = (self.total_g, self.reserved_s, self.share_frac)
        meant = all(0 <= one < math.inf for one in figures) and 0 < self.lifetime_s < math.inf
        if not meant or self.share_frac > 1 or self.reserved_s > self.lifetime_s:
            fix = "give figures of zero or more, a share up to 1 and a time within the lifetime"
            raise UsageError("embodied emissions are not usable", repr(self), fix)
        return self.total_g * (self.reserved_s / self.lifetime_s) * self.share_frac


@dataclass(frozen=True, slots=True)
class Sci:
    """Emissions per functional unit.

    Attributes:
        g_per_unit: (E × I + M) / R [g].
        lo_g, hi_g: Bounds, from those of the energy; None if that has none [g].
        unit: What R counts: token, request, step, epoch, ...
        units: How many, R.
        operational_g, embodied_g: E × I and M [g].
        embodied_source: Where M is from; empty if it was left out, which makes the figure no full SCI.
        provenance: Of the energy.
    """

    g_per_unit: float
    lo_g: float | None
    hi_g: float | None
    unit: str
    units: float
    operational_g: float
    embodied_g: float
    embodied_source: str
    provenance: Provenance


def sci(footprint: Footprint, units: float, unit: str, embodied: Embodied | None = None) -> Sci:
    """Emissions per functional unit.

    Args:
        footprint: With carbon.
        units: How many functional units were delivered, R; above 0.
        unit: What they are.
        embodied: The share of making the hardware; without it the figure is of operation only.

    Raises:
        UsageError: If the footprint has no carbon, or there are no units.
    """
    if footprint.carbon is None:
        raise UsageError("SCI needs a carbon intensity", "a footprint without carbon", "give footprint an intensity")
    if not 0 < units < math.inf or not unit:
        raise UsageError("SCI is per unit of something", f"{units!r} {unit!r}", "give a number above 0 and its name")
    carbon, embodied_g = footprint.carbon, 0.0 if embodied is None else embodied.embodied_g

    def per_unit(operational_g: float | None) -> float | None:
        return None if operational_g is None else (operational_g + embodied_g) / units

    return Sci(
        (carbon.carbon_g + embodied_g) / units,
        per_unit(carbon.lo_g),
        per_unit(carbon.hi_g),
        unit,
        units,
        carbon.carbon_g,
        embodied_g,
        "" if embodied is None else embodied.source,
        footprint.provenance,
    )
