"""``joulewise --version``: which version this is, and what else stands before the verb."""

from __future__ import annotations

from typing import Annotated

import typer


def _say(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 (costs 20 ms)

    try:
        typer.echo(f"joulewise {version('joulewise')}")
    except PackageNotFoundError:
        typer.echo("joulewise (not installed)")
    raise typer.Exit


def version_option(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_say, is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    """What stands before the verb."""
    del version  # its callback has done it
