"""lowtime 0.3.0 on our problems: its own filter, fit, solver and rounding, fed with the same tables and edges.

Theory of operation. lowtime counts time in units of 1 ms, rounded down, fits an exponential to the effective energies
that its filter leaves, and takes one unit off the iteration per step, each with two maximum flows from scratch. Two
orders of filtering are in use: the Perseus artifact filters on energy and then subtracts what waiting draws, later
recipes subtract first.

A *timed sample* puts lowtime's graph into states that it passes on its way down, at several iteration times, and times
a few of its own steps from each. The states are optimal for lowtime's own integer problem: our solver, given one
option per unit of time at lowtime's fitted cost, finds them.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx  # type: ignore[import-untyped]
import numpy as np
from lowtime import _lowtime_rs
from lowtime.cost_model import ExponentialModel
from lowtime.graph_utils import (
    add_sink_node,
    add_source_node,
    aoa_to_critical_dag,
    aon_dag_to_aoa_dag,
    get_critical_aoa_dag_total_time,
    get_total_cost,
)
from lowtime.operation import CandidateExecutionOptions, ExecutionOption, Operation, OperationSpec
from lowtime.solver import FP_ERROR, PhillipsDessouky
from numpy.typing import NDArray

from joulewise.frontier import Point
from joulewise.optimize.pipeline.options import OptionTable
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.solver import QUICK
from joulewise.optimize.pipeline.sweep import SweepSolver
from joulewise.records import Provenance

UNIT_S = 1e-3
FEW_OPTIONS, NOISE_FACTOR = 3, 0.95


@dataclass(frozen=True)
class Run:
    """What lowtime yields: per plan its claimed time [s], its claimed energy [J] and a clock per operation.

    Shapes:
        claimed_s, claimed_j: (n_plans,). clocks: (n_plans, n_operations).
    """

    claimed_s: NDArray[np.float64]
    claimed_j: NDArray[np.float64]
    clocks: NDArray[np.int16]
    graph_cpu_s: float
    solve_cpu_s: float


class LowtimePeer:
    """lowtime's view of one problem; making it fits the curves."""

    def __init__(self, problem: PipelineProblem, order: str) -> None:
        """Filter and fit, in the order of the "artifact" or subtracting "first"."""
        self.problem = problem
        power_w = {float(table.wait_power_w) for table in problem.tables}
        (self.wait_power_w,) = power_w  # lowtime knows one power for all
        begin = time.process_time()
        known: dict[bytes, Any] = {}
        self.specs = []
        for table in problem.tables:
            key = table.time_s.tobytes() + table.energy_j.tobytes()
            if key not in known:
                known[key] = self._spec(table, order)
            self.specs.append(known[key])
        self.fit_cpu_s = time.process_time() - begin

    def _spec(self, table: OptionTable, order: str) -> Any:

        def options() -> list[Any]:
            return [
                ExecutionOption(real_time=float(t), unit_time=UNIT_S, cost=float(e), knob=clock)
                for t, e, clock in zip(table.time_s, table.energy_j, table.settings, strict=True)
            ]

        def subtract(given: Sequence[Any]) -> None:
            for option in given:
                option.cost -= self.wait_power_w * option.quant_time * option.unit_time

        def candidates(**noise: float) -> Any:
            given = options()
            if order == "first":
                subtract(given)
            kept = CandidateExecutionOptions(options=given, **noise)
            if order == "artifact":
                subtract(kept.options)
            return kept

        kept = candidates()
        if len(kept.options) <= FEW_OPTIONS:
            kept = candidates(noise_factor=NOISE_FACTOR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # curve_fit tells of starting points that did not work
            return OperationSpec(options=kept, cost_model=ExponentialModel(kept, search_strategy="best"))

    def graph(self) -> tuple[Any, list[Any]]:
        """lowtime's graph with our edges, and its operations in our order."""
        operations = [Operation(spec=self.specs[kind]) for kind in self.problem.kind.tolist()]
        dag = nx.DiGraph()
        for index, operation in enumerate(operations):
            dag.add_node(index + 2, op=operation)
        dag.add_edges_from((u + 2, v + 2) for u, v in self.problem.schedule.edges.tolist())
        add_source_node(dag, 0)
        add_sink_node(dag, 1)
        dag.graph["source_node"], dag.graph["sink_node"] = 0, 1
        return dag, operations

    def run(self) -> Run:
        """The whole frontier."""
        begin = time.process_time()
        dag, operations = self.graph()
        solver = PhillipsDessouky(dag)
        built = time.process_time()
        claimed_s, claimed_j, clocks = [], [], []
        for result in solver.run():
            claimed_s.append(result.real_time)
            claimed_j.append(result.cost + self.problem.total_wait_power_w * result.real_time)
            clocks.append([operation.assigned_knob for operation in operations])
        end = time.process_time()
        return Run(
            np.array(claimed_s), np.array(claimed_j), np.array(clocks, dtype=np.int16), built - begin, end - built
        )

    def choices(self, clocks: NDArray[np.int16]) -> NDArray[np.int16]:
        """Rows of our option tables for its plans. Shapes: (n_plans, n_operations)."""
        rows = [{clock: row for row, clock in enumerate(table.settings)} for table in self.problem.tables]
        choices = np.empty_like(clocks)
        for index, kind in enumerate(self.problem.kind.tolist()):
            clock, inverse = np.unique(clocks[:, index], return_inverse=True)
            choices[:, index] = np.array([rows[kind][c] for c in clock.tolist()], dtype=np.int16)[inverse]
        return choices

    def sample(self, states: int, steps: int) -> tuple[int, float, float]:
        """Estimate a whole run: number of steps, mean CPU time of a step [s], CPU time to build the graph [s]."""
        begin = time.process_time()
        dag, operations = self.graph()
        solver = PhillipsDessouky(dag)
        aoa = aon_dag_to_aoa_dag(dag)
        graph_cpu_s = time.process_time() - begin

        def units(durations: Sequence[int]) -> int:
            for operation, duration in zip(operations, durations, strict=True):
                operation.duration = duration
            return int(get_critical_aoa_dag_total_time(aoa_to_critical_dag(aoa)))

        least = units([operation.min_duration for operation in operations])
        most = units([operation.max_duration for operation in operations])
        at = np.linspace(most, least, states + 2)[1:-1].astype(int).tolist()
        spent = []
        for durations in self._states(at):
            units(durations)
            begin = time.process_time()
            for _ in range(steps):
                _step(solver, aoa)
            spent.append((time.process_time() - begin) / steps)
        return most - least, float(np.mean(spent)), graph_cpu_s

    def _states(self, units: Sequence[int]) -> list[list[int]]:
        """Durations [units] that are optimal for lowtime's own problem at several iteration times [units].

        Times are whole numbers and the longest a power of two, so that our grid holds them exactly.
        """
        tables = []
        for spec in self.specs:
            quant = [option.quant_time for option in spec.options.options]
            costs = {d: float(spec.cost_model(d)) for d in range(min(quant), max(quant) + 1)}
            lowest = min(costs.values())
            tables.append(OptionTable.of([Point(d, c - lowest, d, Provenance.MODELLED) for d, c in costs.items()], 0.0))
        longest = 2.0 ** math.ceil(math.log2(max(float(table.time_s.max()) for table in tables)))
        unused = OptionTable.of([Point(longest, 0.0, None, Provenance.MODELLED)], 0.0)
        problem = PipelineProblem(
            self.problem.schedule, (*tables, unused), self.problem.kind, np.zeros_like(self.problem.wait_power_w)
        )
        solution = SweepSolver().solve(problem, [float(t) for t in units], QUICK, None)
        _, cost = realise(problem, solution.choices)
        least = [solution.bound.at(float(t), 0.0) for t in units]
        if not np.allclose(cost, least, rtol=1e-7):
            raise RuntimeError(f"states are not optimal for lowtime's problem: {cost / np.array(least) - 1}")
        return [[round(d) for d in duration] for duration in problem.times_s(solution.choices).tolist()]


def _step(solver: Any, aoa: Any) -> None:
    """One of lowtime's steps, from its own parts."""
    critical = aoa_to_critical_dag(aoa)
    solver.annotate_capacities(critical)
    nodes, edges = solver.format_rust_inputs(critical)
    source, sink = critical.graph["source_node"], critical.graph["sink_node"]
    runner = _lowtime_rs.PhillipsDessouky(FP_ERROR, nodes, source, sink, edges)
    solver.reduce_durations(critical, *runner.find_min_cut())
    get_total_cost(aoa, mode="edge")
    get_critical_aoa_dag_total_time(critical)
