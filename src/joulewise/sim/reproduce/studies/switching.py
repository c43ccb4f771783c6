"""What switches cost: pipelines by how long a switch takes, and clocks below the computation."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

from joulewise.devices.simulated.power_model import load_device_law
from joulewise.optimize.kernels import GRANULARITIES, KernelSequence, break_even_s, granularity_study
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.plan import choice_of
from joulewise.optimize.pipeline.planner import plan_frontiers
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import SwitchCost, count_switches, run_switched
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.sim.emulation import wait_power_w
from joulewise.sim.profile import simulate_profile
from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.exhibit import Column, Exhibit, Origin
from joulewise.sim.transformer_kernels import transformer_kernels
from joulewise.wire.profile import read_profile

STAGES, MICROBATCHES, SLOWDOWN, KERNEL_SLOWDOWN = 8, 8, 1.05, 1.006
SWITCHES = {
    "nothing": SwitchCost(),
    "1 ms": SwitchCost(1e-3),
    "5 ms": SwitchCost(5e-3),
    "5 ms, scattering by half of it": SwitchCost(5e-3, jitter_frac=0.5),
    "20 ms": SwitchCost(20e-3),
    "100 ms": SwitchCost(0.1),
    "for ever": SwitchCost(1e4),
}
LATENCIES = {"no time": 0.0, "1 us": 1e-6, "10 us": 1e-5, "100 us": 1e-4, "1 ms": 1e-3}
HEADS = ("switches", "saved [%]", "not more than [%]")
GAIN_FRAC = 1e-3
SHAPES = "shapes of GPT-3 175B, a roofline, and the model of an A100: `joulewise.sim.transformer_kernels`"


def exhibits(data: Data) -> tuple[Exhibit, ...]:
    """Pipelines, measured ones as well if given, and kernels."""
    profile = simulate_profile(load_device_law("a100"), STAGES)
    example = pipeline_problem(profile, make_schedule("1f1b", STAGES, MICROBATCHES))
    simulated = partial(Column, origin=Origin.SIMULATED)
    shows = (
        f"1F1B, {STAGES} stages, {MICROBATCHES} microbatches, at most {SLOWDOWN:g} times as long as everything at the "
        "highest clock, against whose energy savings are. The last column is the bound with switches paid for."
    )
    made = [
        Exhibit(
            "switching-latency",
            "What is left of a saving by how long a switch takes",
            shows,
            "`joulewise sim profile --device a100`; its law: fitted to stage profiles of Perseus (`chung2024perseus`)",
            (Column("a switch takes"), *map(simulated, HEADS)),
            tuple(_rows(example)),
        ),
        *_kernels(),
    ]
    rows: list[tuple[str, ...]] = []
    for file in data.profiles:
        problem = _measured(file)
        if problem is not None:
            rows += [(file.stem, *row) for row in _rows(problem)]
    if rows:
        made.append(
            Exhibit(
                "switching-measured",
                "The same for measured stages",
                shows,
                "stage profiles of Perseus (`chung2024perseus`), as given",
                (Column("profile"), Column("a switch takes"), *(Column(head, Origin.RECOMPUTED) for head in HEADS)),
                tuple(rows),
            )
        )
    return tuple(made)


def _measured(file: Path) -> PipelineProblem | None:
    """The problem of a profile whose waiting power is known."""
    profile = read_profile(file)
    power_w = wait_power_w(profile, file.name)
    if power_w is None:
        return None
    return pipeline_problem(profile, make_schedule("1f1b", profile.stages, MICROBATCHES), power_w)


def _rows(problem: PipelineProblem) -> list[tuple[str, ...]]:
    top = run_switched(problem, problem.top_clocks[None])
    top_s = float(top.time_s[0])
    deadline_s, top_j = top_s * SLOWDOWN, float(top.energy_j(top_s)[0])
    deadlines_s = [top_s * factor for factor in (1.0, 1.03, SLOWDOWN)]
    rows = []
    for name, made in zip(
        SWITCHES, plan_frontiers(problem, [*SWITCHES.values()], deadlines_s=deadlines_s), strict=True
    ):
        point = made.at_deadline(deadline_s)
        least_j = min(made.bound_j(t) for t in (point.time_s, deadline_s))
        switches = count_switches(problem, choice_of(problem, point.setting))
        rows.append((name, str(switches), *(f"{100 * (1 - j / top_j):.2f}" for j in (point.energy_j, least_j))))
    return rows


def _kernels() -> tuple[Exhibit, Exhibit]:
    sequence = KernelSequence.from_file(transformer_kernels())
    study = granularity_study(sequence, [*LATENCIES.values()], max_slowdown=KERNEL_SLOWDOWN)
    saved = {(row.granularity, row.latency_s): row.saving_frac for row in study}
    simulated = partial(Column, origin=Origin.SIMULATED)
    within = f"GPT-3-like layers, forward, backward and optimizer, at most {KERNEL_SLOWDOWN:g} times as long"
    rows = [
        (name, *(f"{max(0.0, 100 * saved[name, latency_s]):.2f}" for latency_s in LATENCIES.values()))
        for name in GRANULARITIES
    ]
    ends = [
        (f"{finer} over {coarser}", _microseconds(_break_even_s(sequence, finer, coarser)))
        for finer, coarser in pairwise(GRANULARITIES)
    ]
    return (
        Exhibit(
            "kernel-granularity",
            "Energy saved by what has a clock of its own, and by how long a switch takes",
            within + "; percent of the energy of everything at the highest clock.",
            SHAPES,
            (Column("a clock for each"), *(simulated(f"{name} [%]") for name in LATENCIES)),
            tuple(rows),
        ),
        Exhibit(
            "kernel-break-even",
            "Up to which latency finer control pays",
            within + f"; it pays if it saves {100 * GAIN_FRAC:g} % more of the energy.",
            SHAPES,
            (Column("finer control"), simulated("pays up to [us]")),
            tuple(ends),
        ),
    )


def _break_even_s(sequence: KernelSequence, finer: str, coarser: str) -> float:
    return break_even_s(sequence, finer, coarser, max_slowdown=KERNEL_SLOWDOWN, gain_frac=GAIN_FRAC)


def _microseconds(time_s: float) -> str:
    return f"{1e6 * time_s:.2g}" if time_s < 1e-4 else f"{1e6 * time_s:.0f}"
