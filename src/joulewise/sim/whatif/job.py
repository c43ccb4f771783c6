"""What a tuned job takes under a contract: the tuner's choice, and what its search cost, over the whole job.

Theory of operation. The job is its table: time and power of a step at each power limit. A real `PowerTuner` searches on
a simulated run of it (`SimulatedJob`), whose counter ticks as the contract says, and lets pass after each change what a
limit takes to bite. What the search spent and what is left of the job at the choice make the figures of a mean step; a
limit that was lowered keeps drawing the former power until it bites. Means over seeds; energy counts to the job's own
end, since nobody else is awaited.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from joulewise.errors import UsageError
from joulewise.optimize.power.effort import Effort
from joulewise.optimize.power.goal import Goal
from joulewise.optimize.power.tuner import PowerTuner
from joulewise.records import Provenance
from joulewise.sim.job import JobTable, Noise, SimulatedJob
from joulewise.sim.whatif.contract import DENIED, Contract
from joulewise.sim.whatif.row import Figures, Row, row_of
from joulewise.sim.whatif.workload import JobWork


def evaluate_job(work: JobWork, contract: Contract) -> Row:
    """Tune a job anew under a contract.

    Raises:
        UsageError: If the job is so short that the search does not end.
    """
    table = JobTable(work.name, work.settings, np.array(work.time_s), np.array(work.power_w), work.provenance)
    top = len(work.settings) - 1
    found: dict[float, Figures | None] = {}
    for slowdown in work.slowdowns:
        until_s = work.time_s[top] * slowdown
        if contract.control == DENIED:
            time_s, energy_j, searched = work.time_s[top], float(table.step_j[top]), 0.0
        else:
            runs = [_tuned(work, table, contract, slowdown, seed) for seed in range(work.seeds)]
            time_s, energy_j, searched = (float(column) for column in np.mean(runs, axis=0))
        found[slowdown] = Figures(until_s, time_s, energy_j, float(table.step_j[top]), searched)
    note = "the search runs on a simulated job; time and power of steps are those of the table"
    return row_of(found, 1, Provenance.weakest([work.provenance, Provenance.SIMULATED]), note)


def _tuned(
    work: JobWork, table: JobTable, contract: Contract, slowdown: float, seed: int
) -> tuple[float, float, float]:
    """Time [s] and energy [J] of a mean step of the whole job, and how often its setting changed."""
    noise = replace(Noise(), counter_period_s=contract.counter_period_s)
    effort = replace(Effort(), settle_s=max(Effort().settle_s, contract.cap_response_s))
    tuner = PowerTuner(work.settings, Goal.max_slowdown(slowdown), effort)
    job = SimulatedJob(table, noise, np.random.default_rng(seed))
    row = {setting: number for number, setting in enumerate(work.settings)}
    present, changes, overshoot_j = work.settings[-1], 0, 0.0
    while not (probe := tuner.ask()).is_final and job.steps < work.steps:
        changed_j, is_change = _change(work, contract, row[present], row[_number(probe.setting)])
        overshoot_j, changes = overshoot_j + changed_j, changes + is_change
        present = _number(probe.setting)
        tuner.tell(job.run(probe))
    if job.steps >= work.steps:
        seen = f"{work.steps} steps"
        raise UsageError("the job ends before the search does", seen, "give more steps (--steps)")
    choice = row[_number(tuner.best())]
    changed_j, is_change = _change(work, contract, row[present], choice)
    left = work.steps - job.steps
    time_s = job.time_s + left * work.time_s[choice]
    energy_j = job.energy_j + overshoot_j + changed_j + left * float(table.step_j[choice])
    return time_s / work.steps, energy_j / work.steps, float(changes + is_change)


def _change(work: JobWork, contract: Contract, before: int, after: int) -> tuple[float, int]:
    """What a change of limit draws until it bites, beyond what it draws then [J], and whether it is one."""
    excess_w = max(0.0, work.power_w[before] - work.power_w[after])
    return contract.cap_response_s * excess_w, int(before != after)


def _number(setting: object) -> float:
    return float(setting)  # type: ignore[arg-type]
