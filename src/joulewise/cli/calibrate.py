"""``joulewise calibrate``: measure what devices do not say of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    device: Annotated[str, typer.Argument(help="Which device, such as nvidia:0, cpu or sim:a100.")],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to keep the result in: capabilities as JSON.")
    ] = None,
    duration: Annotated[float, typer.Option(min=1.0, help="Window of each power measurement [s].")] = 5.0,
    clocks: Annotated[int, typer.Option(min=2, help="How many clocks to try.")] = 5,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="Let simulated devices run on a virtual clock: the same result at once.")
    ] = False,
) -> None:
    """Measure update periods, idle power, counter against integral, and how long clocks take to switch.

    Nothing else should run on the device meanwhile. Clocks are changed if that is permitted, and put back.
    """
    from joulewise.cli.calibration_table import lines  # noqa: PLC0415 (only when asked)
    from joulewise.cli.left_behind import report_left_behind  # noqa: PLC0415
    from joulewise.clock import MonotonicClock, VirtualClock  # noqa: PLC0415
    from joulewise.devices.calibrate import calibrate as measure  # noqa: PLC0415
    from joulewise.devices.device import Host  # noqa: PLC0415
    from joulewise.devices.selection import find_devices  # noqa: PLC0415
    from joulewise.wire.atomic import check_writable, write_text_atomically  # noqa: PLC0415

    if output is not None:
        check_writable(output, "nothing was measured")
    clock = VirtualClock() if virtual else MonotonicClock()
    report_left_behind()
    found = find_devices(device, Host(clock=clock))
    if virtual and any(one.identity.driver != "sim" for one in found):
        raise typer.BadParameter("only simulated devices run on a virtual clock")
    documents = []
    for one in found:
        result = measure(one, clock, duration_s=duration, clocks=clocks)
        for line in lines(one, result):
            typer.echo(line)
        documents.append({"uid": one.identity.uid, "model": one.identity.model, **result.capabilities.to_dict()})
    if output is not None:
        document = documents[0] if len(documents) == 1 else documents
        write_text_atomically(output, json.dumps(document, indent=2) + "\n")
        typer.echo(f"wrote {output}; to use it in every command: export JOULEWISE_CAPABILITIES={output.absolute()}")
