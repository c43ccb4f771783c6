"""Described work: what a simulated chip can be asked to run.

Times are those at the highest core and memory clock. A part of a kernel's time is core cycles, a part is memory
traffic and the rest (launches, the host) feels no clock, so that its time is a + b/f in the core clock f.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from joulewise.errors import UsageError


@dataclass(frozen=True, slots=True)
class Kernel:
    """Something that computes.

    Attributes:
        time_s: Duration at the highest clocks [s].
        compute_frac: Part of it that is core cycles.
        memory_frac: Part of it that is memory traffic; together at most 1.
        activity: Dynamic power of its core cycles, relative to the reference of the model.
    """

    time_s: float
    compute_frac: float = 1.0
    memory_frac: float = 0.0
    activity: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be run.

        Raises:
            UsageError: If a number is negative or not finite, or the parts exceed the whole.
        """
        numbers = (self.time_s, self.compute_frac, self.memory_frac, self.activity)
        if not all(math.isfinite(one) and one >= 0 for one in numbers) or sum(numbers[1:3]) > 1 + 1e-9:
            raise UsageError("a chip cannot run this", repr(self), "give parts of 0 to 1 that sum to at most 1")


@dataclass(frozen=True, slots=True)
class Wait:
    """Waiting for others with the clocks running, as in a collective: busy for the driver, and not free of charge."""

    time_s: float

    def __post_init__(self) -> None:
        """Refuse a time that cannot pass.

        Raises:
            UsageError: If it is negative or not finite.
        """
        if not 0 <= self.time_s < math.inf:
            raise UsageError("a chip cannot wait for this long", f"{self.time_s!r} s", "give finite seconds")


@dataclass(frozen=True, slots=True)
class Idle(Wait):
    """Nothing to do."""


Work = Kernel | Wait
"""One piece of described work."""
