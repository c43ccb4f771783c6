"""``joulewise reproduce``: every table and figure that README and docs quote, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def reproduce(
    names: Annotated[list[str] | None, typer.Argument(metavar="[STUDY]...", help="Studies; all if none.")] = None,
    *,
    data: Annotated[
        Path | None, typer.Option(help="Folder with measured stage profiles and traces: any GPUs, models and jobs.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for HTML and Markdown.")] = Path(
        "out/reproduce"
    ),
    processes: Annotated[int, typer.Option(min=0, help="Processes at work; 0: one for each CPU.")] = 0,
    into: Annotated[
        Path | None, typer.Option(help="Also put what changed into README and docs of this checkout.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Say which studies there are, and end.")] = False,
) -> None:
    """Make every table and figure of README and docs again, each number with where it comes from."""
    from joulewise.cli.reproduce_output import say_outcomes, say_studies, write  # noqa: PLC0415
    from joulewise.sim.reproduce.data import find_data  # noqa: PLC0415
    from joulewise.sim.reproduce.study import chosen  # noqa: PLC0415

    studies, given = chosen(names or []), find_data(data)
    if list_:
        say_studies(studies, given)
        return
    from joulewise.cli.plan_progress import shown  # noqa: PLC0415
    from joulewise.sim.reproduce.study import reproduce as run  # noqa: PLC0415
    from joulewise.sim.sweep import open_executor  # noqa: PLC0415

    with shown() as step, open_executor(processes=processes or None) as executor:
        move = step("reproducing")
        outcomes = run(studies, given, executor=executor, on_progress=lambda done, of: move(done / max(of, 1)))
    write(output, outcomes)
    say_outcomes(outcomes, output)
    if into is not None:
        from joulewise.sim.reproduce.quotes import put  # noqa: PLC0415

        for outcome in outcomes:
            for path in put(into, outcome.study.name, outcome.exhibits):
                typer.echo(f"rewritten: {path}")
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)
