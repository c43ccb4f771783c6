"""The time–energy frontier of a piece of work: the one value that everything above hardware composes and chooses from.

Theory of operation
-------------------
A way of doing work is a point: it takes ``time_s`` and draws ``energy_j``. Whoever does the work may have to wait
for others afterwards, and waiting is not free: it draws ``wait_power_w``. So if everybody is done at H, a point has
cost ``energy_j + wait_power_w * (H - time_s)``. H is the same for all points, hence what distinguishes them is the
*effective* energy ``energy_j - wait_power_w * time_s``: what the work costs above waiting.

A point is of use for some H only if no other is at least as fast with at most its effective energy. Therefore the
points of a frontier have strictly rising time and strictly falling effective energy. Without waiting power this is
the ordinary Pareto frontier. With it, the frontier goes on beyond the point of least energy (at T*): slower points
draw more energy of their own, and pay only while others are awaited. The last point is at T_max; more time than
that saves nothing. `Frontier.alone` cuts at T*, for work that nobody else delays.

Keeping the points beyond T* is what makes parallel composition associative: the best partner of a slow part can be
a point that nobody would choose for its own sake.

Source: Perseus (SOSP'24), section 4 (effective energy and T*), there for one pipeline.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from joulewise.errors import InfeasibleError, UsageError
from joulewise.frontier import pareto, serial
from joulewise.frontier.bound import Bound
from joulewise.frontier.columns import TRUST, Columns, Floats
from joulewise.frontier.objective import Objective
from joulewise.frontier.point import Point
from joulewise.frontier.settings import Setting
from joulewise.records import Provenance


@dataclass(frozen=True, eq=False, repr=False)
class Frontier:
    """Points of strictly rising time and strictly falling effective energy; immutable.

    Make one with `from_points`, `from_table` or `from_arrays`; dominated points are left out. Indexing and iteration
    yield `Point`, fastest first.

    Attributes:
        columns: The points as columns.
        wait_power_w: Power drawn while waiting for others after the work is done [W].
        stated_bound: A lower bound known from elsewhere, or None.

    Example:
        >>> rows = [{"time_s": 1.0, "energy_j": 300.0, "setting": 1410}, {"time_s": 1.2, "energy_j": 240.0}]
        >>> frontier = Frontier.from_table(rows, Provenance.MEASURED)
        >>> frontier.fastest().setting, frontier.within_slowdown(1.25).energy_j
        (1410, 240.0)
    """

    columns: Columns
    wait_power_w: float = 0.0
    stated_bound: Bound | None = None
    tolerance_frac: InitVar[float] = 0.0

    def __post_init__(self, tolerance_frac: float) -> None:
        """Check the parameters and leave dominated points out."""
        if not (np.isfinite(self.wait_power_w) and self.wait_power_w >= 0.0):
            raise UsageError("wait_power_w is not usable", f"{self.wait_power_w!r}", "give finite watts, not negative")
        if not 0.0 <= tolerance_frac < 1.0:
            raise UsageError("tolerance_frac is not usable", f"{tolerance_frac!r}", "give a fraction from 0 to below 1")
        if self.stated_bound is not None:
            self.stated_bound.check_effective(self.wait_power_w)
        columns = self.columns
        columns = columns.take(pareto.non_dominated(columns.time_s, self._effective(columns)))
        if tolerance_frac:
            margin_j = tolerance_frac * columns.energy_j
            columns = columns.take(pareto.beyond_noise(self._effective(columns), margin_j))
        object.__setattr__(self, "wait_power_w", float(self.wait_power_w))
        object.__setattr__(self, "columns", columns)

    def _effective(self, columns: Columns) -> Floats:
        return columns.energy_j - self.wait_power_w * columns.time_s

    @classmethod
    def from_points(
        cls,
        points: Iterable[Point],
        *,
        wait_power_w: float = 0.0,
        tolerance_frac: float = 0.0,
        bound: Bound | None = None,
    ) -> Frontier:
        """Frontier of points; those of one setting (other than None) are repetitions, and are merged first.

        Args:
            points: At least one point.
            wait_power_w: Power drawn while waiting for others after the work is done [W], >= 0.
            tolerance_frac: Noise below which points are not told apart, as a fraction of their energy, in [0, 1).
                Going from the fastest to the slowest, a point is kept only if it lowers effective energy by more
                than this fraction of the energy of the last point kept. So each point left out has a kept one that
                is no slower and costs at most that much more.
            bound: Lower bound on what can be achieved at all; None takes the convex envelope of the points.

        Raises:
            UsageError: If there is no point, or one has a value that is NaN, infinite or negative (names its row).
        """
        return cls(Columns.from_points(points).merged(), wait_power_w, bound, tolerance_frac)

    @classmethod
    def from_table(
        cls,
        rows: Iterable[Mapping[str, Any]],
        provenance: Provenance,
        *,
        wait_power_w: float = 0.0,
        tolerance_frac: float = 0.0,
        bound: Bound | None = None,
    ) -> Frontier:
        """Frontier of mappings with keys ``time_s``, ``energy_j`` and, if known, ``setting``; else as `from_points`."""
        return cls(Columns.from_table(rows, provenance).merged(), wait_power_w, bound, tolerance_frac)

    @classmethod
    def from_arrays(
        cls,
        time_s: ArrayLike,
        energy_j: ArrayLike,
        settings: Sequence[Setting],
        provenance: Provenance,
        *,
        wait_power_w: float = 0.0,
        tolerance_frac: float = 0.0,
        bound: Bound | None = None,
    ) -> Frontier:
        """Frontier of many candidates. ``settings`` may be lazy: it is kept and indexed, never read through.

        Repetitions are not merged; otherwise as `from_points`.

        Shapes:
            time_s, energy_j, settings: (n,), n >= 1.
        """
        return cls(Columns.from_arrays(time_s, energy_j, settings, provenance), wait_power_w, bound, tolerance_frac)

    @classmethod
    def from_dict(cls, document: object) -> Frontier:
        """The frontier of which `to_dict` made ``document``, exactly; lists in settings become tuples.

        Raises:
            UsageError: If the document is of another schema or version, or does not hold a frontier.
        """
        columns, fields = serial.load(document)
        try:
            bound, wait_power_w = fields["bound"], float(fields["wait_power_w"])
            stated = None if bound is None else Bound(bound["time_s"], bound["energy_j"])
        except UsageError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            seen = f"{type(error).__name__}: {error}"
            raise UsageError("a frontier document has an unusable field", seen, "write it again") from error
        frontier = cls(columns, wait_power_w, stated)
        if len(frontier) != len(columns.time_s) or not np.array_equal(frontier.time_s, columns.time_s):
            seen = f"{len(columns.time_s)} points, of which {len(frontier)} are non-dominated"
            raise UsageError("a document does not hold a frontier", seen, "use from_table for points of any kind")
        return frontier

    def to_dict(self) -> dict[str, Any]:
        """A JSON document with ``"schema": "joulewise.frontier/1"``.

        Raises:
            UsageError: If a setting is not None, bool, int, float, str or a tuple of these.
        """
        return {**self._head(), "settings": list(serial.dump_settings(self.columns))}

    def json_parts(self, **besides: Any) -> Iterator[str]:
        """The text of `to_dict` in parts, one setting at a time, for frontiers of thousands of plans.

        Args:
            besides: More fields for the document, such as what the settings mean; `from_dict` passes them over.
        """
        head = json.dumps({**self._head(), **besides}, separators=(",", ":"))
        yield head[:-1] + ',"settings":['
        for number, setting in enumerate(serial.dump_settings(self.columns)):
            yield ("," if number else "") + json.dumps(setting, separators=(",", ":"))
        yield "]}"

    def _head(self) -> dict[str, Any]:
        stated = self.stated_bound
        bound = None if stated is None else {"time_s": stated.time_s.tolist(), "energy_j": stated.energy_j.tolist()}
        return {**serial.dump(self.columns), "wait_power_w": self.wait_power_w, "bound": bound}

    # --- what it holds

    @property
    def time_s(self) -> Floats:
        """Durations [s], strictly rising."""
        return self.columns.time_s

    @property
    def energy_j(self) -> Floats:
        """Energy of each point up to its own end [J]."""
        return self.columns.energy_j

    @cached_property
    def effective_energy_j(self) -> Floats:
        """Energy above what waiting for the same time draws [J], strictly falling."""
        effective_j = self._effective(self.columns)
        effective_j.setflags(write=False)
        return effective_j

    @property
    def settings(self) -> Sequence[Setting]:
        """Setting of each point, made when asked for."""
        return self.columns.settings

    @property
    def provenance(self) -> Provenance:
        """Provenance of the least trustworthy point."""
        return TRUST[int(self.columns.doubt.max())]

    @cached_property
    def bound(self) -> Bound:
        """The stated bound, or else the lower convex envelope of the points."""
        if self.stated_bound is not None:
            return self.stated_bound
        hull = pareto.lower_hull(self.time_s, self.energy_j)  # a line subtracted does not change the hull
        return Bound(self.time_s[hull], self.energy_j[hull])

    def __len__(self) -> int:
        """Number of points."""
        return len(self.time_s)

    def __getitem__(self, index: int) -> Point:
        """The point at ``index``, fastest first."""
        return self.columns.point(range(len(self))[index])

    def __iter__(self) -> Iterator[Point]:
        """Points, fastest first."""
        return map(self.columns.point, range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Equal points, waiting power and stated bound."""
        if not isinstance(other, Frontier):
            return NotImplemented
        return (
            self.wait_power_w == other.wait_power_w
            and self.stated_bound == other.stated_bound
            and np.array_equal(self.time_s, other.time_s)
            and all(mine == its for mine, its in zip(self, other, strict=True))
        )

    def __hash__(self) -> int:
        """Hash of times, energies and waiting power."""
        return hash((self.time_s.tobytes(), self.energy_j.tobytes(), self.wait_power_w))

    def __repr__(self) -> str:
        """Ranges in one line."""
        first, last = self[0], self[-1]
        return (
            f"<Frontier of {len(self)} {self.provenance} points, {first.time_s:.6g} to {last.time_s:.6g} s, "
            f"{first.energy_j:.6g} to {last.energy_j:.6g} J, waiting at {self.wait_power_w:g} W>"
        )

    def take(self, rows: Sequence[int] | pareto.Rows) -> Frontier:
        """The frontier of some of its points, with the same waiting power and bound."""
        return replace(self, columns=self.columns.take(np.asarray(rows, dtype=np.intp)), tolerance_frac=0.0)

    def alone(self) -> Frontier:
        """The part up to T*: the points of use to work that nobody else delays."""
        return self.take(self._improving)

    def envelope(self) -> Frontier:
        """The points on the lower convex hull of energy over time (own or effective: they differ by a line)."""
        return self.take(pareto.lower_hull(self.time_s, self.energy_j))

    def bound_j(self, time_s: float) -> float:
        """Lower bound on the energy, up to ``time_s``, of anything that is done within ``time_s`` [J].

        Raises:
            InfeasibleError: If nothing can be done within ``time_s``; carries the least time.
        """
        return self.bound.at(time_s, self.wait_power_w)

    # --- choosing a point

    @cached_property
    def _improving(self) -> pareto.Rows:
        """Rows with less energy of their own than all faster ones."""
        return np.flatnonzero(pareto.running_minimum(self.energy_j))

    def fastest(self) -> Point:
        """The fastest point."""
        return self[0]

    def least_energy(self) -> Point:
        """The point of least energy of its own, at T*."""
        return self[int(self._improving[-1])]

    def _last_within(self, time_s: float, rows: pareto.Rows | slice = slice(None)) -> int:
        """Position in ``rows`` of the slowest not slower than ``time_s``."""
        if np.isnan(time_s):
            raise UsageError("a time is not a number", "NaN", "give a time in seconds")
        position = int(np.searchsorted(self.time_s[rows], time_s, side="right")) - 1
        if position < 0:
            raise InfeasibleError(f"no point takes at most {time_s:.9g} s", float(self.time_s[0]), "s")
        return position

    def at_time(self, time_s: float) -> Point:
        """The slowest point that takes at most ``time_s`` [s].

        Raises:
            InfeasibleError: If every point is slower; carries the fastest time.
        """
        return self[self._last_within(time_s)]

    def at_deadline(self, time_s: float) -> Point:
        """The point of least energy of its own that takes at most ``time_s`` [s].

        Raises:
            InfeasibleError: If every point is slower; carries the fastest time.
        """
        return self[int(self._improving[self._last_within(time_s, self._improving)])]

    def within_slowdown(self, factor: float, reference_s: float | None = None) -> Point:
        """The point of least energy of its own that takes at most ``factor`` times the reference.

        Args:
            factor: 1.05 allows 5 % more time.
            reference_s: Reference time [s]; None takes the fastest point's.

        Raises:
            InfeasibleError: If every point is slower; carries the least feasible factor.
            UsageError: If the factor or the reference is negative or not a number.
        """
        reference = float(self.time_s[0]) if reference_s is None else reference_s
        if not (factor >= 0.0 and reference >= 0.0):
            seen = f"factor {factor!r}, reference {reference!r} s"
            raise UsageError("a slowdown is not usable", seen, "give numbers that are not negative")
        try:
            return self.at_deadline(factor * reference)
        except InfeasibleError as error:
            tightest = error.tightest / reference if reference else float("inf")
            if tightest * reference < error.tightest:
                tightest = float(np.nextafter(tightest, np.inf))
            what = f"no point is within {factor:.9g} times {reference:.9g} s"
            raise InfeasibleError(what, tightest, "times the reference") from error

    def within_energy(self, budget_j: float) -> Point:
        """The fastest point that draws at most ``budget_j`` of its own [J].

        Raises:
            InfeasibleError: If every point draws more; carries the least energy.
            UsageError: If the budget is NaN.
        """
        if np.isnan(budget_j):
            raise UsageError("an energy budget is not a number", "NaN", "give an energy in joules")
        rows = self._improving
        position = int(np.searchsorted(-self.energy_j[rows], -budget_j, side="left"))
        if position == len(rows):
            least_j = float(self.energy_j[rows[-1]])
            raise InfeasibleError(f"no point draws at most {budget_j:.9g} J", least_j, "J")
        return self[int(rows[position])]

    def minimizing(self, objective: Objective) -> Point:
        """The point of least cost; the fastest of several.

        Raises:
            UsageError: If the objective does not give one number for each point.
        """
        cost = np.asarray(objective(self.time_s, self.energy_j), dtype=np.float64)
        if cost.shape != self.time_s.shape or np.isnan(cost).any():
            seen = f"shape {cost.shape} for {len(self)} points, {int(np.isnan(cost).sum())} NaN"
            raise UsageError("an objective gave unusable costs", seen, "return one number for each point")
        return self[int(np.argmin(cost))]

    def knee(self) -> Point:
        """The point up to T* that lies farthest below the line from the fastest to the one of least energy.

        Distances are taken after both ranges are scaled to 1, so units do not matter; the fastest of several.
        """
        rows = self._improving
        time_s, energy_j = self.time_s[rows], self.energy_j[rows]
        if len(rows) < 3:
            return self[int(rows[0])]
        slower = (time_s - time_s[0]) / (time_s[-1] - time_s[0])
        dearer = (energy_j - energy_j[-1]) / (energy_j[0] - energy_j[-1])
        return self[int(rows[np.argmin(slower + dearer)])]

    def hypervolume(self, time_s: float, energy_j: float) -> float:
        """Area that the points dominate up to a reference corner [J s]; of two frontiers, more is better.

        Args:
            time_s: Time of the corner [s]; slower points do not count.
            energy_j: Energy of the corner [J]; dearer points do not count.
        """
        rows = self._improving
        return pareto.dominated_area(self.time_s[rows], self.energy_j[rows], time_s, energy_j)

    def at_straggler(self, time_s: float) -> Point:
        """What to do when somebody who takes ``time_s`` is awaited anyway.

        The choice is the point for min(time_s, T_max): the slowest that does not delay the straggler. If even the
        fastest point is slower than ``time_s``, it is the choice, and the others wait.

        Returns:
            The choice, with the time at which everybody is done and the energy drawn until then, waiting included.

        Raises:
            UsageError: If ``time_s`` is not finite.
        """
        if not np.isfinite(time_s):
            raise UsageError("a straggler's time is not usable", f"{time_s!r}", "give finite seconds")
        point = self[self._last_within(max(time_s, float(self.time_s[0])))]
        done_s = max(time_s, point.time_s)
        waiting_j = self.wait_power_w * (done_s - point.time_s)
        return replace(point, time_s=done_s, energy_j=point.energy_j + waiting_j)
