"""``joulewise recurring``: what choosing the batch size of a recurring job is worth."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Recurring jobs: the batch size that costs least.", no_args_is_help=True)


@app.callback()
def recurring() -> None:
    """Recurring jobs: the batch size that costs least."""


@app.command()
def replay(
    data: Annotated[Path, typer.Option(help="Folder with summary_train.csv and summary_power_DEVICE.csv.")],
    *,
    policy: Annotated[str, typer.Option(help="Policies, by commas.")] = "ours,zeus,default,grid,oracle",
    recurrences: Annotated[int, typer.Option(min=1, help="Recurrences of each job (and stage).")] = 100,
    seeds: Annotated[int, typer.Option(min=1, help="How often everything is repeated with other draws.")] = 20,
    first_seed: Annotated[int, typer.Option(min=0, help="The first of the seeds.")] = 1,
    job: Annotated[str, typer.Option(help="Jobs, by commas, by their data set; all if not given.")] = "",
    gpu: Annotated[str, typer.Option(help="Devices, by commas, as the files are called; all if not given.")] = "",
    eta: Annotated[float, typer.Option(min=0.0, max=1.0, help="Weight of energy against time.")] = 0.5,
    target: Annotated[
        str, typer.Option(help="Target metric of one job; several by commas: it drifts, and nobody is told.")
    ] = "",
    default_size: Annotated[int | None, typer.Option(min=1, help="Default batch size, if not the paper's.")] = None,
    max_epochs: Annotated[int | None, typer.Option(min=1, help="Longest run, if not the paper's.")] = None,
    then: Annotated[str, typer.Option(help="Device on which every job goes on afterwards.")] = "",
    load: Annotated[float, typer.Option(min=0.0, help="Mean number of submissions under way at a time.")] = 0.0,
    output: Annotated[Path, typer.Option("--output", "-o", help="The report.")] = Path("recurring.html"),
    processes: Annotated[int, typer.Option(min=0, help="Processes at work; 0: one for each CPU.")] = 0,
) -> None:
    """Replay policies on traces: cumulative cost, regret, and what the last recurrences save."""
    from joulewise.cli.plan_output import check_folder  # noqa: PLC0415  (numpy: only when asked)
    from joulewise.cli.recurring_output import show_and_write  # noqa: PLC0415
    from joulewise.cli.recurring_run import Plan, outcomes  # noqa: PLC0415
    from joulewise.sim.trace_folder import Wanted, read_folder, worlds  # noqa: PLC0415

    wanted = Wanted(_parts(job), _parts(gpu), _numbers(target), default_size, max_epochs, then, eta)
    found, notes = worlds(read_folder(data), wanted)
    plan = Plan(tuple(found), _parts(policy), recurrences, range(first_seed, first_seed + seeds), load)
    plan.check()
    check_folder(output.absolute().parent)
    show_and_write(output, plan, outcomes(plan, processes or os.cpu_count() or 1), notes, eta)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(text: str) -> tuple[float, ...]:
    from joulewise.errors import UsageError  # noqa: PLC0415

    try:
        return tuple(float(part) for part in _parts(text))
    except ValueError as error:
        raise UsageError("a target is no number", text, "give numbers, by commas") from error
