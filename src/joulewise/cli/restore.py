"""``joulewise restore``: put back what killed processes left changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from joulewise.devices.device import Device
    from joulewise.devices.left_behind import LeftBehind


def restore(
    *,
    only_list: Annotated[bool, typer.Option("--list", help="Only list what was left behind.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Forget it, and leave the hardware as it is.")] = False,
    device: Annotated[
        list[str] | None, typer.Option(help="Also look here, for devices that are not found by themselves.")
    ] = None,
) -> None:
    """Put back the settings that processes found and could not restore, because they were killed.

    Ends with exit code 0 if nothing is left behind, 1 if something still is.
    """
    from joulewise.devices.left_behind import forget as forget_item  # noqa: PLC0415 (--help needs none of this)
    from joulewise.devices.left_behind import list_left_behind  # noqa: PLC0415

    items = list_left_behind()
    if not items:
        typer.echo("nothing was left behind")
        return
    for item in items:
        typer.echo(str(item))
    if only_list:
        raise typer.Exit(1)
    what = "Forget them, and leave the hardware as it is?" if forget else "Put back what was found?"
    if not (yes or typer.confirm(what)):
        raise typer.Exit(1)
    if forget:
        for item in items:
            forget_item(item)
        typer.echo("forgotten")
    elif not _restore(items, _devices(items, device)):
        raise typer.Exit(1)


def _devices(items: list[LeftBehind], selection: list[str] | None) -> list[Device]:
    from joulewise.devices.catalog import find  # noqa: PLC0415
    from joulewise.devices.device import Host  # noqa: PLC0415
    from joulewise.devices.selection import find_devices  # noqa: PLC0415

    host = Host()
    drivers = dict.fromkeys(item.entries[-1].driver for item in items)
    named = find_devices(selection, host) if selection else []
    return [*named, *(device for driver in drivers for device in find(driver, host))]


def _restore(items: list[LeftBehind], devices: list[Device]) -> bool:
    """Whether all were restored."""
    from joulewise.clock import MonotonicClock  # noqa: PLC0415
    from joulewise.devices.left_behind import restore_left_behind  # noqa: PLC0415
    from joulewise.errors import JoulewiseError  # noqa: PLC0415

    good = True
    for item in items:
        uid = item.entries[-1].uid
        try:
            typer.echo(f"{uid}: {restore_left_behind(item, devices, MonotonicClock())}")
        except JoulewiseError as error:
            good = False
            typer.echo(f"{uid}: {error}", err=True)
    return good
