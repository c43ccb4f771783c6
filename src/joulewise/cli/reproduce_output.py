"""What ``joulewise reproduce`` says and writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from joulewise.errors import UsageError
from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.html import render
from joulewise.sim.reproduce.markdown import page
from joulewise.sim.reproduce.study import Outcome, Study
from joulewise.wire.atomic import write_text_atomically


def say_studies(studies: Sequence[Study], data: Data) -> None:
    """One line for each."""
    for study in studies:
        needs = "" if study.can_run(data) else f" (needs --data with {study.needs})"
        typer.echo(f"{study.name:10} {study.title}{needs}")


def write(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """One HTML page, a Markdown page for each study, and the drawings as files.

    Raises:
        UsageError: If something cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {folder}", f"seen: {error}", "name a folder that you can write to") from error
    for outcome in outcomes:
        write_text_atomically(folder / f"{outcome.study.name}.md", page(outcome))
        for exhibit in outcome.exhibits:
            if exhibit.svg:
                write_text_atomically(folder / f"{exhibit.name}.svg", exhibit.svg)
    write_text_atomically(folder / "index.html", render(outcomes))


def say_outcomes(outcomes: Sequence[Outcome], folder: Path) -> None:
    """What became of each study."""
    for outcome in outcomes:
        if not outcome.was_run:
            said = f"not run: needs --data with {outcome.study.needs}"
        elif outcome.error:
            said = f"failed: {outcome.error}"
        else:
            said = f"{len(outcome.exhibits)} exhibits"
        typer.echo(f"{outcome.study.name:10} {said}")
    typer.echo(f"pages: {folder / 'index.html'}, {folder}/*.md")
