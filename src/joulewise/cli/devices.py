"""``joulewise devices``: what this machine can sense and be told."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from joulewise.devices.capabilities import Capability
    from joulewise.devices.device import Device

SENSORS = {
    "energy_counter": "energy",
    "power_instant": "power",
    "power_average": "mean power",
    "temperature": "temperature",
    "utilisation": "utilisation",
    "throttle_reasons": "throttling",
}
WHOLE = 40  # characters of a UUID with its prefix: it is copied, and so not broken


def devices(
    *,
    device: Annotated[
        list[str] | None, typer.Option(help="Which, as in nvidia:0, cpu or sim:a100x8; may be given again.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything that is known, as JSON.")] = False,
) -> None:
    """List devices, what they can sense and what they can be told."""
    from joulewise.cli.left_behind import report_left_behind  # noqa: PLC0415 (--help needs none of this)
    from joulewise.devices.catalog import find_all  # noqa: PLC0415
    from joulewise.devices.described import as_documented  # noqa: PLC0415
    from joulewise.devices.device import Host, top_level  # noqa: PLC0415
    from joulewise.devices.selection import find_devices, named_by_environment  # noqa: PLC0415
    from joulewise.devices.visible import visible  # noqa: PLC0415

    report_left_behind()
    host = Host()
    selection = device or named_by_environment(host)
    found = find_devices(selection, host) if selection else as_documented(find_all(host), host.environ)
    shown = {one.identity.uid for one in (found if selection else visible(found, host.environ))}
    summed = {one.identity.uid for one in top_level(found)}
    counts: Counter[str] = Counter()
    rows = []
    for one in found:
        driver = one.identity.driver
        name = one.identity.uid if selection else f"{driver}:{counts[driver]}"
        counts[driver] += 1
        rows.append((name, one, one.identity.uid in shown, one.identity.uid in summed))
    if as_json:
        typer.echo(json.dumps([_document(*row) for row in rows], indent=2))
    elif rows:
        _table(rows)
    else:
        typer.echo("no device found; joulewise doctor says why. Without hardware: joulewise devices --device sim:a100")


def _document(name: str, device: Device, visible: bool, top_level: bool) -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415

    facts = {"visible": visible, "top_level": top_level, **asdict(device.identity)}
    return {"name": name, **facts, **device.capabilities.to_dict()}


def _table(rows: list[tuple[str, Device, bool, bool]]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 1, 0))
    longest = max(len(device.identity.uid) for _, device, _, _ in rows)
    table.add_column("device", overflow="fold", min_width=min(longest, WHOLE))
    table.add_column("senses")
    table.add_column("can be told")
    for name, device, visible, top_level in rows:
        identity = device.identity
        covers = str(identity.scope) if top_level else f"{identity.scope}, in {identity.parent}"
        hidden = "" if visible else " (hidden by the environment)"
        who = dict.fromkeys([name, f"{identity.model}, {covers}{hidden}", identity.uid])
        known = device.capabilities.values()
        senses = [_sensor(entry) for entry in known if entry.kind in SENSORS]
        told = [_knob(entry) for entry in known if entry.kind not in SENSORS]
        cells = ("\n".join(who), "\n".join(senses) or "nothing", "\n".join(told) or "nothing")
        table.add_row(*map(escape, cells))
    Console().print(table)


def _sensor(entry: Capability) -> str:
    return SENSORS[entry.kind] + ("" if entry.permitted else f" (needs {entry.privilege})")


def _knob(entry: Capability) -> str:
    values = entry.values or (entry.minimum, entry.maximum)
    ends = " to ".join("?" if end is None else f"{end:g}" for end in (values[0], values[-1]))
    needs = "" if entry.permitted else f" (needs {entry.privilege})"
    return f"{entry.kind.replace('_', ' ')} {ends} {entry.unit}{needs}"
