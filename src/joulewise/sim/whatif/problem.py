"""The problem that a workload poses under a contract: clocks, domains, voltage floor, idle and waiting power.

Nothing here plans. What a contract leaves as profiled stays exactly as profiled; whatever else is marked modelled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.frontier import Point
from joulewise.frontier.columns import Columns
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.options import OptionTable
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.records import Profile, Provenance, Reading
from joulewise.sim.chip_profile import LOADS as KERNELS
from joulewise.sim.chip_profile import chip_profile
from joulewise.sim.whatif.contract import COMPUTE_MEMORY, DEVICE, PARTITION, Contract
from joulewise.sim.whatif.domains import apart_from_memory, per_partition
from joulewise.sim.whatif.split import Split, fit_voltage, split_of
from joulewise.sim.whatif.workload import PipelineWork, chip_at

STAGES = 8
FINEST_MHZ = 1.0
NOT_PHYSICS = Contract()
"""What stands in for fields that change no option table: the problem does not depend on them."""


def problem_at(work: PipelineWork, contract: Contract) -> PipelineProblem:
    """The problem of a workload under a contract, for one GPU of each rank.

    Raises:
        UsageError: If the workload tells nothing of what the contract asks for.
    """
    latency_s = contract.switch_latency_s if contract.domains == COMPUTE_MEMORY else NOT_PHYSICS.switch_latency_s
    plain = replace(
        NOT_PHYSICS,
        switch_latency_s=latency_s,
        clock_step_mhz=contract.clock_step_mhz,
        clock_min_mhz=contract.clock_min_mhz,
        clock_max_mhz=contract.clock_max_mhz,
        domains=contract.domains if contract.domains in (PARTITION, COMPUTE_MEMORY) else DEVICE,
        wait_power_w=contract.wait_power_w,
        voltage_floor=contract.voltage_floor,
        idle_power_w=contract.idle_power_w,
    )
    return _problem(replace(work, slowdowns=(1.0,)), plain)


@lru_cache(maxsize=64)
def _problem(work: PipelineWork, contract: Contract) -> PipelineProblem:
    profile = profile_at(work, contract)
    schedule = make_schedule(work.schedule, work.stages or profile.stages, work.microbatches, None)
    problem = pipeline_problem(profile, schedule, work.wait_power_w)
    if work.profile is not None:
        problem = _with_floor(work, problem, contract.voltage_floor)
    problem = _with_domains(work, problem, contract)
    if work.profile is not None and contract.idle_power_w not in (None, work.idle_power_w):
        problem = _with_idle(problem, work.idle_power_w, contract.idle_power_w)
    if contract.wait_power_w is not None and (problem.wait_power_w != contract.wait_power_w).any():
        problem = _with_wait(problem, contract.wait_power_w)
    return problem


def _scaled(profile: Profile, scale: float) -> Profile:
    """The profile of so many times the layers."""
    if scale == 1.0:
        return profile
    rows = (replace(r, time_s=r.time_s * scale, energy_j=r.energy_j * scale) for r in profile.readings)
    return replace(profile, readings=tuple(rows))


@lru_cache(maxsize=64)
def profile_at(work: PipelineWork, contract: Contract) -> Profile:
    """The profile under a contract's clocks; that of a simulated chip under its physics as well.

    Raises:
        UsageError: If clocks are asked for that were not profiled, or none is left.
    """
    if work.profile is None:
        return _simulated(work, contract)
    profile = _scaled(work.profile, work.scale)
    clocks = sorted({r.clock_mhz for r in profile.readings if r.clock_mhz is not None})
    if not clocks:
        return profile
    lowest, highest = contract.clock_min_mhz, contract.clock_max_mhz
    for asked, is_beyond in (
        (lowest, lowest is not None and lowest < clocks[0]),
        (highest, highest is not None and highest > clocks[-1]),
    ):
        if is_beyond:
            seen = f"{asked:g} MHz where {clocks[0]} to {clocks[-1]} MHz were profiled"
            raise UsageError("nothing was measured there", seen, "simulate a chip: sim:h100")
    kept = {
        clock
        for clock in clocks
        if (lowest is None or clock >= lowest) and (highest is None or clock <= highest)
    }  # fmt: skip
    if not kept:
        raise UsageError("no clock is left", f"{lowest} to {highest} MHz", "ask for a wider range")
    own = min((b - a for a, b in pairwise(clocks)), default=1)
    step = contract.clock_step_mhz
    if step is None or step == own:
        return _only(profile, kept) if len(kept) < len(clocks) else profile
    return _stepped(profile, kept, step)


def _only(profile: Profile, clocks: set[int]) -> Profile:
    readings = tuple(r for r in profile.readings if r.clock_mhz is None or r.clock_mhz in clocks)
    return replace(profile, readings=readings)


def _stepped(profile: Profile, kept: set[int], step_mhz: float) -> Profile:
    """The profile at clocks of another distance, counted from the highest; those between are interpolated."""
    if step_mhz < FINEST_MHZ:
        raise UsageError("clocks are whole MHz", f"a step of {step_mhz:g} MHz", f"ask for {FINEST_MHZ:g} or more")
    top, bottom = max(kept), min(kept)
    wanted = {round(top - n * step_mhz) for n in range(int((top - bottom) / step_mhz + 1e-9) + 1)}
    if step_mhz < min((b - a for a, b in pairwise(sorted(kept))), default=step_mhz):
        wanted |= kept  # whatever was profiled can still be told
    invented = not wanted <= kept
    readings: list[Reading] = []
    for (stage, instruction), rows in _only(profile, kept).by_operation().items():
        if any(row.clock_mhz is None for row in rows):
            readings += rows
            continue
        merged = OptionTable.of((Point(r.time_s, r.energy_j, r.clock_mhz, Provenance.MEASURED) for r in rows), 0.0)
        known = np.array([float(s) for s in merged.settings])  # type: ignore[arg-type]
        order = np.argsort(known)
        at = np.array(sorted(wanted), dtype=np.float64)
        slow = np.argsort(1 / known)
        time_s = np.interp(1 / at, 1 / known[slow], merged.time_s[slow])
        power_w = np.interp(at, known[order], (merged.energy_j / merged.time_s)[order])
        readings += [
            Reading(stage, instruction, int(mhz), float(t), float(t * w))
            for mhz, t, w in zip(at, time_s, power_w, strict=True)
        ]
    provenance = Provenance.weakest([profile.provenance, Provenance.MODELLED]) if invented else profile.provenance
    return replace(profile, readings=tuple(readings), provenance=provenance)


def _simulated(work: PipelineWork, contract: Contract) -> Profile:
    model = chip_at(work.chip, contract)
    clock = model.clock
    lowest = contract.clock_min_mhz if contract.clock_min_mhz is not None else clock.minimum_mhz
    highest = contract.clock_max_mhz if contract.clock_max_mhz is not None else clock.maximum_mhz
    step = contract.clock_step_mhz or clock.step_mhz
    if not FINEST_MHZ <= lowest <= highest or step < FINEST_MHZ:
        seen = f"{lowest:g} to {highest:g} MHz by {step:g}"
        raise UsageError("no clock is left", seen, "give a lowest below the highest, and a step of 1 MHz or more")
    count = int((highest - lowest) / step + 1e-9)
    clocks = sorted({round(highest - n * step) for n in range(count + 1)}, reverse=True)
    profile = chip_profile(model, work.stages or STAGES, clocks)
    return _scaled(profile, work.scale)


def stalled_frac(work: PipelineWork) -> float:
    """What a stalled core draws: assumed, unless the chip is simulated, where its clock tree is all that it draws."""
    if work.profile is not None:
        return work.assumptions.stalled_frac
    power = chip_at(work.chip, NOT_PHYSICS).power
    activity = max(load.activity for load in KERNELS.values())
    return power.clock_tree_w / (power.clock_tree_w + power.core_w * activity)


def _mapped(problem: PipelineProblem, change: Callable[[OptionTable], OptionTable]) -> PipelineProblem:
    """The problem with tables changed, and the waiting power of ranks as it was."""
    return replace(problem, tables=tuple(change(table) for table in problem.tables))


def _splits(problem: PipelineProblem) -> list[Split]:
    return [split for table in problem.tables if (split := split_of(table)) is not None]


def _with_domains(work: PipelineWork, problem: PipelineProblem, contract: Contract) -> PipelineProblem:
    if contract.domains == DEVICE:
        return problem
    if not _splits(problem):
        raise UsageError("nothing tells what feels the clock", "fewer than four clocks", "profile at more clocks")
    frac, assumed = stalled_frac(work), work.assumptions
    if contract.domains == PARTITION:
        return _mapped(problem, lambda table: per_partition(table, assumed.loads, frac))
    latency_s = contract.switch_latency_s
    return _mapped(problem, lambda table: apart_from_memory(table, latency_s, assumed.phases, frac))


def _with_floor(work: PipelineWork, problem: PipelineProblem, floor: float) -> PipelineProblem:
    if floor == 1.0:
        return problem
    splits = _splits(problem)
    if not splits:
        raise UsageError("nothing tells the voltage", "fewer than four clocks", "profile at more clocks")
    law = fit_voltage(splits, work.assumptions.stalled_frac)

    def lowered(table: OptionTable) -> OptionTable:
        split = split_of(table)
        if split is None:
            return table
        ratio = (law.at(split.held_ghz, floor) / law.at(split.held_ghz)) ** 2
        by_clock = dict(zip(split.clock_mhz.tolist(), ratio.tolist(), strict=True))
        factor = np.array([by_clock.get(float(s), 1.0) for s in table.settings])  # type: ignore[arg-type]
        waiting_j = table.wait_power_w * table.time_s
        return _modelled(table, waiting_j + (table.energy_j - waiting_j) * factor, table.wait_power_w)

    return _mapped(problem, lowered)


def _with_idle(problem: PipelineProblem, today_w: float | None, idle_w: float | None) -> PipelineProblem:
    if today_w is None or idle_w is None:
        fix = "say it: --today idle-power=WATTS, or give the device's contract"
        raise UsageError("the idle power of the device is not known", "a profile does not tell it", fix)
    less_w = today_w - idle_w
    if less_w > float(problem.wait_power_w.min()):
        seen = f"{less_w:g} W less, where waiting draws {problem.wait_power_w.min():g} W in all"
        raise UsageError("idle power cannot fall by more than waiting draws", seen, "ask for more idle power")

    def lowered(table: OptionTable) -> OptionTable:
        if not table.wait_power_w:
            return table
        return _modelled(table, table.energy_j - less_w * table.time_s, table.wait_power_w - less_w)

    return replace(_mapped(problem, lowered), wait_power_w=problem.wait_power_w - less_w)


def _with_wait(problem: PipelineProblem, wait_w: float) -> PipelineProblem:
    def waits(table: OptionTable) -> OptionTable:
        return _modelled(table, table.energy_j, wait_w) if table.wait_power_w else table

    changed = _mapped(problem, waits)
    return replace(changed, wait_power_w=np.full(len(problem.wait_power_w), wait_w))


def _modelled(table: OptionTable, energy_j: NDArray[np.float64], wait_power_w: float) -> OptionTable:
    provenance = Provenance.weakest([table.provenance, Provenance.MODELLED])
    columns = Columns.from_arrays(table.time_s, np.maximum(0.0, energy_j), table.settings, provenance)
    return OptionTable(columns, wait_power_w)
