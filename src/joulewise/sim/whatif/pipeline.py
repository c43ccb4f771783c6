"""What a pipeline takes under a contract: the row of figures that every question is answered from."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from joulewise.errors import UsageError
from joulewise.records import Provenance
from joulewise.sim.whatif.contract import COMPUTE_MEMORY, DENIED, PARTITION, Contract
from joulewise.sim.whatif.learned import best_learned, learn, noise_of
from joulewise.sim.whatif.plan import Realised, best, top_clocks
from joulewise.sim.whatif.problem import problem_at
from joulewise.sim.whatif.row import Figures, row_of
from joulewise.sim.whatif.split import split_of
from joulewise.sim.whatif.workload import PipelineWork


@lru_cache(maxsize=32)
def reference_s(work: PipelineWork, today: Contract) -> float:
    """Time of the iteration at the highest clocks of today's contract, which deadlines refer to [s]."""
    return top_clocks(problem_at(work, today), 0.0).time_s


def evaluate_pipeline(
    work: PipelineWork, today: Contract, contract: Contract, *, learned: bool = False
) -> dict[str, float | str | bool | None]:
    """Plan a pipeline anew under a contract.

    Args:
        work: The pipeline.
        today: The contract whose highest clocks set the deadlines.
        contract: What is offered.
        learned: Whether plans are made from what a profiler learns with the contract's sensors.

    Raises:
        UsageError: If the workload tells nothing of what the contract asks for.
    """
    base_s = reference_s(work, today)
    problem = problem_at(work, contract)
    ranks = problem.schedule.ranks
    provenance = problem.provenance
    notes: list[str] = []
    if contract.domains in (PARTITION, COMPUTE_MEMORY):
        worst = max(split.error_frac for table in problem.tables if (split := split_of(table)) is not None)
        notes.append(f"the fit of time over clock is off by up to {worst:.1%}")
    if learned:
        if contract.domains in (PARTITION, COMPUTE_MEMORY):
            seen = f"domains {contract.domains}, and sensors"
            raise UsageError("the profiler sweeps one clock for each device", seen, "ask for them one at a time")
        provenance = Provenance.SIMULATED
    found: dict[float, Figures | None] = {}
    spreads: list[float] = []
    for slowdown in work.slowdowns:
        until_s = base_s * slowdown
        top = top_clocks(problem, until_s)
        runs = _runs(work, contract, learned, until_s)
        if runs is None:
            found[slowdown] = None
            continue
        energy_j = float(np.mean([run.energy_j for run in runs])) * work.gpus_per_rank
        spreads.append(float(np.ptp([run.energy_j for run in runs])) / min(run.energy_j for run in runs))
        time_s = float(np.mean([run.time_s for run in runs]))
        switches = float(np.mean([run.switches for run in runs]))
        found[slowdown] = Figures(until_s, time_s, energy_j, top.energy_j * work.gpus_per_rank, switches)
    if learned:
        extra = [learn(problem, noise_of(contract), seed) for seed in range(work.seeds)]
        notes.append(
            f"the sweep draws {np.mean([one.extra_j for one in extra]) * work.gpus_per_rank:,.0f} J and takes "
            f"{np.mean([one.extra_s for one in extra]):.1f} s more than running on, once for each run"
        )
        if spreads and work.seeds > 1:
            notes.append(f"runs of the profiler differ by up to {max(spreads):.2%}: smaller differences are chance")
    return row_of(found, ranks * work.gpus_per_rank, provenance, "; ".join(notes))


def _runs(work: PipelineWork, contract: Contract, learned: bool, until_s: float) -> list[Realised] | None:
    """What runs until a deadline, for each seed; None if nothing is in time."""
    problem = problem_at(work, contract)
    if contract.control == DENIED:
        top = top_clocks(problem, until_s)
        return [top] if top.time_s <= until_s * (1 + 1e-12) else None
    if not learned:
        known = best(problem, contract.switch_latency_s, contract.domains, until_s)
        return None if known is None else [known[1]]
    noise, runs = noise_of(contract), []
    for seed in range(work.seeds):
        run = best_learned(problem, learn(problem, noise, seed), contract.switch_latency_s, contract.domains, until_s)
        if run is None:
            return None
        runs.append(run)
    return runs
