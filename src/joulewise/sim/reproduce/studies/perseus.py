"""Pipelines of large models: what plans save without and with a straggler, beside what was published."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from joulewise.optimize.pipeline.baselines import baselines
from joulewise.optimize.pipeline.planner import plan_frontier
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.sim.emulation import (
    GLOBAL_BATCH,
    MICROBATCHES,
    SLOWDOWNS,
    TENSOR_PARALLEL,
    Emulation,
    emulated,
    published,
    wait_power_w,
)
from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.drawing import BAD, SOFT, STRONG, Axes, dot, path, svg, text, ticks
from joulewise.sim.reproduce.exhibit import Column, Exhibit, Origin
from joulewise.wire.profile import read_profile

SOURCE = (
    "Perseus (`chung2024perseus`), table 6, figures 7 and 8; sums in `joulewise.sim.emulation`; stage profiles as given"
)
OURS, THEIRS = partial(Column, origin=Origin.RECOMPUTED), partial(Column, origin=Origin.PUBLISHED)
DRAWN_PLANS, BASELINE_MARKS = 120, (BAD, "#75459c", "#1c7a54", "#111827")

Rows = list[tuple[str, ...]]


def exhibits(data: Data) -> tuple[Exhibit, ...]:
    """Savings of every profile, and the frontier of each."""
    alone, straggling, drawings, missing = Rows(), Rows(), list[Exhibit](), list[str]()
    for file in data.profiles:
        profile = read_profile(file)
        power_w = wait_power_w(profile, file.name)
        if power_w is None:
            missing.append(f"{file.name}: the power of a waiting GPU is not known; state it as # wait_power_w")
            continue
        for microbatches in MICROBATCHES:
            problem = emulated(profile, microbatches, power_w)
            first, second = _rows(file.stem, problem, microbatches)
            alone.append(first)
            straggling.append(second)
            if microbatches == MICROBATCHES[0]:
                drawings.append(_drawing(file, problem, _origin_of(problem.provenance.value)))
    left_out = f" Left out: {'; '.join(missing)}." if missing else ""
    scale = "8 GPUs to a stage; 1,536 microbatches shared by pipelines; realised on real clocks, waiting included."
    ours = _origins(data)
    return (
        Exhibit(
            "perseus-intrinsic",
            "Energy saved without a straggler and without slowdown",
            f"1F1B. Against everything at the highest clock, at the time of the fastest plan. {scale} No plan that is "
            f"as fast can save more than the bound.{left_out}",
            SOURCE,
            (
                Column("profile"),
                Column("microbatches"),
                Column("GPUs"),
                *(Column(head, ours) for head in ("T [s]", "saved [%]", "bound [%]")),
                THEIRS("published [%]"),
            ),
            tuple(alone),
        ),
        Exhibit(
            "perseus-stragglers",
            "Energy saved while one pipeline straggles",
            f"One pipeline takes T' = f T, and the others wait for it, by plans for that time. {scale} Ours may be "
            f"slower than T*, where that draws less until T'; the published are not.{left_out}",
            SOURCE,
            (
                Column("profile"),
                Column("microbatches"),
                *(
                    column
                    for f in SLOWDOWNS
                    for column in (Column(f"f = {f:g} [%]", ours), THEIRS(f"published at {f:g} [%]"))
                ),
            ),
            tuple(straggling),
        ),
        *drawings,
    )


def _origins(data: Data) -> Origin:
    """Recomputed if all profiles were measured; else what the weakest is."""
    found = {_origin_of(read_profile(file).provenance.value) for file in data.profiles}
    return next(one for one in (Origin.SIMULATED, Origin.MODELLED, Origin.RECOMPUTED) if one in found)


def _origin_of(provenance: str) -> Origin:
    return Origin.RECOMPUTED if provenance == Origin.MEASURED else Origin(provenance)


def _rows(name: str, problem: PipelineProblem, microbatches: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    least_s = float(realise(problem, problem.fastest[None])[0][0])
    frontier = plan_frontier(problem, deadlines_s=[f * least_s for f in (1.0, *SLOWDOWNS)])
    sums, theirs = Emulation(problem, frontier, microbatches), published(name, microbatches)
    time_s = frontier[0].time_s
    bound_j = frontier.bound.at(time_s, frontier.wait_power_w) if frontier.bound is not None else float("nan")
    bound = 100 * (1 - bound_j / sums.all_max_until(time_s))
    gpus = f"{problem.schedule.ranks * TENSOR_PARALLEL * GLOBAL_BATCH // microbatches:,}"
    figures = (f"{time_s:.2f}", f"{sums.intrinsic():.2f}", f"{bound:.2f}")
    first = (name, str(microbatches), gpus, *figures, f"{theirs.intrinsic:.2f}" if theirs else "\u2013")
    second = [name, str(microbatches)]
    for number, f in enumerate(SLOWDOWNS):
        second += [f"{sums.total(f):.1f}", f"{theirs.total[number]:.1f}" if theirs else "\u2013"]
    return first, tuple(second)


def _drawing(file: Path, problem: PipelineProblem, origin: Origin) -> Exhibit:
    """The frontier of a profile, with the baselines on it."""
    frontier = plan_frontier(problem, plans=DRAWN_PLANS)
    points = [(point.time_s, point.energy_j / 1e3) for point in frontier.alone()]
    others = {
        "all at max clock": problem.top_clocks,
        **baselines(problem),
    }
    time_s, energy_j = realise(problem, np.stack(list(others.values())))
    marks = list(zip(time_s.tolist(), (energy_j / 1e3).tolist(), strict=True))
    every = [*points, *marks]
    (left, right), (low, high) = (_range([p[k] for p in every]) for k in (0, 1))
    axes = Axes(64, 52, 700, 350, (left, right), (low, high))
    drawn = axes.frame(ticks(left, right), ticks(low, high), "iteration time [s]", "energy of a pipeline [kJ]")
    drawn.append(path([axes.at(*point) for point in points], STRONG, 2.4))
    drawn += [dot(*axes.at(*point), STRONG, 2.2) for point in points]
    legend = [("plans with real clocks", STRONG), *zip(others, BASELINE_MARKS, strict=False)]
    for (x, y), colour in zip(marks, BASELINE_MARKS, strict=False):
        drawn.append(dot(*axes.at(x, y), colour, 6))
    for row, (words, colour) in enumerate(legend):
        drawn += [dot(470, 70 + 20 * row, colour, 5), text(484, 74 + 20 * row, words, fill=SOFT)]
    return Exhibit(
        f"perseus-frontier-{file.stem}".replace("+", "-"),
        f"Frontier of {file.stem}, {MICROBATCHES[0]} microbatches",
        f"Iteration time and energy of one pipeline ({problem.schedule.ranks * TENSOR_PARALLEL} GPUs), each plan "
        "realised on real clocks.",
        SOURCE,
        svg=svg(730, 400, f"Frontier of {file.stem}", drawn),
        origin=origin,
    )


def _range(values: list[float]) -> tuple[float, float]:
    spare = 0.06 * (max(values) - min(values)) or 1.0
    return min(values) - spare, max(values) + spare
