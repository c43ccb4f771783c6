"""What each kind of operation may be told, and what that costs: the option table of a computation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.frontier import Point
from joulewise.frontier.columns import TRUST, Columns
from joulewise.frontier.fit import fit_convex
from joulewise.frontier.settings import Setting
from joulewise.records import Provenance


@dataclass(frozen=True, eq=False)
class OptionTable:
    """Every setting known for one kind of operation, dominated ones included, repetitions merged.

    Attributes:
        columns: One row per setting: its time [s] and energy [J].
        wait_power_w: Power that whoever runs the operation draws while it waits [W]; 0 for a transfer on a link.
        planning_energy_j: Energies by which a planner chooses [J], if other than the measured ones (smoothed); what a
            plan costs is always told by ``columns``.
    """

    columns: Columns
    wait_power_w: float
    planning_energy_j: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, points: Iterable[Point], wait_power_w: float) -> OptionTable:
        """Table of points; those of one setting are repetitions, and are merged.

        Raises:
            UsageError: If there are several points without a setting: a plan could not name them.
        """
        columns = Columns.from_points(points).merged()
        if len(columns.time_s) > 1 and any(setting is None for setting in columns.settings):
            seen = f"{len(columns.time_s)} options, some without a setting"
            raise UsageError("the options of an operation cannot be told apart", seen, "give each its own setting")
        return cls(columns, wait_power_w)

    def __post_init__(self) -> None:
        """Refuse more settings than a plan can count."""
        if len(self) > np.iinfo(np.int16).max:
            raise UsageError("too many settings for one operation", f"{len(self)}", "give at most 32,767")

    def __len__(self) -> int:
        """Number of settings."""
        return len(self.columns.time_s)

    @property
    def time_s(self) -> NDArray[np.float64]:
        """Duration of each row [s]."""
        return self.columns.time_s

    @property
    def energy_j(self) -> NDArray[np.float64]:
        """Energy of each row [J]."""
        return self.columns.energy_j

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Setting of each row."""
        return tuple(self.columns.settings)

    @cached_property
    def effective_energy_j(self) -> NDArray[np.float64]:
        """Energy above waiting for the same time, by which a planner chooses [J] (planner definitions: e − P_b·t)."""
        energy_j = self.energy_j if self.planning_energy_j is None else self.planning_energy_j
        return np.asarray(energy_j - self.wait_power_w * self.time_s)

    @cached_property
    def useful(self) -> NDArray[np.intp]:
        """Rows worth planning with, fastest first: none is dominated in (time, effective energy)."""
        order = np.lexsort((self.effective_energy_j, self.time_s))
        falling = self.effective_energy_j[order]
        best_before = np.concatenate([[np.inf], np.minimum.accumulate(falling)[:-1]])
        return np.asarray(order[falling < best_before])

    @cached_property
    def top_clock(self) -> int:
        """Row of the highest numeric setting, else of the fastest: what runs when nothing is planned."""
        numeric = [
            (float(s), -row) for row, s in enumerate(self.settings) if isinstance(s, int | float) and s is not None
        ]
        return -max(numeric)[1] if numeric else int(np.argmin(self.time_s))

    @property
    def provenance(self) -> Provenance:
        """Provenance of the least trustworthy row."""
        return TRUST[int(self.columns.doubt.max())]

    def row_of(self, setting: Setting) -> int:
        """Row of a setting.

        Raises:
            UsageError: If the setting is not in the table.
        """
        try:
            return self._row[setting]
        except KeyError:
            known = ", ".join(map(str, self.settings[:8])) + (", ..." if len(self) > 8 else "")
            raise UsageError("an operation has no such setting", f"seen: {setting!r}", f"use one of {known}") from None

    @cached_property
    def _row(self) -> dict[Setting, int]:
        return {setting: row for row, setting in enumerate(self.settings)}

    def scaled(self, time: float, energy: float) -> OptionTable:
        """The same settings with times and energies multiplied, as for a part of the operation; marked modelled."""
        weakest = Provenance.weakest([self.provenance, Provenance.MODELLED])
        columns = Columns.from_arrays(self.time_s * time, self.energy_j * energy, self.columns.settings, weakest)
        return OptionTable(columns, self.wait_power_w)

    def on_gpus(self, count: int) -> OptionTable:
        """The same operation run by several GPUs in lock step: energies and waiting power times their number."""
        columns = replace(self.columns, energy_j=self.energy_j * count, energy_sd_j=self.columns.energy_sd_j * count)
        planning = None if self.planning_energy_j is None else self.planning_energy_j * count
        return OptionTable(columns, self.wait_power_w * count, planning)

    def smoothed(self) -> OptionTable:
        """The same table with planning energies on a convex, falling fit of the effective energies.

        A table of fewer than three rows has nothing to smooth.
        """
        if len(self) < 3:
            return self
        weights = self.columns.samples.astype(np.float64)
        fit = fit_convex(self.time_s, self.energy_j - self.wait_power_w * self.time_s, weights)
        return replace(self, planning_energy_j=np.asarray(fit(self.time_s) + self.wait_power_w * self.time_s))
