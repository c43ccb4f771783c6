"""``joulewise hub``: the memory of recurring jobs: serve it, look at it, carry it elsewhere."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Remember recurring jobs, and which batch size costs them least.", no_args_is_help=True)
token_app = typer.Typer(help="Let clients in.", no_args_is_help=True)
app.add_typer(token_app, name="token")

Store = Annotated[str, typer.Option(help="File of SQLite, or URL as in postgresql://user:password@host/name.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
DEFAULT_STORE = "joulewise-hub.db"


@app.command()
def serve(
    store: Store = DEFAULT_STORE,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 8642,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    *,
    tokens: Annotated[
        bool | None,
        typer.Option(help="Ask for tokens; by default if there are any, or if others than this machine may ask."),
    ] = None,
) -> None:
    """Serve the memory of recurring jobs over HTTP; its API is described at /docs."""
    from joulewise.services.hub.server import serve as run  # noqa: PLC0415 (its libraries are an extra)

    run(store, host=host, port=port, workers=workers, tokens=tokens)


@app.command()
def jobs(store: Store = DEFAULT_STORE, *, as_json: AsJson = False) -> None:
    """List jobs."""
    from joulewise.cli.hub_output import job_table, job_to_dict  # noqa: PLC0415 (as above)
    from joulewise.jobs.hub import Hub  # noqa: PLC0415

    found = Hub(_existing(store)).store.jobs(limit=100_000)
    if as_json:
        typer.echo(json.dumps([job_to_dict(job) for job in found], indent=2))
        return
    typer.echo(job_table(found) if found else "no job is known here")


@app.command()
def show(
    job: Annotated[str, typer.Argument(help="Its name, its id, or the beginning of that.")],
    store: Store = DEFAULT_STORE,
    *,
    frontier: Annotated[bool, typer.Option("--frontier", help="Time and energy to target by size and limit.")] = False,
    history: Annotated[bool, typer.Option("--history", help="All that ever changed what the job knows.")] = False,
    last: Annotated[int, typer.Option(min=1, help="How many of its last trials.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show a job: what is best, its trials, and why each had its batch size."""
    from joulewise.cli.hub_output import (  # noqa: PLC0415 (as above)
        event_lines,
        frontier_of_job,
        frontier_table,
        job_text,
        job_to_dict,
    )
    from joulewise.jobs.hub import Hub  # noqa: PLC0415

    hub = Hub(_existing(store))
    found = hub.find(job)
    if frontier:
        shown = frontier_of_job(hub.store, found)
        typer.echo(json.dumps(shown.to_dict(), indent=2) if as_json else frontier_table(shown))
    elif history:
        for line in event_lines(hub.store.all_events(found.id), as_json=as_json):
            typer.echo(line)
    else:
        trials = hub.store.trials(found.id, after=max(0, found.trials - last))
        typer.echo(json.dumps(job_to_dict(found, trials), indent=2) if as_json else job_text(found, trials))


@app.command("export")
def export(
    store: Store = DEFAULT_STORE,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File; by default standard output.")] = None,
) -> None:
    """Write all that is remembered, but tokens, as JSON lines."""
    from joulewise.jobs.database import Database  # noqa: PLC0415 (as above)
    from joulewise.pipelines.exchange import export_all  # noqa: PLC0415
    from joulewise.wire.atomic import write_text_atomically  # noqa: PLC0415

    lines = (line + "\n" for line in export_all(Database(_existing(store))))
    if output is None:
        sys.stdout.writelines(lines)
    else:
        write_text_atomically(output, lines)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="What joulewise hub export wrote.")], store: Store = DEFAULT_STORE
) -> None:
    """Read what was exported; jobs that are known already are left alone."""
    from joulewise.errors import InputFileError  # noqa: PLC0415 (as above)
    from joulewise.jobs.database import Database  # noqa: PLC0415
    from joulewise.pipelines.exchange import import_all  # noqa: PLC0415

    try:
        with file.open(encoding="utf-8") as lines:
            found = import_all(Database(store), lines, str(file))
    except OSError as error:
        raise InputFileError(str(file), None, "cannot be read", str(error.strerror), "name another file") from error
    typer.echo(f"{len(found.added)} jobs added, {len(found.known)} were known")


@token_app.command("make")
def make_token(
    name: Annotated[str, typer.Argument(help="Whose it is.")],
    store: Store = DEFAULT_STORE,
    scope: Annotated[str, typer.Option(help="read, report or admin; each includes those before it.")] = "report",
    days: Annotated[float, typer.Option(help="How long it is good for.")] = 365.0,
) -> None:
    """Make a token; it is shown once, and kept only as a hash."""
    from joulewise.errors import UsageError  # noqa: PLC0415 (as above)
    from joulewise.jobs.hub import Hub  # noqa: PLC0415
    from joulewise.jobs.tokens import Scope, Tokens  # noqa: PLC0415

    if scope not in list(Scope):
        raise UsageError("this is no scope", repr(scope), f"use {', '.join(Scope)}")
    hub = Hub(store)
    typer.echo(Tokens(hub.store.database).make(name, Scope(scope), days, hub.now()))


@token_app.command("list")
def list_tokens(store: Store = DEFAULT_STORE) -> None:
    """List tokens: whose, for what, until when."""
    from joulewise.jobs.hub import Hub  # noqa: PLC0415 (as above)
    from joulewise.jobs.tokens import Tokens  # noqa: PLC0415

    for token in Tokens(Hub(_existing(store)).store.database).all():
        until = datetime.fromtimestamp(token.expires_at, UTC)
        typer.echo(f"{token.name}: {token.scope}, until {until:%Y-%m-%d %H:%M} UTC")


@token_app.command("revoke")
def revoke_token(name: Annotated[str, typer.Argument(help="Whose.")], store: Store = DEFAULT_STORE) -> None:
    """End a token now."""
    from joulewise.jobs.hub import Hub  # noqa: PLC0415 (as above)
    from joulewise.jobs.tokens import Tokens  # noqa: PLC0415

    Tokens(Hub(_existing(store)).store.database).revoke(name)


def _existing(store: str) -> str:
    """A store to look at, which is not made by looking."""
    from joulewise.errors import UsageError  # noqa: PLC0415 (as above)

    if "://" not in store and not Path(store).expanduser().is_file():
        raise UsageError("there is no such store", store, "name the file or URL of a hub with --store")
    return store
