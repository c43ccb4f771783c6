"""What a scheduler says of a pipeline: that it is, or will be, slower, or no longer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from joulewise.errors import UsageError


class Cause(StrEnum):
    """Why a pipeline is slow."""

    POWER_CAP = "power_cap"
    THERMAL = "thermal"
    INPUT = "input"
    FAULT = "fault"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Notice:
    """A pipeline takes so long as of now, until the next notice for it.

    Attributes:
        pipeline: Which.
        slowdown: Its iteration takes so many times as long as it would; 1 or less: it has recovered.
        time_s: Its iteration time with its fastest plan instead [s], if that is what is known.
        cause: Why, for people.
    """

    pipeline: int
    slowdown: float | None = None
    time_s: float | None = None
    cause: Cause = Cause.OTHER

    def __post_init__(self) -> None:
        """Check."""
        given = [value for value in (self.slowdown, self.time_s) if value is not None]
        if len(given) != 1 or not (math.isfinite(given[0]) and given[0] > 0):
            seen = f"slowdown {self.slowdown!r}, time_s {self.time_s!r}"
            raise UsageError("a notice does not say how slow a pipeline is", seen, "give one of both, above 0")

    def factor(self, fastest_s: float) -> float:
        """The slowdown, at least 1, if the pipeline would take ``fastest_s`` [s]."""
        return max(1.0, self.slowdown if self.slowdown is not None else (self.time_s or 0.0) / fastest_s)
