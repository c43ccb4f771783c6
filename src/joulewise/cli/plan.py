"""``joulewise plan``: from a profile to a clock for every computation of a pipeline iteration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joulewise.cli.plan_live import show_live

if TYPE_CHECKING:
    from joulewise.optimize.pipeline.problem import PipelineProblem
    from joulewise.optimize.pipeline.solver import Solver

FAST_PLANS, SLOW_PLANS = 200, 20  # the latter without the kernel, or where switches must pay


def plan(
    profile: Annotated[Path, typer.Argument(help="Profile of the stages (CSV), or a graph of operations (JSON).")],
    *,
    schedule: Annotated[
        str, typer.Option(help="Pipeline schedule: 1f1b, gpipe, interleaved, zb-h1, zb-v, ...")
    ] = "1f1b",
    stages: Annotated[int | None, typer.Option(min=1, help="Pipeline ranks. [default: the profile's stages]")] = None,
    microbatches: Annotated[int, typer.Option(min=1, help="Microbatches of one iteration.")] = 8,
    chunks: Annotated[int | None, typer.Option(min=1, help="Stages per rank, for interleaved schedules.")] = None,
    wait_power: Annotated[
        str | None, typer.Option(help="Power of one waiting GPU [W]; one value or one per stage, by commas.")
    ] = None,
    tensor_parallel: Annotated[int, typer.Option(min=1, help="GPUs that share a stage.")] = 1,
    data_parallel: Annotated[int, typer.Option(min=1, help="Replicas of the pipeline.")] = 1,
    slowdown: Annotated[
        list[float] | None, typer.Option(help="Allowed time over all at max clock; may be given again. [default: 1.0]")
    ] = None,
    straggler: Annotated[
        list[float] | None, typer.Option(help="Time of a straggler over all at max clock; may be given again.")
    ] = None,
    plans: Annotated[
        int | None, typer.Option(min=2, help="Plans of the frontier. [default: 200, or 20 without the kernel]")
    ] = None,
    switch_latency: Annotated[float, typer.Option(min=0, help="Mean time that a clock switch takes [s].")] = 0.0,
    switch_latency_to: Annotated[
        list[str] | None, typer.Option(help="Mean time to reach a clock, as in 1410:0.004; may be given again.")
    ] = None,
    switch_jitter: Annotated[
        float, typer.Option(min=0, help="Standard deviation of that time, as a fraction of its mean.")
    ] = 0.0,
    confidence: Annotated[
        float, typer.Option(help="Share of iterations that must be in time if switches scatter.")
    ] = 0.95,
    switch_penalty: Annotated[float, typer.Option(min=0, help="Energy that a switch must save [J].")] = 0.0,
    smooth: Annotated[bool, typer.Option("--smooth", help="Plan on convex fits of noisy readings.")] = False,
    solver: Annotated[str, typer.Option(help="auto, sweep (exact kernel) or highs (linear programs).")] = "auto",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for plan.json, frontier.json, report.html.")],
    live: Annotated[
        str | None,
        typer.Option(
            help="Plan nothing: show a running job, by the URL of its hub or of its page there.",
            is_eager=True,
            callback=show_live,
        ),
    ] = None,
) -> None:
    """Plan a clock for every forward and backward computation of a pipeline-parallel training iteration."""
    from joulewise.cli import plan_output, plan_progress  # noqa: PLC0415 (--help needs none of this)
    from joulewise.optimize.pipeline.comparison import Comparison, plan_outcome, straggler_outcome  # noqa: PLC0415
    from joulewise.optimize.pipeline.plan import Plan  # noqa: PLC0415
    from joulewise.optimize.pipeline.planner import (  # noqa: PLC0415
        ROUNDED_FRAC,
        least_energy_time_s,
        plan_frontier,
        plan_pipeline,
    )
    from joulewise.optimize.pipeline.replay import SwitchCost, replay  # noqa: PLC0415

    plan_output.check_folder(output)
    check_factors(slowdown or [], straggler or [])
    problem = read_problem(
        profile,
        schedule=schedule,
        stages=stages,
        microbatches=microbatches,
        chunks=chunks,
        wait_power=wait_power,
        gpus=tensor_parallel * data_parallel,
        smooth=smooth,
    )
    chosen_solver = pick_solver(solver)
    targets = parse_latencies(switch_latency_to or [])
    switch = SwitchCost(switch_latency, switch_penalty, switch_jitter, confidence, targets)
    count = plans or (FAST_PLANS if chosen_solver.name == "sweep" and not switch else SLOW_PLANS)
    reference_s = replay(problem, problem.top_clocks).time_s

    with plan_progress.shown() as step:
        frontier = plan_frontier(
            problem, plans=count, switch=switch, solver=chosen_solver, progress=step(f"frontier of {count} plans")
        )
        least_s = max(float(frontier.time_s[0]), least_energy_time_s(frontier.bound))
        latest_s = max(least_s, float(frontier.bound.time_s[-1]) * (1 + ROUNDED_FRAC))

        def planned(deadline_s: float, text: str) -> Plan:
            """The better of a plan made for the deadline and what the frontier has."""
            made = plan_pipeline(problem, deadline_s, switch=switch, solver=chosen_solver, progress=step(text))
            known = (
                Plan.from_point(problem, frontier, frontier.at_time(deadline_s), chosen_solver.name, switch=switch)
                if deadline_s >= frontier.time_s[0]
                else made
            )
            wait_w, until_s = problem.total_wait_power_w, made.until_s if switch else deadline_s
            return min(made, known, key=lambda p: p.energy_j + wait_w * max(0.0, until_s - p.time_s))

        found = [
            plan_outcome(
                f"{plan_output.PREFIX}slowdown {factor:g}",
                planned(min(reference_s * factor, max(least_s, reference_s)), f"planning for {factor:g}x"),
            )
            for factor in slowdown or [1.0]
        ]
        found.append(plan_outcome(f"{plan_output.PREFIX}least energy", planned(least_s, "planning for least energy")))
        for factor in straggler or []:
            end_s = reference_s * factor
            deadline_s = min(max(end_s, float(frontier.time_s[0])), latest_s)
            waiting = planned(deadline_s, f"straggler at {factor:g}x")
            found.append(straggler_outcome(f"{plan_output.PREFIX}straggler {factor:g}", waiting, end_s))

    plan_output.show_and_write(
        output,
        plan_output.Result(
            profile, problem, frontier, Comparison.of(problem, found, switch), tensor_parallel, data_parallel
        ),
    )


def check_factors(slowdown: list[float], straggler: list[float]) -> None:
    """Refuse factors that cannot be meant."""
    from joulewise.errors import UsageError  # noqa: PLC0415

    for name, factors, least in (("--slowdown", slowdown, 0.0), ("--straggler", straggler, 1.0)):
        for factor in factors:
            if not least <= factor < float("inf") or factor == 0:
                fix = f"give time over all at max clock, as in 1.2{', not below 1' if least else ''}"
                raise UsageError(f"{name} is not usable", f"{factor}", fix)


def read_problem(
    path: Path,
    *,
    schedule: str,
    stages: int | None,
    microbatches: int,
    chunks: int | None,
    wait_power: str | None,
    gpus: int,
    smooth: bool,
) -> PipelineProblem:
    """The problem that a profile or a graph file states, for ``gpus`` GPUs per rank."""
    from joulewise.errors import UsageError  # noqa: PLC0415
    from joulewise.optimize.pipeline.costs import pipeline_problem  # noqa: PLC0415
    from joulewise.optimize.pipeline.problem import PipelineProblem  # noqa: PLC0415
    from joulewise.optimize.pipeline.schedules import make_schedule, read_graph  # noqa: PLC0415
    from joulewise.wire.profile import read_profile  # noqa: PLC0415

    if path.suffix == ".json":
        problem = PipelineProblem.from_graph(read_graph(read_json(path)))
    else:
        known = read_profile(path)
        made = make_schedule(schedule, stages or known.stages, microbatches, chunks)
        problem = pipeline_problem(known, made, parse_watts(wait_power))
    if gpus > 1:
        problem = problem.with_gpus(gpus)
    if smooth:
        problem = problem.smoothed()
    if not len(problem.kind):
        raise UsageError("there is nothing to plan", f"no operations in {path}", "give a schedule with operations")
    return problem


def read_json(path: Path) -> Any:
    """Parsed JSON of a file.

    Raises:
        InputFileError: If it cannot be read or is not JSON.
    """
    from joulewise.errors import InputFileError  # noqa: PLC0415

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputFileError(str(path), None, "cannot be read", str(error), "name a JSON file") from error
    except ValueError as error:
        row = getattr(error, "lineno", None)
        raise InputFileError(str(path), row, "is not JSON", str(error), "write it as JSON, in UTF-8") from error


def parse_watts(text: str | None) -> list[float] | None:
    """Waiting powers from the command line [W]."""
    from joulewise.errors import UsageError  # noqa: PLC0415

    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        what = "--wait-power is not a number"
        raise UsageError(what, repr(text), "give watts, as in 83.64 or 83.64,83.64,70.38") from None


def parse_latencies(texts: list[str]) -> tuple[tuple[float, float], ...]:
    """Clocks and how long each takes to reach, from the command line [MHz], [s]."""
    from joulewise.errors import UsageError  # noqa: PLC0415

    pairs = []
    for text in texts:
        clock_mhz, _, time_s = text.partition(":")
        try:
            pairs.append((float(clock_mhz), float(time_s)))
        except ValueError:
            fix = "give a clock in MHz and a time in seconds, as in 1410:0.004"
            raise UsageError("--switch-latency-to is not usable", repr(text), fix) from None
    return tuple(pairs)


def pick_solver(name: str) -> Solver:
    """The solver of a name."""
    from joulewise.errors import UsageError  # noqa: PLC0415
    from joulewise.optimize.pipeline.highs import HighsSolver  # noqa: PLC0415
    from joulewise.optimize.pipeline.planner import default_solver  # noqa: PLC0415
    from joulewise.optimize.pipeline.sweep import SweepSolver  # noqa: PLC0415

    if name == "auto":
        chosen = default_solver()
        if chosen.name == "highs":
            typer.echo(
                "no compiled kernel: planning takes the slow path, a linear program per deadline; for the fast one, "
                "install a C++ compiler and joulewise again",
                err=True,
            )
        return chosen
    known: dict[str, type[SweepSolver | HighsSolver]] = {"sweep": SweepSolver, "highs": HighsSolver}
    if name not in known:
        raise UsageError("unknown solver", repr(name), "use auto, sweep or highs")
    return known[name]()
