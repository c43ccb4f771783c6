"""Whether an energy counter and the integral of power readings tell the same story of the same window.

Theory of operation. Both have bounds that should hold the truth; if they have no value in common, at least one of the
sensors, or what is believed of it, is wrong. Bounds of short windows are wide, so that little can be said of them;
their ratio is given with its own bounds. Sensors of one board may share their gain: agreement does not prove it right.

Source: counters and integrals of one board were seen to agree within 1 % under load and to lie 43 % apart idle (issues
12 and 181 of Zeus); which of the two errs is not known in general, hence a flag and no correction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from joulewise.measure.energy import Energy


@dataclass(frozen=True, slots=True)
class Crosscheck:
    """Two ways to the same energy, compared.

    Attributes:
        agrees: Whether the bounds of both have a value in common.
        ratio: Counted over integrated; None if nothing was seen by integration.
        apart_j: How far apart the bounds are [J]; 0 if they meet.
        text: The same for people.
    """

    agrees: bool
    ratio: float | None
    apart_j: float
    text: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to warn of: nothing if they agree."""
        return () if self.agrees else (self.text,)


def crosscheck(counted: Energy, integrated: Energy) -> Crosscheck:
    """Compare the energies of one window by counter and by integration.

    Args:
        counted: By `joulewise.measure.counted.count_energy`.
        integrated: By `joulewise.measure.integrate.integrate_power`.

    Returns:
        Whether they can both be true, and the text of a flag if not.
    """
    apart_j = max(0.0, counted.lo_j - integrated.hi_j, integrated.lo_j - counted.hi_j)
    ratio = counted.energy_j / integrated.energy_j if integrated.energy_j > 0 else None
    said = f"the counter says {counted.energy_j:.4g} J, power readings {integrated.energy_j:.4g} J"
    if ratio is not None and math.isfinite(ratio):
        said += f" ({ratio:.3g} times)"
    if apart_j > 0:
        return Crosscheck(
            False, ratio, apart_j, f"{said}: their bounds are {apart_j:.3g} J apart, so one of them is wrong"
        )
    return Crosscheck(True, ratio, 0.0, f"{said}: their bounds meet")
