"""The very best plan for a deadline: labels with dominance between the bounds of the relaxation.

Theory of operation. A label is a way to run the first kernels: its time, its energy, and the setting it ends with. For
each setting to come back to, labels are extended kernel by kernel. A label is dropped

- if another one at the same setting is no slower and no dearer;
- if it cannot be in time even with the fastest rest;
- if it cannot beat the best plan known: at the price of time that belongs to the deadline, its cost and the least cost
  of the rest, less the price of the deadline, is a lower bound of whatever it can become [`handler1980`].

The best plan known begins as the one of `plan_kernels`. As the hull of long sequences is dense,
few labels survive; the number is limited all the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.optimize.kernels.planner import KernelPlan, Lattice, kernel_frontier, plan_kernels
from joulewise.optimize.kernels.sequence import KernelSequence
from joulewise.optimize.pipeline.switch_cost import FREE, SwitchCost

Floats = NDArray[np.float64]
MOST_LABELS = 200_000
_REL = 1e-12


def plan_exactly(
    sequence: KernelSequence,
    switch: SwitchCost = FREE,
    *,
    deadline_s: float | None = None,
    max_slowdown: float = 1.0,
    most_labels: int = MOST_LABELS,
) -> KernelPlan:
    """The plan of least energy among all that meet a deadline; arguments and errors as `plan_kernels`.

    Args:
        sequence: The kernels.
        switch: What a change of setting costs.
        deadline_s: Time that must not be exceeded [s].
        max_slowdown: The same, over everything at the top setting.
        most_labels: How many labels may survive a kernel.

    Raises:
        UsageError: If more labels survive.
    """
    frontier = kernel_frontier(sequence, switch)
    start = plan_kernels(sequence, switch, deadline_s=deadline_s, max_slowdown=max_slowdown, frontier=frontier)
    lattice, deadline = Lattice(sequence, switch), start.deadline_s
    place = int(np.searchsorted(frontier.bound.time_s, deadline, side="right"))
    price_w = 0.0
    if 0 < place < len(frontier.bound.time_s):
        here = slice(place - 1, place + 1)
        price_w = -float(np.diff(frontier.bound.energy_j[here])[0] / np.diff(frontier.bound.time_s[here])[0])
    best_j, best = start.energy_j, None
    for home in range(len(sequence.settings)):
        found = _from_home(lattice, home, deadline, price_w, best_j, most=most_labels)
        if found is not None:
            best_j, best = found
    if best is None:
        return start
    time_s, energy_j, switches = lattice.realise(best)
    settings = tuple(sequence.settings[one] for one in best.tolist())
    return KernelPlan(settings, time_s, energy_j, switches, energy_j, deadline)


def _from_home(
    lattice: Lattice, home: int, deadline_s: float, price_w: float, best_j: float, *, most: int
) -> tuple[float, NDArray[np.int16]] | None:
    """The best plan that begins after a setting and comes back to it, if it is cheaper than ``best_j`` [J]."""
    sequence = lattice.sequence
    cost_to_go = _to_go(lattice, home, 1.0, price_w)
    time_to_go = _to_go(lattice, home, 0.0, 1.0)
    setting = np.array([home], dtype=np.int16)
    time_s, energy_j = np.zeros(1), np.zeros(1)
    parents: list[tuple[NDArray[np.intp], NDArray[np.int16]]] = []
    for place in range(len(sequence)):
        known = np.flatnonzero(np.isfinite(sequence.time_s[place]) & np.isfinite(sequence.energy_j[place]))
        parent = np.tile(np.arange(len(setting)), len(known))
        told = np.repeat(known.astype(np.int16), len(setting))
        changed = told != setting[parent]
        next_s = time_s[parent] + changed * lattice.switch_s[told] + sequence.time_s[place, told]
        next_j = energy_j[parent] + changed * lattice.switch_j[told] + sequence.energy_j[place, told]
        hope_j = next_j + price_w * (next_s - deadline_s) + cost_to_go[place + 1][told]
        kept = np.flatnonzero(
            (hope_j < best_j * (1 - _REL)) & (next_s + time_to_go[place + 1][told] <= deadline_s * (1 + _REL))
        )
        kept = kept[np.lexsort((next_j[kept], next_s[kept], told[kept]))]
        kept = kept[_undominated(told[kept], next_j[kept])]
        if not len(kept):
            return None
        if len(kept) > most:
            seen = f"{len(kept)} labels after kernel {place + 1} of {len(sequence)}"
            raise UsageError("the exact search grows too large", seen, "take plan_kernels, or raise most_labels")
        setting, time_s, energy_j = told[kept], next_s[kept], next_j[kept]
        parents.append((parent[kept], setting))
    back = np.flatnonzero((setting == home) & (time_s <= deadline_s))
    if not len(back):
        return None
    label = int(back[np.argmin(energy_j[back])])
    least_j, path = float(energy_j[label]), np.empty(len(sequence), dtype=np.int16)
    for place in range(len(sequence) - 1, -1, -1):
        parent, told = parents[place]
        path[place], label = told[label], int(parent[label])
    return (least_j, path) if least_j < best_j else None


def _undominated(setting: NDArray[np.int16], energy_j: Floats) -> NDArray[np.bool_]:
    """Of labels sorted by setting, time and energy those that are cheaper than all before them at their setting."""
    kept = np.ones(len(setting), dtype=np.bool_)
    for one in np.unique(setting):
        mine = np.flatnonzero(setting == one)
        least = np.minimum.accumulate(energy_j[mine])
        kept[mine[1:]] = energy_j[mine[1:]] < least[:-1]
    return kept


def _to_go(lattice: Lattice, home: int, weight_j: float, weight_s: float) -> Floats:
    """The least weighted cost from after each kernel at each setting to the end, back at ``home``.

    Shapes:
        result: (n_kernels + 1, n_settings).
    """
    sequence, count = lattice.sequence, len(lattice.switch_s)
    change = weight_s * lattice.switch_s + weight_j * lattice.switch_j
    to_go = np.full((len(sequence) + 1, count), np.inf)
    to_go[-1, home] = 0.0
    for place in range(len(sequence) - 1, -1, -1):
        described = np.isfinite(sequence.time_s[place]) & np.isfinite(sequence.energy_j[place])
        node = np.full(count, np.inf)
        figures = weight_s * sequence.time_s[place, described] + weight_j * sequence.energy_j[place, described]
        node[described] = figures + to_go[place + 1, described]
        to_go[place] = np.minimum(node, (node + change).min())
    return to_go
