"""The pipeline energy problem: a schedule, the options of its operations, and what waiting costs.

Energy identity (Perseus, section 4): an iteration that ends at H draws

    E(H) = sum_i e_i + sum_r P_r (H - busy_r) = sum_i (e_i - P_r(i) t_i) + H sum_r P_r

so that only *effective* energies ``e - P t`` and the end matter. ``P_r`` is the waiting power of rank r, all its GPUs
together; ranks may differ. An operation on no rank (a transfer) keeps nobody busy: its effective energy is its energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.frontier.settings import Setting
from joulewise.optimize.pipeline.options import OptionTable
from joulewise.optimize.pipeline.schedule import Schedule
from joulewise.optimize.pipeline.schedules.graph import Graph
from joulewise.records import Provenance


@dataclass(frozen=True, eq=False)
class PipelineProblem:
    """What a planner is given.

    Attributes:
        schedule: Operations and their order.
        tables: Options of each kind of operation.
        kind: For each operation the index of its table, int32.
        wait_power_w: Power of each rank while it waits, all its GPUs together [W].
        notes: What was assumed on the way here, for people.

    Shapes:
        kind: (n_operations,). wait_power_w: (ranks,).
    """

    schedule: Schedule
    tables: tuple[OptionTable, ...]
    kind: NDArray[np.int32]
    wait_power_w: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    @classmethod
    def from_graph(cls, graph: Graph) -> PipelineProblem:
        """The problem that a graph file states."""
        schedule, kinds = graph.schedule, []
        tables: list[OptionTable] = []
        known: dict[object, int] = {}
        for operation, points in zip(schedule.operations, graph.options, strict=True):
            power_w = 0.0 if operation.rank is None else graph.wait_power_w[operation.rank]
            key = (points, power_w)
            if key not in known:
                known[key] = len(tables)
                tables.append(OptionTable.of(points, power_w))
            kinds.append(known[key])
        wait = np.array(graph.wait_power_w, dtype=np.float64)
        return cls(schedule, tuple(tables), np.array(kinds, dtype=np.int32), wait)

    @property
    def provenance(self) -> Provenance:
        """Provenance of the least trustworthy table."""
        return Provenance.weakest(table.provenance for table in self.tables)

    @property
    def total_wait_power_w(self) -> float:
        """Power of all ranks while all wait [W]."""
        return float(self.wait_power_w.sum())

    @cached_property
    def predecessors(self) -> tuple[tuple[int, ...], ...]:
        """For each operation, those that must end before it starts."""
        before: list[list[int]] = [[] for _ in self.schedule.operations]
        for u, v in self.schedule.edges.tolist():
            before[v].append(u)
        return tuple(map(tuple, before))

    @cached_property
    def top_clocks(self) -> NDArray[np.int16]:
        """The choice of every operation at its highest clock."""
        return np.array([table.top_clock for table in self.tables], dtype=np.int16)[self.kind]

    @cached_property
    def fastest(self) -> NDArray[np.int16]:
        """The choice of every operation at its fastest setting."""
        return np.array([table.useful[0] for table in self.tables], dtype=np.int16)[self.kind]

    @cached_property
    def cheapest(self) -> NDArray[np.int16]:
        """The choice of every operation at its least effective energy."""
        return np.array([table.useful[-1] for table in self.tables], dtype=np.int16)[self.kind]

    def times_s(self, choices: NDArray[np.int16]) -> NDArray[np.float64]:
        """Duration of every operation under one or more choices of rows [s].

        Shapes:
            choices: (..., n_operations); the result has the same shape.
        """
        return np.asarray(self._time_lookup[self.kind, choices])

    def times_of(self, indices: NDArray[np.intp], rows: NDArray[np.int16]) -> NDArray[np.float64]:
        """Duration of some operations under a row of each [s]. Shapes: all alike."""
        return np.asarray(self._time_lookup[self.kind[indices], rows])

    def energies_j(self, choices: NDArray[np.int16]) -> NDArray[np.float64]:
        """Energy of every operation under one or more choices of rows [J]; shapes as `times_s`."""
        return np.asarray(self._energy_lookup[self.kind, choices])

    @cached_property
    def setting_lookup(self) -> NDArray[np.object_]:
        """Setting of each row of each table; None beyond a table's end. Shapes: (n_tables, most rows)."""
        lookup = np.full(self._time_lookup.shape, None, dtype=np.object_)
        for row, table in enumerate(self.tables):
            for column, setting in enumerate(table.settings):
                lookup[row, column] = setting
        return lookup

    @cached_property
    def all_settings(self) -> tuple[Setting, ...]:
        """Every setting of any table, once."""
        return tuple(dict.fromkeys(setting for table in self.tables for setting in table.settings))

    @cached_property
    def setting_codes(self) -> NDArray[np.int32]:
        """Place in `all_settings` of each row of each table; -1 beyond a table's end. Shapes: as `setting_lookup`."""
        place = {setting: number for number, setting in enumerate(self.all_settings)}
        codes = np.full(self._time_lookup.shape, -1, dtype=np.int32)
        for row, table in enumerate(self.tables):
            codes[row, : len(table)] = [place[setting] for setting in table.settings]
        return codes

    @cached_property
    def rows_by_setting(self) -> NDArray[np.int16]:
        """Row of each setting in each table, -1 where there is none. Shapes: (n_tables, n_settings)."""
        rows = np.full((len(self.tables), len(self.all_settings)), -1, dtype=np.int16)
        for number, table in enumerate(self.tables):
            rows[number, self.setting_codes[number, : len(table)]] = np.arange(len(table))
        return rows

    @cached_property
    def told(self) -> tuple[NDArray[np.intp], ...]:
        """For each rank those of its operations that can be told something, in order; more than one option."""
        several = [len(table) > 1 for table in self.tables]
        return tuple(
            np.array([index for index in order if several[self.kind[index]]], dtype=np.intp)
            for order in self.schedule.orders
        )

    @cached_property
    def told_before(self) -> NDArray[np.intp]:
        """For each operation the one that its rank was told before it, in the iteration before for a rank's first; for
        one that cannot be told anything, itself. Shapes: (n_operations,)."""
        before = np.arange(len(self.kind), dtype=np.intp)
        for indices in self.told:
            before[indices] = np.roll(indices, 1)
        return before

    @cached_property
    def effective_lookup(self) -> NDArray[np.float64]:
        """Energy above waiting of each row of each table, as measured [J]. Shapes: as `setting_lookup`."""
        power_w = np.array([table.wait_power_w for table in self.tables])[:, None]
        return np.asarray(self._energy_lookup - power_w * self._time_lookup)

    @cached_property
    def _time_lookup(self) -> NDArray[np.float64]:
        return _padded([table.time_s for table in self.tables])

    @cached_property
    def _energy_lookup(self) -> NDArray[np.float64]:
        return _padded([table.energy_j for table in self.tables])

    def with_gpus(self, gpus_per_rank: int | Sequence[int]) -> PipelineProblem:
        """The problem with each rank made of several GPUs in lock step (tensor or data parallel).

        Args:
            gpus_per_rank: Number of GPUs, one for all ranks or one for each.

        Raises:
            UsageError: If a number is below 1 or there are not as many as ranks.
        """
        ranks = self.schedule.ranks
        gpus = [gpus_per_rank] * ranks if isinstance(gpus_per_rank, int) else list(gpus_per_rank)
        if len(gpus) != ranks or min(gpus, default=1) < 1:
            raise UsageError("the number of GPUs is not usable", f"{gpus} for {ranks} ranks", "give 1 or more for each")
        tables: list[OptionTable] = []
        known: dict[tuple[int, int], int] = {}
        kinds = []
        for operation, kind in zip(self.schedule.operations, self.kind.tolist(), strict=True):
            count = 1 if operation.rank is None else gpus[operation.rank]
            if (kind, count) not in known:
                known[kind, count] = len(tables)
                tables.append(self.tables[kind].on_gpus(count))
            kinds.append(known[kind, count])
        return replace(
            self,
            tables=tuple(tables),
            kind=np.array(kinds, dtype=np.int32),
            wait_power_w=self.wait_power_w * np.array(gpus, dtype=np.float64),
        )

    def smoothed(self) -> PipelineProblem:
        """The problem with planning energies smoothed: less luck, judged by all readings."""
        return replace(self, tables=tuple(table.smoothed() for table in self.tables))

    def as_measured(self) -> PipelineProblem:
        """The problem without smoothing."""
        return replace(self, tables=tuple(replace(table, planning_energy_j=None) for table in self.tables))

    @property
    def is_smoothed(self) -> bool:
        """Whether plans are sought on other energies than they are judged by."""
        return any(table.planning_energy_j is not None for table in self.tables)


def _padded(columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Columns of different length as one array, padded with NaN."""
    lookup = np.full((len(columns), max(map(len, columns), default=0)), np.nan)
    for row, column in enumerate(columns):
        lookup[row, : len(column)] = column
    return lookup
