"""A setting for every kernel: shortest paths under a price of time, for all prices.

Theory of operation. The settings of a sequence are a path through layers, one for each kernel, with a node for each
setting. A node costs the kernel's energy and time; an edge to another setting costs the time of the switch, the waiting
power over that time, and the energy of the switch. The last kernel's node is joined to the first one's, since
iterations repeat: for every setting to begin with, the path must come back to it.

At a price of w watts for a second, the path of least ``energy + w * time`` is found exactly by dynamic programming, and
is a vertex or on an edge of the lower convex hull of all plans in (time, energy). All vertices are found by asking, for
each two known neighbours, for the price at which both cost the same: either a plan is below their line, which is a new
vertex, or the line is an edge of the hull [`eisner1976`]. No plan at all lies below the hull, so it is the
bound. Between vertices there may be plans inside the hull; splicing finds some, and `exact` the best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import InfeasibleError, UsageError
from joulewise.frontier import Frontier
from joulewise.frontier.bound import Bound
from joulewise.frontier.pareto import lower_hull, non_dominated
from joulewise.frontier.settings import Setting
from joulewise.optimize.kernels.sequence import KernelSequence
from joulewise.optimize.pipeline.switch_cost import FREE, SwitchCost, latencies_by_setting

Floats = NDArray[np.float64]
Paths = NDArray[np.int16]
MOST_VERTICES = 400
_SAME_FRAC = 1e-10
_CELLS, _SPLICED = 10_000, 3


@dataclass(frozen=True, eq=False)
class KernelPlan:
    """A setting for every kernel.

    Attributes:
        settings: Setting of each kernel.
        time_s, energy_j: Of the iteration, switches included [s], [J].
        switches: How often the setting changes in one iteration, back to that of the first kernel included.
        bound_j: No plan that takes at most the deadline uses less [J].
        deadline_s: What was asked for [s].
    """

    settings: tuple[Setting, ...]
    time_s: float
    energy_j: float
    switches: int
    bound_j: float
    deadline_s: float


class Lattice:
    """The paths of a sequence: costs of nodes and edges, and the dynamic program."""

    def __init__(self, sequence: KernelSequence, switch: SwitchCost) -> None:
        """Price nodes and edges; what was not described cannot be on a path."""
        self.sequence = sequence
        self.switch_s = latencies_by_setting(switch, sequence.settings)
        self.switch_j = sequence.wait_power_w * self.switch_s + switch.penalty_j

    def realise(self, path: Paths) -> tuple[float, float, int]:
        """Time [s], energy [J] and switches of a path."""
        places = np.arange(len(path))
        changed = path != np.roll(path, 1)
        time_s = self.sequence.time_s[places, path].sum() + self.switch_s[path[changed]].sum()
        energy_j = self.sequence.energy_j[places, path].sum() + self.switch_j[path[changed]].sum()
        return float(time_s), float(energy_j), int(changed.sum())

    def best(self, weight_s: Floats, weight_j: Floats) -> Paths:
        """The paths of least ``weight_s * time + weight_j * energy``. Shapes: (n,); result (n, n_kernels)."""
        size = max(1, _CELLS // len(self.switch_s) ** 2)
        parts = [
            self._best(weight_s[begin : begin + size, None, None], weight_j[begin : begin + size, None, None])
            for begin in range(0, len(weight_s), size)
        ]
        return np.concatenate(parts)

    def _best(self, weight_s: Floats, weight_j: Floats) -> Paths:
        count = len(self.switch_s)
        change = weight_s * self.switch_s + weight_j * self.switch_j
        here = np.arange(count, dtype=np.int16)
        value = np.full((len(weight_s), count, count), np.inf)  # price, setting to come back to, setting
        value[:, here, here] = 0.0
        came_from = np.empty((len(self.sequence), *value.shape), dtype=np.int16)
        described = np.isfinite(self.sequence.time_s) & np.isfinite(self.sequence.energy_j)
        times_s = np.where(described, self.sequence.time_s, 0.0)
        energies_j = np.where(described, self.sequence.energy_j, np.inf)
        for place in range(len(self.sequence)):
            best = value.argmin(axis=-1)[..., None]
            changed = np.take_along_axis(value, best, axis=-1) + change
            moves = changed < value
            came_from[place] = np.where(moves, best, here)
            energy_j = np.where(described[place], weight_j * np.where(described[place], energies_j[place], 0.0), np.inf)
            value = np.where(moves, changed, value) + weight_s * times_s[place] + energy_j
        ends = value[:, here, here]
        home = ends.argmin(axis=1)
        rows = np.arange(len(home))
        paths = np.empty((len(home), len(self.sequence)), dtype=np.int16)
        last = home
        for place in range(len(self.sequence) - 1, -1, -1):
            paths[:, place] = last
            last = came_from[place, rows, home, last]
        return paths


def kernel_frontier(
    sequence: KernelSequence, switch: SwitchCost = FREE, *, most_vertices: int = MOST_VERTICES
) -> Frontier:
    """The time-energy frontier of a sequence: every vertex of the lower hull of all its plans, and the hull as bound.

    Its points are options for whatever the sequence is part of: a computation's frontier is a table of options for the
    planner of pipelines.

    Args:
        sequence: The kernels.
        switch: What a change of setting costs; ``latency_s`` as its mean, ``penalty_j`` as energy that is drawn.
        most_vertices: If the hull has more, the bound is what is known to be below it.

    Returns:
        Points whose settings are tuples with one setting per kernel.
    """
    lattice = Lattice(sequence, switch)
    paths, bound = _vertices(lattice, most_vertices)
    realised = [lattice.realise(path) for path in paths]
    settings = [tuple(sequence.settings[place] for place in path.tolist()) for path in paths]
    return Frontier.from_arrays(
        [time_s for time_s, _, _ in realised],
        [energy_j for _, energy_j, _ in realised],
        settings,
        sequence.provenance,
        bound=bound,
    )


def _vertices(lattice: Lattice, most: int) -> tuple[list[Paths], Bound]:
    """Paths of the vertices of the hull, fastest first, and the bound."""
    small = 1e-9
    ends = lattice.best(np.array([1.0, small]), np.array([small, 1.0]))
    found = {path.tobytes(): path for path in ends}
    open_prices: set[tuple[bytes, bytes]] = set()
    tight = True
    while True:
        order = sorted(found.values(), key=lambda path: lattice.realise(path)[:2])
        figures = np.array([lattice.realise(path)[:2] for path in order])
        kept = non_dominated(figures[:, 0], figures[:, 1])
        kept = kept[lower_hull(figures[kept, 0], figures[kept, 1])]
        order, figures = [order[place] for place in kept.tolist()], figures[kept]
        pairs = [
            number
            for number in range(len(order) - 1)
            if (order[number].tobytes(), order[number + 1].tobytes()) not in open_prices
        ]
        if not pairs or len(order) >= most:
            tight = not pairs
            break
        left, right = figures[pairs], figures[np.array(pairs) + 1]
        price_w = (left[:, 1] - right[:, 1]) / (right[:, 0] - left[:, 0])
        for number, price, path in zip(
            pairs, price_w.tolist(), lattice.best(price_w, np.ones(len(pairs))), strict=True
        ):
            open_prices.add((order[number].tobytes(), order[number + 1].tobytes()))
            line = figures[number, 1] + price * figures[number, 0]
            time_s, energy_j, _ = lattice.realise(path)
            if energy_j + price * time_s < line - _SAME_FRAC * abs(line):
                found[path.tobytes()] = path
    return order, _bound(lattice, figures, tight)


def _bound(lattice: Lattice, figures: Floats, tight: bool) -> Bound:
    """The hull, or where vertices are missing what lies below it: the lines through its vertices at tried prices."""
    if tight or len(figures) < 2:
        return Bound(figures[:, 0], figures[:, 1])
    price_w = -np.diff(figures[:, 1]) / np.diff(figures[:, 0])
    paths = lattice.best(price_w, np.ones(len(price_w)))
    below_j = [lattice.realise(path) for path in paths]
    lines = [e + w * t for (t, e, _), w in zip(below_j, price_w.tolist(), strict=True)]
    least_j = np.max([line - w * figures[:, 0] for line, w in zip(lines, price_w.tolist(), strict=True)], axis=0)
    hull = lower_hull(figures[:, 0], np.minimum(least_j, figures[:, 1]))
    return Bound(figures[hull, 0], np.minimum(least_j, figures[:, 1])[hull])


def plan_kernels(
    sequence: KernelSequence,
    switch: SwitchCost = FREE,
    *,
    deadline_s: float | None = None,
    max_slowdown: float = 1.0,
    frontier: Frontier | None = None,
) -> KernelPlan:
    """A plan of little energy within a time, with what no plan can beat.

    It is the slowest vertex of the hull that is in time, spliced with the next slower ones: the plan begins as one and
    goes on as the other. `plan_exactly` finds the best plan there is, where that is not too much.

    Args:
        sequence: The kernels.
        switch: As in `kernel_frontier`.
        deadline_s: Time that must not be exceeded [s]; None takes ``max_slowdown``.
        max_slowdown: The same, over everything at the top setting.
        frontier: `kernel_frontier` of both, if it is there already.

    Raises:
        InfeasibleError: If no plan is that fast.
        UsageError: If the time is not a number.
    """
    if deadline_s is None:
        deadline_s = sequence.reference[0] * max_slowdown * (1 + 1e-12)
    if not np.isfinite(deadline_s):
        raise UsageError("a deadline is not usable", repr(deadline_s), "give a finite time")
    known = frontier or kernel_frontier(sequence, switch)
    if known.time_s[0] > deadline_s:
        raise InfeasibleError(f"no plan takes at most {deadline_s:.9g} s", float(known.time_s[0]), "s")
    lattice, row = Lattice(sequence, switch), {setting: place for place, setting in enumerate(sequence.settings)}
    place = int(np.searchsorted(known.time_s, deadline_s, side="right")) - 1
    chosen = [np.array([row[one] for one in _settings(known, at)], dtype=np.int16) for at in range(len(known))]
    path = chosen[place]
    for slower in chosen[place + 1 : place + 1 + _SPLICED]:
        path = min((path, *_spliced(path, slower)), key=lambda one: _cost(lattice, one, deadline_s))
    time_s, energy_j, switches = lattice.realise(path)
    settings = tuple(sequence.settings[one] for one in path.tolist())
    return KernelPlan(settings, time_s, energy_j, switches, known.bound_j(deadline_s), deadline_s)


def _settings(frontier: Frontier, place: int) -> tuple[Setting, ...]:
    setting = frontier[place].setting
    return setting if isinstance(setting, tuple) else ()


def _spliced(fast: Paths, slow: Paths) -> list[Paths]:
    """Plans that begin as one of two and go on as the other, at every place."""
    places = range(1, len(fast))
    return [np.concatenate(pair) for k in places for pair in ((fast[:k], slow[k:]), (slow[:k], fast[k:]))]


def _cost(lattice: Lattice, path: Paths, deadline_s: float) -> tuple[bool, float]:
    time_s, energy_j, _ = lattice.realise(path)
    return not time_s <= deadline_s, energy_j
