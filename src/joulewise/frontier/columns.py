"""Points as columns: checked, repetitions merged, rows taken. What a frontier is made of."""

from __future__ import annotations

import operator
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewise.errors import UsageError
from joulewise.frontier.point import Point
from joulewise.frontier.settings import Selected, Setting
from joulewise.records import Provenance

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TRUST = tuple(Provenance)
"""Provenances by falling trust; ``Columns.doubt`` indexes it."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Points as columns of equal length, read-only. The columns are those of `Point`.

    Attributes:
        doubt: For each row the index of its provenance in ``TRUST``.
    """

    time_s: Floats
    energy_j: Floats
    settings: Sequence[Setting]
    doubt: Ints
    samples: Ints
    time_sd_s: Floats
    energy_sd_j: Floats

    def __post_init__(self) -> None:
        """Check every value; freeze the arrays."""
        if not self.time_s.size:
            raise UsageError("a frontier cannot be made of nothing", "0 points", "give at least one point")
        for name in ("time_s", "energy_j", "time_sd_s", "energy_sd_j"):
            column: Floats = getattr(self, name)
            self._check(name, column, np.isfinite(column) & (column >= 0.0), "a finite number that is not negative")
        self._check("samples", self.samples, self.samples >= 1, "a count of at least 1")
        for item in fields(self):
            if isinstance(column := getattr(self, item.name), np.ndarray):
                column.setflags(write=False)

    def _check(self, name: str, column: NDArray[Any], good: NDArray[np.bool_], wanted: str) -> None:
        if column.ndim != 1 or len(column) != len(self.settings):
            raise UsageError(
                f"{name} does not match the settings",
                f"shape {column.shape} beside {len(self.settings)} settings",
                "give one value for each setting",
            )
        if not good.all():
            row = int(np.argmin(good))
            raise UsageError(
                f"row {row} (counted from 0) has an unusable {name}",
                f"{column[row]!s}, setting {self.settings[row]!r}",
                f"{name} must be {wanted}",
            )

    @classmethod
    def from_arrays(
        cls, time_s: ArrayLike, energy_j: ArrayLike, settings: Sequence[Setting], provenance: Provenance
    ) -> Columns:
        """Columns of single samples; ``settings`` is kept as it is."""
        try:
            time, energy = np.array(time_s, dtype=np.float64), np.array(energy_j, dtype=np.float64)
            doubt = np.full(len(settings), TRUST.index(provenance), dtype=np.int64)
        except (TypeError, ValueError) as error:
            fix = "give two arrays of numbers, and a Provenance"
            raise UsageError("these arrays hold no points", str(error), fix) from error
        one, zero = np.ones(len(settings), dtype=np.int64), np.zeros(len(settings))
        return cls(time, energy, settings, doubt, one, zero, zero)

    @classmethod
    def from_points(cls, points: Iterable[Point]) -> Columns:
        """Columns of points, unmerged."""
        rows, settings, doubt, samples = [], [], [], []
        for number, point in enumerate(points):
            try:
                values = (point.time_s, point.energy_j, point.time_sd_s, point.energy_sd_j)
                rows.append(tuple(map(float, values)))
                samples.append(operator.index(point.samples))
                doubt.append(TRUST.index(point.provenance))
            except (TypeError, ValueError) as error:
                fix = "give numbers, a whole number of samples, and a Provenance"
                raise UsageError(f"row {number} (counted from 0) is not a point", str(error), fix) from error
            settings.append(point.setting)
        time_s, energy_j, time_sd_s, energy_sd_j = np.array(rows, dtype=np.float64).reshape(-1, 4).T
        doubts, counts = np.array(doubt, dtype=np.int64), np.array(samples, dtype=np.int64)
        return cls(time_s, energy_j, settings, doubts, counts, time_sd_s, energy_sd_j)

    @classmethod
    def from_table(cls, rows: Iterable[Mapping[str, Any]], provenance: Provenance) -> Columns:
        """Columns of mappings with ``time_s``, ``energy_j`` and, if known, ``setting``; other keys are ignored."""
        points = []
        for number, row in enumerate(rows):
            try:
                points.append(Point(float(row["time_s"]), float(row["energy_j"]), row.get("setting"), provenance))
            except (KeyError, TypeError, ValueError) as error:
                seen = f"keys {sorted(map(str, row))}" if isinstance(error, KeyError) else str(error)
                raise UsageError(
                    f"row {number} (counted from 0) is not usable", seen, "give time_s [s] and energy_j [J] as numbers"
                ) from error
        return cls.from_points(points)

    def take(self, rows: NDArray[np.intp]) -> Columns:
        """The given rows, in the given order; settings stay where they are and are indexed."""
        return Columns(
            self.time_s[rows],
            self.energy_j[rows],
            Selected.of(self.settings, rows),
            self.doubt[rows],
            self.samples[rows],
            self.time_sd_s[rows],
            self.energy_sd_j[rows],
        )

    def point(self, row: int) -> Point:
        """One row as a point."""
        return Point(
            float(self.time_s[row]),
            float(self.energy_j[row]),
            self.settings[row],
            TRUST[self.doubt[row]],
            int(self.samples[row]),
            float(self.time_sd_s[row]),
            float(self.energy_sd_j[row]),
        )

    def merged(self) -> Columns:
        """Repetitions of one setting as one row: mean, number, and spread. Rows without a setting stay apart."""
        groups: dict[Hashable, list[int]] = {}
        for row, setting in enumerate(self.settings):
            try:
                groups.setdefault(("row", row) if setting is None else ("setting", setting), []).append(row)
            except TypeError as error:
                fix = "give a hashable setting, for example a tuple instead of a list"
                raise UsageError(f"row {row} (counted from 0) has an unusable setting", repr(setting), fix) from error
        if len(groups) == len(self.settings):
            return self
        return Columns.from_points(
            self.point(rows[0]) if len(rows) == 1 else self._mean_of(rows) for rows in groups.values()
        )

    def _mean_of(self, rows: list[int]) -> Point:
        samples = self.samples[rows]
        time_s, time_sd_s = _pooled(self.time_s[rows], self.time_sd_s[rows], samples)
        energy_j, energy_sd_j = _pooled(self.energy_j[rows], self.energy_sd_j[rows], samples)
        provenance = TRUST[self.doubt[rows].max()]
        return Point(time_s, energy_j, self.settings[rows[0]], provenance, int(samples.sum()), time_sd_s, energy_sd_j)


def _pooled(mean: Floats, sd: Floats, samples: Ints) -> tuple[float, float]:
    """Mean and sample standard deviation of the union of groups given by theirs."""
    total = int(samples.sum())
    middle = float(mean @ samples) / total
    squares = float((samples - 1) @ sd**2 + samples @ (mean - middle) ** 2)
    return middle, (squares / (total - 1)) ** 0.5
