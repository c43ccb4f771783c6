"""``joulewise agent``: let others read and set devices without root, and see what they do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Read and set devices without root, through a small privileged process.", no_args_is_help=True)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    help="Serve this machine's devices; the options are those of python -m joulewise.services.agent.",
)
def serve(context: typer.Context) -> None:
    """Pass everything on: the agent itself needs nothing but the standard library."""
    from joulewise.services.agent.__main__ import main  # noqa: PLC0415 (--help needs none of this)

    main(context.args)


@app.command()
def status(
    at: Annotated[str, typer.Option(help="Where the agent is, if not at its usual socket.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show which knobs are in whose hands."""
    from joulewise.devices.agent_client import address_of, connect  # noqa: PLC0415
    from joulewise.devices.device import Host  # noqa: PLC0415
    from joulewise.devices.settings import describe, from_dict  # noqa: PLC0415

    host = Host()
    seen = connect(address_of(at, host), host).ask("status")
    if as_json:
        typer.echo(json.dumps(seen, indent=2))
        return
    for lease in seen["leases"]:
        found = "" if lease["found"] is None else f", found {describe(from_dict(lease['found']))}"
        what = f"{lease['device']}: {describe(from_dict(lease['setting']))}{found}"
        typer.echo(f"{what}; {lease['stage']} by {lease['holder']}, expires in {lease['expires_s']:.1f} s")
    if not seen["leases"]:
        typer.echo("no knob is in anybody's hands" + (" (the agent only rehearses)" if seen["dry_run"] else ""))


@app.command()
def hold(
    device: Annotated[list[str], typer.Option(help="Which, as in agent: or agent:#0; may be given again.")],
    set_: Annotated[list[str], typer.Option("--set", help="What, as in power_limit=250 or core_clock=900,1200.")],
) -> None:
    """Set devices, keep them so until ended, and then put back what was found; for prologs of schedulers."""
    from joulewise.cli.agent_hold import hold as keep  # noqa: PLC0415
    from joulewise.devices.selection import find_devices  # noqa: PLC0415

    keep(find_devices(device), set_)


@app.command("policy-check")
def policy_check(
    policy: Annotated[Path, typer.Argument(help="Policy file.")],
    who: Annotated[str, typer.Option(help="Show what this one may: uid:1000, gid:1000 or token:name.")] = "",
    device: Annotated[list[str] | None, typer.Option(help="Of these devices, as in sim:a100x2.")] = None,
) -> None:
    """Say whether a policy file is one, and what somebody may do under it."""
    from joulewise.services.agent.policy_file import read_policy  # noqa: PLC0415
    from joulewise.services.agent.preview import preview  # noqa: PLC0415

    read = read_policy(policy)
    typer.echo(f"{policy}: {len(read.rules)} rules; what none of them allows is denied")
    if who:
        typer.echo("\n".join(preview(read, who, device)))


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="Whom the policy calls token:NAME.")],
    tokens: Annotated[Path, typer.Option(help="File of tokens; made if it is not there.")],
    *,
    scope: Annotated[list[str] | None, typer.Option(help="read, set, or given twice both.")] = None,
    days: Annotated[float, typer.Option(help="How long it is good for.")] = 30.0,
) -> None:
    """Make a token for an agent that listens to the network; it is shown once, and kept only as a hash."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from joulewise.services.agent.tokens import make_token, read_tokens, write_tokens  # noqa: PLC0415

    text, made = make_token(name, frozenset(scope or ["read"]), days, datetime.now(UTC))
    kept = read_tokens(tokens) if tokens.exists() else ()
    write_tokens(tokens, (*(one for one in kept if one.name != name), made))
    typer.echo(text)
