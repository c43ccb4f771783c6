"""The power of computations that are shorter than a tick of the energy counter.

Theory of operation. A counter that moves every 100 ms cannot be read at the edges of a computation of 50 ms: what is
interpolated between two ticks is smeared over its neighbours, and always to the disadvantage of the hungrier one. But
what was used between two ticks is a sum: time in each kind of computation, times its power, and waiting besides. So
each pair of ticks is an equation, all iterations together are a linear system, and its least-squares solution with
powers not below zero is unbiased however short the computations are. Its residuals tell the uncertainty.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from joulewise.runtime.pipeline.gauge import Tick

LEAST_FRAC = 1e-4
"""A kind that takes less than this part of the time has no power that could be told."""


class Span(NamedTuple):
    """Something of one kind was going on from ``begin_ns`` to ``end_ns``; spans of a rank do not overlap."""

    kind: Hashable
    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Power:
    """What a kind draws [W], and the standard error of that [W]."""

    power_w: float
    error_w: float


class PowerSplit:
    """Collects ticks and what went on between them, and tells the power of each kind."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._columns: dict[Hashable, int] = {}
        self._rows: list[tuple[dict[int, float], float]] = []

    def add(self, spans: Sequence[Span], ticks: Sequence[Tick]) -> None:
        """Add one iteration. Ticks outside of its spans, which are in the order of time without gaps, are left out."""
        if not spans:
            return
        by_counter: dict[str, list[Tick]] = {}
        for tick in ticks:
            if spans[0].begin_ns <= tick.at_ns <= spans[-1].end_ns:
                by_counter.setdefault(tick.counter, []).append(tick)
        busy = {kind: _cumulative([s for s in spans if s.kind == kind]) for kind in {s.kind for s in spans}}
        for series in by_counter.values():
            at = np.array([tick.at_ns for tick in series], dtype=np.float64)
            parts = {kind: np.diff(np.interp(at, *curve)) * 1e-9 for kind, curve in busy.items()}
            for row, (before, after) in enumerate(pairwise(series)):
                times = {self._column(kind): float(part[row]) for kind, part in parts.items() if part[row] > 0}
                self._rows.append((times, after.energy_j - before.energy_j))

    def powers(self) -> Mapping[Hashable, Power]:
        """The power of one device in each kind; kinds of which too little was seen are left out."""
        if not self._rows:
            return {}
        matrix = np.zeros((len(self._rows), len(self._columns)))
        for row, (times, _) in enumerate(self._rows):
            matrix[row, list(times)] = list(times.values())
        energy_j = np.array([joules for _, joules in self._rows])
        seen = np.flatnonzero(matrix.sum(axis=0) > LEAST_FRAC * matrix.sum())
        matrix = matrix[:, seen]
        power_w, residual = nnls(matrix, energy_j)
        spare = max(1, len(energy_j) - len(seen))
        covariance = np.linalg.pinv(matrix.T @ matrix) * residual**2 / spare
        error_w = np.sqrt(np.maximum(0.0, np.diag(covariance)))
        kinds = {column: kind for kind, column in self._columns.items()}
        return {kinds[c]: Power(float(p), float(e)) for c, p, e in zip(seen.tolist(), power_w, error_w, strict=True)}

    def _column(self, kind: Hashable) -> int:
        return self._columns.setdefault(kind, len(self._columns))


def _cumulative(spans: Sequence[Span]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much time was spent in spans until an instant, as points of a curve [ns]."""
    edges = np.array([(span.begin_ns, span.end_ns) for span in spans], dtype=np.float64)
    spent = np.cumsum(edges[:, 1] - edges[:, 0])
    return edges.ravel(), np.stack([np.concatenate([[0.0], spent[:-1]]), spent], axis=1).ravel()
