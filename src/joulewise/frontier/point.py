"""One way of doing a piece of work: how long it takes, what it costs, and which setting does it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from joulewise.records import Provenance


@dataclass(frozen=True, slots=True)
class Point:
    """One way of doing a piece of work.

    Attributes:
        time_s: Duration [s], >= 0.
        energy_j: Energy drawn over that duration [J], >= 0.
        setting: What to set to get it (a clock, a tuple of clocks, a plan); opaque here. None: not known.
        provenance: Whether the figures were measured, modelled or simulated.
        samples: Number of repetitions of which the figures are the mean, >= 1.
        time_sd_s: Sample standard deviation of the repetitions' durations [s]; 0 for one repetition.
        energy_sd_j: Sample standard deviation of the repetitions' energies [J]; 0 for one repetition.
    """

    time_s: float
    energy_j: float
    setting: Hashable
    provenance: Provenance
    samples: int = 1
    time_sd_s: float = 0.0
    energy_sd_j: float = 0.0
