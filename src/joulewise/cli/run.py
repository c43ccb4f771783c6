"""``joulewise run -- CMD``: what a program used, per device, as ``time`` tells how long it took."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

NOTHING = "joulewise: no device that tells energy was found; joulewise doctor says why"


def run(
    command: Annotated[list[str], typer.Argument(help="Program and its arguments, after --.", metavar="CMD...")],
    *,
    device: Annotated[
        list[str] | None, typer.Option(help="Which, as in nvidia:0, cpu or sim:a100x8; may be given again.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the result to a file, as JSON.")] = None,
) -> None:
    """Run a program and say on stderr what it used; exit code, signals and standard streams are the program's.

    A simulated device is as busy as the program and its children keep a CPU.
    """
    from joulewise.cli.child import end_by_signal, run_forwarding  # noqa: PLC0415 (--help needs none of this)
    from joulewise.cli.left_behind import report_left_behind  # noqa: PLC0415
    from joulewise.cli.run_output import document, lines, summary_of  # noqa: PLC0415
    from joulewise.clock import MonotonicClock  # noqa: PLC0415
    from joulewise.devices.device import Host  # noqa: PLC0415
    from joulewise.devices.selection import find_devices  # noqa: PLC0415
    from joulewise.devices.simulated.shadow import following  # noqa: PLC0415
    from joulewise.errors import UsageError  # noqa: PLC0415
    from joulewise.measure.sampler import Sampler  # noqa: PLC0415
    from joulewise.wire.atomic import write_text_atomically  # noqa: PLC0415

    report_left_behind()
    clock = MonotonicClock()
    devices = find_devices(device, Host(clock=clock))
    with Sampler(devices, clock) as sampler:
        begin_ns = sampler.mark()
        code = run_forwarding(command, os.environ, partial(following, devices, clock))
        end_ns = sampler.mark()
    summary = summary_of(command, code, sampler.traces, begin_ns, end_ns)
    for line in lines(summary) if summary.rows else [NOTHING]:
        typer.echo(line, err=True)
    if json_file is not None:
        try:
            write_text_atomically(json_file, document(summary))
        except UsageError as error:  # the exit code stays the program's
            typer.echo(f"joulewise: {error}", err=True)
    if code < 0:
        end_by_signal(-code)
    raise typer.Exit(code)
