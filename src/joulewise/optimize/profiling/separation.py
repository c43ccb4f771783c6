"""Energy of computations that are shorter than a tick of the counter, taken apart over many iterations.

Theory of operation. Between two ticks of a counter several computations run, and the rank waits in between. Dividing
the energy by interpolation would give each computation some of its neighbours', and repetition would not help: the
error has the same sign every time. But when everything began and ended is known far better than energy is, so each
tick is an equation: seconds in each kind of computation, times its power, add up to what the counter rose by. Solved
together over all ticks, the powers come out without that bias, however short a computation is.

The instants of ticks are known only so well, and one that is seen late adds to an interval what it takes from the
next; and power itself scatters. Both are in the covariance of an iteration's intervals (tridiagonal), so intervals are
weighed by generalised least squares. Iterations are independent, and add up as normal equations: a reading is forgotten
once it is told. A weak prior, the rank's mean power give or take itself, keeps what hardly ran from being anything.
How much intervals really scatter is seen in the residuals, and scales what they weigh against the prior.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.profiling.readings import RankReading

Floats = NDArray[np.float64]
POWER_SCATTER_FRAC = 0.01
"""Assumed scatter of an interval's energy before residuals are known; they scale it."""
ASSUMED_INTERVALS = 2.0
"""As many intervals as this are taken to scatter as assumed, beside those that were seen."""
PASSES = 5
PRIOR_FRAC = 1.0
"""Standard deviation of the prior, in mean powers."""
BLOCK = 512
"""Intervals that are weighed together; longer readings are cut."""

Kind = Hashable


@dataclass(frozen=True, slots=True)
class Power:
    """What one GPU draws in one kind of computation, and the standard deviation of that [W]."""

    power_w: float
    sd_w: float


@dataclass
class Separation:
    """Normal equations of one rank."""

    _column: dict[Kind, int] = field(default_factory=dict)
    _information: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    _moment: Floats = field(default_factory=lambda: np.zeros(0))
    _square: float = 0.0
    _intervals: int = 0
    _energy_j: float = 0.0
    _time_s: float = 0.0

    def add(self, reading: RankReading, kinds: Sequence[Kind | None], waits: Sequence[Kind]) -> None:
        """Add a reading.

        Args:
            reading: What was seen.
            kinds: Of each of its computations; None if nothing is like it, as while a clock changes.
            waits: Of the gap before each computation, and of the one after the last: one more.
        """
        kinds = [object() if kind is None else kind for kind in kinds]
        inside = [(at, joules) for at, joules in reading.counter if reading.start_ns <= at <= reading.end_ns]
        for begin in range(0, len(inside) - 1, BLOCK):
            self._add(reading, inside[begin : begin + BLOCK + 1], kinds, waits)

    def _add(
        self, reading: RankReading, ticks: Sequence[tuple[int, float]], kinds: Sequence[Kind], waits: Sequence[Kind]
    ) -> None:
        at_s = np.array([at - reading.start_ns for at, _ in ticks]) * 1e-9
        rise_j = np.diff([joules for _, joules in ticks]) / reading.gpus
        present, spent_s = _seconds(reading, kinds, waits, at_s)
        whitened = _whitening(at_s, rise_j, reading.tick_sd_s)
        rows, target = whitened(spent_s), whitened(rise_j)
        columns = self._columns(present)
        self._information[np.ix_(columns, columns)] += rows.T @ rows
        self._moment[columns] += rows.T @ target
        self._square += float(target @ target)
        self._intervals += len(rise_j)
        self._energy_j += float(rise_j.sum())
        self._time_s += float(at_s[-1] - at_s[0])

    def powers(self) -> Mapping[Kind, Power]:
        """Power of every kind that was seen; nothing before the first two ticks."""
        if not self._time_s:
            return {}
        mean_w = self._energy_j / self._time_s
        prior = np.full(len(self._column), (PRIOR_FRAC * max(mean_w, 1e-9)) ** -2)
        scale = 1.0
        for _ in range(PASSES):  # at first with the scatter that is assumed, then with the one that was seen
            covariance = np.linalg.inv(self._information / scale + np.diag(prior))
            power_w = np.maximum(0.0, covariance @ (self._moment / scale + prior * mean_w))
            misfit = self._square - 2 * power_w @ self._moment + power_w @ self._information @ power_w
            spare = max(0, self._intervals - len(self._column))
            scale = (ASSUMED_INTERVALS + max(0.0, float(misfit))) / (ASSUMED_INTERVALS + spare)
        sd_w = np.sqrt(np.diag(covariance))
        return {kind: Power(float(power_w[i]), float(sd_w[i])) for kind, i in self._column.items()}

    def _columns(self, kinds: Sequence[Kind]) -> NDArray[np.intp]:
        new = [kind for kind in kinds if kind not in self._column]
        for kind in new:
            self._column[kind] = len(self._column)
        if new:
            self._information = np.pad(self._information, (0, len(new)))
            self._moment = np.pad(self._moment, (0, len(new)))
        return np.array([self._column[kind] for kind in kinds], dtype=np.intp)


def _seconds(
    reading: RankReading, kinds: Sequence[Kind], waits: Sequence[Kind], at_s: Floats
) -> tuple[list[Kind], Floats]:
    """Time in each kind between ticks [s]. Shapes: (n_ticks - 1, n_kinds)."""
    edges = [0.0]
    order: list[Kind] = []
    for one, kind, wait in zip(reading.computations, kinds, waits, strict=False):
        edges += [(one.start_ns - reading.start_ns) * 1e-9, (one.end_ns - reading.start_ns) * 1e-9]
        order += [wait, kind]
    edges.append(reading.duration_s)
    order.append(waits[-1])
    present = list(dict.fromkeys(order))
    number = {kind: i for i, kind in enumerate(present)}
    spent = np.zeros((len(edges), len(present)))
    spent[np.arange(1, len(edges)), [number[kind] for kind in order]] = np.diff(edges)
    spent = spent.cumsum(axis=0)
    until = np.stack([np.interp(at_s, edges, column) for column in spent.T], axis=1)
    seconds = np.diff(until, axis=0)
    ran = seconds.sum(axis=0) > 0
    return [kind for kind, yes in zip(present, ran, strict=True) if yes], seconds[:, ran]


class _whitening:  # noqa: N801 (reads as the function that it is)
    """Makes intervals of one reading independent and of equal weight."""

    def __init__(self, at_s: Floats, rise_j: Floats, tick_sd_s: float) -> None:
        mean_w = float(rise_j.sum() / (at_s[-1] - at_s[0]))
        late = (mean_w * tick_sd_s) ** 2
        scatter = (POWER_SCATTER_FRAC * mean_w * np.diff(at_s)) ** 2
        covariance = np.diag(scatter + 2 * late + 1e-30)
        covariance -= late * (np.eye(len(rise_j), k=1) + np.eye(len(rise_j), k=-1))
        self._root = np.linalg.cholesky(covariance)

    def __call__(self, values: Floats) -> Floats:
        from scipy.linalg import solve_triangular  # noqa: PLC0415 (importing the package must stay cheap)

        return np.asarray(solve_triangular(self._root, values, lower=True))
