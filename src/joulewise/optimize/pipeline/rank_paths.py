"""The cheapest settings of every rank within windows or under prices of time: shortest paths, for many plans at once.

Theory of operation. The settings of one rank are a path through layers, one layer for each operation that can be told
something and one node for each setting. A node costs the effective energy of the operation; staying at a setting is
free, changing it costs the penalty of a switch and the latency of the setting that is reached. Time matters in one of
two ways:

- *windows*: an operation must fit, with its switch, between the moment it is ready and the moment it is needed;
- *prices*: a second of an operation costs so many watts, a second of switching before it as well.

A change from any setting costs the same, so each layer needs only the cheapest node before it, and the best path is
exact in time proportional to operations times settings. Iterations repeat: where a path must end at a given setting
(``home``) it also begins there, or pays for a switch; a rank for which there is no such path keeps what it has.
All ranks of all plans advance together, layer by layer, as rows of numpy arrays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.switch_cost import SwitchCost, latencies_by_setting

Floats = NDArray[np.float64]
Choices = NDArray[np.int16]
_CELLS = 60_000
"""Nodes of one layer that are worked on at once; more would not fit a core's cache."""


class RankPaths:
    """The layers of one problem.

    Args:
        problem: The problem.
        switch: What a change of setting costs.
    """

    def __init__(self, problem: PipelineProblem, switch: SwitchCost) -> None:
        """Lay the tables out over all settings."""
        self.problem, self.penalty_j = problem, switch.penalty_j
        self.latency_s = latencies_by_setting(switch, problem.all_settings)
        count, tables = len(problem.all_settings), len(problem.tables)
        self._time_s = np.full((tables + 1, count), np.inf)
        self._cost_j = np.full((tables + 1, count), np.inf)
        self._row = np.concatenate([problem.rows_by_setting, np.full((1, count), -1, dtype=np.int16)])
        for number, table in enumerate(problem.tables):
            at = problem.setting_codes[number, : len(table)]
            self._time_s[number, at], self._cost_j[number, at] = table.time_s, table.effective_energy_j
        self._time_s[-1] = self._cost_j[-1] = 0.0  # after a rank's last operation
        ranks = [indices for indices in problem.told if len(indices)]
        self.ranks, self.layers = len(ranks), max(map(len, ranks), default=0)
        self._index = np.full((self.layers, self.ranks), -1, dtype=np.intp)
        for rank, indices in enumerate(ranks):
            self._index[: len(indices), rank] = indices
        self._kind = np.where(self._index >= 0, problem.kind[self._index], tables)

    def within(self, room_s: Floats, choices: Choices, home: NDArray[np.int32], latency_scale: Floats) -> Choices:
        """The cheapest settings within windows.

        Args:
            room_s: Window of each operation [s].
            choices: What ranks without a path keep.
            home: The setting at which each rank ends, and begins if nothing is to be paid for.
            latency_scale: By what latencies are multiplied, for each plan.

        Shapes:
            room_s: (n_operations, n_plans). choices and result: (n_plans, n_operations). home: (n_plans, ranks with
            something to tell). latency_scale: (n_plans,).
        """
        found = choices.copy()
        for part in self._parts(len(choices)):
            room = np.concatenate([room_s[:, part].T, np.full((len(choices[part]), 1), np.inf)], axis=1)
            latency_s = latency_scale[part, None, None] * self.latency_s
            self._walk(found[part], room, None, home[part], latency_s)
        return found

    def at_prices(self, price_w: Floats) -> tuple[Choices, Floats]:
        """The cheapest settings where a second of each operation costs so much, and what all cost then [J].

        The switch from the last setting back to the first costs nothing here, which can only lower the cost.

        Shapes:
            price_w: (n_prices, n_operations); results: (n_prices, n_operations) and (n_prices,).
        """
        found = np.tile(self.problem.cheapest, (len(price_w), 1))
        cost_j = np.zeros(len(price_w))
        for part in self._parts(len(price_w)):
            price = np.concatenate([price_w[part], np.zeros((len(price_w[part]), 1))], axis=1)
            cost_j[part] = self._walk(found[part], None, price, None, self.latency_s[None, None])
        for index in np.setdiff1d(np.arange(len(self.problem.kind)), self._index).tolist():
            table = self.problem.tables[self.problem.kind[index]]
            costs_j = table.effective_energy_j + price_w[:, index, None] * table.time_s
            found[:, index] = costs_j.argmin(axis=1)
            cost_j += costs_j.min(axis=1)
        return found, cost_j

    def _parts(self, count: int) -> list[slice]:
        size = max(1, _CELLS // max(1, self.ranks * len(self.latency_s)))
        return [slice(begin, min(begin + size, count)) for begin in range(0, count, size)]

    def _walk(
        self,
        found: Choices,
        room_s: Floats | None,
        price_w: Floats | None,
        home: NDArray[np.int32] | None,
        latency_s: Floats,
    ) -> Floats:
        """Write the rows of the best paths into ``found`` (in place); what each plan costs [J]."""
        plans, settings = len(found), len(self.latency_s)
        if not self.layers:
            return np.zeros(plans)
        here = np.arange(settings, dtype=np.int16)
        value = np.zeros((plans, self.ranks, settings))
        if home is not None:
            value += np.inf
            np.put_along_axis(value, home[..., None].astype(np.intp), 0.0, axis=-1)
        came_from = np.empty((self.layers, plans, self.ranks, settings), dtype=np.int16)
        for layer, (kinds, index) in enumerate(zip(self._kind, self._index, strict=True)):
            time_s, cost_j = self._time_s[kinds], self._cost_j[kinds]
            best = value.argmin(axis=-1)[..., None]
            least = np.take_along_axis(value, best, axis=-1)
            free = layer == 0 and home is None
            change = least + (0.0 if free else self.penalty_j)
            if room_s is not None:
                room = room_s[:, index][..., None]
                value = np.where(time_s <= room, value, np.inf)
                change = np.where(time_s + (0.0 if free else latency_s) <= room, change, np.inf)
            elif price_w is not None:
                price = price_w[:, index][..., None]
                cost_j = cost_j + np.where(np.isfinite(time_s), time_s, 0.0) * price
                change = change + (0.0 if free else latency_s) * price
            changed = change < value
            came_from[layer] = np.where(changed, best, here)
            value = np.where(changed, change, value) + cost_j
        if home is not None:  # the padding of short ranks must not be where they go home
            value = self._at_home(value, home)
        last = value.argmin(axis=-1)
        total = np.take_along_axis(value, last[..., None], axis=-1)[..., 0]
        self._write(found, came_from, last, np.isfinite(total))
        return np.asarray(total.sum(axis=-1))

    def _at_home(self, value: Floats, home: NDArray[np.int32]) -> Floats:
        kept = np.full_like(value, np.inf)
        at = home[..., None].astype(np.intp)
        np.put_along_axis(kept, at, np.take_along_axis(value, at, axis=-1), axis=-1)
        return kept

    def _write(
        self, found: Choices, came_from: NDArray[np.int16], last: NDArray[np.intp], exists: NDArray[np.bool_]
    ) -> None:
        for layer in range(self.layers - 1, -1, -1):
            kinds, index = self._kind[layer], self._index[layer]
            there = np.flatnonzero(index >= 0)
            rows = self._row[kinds[there], last[:, there]]
            found[:, index[there]] = np.where(exists[:, there], rows, found[:, index[there]])
            last = np.take_along_axis(came_from[layer], last[..., None], axis=-1)[..., 0].astype(np.intp)

    def ends(self, choices: Choices) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Codes of the first and the last setting of each rank. Shapes: (n_plans, ranks with something to tell)."""
        ranks = [indices for indices in self.problem.told if len(indices)]
        first, last = np.array([r[0] for r in ranks], dtype=np.intp), np.array([r[-1] for r in ranks], dtype=np.intp)
        codes = self.problem.setting_codes
        return codes[self.problem.kind[first], choices[:, first]], codes[self.problem.kind[last], choices[:, last]]
