"""``joulewise plan --live URL``: a running job in the terminal, and where its page is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import typer

REFRESH_S = 2.0
TOKEN = "JOULEWISE_HUB_TOKEN"
MARK = "/pipelines"


def show_live(url: str | None) -> None:
    """Show a job until it is interrupted; once, if nobody watches. Ends the command.

    Args:
        url: Of a hub, or of a job's page in it; None to do nothing.
    """
    if url is None:
        return
    from joulewise.clock import MonotonicClock  # noqa: PLC0415 (--help needs none of this)
    from joulewise.runtime.pipeline.hub_port import HttpPipelineHub  # noqa: PLC0415

    base, job = parts_of(url)
    hub = HttpPipelineHub(base, os.environ.get(TOKEN, ""))
    if not job:
        jobs = hub.jobs()
        for one in jobs:
            typer.echo(f"{base}{MARK}/{one['job']}  {one['phase']}  {one['name']}")
        if not jobs:
            typer.echo("no job is known there")
        raise typer.Exit
    typer.echo(f"page: {base}{MARK}/{job}")
    if not sys.stdout.isatty():
        typer.echo("\n".join(lines_of(hub.show(job))))
        raise typer.Exit
    from rich.live import Live  # noqa: PLC0415

    with Live("", auto_refresh=False) as shown:
        while True:
            shown.update("\n".join(lines_of(hub.show(job))), refresh=True)
            MonotonicClock().sleep(REFRESH_S)


def parts_of(url: str) -> tuple[str, str]:
    """Address of the hub, and id of the job or nothing."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    prefix, _, job = parts.path.partition(MARK)
    return f"{parts.scheme}://{parts.netloc}{prefix.rstrip('/')}", unquote(job.strip("/"))


def lines_of(view: Mapping[str, Any]) -> list[str]:
    """A job in a few lines; each figure with its provenance.

    Args:
        view: A document of `joulewise.pipelines.view`.
    """
    from joulewise.services.hub.page_shell import energy_text  # noqa: PLC0415 (--help needs none of this)

    lines = [
        f"{view['name'] or view['job']}: {view['phase']}; {view['replicas']} replicas of {view['ranks']} ranks, "
        f"{view['heard']} heard in the last minute"
    ]
    if view["note"]:
        lines.append(f"no plan of the last profile: {view['note']}")
    if view["drift"] != 1.0:
        lines.append(f"healthy replicas take {view['drift']:.3g} times as long as planned")
    frontier, current, savings = view["frontier"], view["current"], view["savings"]
    if frontier is not None:
        top, kind, energies_j = frontier["top"], frontier["provenance"], frontier["energy_j"]
        lines += [
            f"frontier: {frontier['time_s'][0]:.4g} to {frontier['time_s'][-1]:.4g} s, "
            f"{energy_text(max(energies_j))} to {energy_text(min(energies_j))} per replica ({kind})",
            f"highest clocks: {top['time_s']:.4g} s, {energy_text(top['energy_j'])} ({kind})",
            f"now: plan {current['plan']}, {current['time_s']:.4g} s, {energy_text(current['energy_j'])} ({kind})"
            + ("" if current["seen_time_s"] is None else f"; {current['seen_time_s']:.4g} s were seen"),
        ]
    lines += [
        f"straggler: replica {one['replica']}, {one['factor']:.3f} times as long, {one['origin']}"
        + (f" ({one['reason']})" if one["reason"] else "")
        for one in view["stragglers"]
    ] or ["stragglers: none"]
    if savings is not None:
        parts = (f"{name} {energy_text(savings[name]['energy_j'])} ({savings[name]['provenance']})" for name in _NAMES)
        lines.append(f"so far: {', '.join(parts)}")
    return lines


_NAMES = ("used", "unplanned", "saved")
