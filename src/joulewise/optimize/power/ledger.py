"""What was measured at each setting, added up over probes, epochs and interruptions.

Theory of operation
-------------------
Sums are kept, never means: a probe that an epoch cut short is continued in the next one, and counts for what it was.
The mean time of n steps has the standard error sd / sqrt(n); the relative sd is pooled over all settings, since a few
steps say little about it and the job is the same. Bounds of energy come from the edges of windows, so each window adds
the square of its half width; one end is as likely as the other, hence a third of it as variance.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from joulewise.frontier import Point
from joulewise.optimize.power.search import Measured
from joulewise.optimize.protocol import Outcome
from joulewise.records import Provenance

ASSUMED_STEP_FRAC = 0.02
"""Relative scatter of single steps as long as nobody has timed any: not measured, a cautious guess."""


@dataclass(slots=True)
class Entry:
    """Sums of all that was measured at one setting.

    Attributes:
        steps: Measured steps.
        time_s, energy_j: Of all of them [s], [J].
        energy_variance_j2: Variance of the energy, from the windows' bounds [J²].
        scatter_s2: Sum of squared deviations of single steps [s²], over ``freedom`` degrees of freedom.
        provenance: Of the least trustworthy outcome.
    """

    steps: int = 0
    time_s: float = 0.0
    energy_j: float = 0.0
    energy_variance_j2: float = 0.0
    scatter_s2: float = 0.0
    freedom: int = 0
    provenance: Provenance = Provenance.MEASURED

    def add(self, outcome: Outcome) -> None:
        """Add an outcome that is not void."""
        self.steps += outcome.steps
        self.time_s += outcome.time_s
        self.energy_j += outcome.energy_j
        self.energy_variance_j2 += ((outcome.energy_hi_j - outcome.energy_lo_j) / 2.0) ** 2 / 3.0
        if outcome.step_time_sd_s is not None and outcome.steps > 1:
            self.freedom += outcome.steps - 1
            self.scatter_s2 += (outcome.steps - 1) * outcome.step_time_sd_s**2
        self.provenance = Provenance.weakest([self.provenance, outcome.provenance])

    @classmethod
    def of(cls, point: Point) -> Entry:
        """The entry that a point of a frontier of one step stands for."""
        power_w = point.energy_j / point.time_s
        of_windows_j2 = max(0.0, point.energy_sd_j**2 - (power_w * point.time_sd_s) ** 2)
        return cls(
            steps=point.samples,
            time_s=point.samples * point.time_s,
            energy_j=point.samples * point.energy_j,
            energy_variance_j2=point.samples * of_windows_j2,
            scatter_s2=(point.samples - 1) * point.time_sd_s**2,
            freedom=point.samples - 1,
            provenance=point.provenance,
        )

    def point(self, setting: Hashable) -> Point:
        """The mean of the steps as a point of a frontier: repetitions with their spread."""
        time_sd_s = math.sqrt(self.scatter_s2 / self.freedom) if self.freedom else 0.0
        energy_sd_j = math.hypot(self.power_w * time_sd_s, math.sqrt(self.energy_variance_j2 / self.steps))
        return Point(self.step_s, self.step_j, setting, self.provenance, self.steps, time_sd_s, energy_sd_j)

    @property
    def step_s(self) -> float:
        """Mean time of a step [s]."""
        return self.time_s / self.steps

    @property
    def step_j(self) -> float:
        """Mean energy of a step [J]."""
        return self.energy_j / self.steps

    @property
    def power_w(self) -> float:
        """Mean power [W]."""
        return self.energy_j / self.time_s


@dataclass(slots=True)
class Ledger:
    """The entries of all settings, by rank.

    Attributes:
        entries: What was measured.
        voids: How often each rank was voided in this search.
    """

    entries: dict[int, Entry] = field(default_factory=dict)
    voids: dict[int, int] = field(default_factory=dict)

    def step_frac(self) -> float:
        """Relative standard deviation of single steps, pooled over settings."""
        freedom = sum(entry.freedom for entry in self.entries.values())
        if not freedom:
            return ASSUMED_STEP_FRAC
        squares = sum(entry.scatter_s2 / entry.step_s**2 for entry in self.entries.values())
        return math.sqrt(squares / freedom)

    def errors(self, entry: Entry) -> tuple[float, float]:
        """Relative standard errors of an entry's time and power."""
        return self.step_frac() / math.sqrt(entry.steps), math.sqrt(entry.energy_variance_j2) / entry.energy_j

    def steps_for(self, precision_frac: float, step_s: float | None) -> int:
        """How many steps, of ``step_s`` each if that is known, bring both errors of a setting to ``precision_frac``.

        A window of energy is uncertain by what flows in a certain time at its edges, and the largest seen is taken.
        """
        steps = math.ceil((self.step_frac() / precision_frac) ** 2 - 1e-9) if precision_frac else 0
        if step_s and precision_frac:
            edge_s = max((math.sqrt(e.energy_variance_j2) / e.power_w for e in self.entries.values()), default=0.0)
            steps = max(steps, math.ceil(min(edge_s / (precision_frac * step_s), 1e9)))
        return steps

    def measured(self) -> Measured:
        """Means and standard errors, by rising rank."""
        rows = sorted(self.entries)
        table = [(entry.step_s, entry.power_w, *self.errors(entry)) for entry in (self.entries[row] for row in rows)]
        columns = np.array(table, dtype=np.float64).reshape(-1, 4).T
        return Measured(np.array(rows, dtype=np.intp), *columns)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "entries": [[row, asdict(entry)] for row, entry in sorted(self.entries.items())],
            "voids": [list(item) for item in sorted(self.voids.items())],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Ledger:
        """The ledger of which `to_dict` made ``document``."""
        entries = {
            int(row): Entry(**{**fields, "provenance": Provenance(fields["provenance"])})
            for row, fields in document["entries"]
        }
        return cls(entries, {int(row): int(count) for row, count in document["voids"]})
