"""``joulewise doctor``: what was looked for, what was found, and how to get what is missing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from joulewise.devices.device import Device, Finding, Host

NOTHING_TO_DO = "nothing to do"


def doctor(
    *,
    device: Annotated[list[str] | None, typer.Option(help="Fail unless this is there; may be given again.")] = None,
) -> None:
    """Say which devices and sensors were looked for, which are there, why others are not, and the exact fix.

    Ends with exit code 0 if nothing is broken, even if nothing was found; 1 if something is: a driver that fails, or
    settings that killed processes left behind; 2 if a device given by --device or JOULEWISE_DEVICE is not
    there.
    """
    from joulewise.devices.catalog import driver_names, examine, find_all  # noqa: PLC0415 (--help needs none of this)
    from joulewise.devices.described import as_documented  # noqa: PLC0415
    from joulewise.devices.device import Host, top_level  # noqa: PLC0415
    from joulewise.devices.left_behind import warning  # noqa: PLC0415
    from joulewise.devices.selection import find_devices, named_by_environment  # noqa: PLC0415

    host = Host()
    typer.echo(_machine(host))
    broken = False
    for name in driver_names():
        for finding in examine(name, host):
            broken |= finding.broken
            _show(finding)
    found = as_documented(find_all(host), host.environ)
    count = f"{len(found)} device{'' if len(found) == 1 else 's'} found"
    typer.echo(f"{count}, {len(top_level(found))} of which may be summed; joulewise devices lists them")
    for line in _environment(found, host):
        typer.echo(line)
    left = warning()
    if left:
        typer.echo(left)
    if selection := device or named_by_environment(host):
        find_devices(selection, host)
    if broken or left:
        raise typer.Exit(1)


def _machine(host: Host) -> str:
    try:
        ours = version("joulewise")
    except PackageNotFoundError:
        ours = "(not installed)"
    user = "root" if hasattr(os, "geteuid") and os.geteuid() == 0 else "not root"
    where = "" if host.root == Path("/") else f", hardware under {host.root}"
    python = f"Python {platform.python_version()}"
    return f"joulewise {ours} on {platform.system()} {platform.machine()}, {python}, {user}{where}"


def _show(finding: Finding) -> None:
    mark, colour = ("found", typer.colors.GREEN) if finding.found else ("-", None)
    if finding.broken:
        mark, colour = "broken", typer.colors.RED
    label = typer.style(f"{mark:<7}", fg=colour)
    typer.echo(f"{finding.driver:<8} {label}{finding.looked_for}: {finding.seen}")
    if finding.fix and not finding.fix.startswith(NOTHING_TO_DO):
        typer.echo(f"{'':16}fix: {finding.fix}")


def _environment(found: list[Device], host: Host) -> list[str]:
    """What the environment hides or may confuse."""
    from joulewise.devices import described, selection  # noqa: PLC0415
    from joulewise.devices.visible import mixed_order, visible  # noqa: PLC0415

    hidden = len(found) - len(visible(found, host.environ))
    lines = [f"{hidden} of them hidden by the environment (CUDA_VISIBLE_DEVICES and the like)"] if hidden else []
    if chosen := selection.named_by_environment(host):
        lines.append(f"{selection.VARIABLE} chooses {chosen}, where --device says nothing else")
    if host.environ.get(described.VARIABLE):
        documents = described.read_documents(host.environ[described.VARIABLE])
        named = sum(one.identity.uid in documents for one in found)
        what = f"describes {len(documents)} device{'' if len(documents) == 1 else 's'}, {named} of which found here"
        lines.append(f"{described.VARIABLE} {what}: what it says takes the place of what was probed")
    if mixed_order(found, host.environ):
        lines.append("CUDA may count GPUs of mixed models in another order: export CUDA_DEVICE_ORDER=PCI_BUS_ID")
    return lines
