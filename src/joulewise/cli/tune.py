"""``joulewise tune -- CMD``: run a program at the setting that is best for it, found while it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def tune(
    command: Annotated[list[str], typer.Argument(help="Program and its arguments, after --.", metavar="CMD...")],
    *,
    device: Annotated[
        str | None, typer.Option(help="Which, as in nvidia:0, cpu, agent: or sim:a100; several by comma.")
    ] = None,
    knob: Annotated[
        str | None, typer.Option(help="power-limit, core-clock, clock-and-limit or cpu-power-cap; what there is.")
    ] = None,
    max_slowdown: Annotated[
        float | None, typer.Option(help="Least energy in at most so many times the fastest time; 1.05 by default.")
    ] = None,
    goal: Annotated[str | None, typer.Option(help="Instead: energy, time, or zeus.")] = None,
    eta: Annotated[float, typer.Option(help="For --goal zeus: 1 counts energy alone, 0 time alone.")] = 0.5,
    marker: Annotated[
        str | None, typer.Option(help="Regular expression of what the program prints at the end of each step.")
    ] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds to wait for steps that the program tells, before watching its devices.")
    ] = 20.0,
    store: Annotated[
        Path | None, typer.Option(help="File that keeps what was learned, so that the next run starts from it.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the result to a file, as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write a page with every setting that was tried.")] = None,
) -> None:
    """Run a program, tune its devices meanwhile, and put them back as they were found.

    Steps come from jw.tune or jw.steps in the program, else from --marker, else from the rhythm in which its devices
    are busy; which one it was is said. Where none is good enough, nothing is changed. Exit code, signals and standard
    streams are the program's.
    """
    from joulewise.cli.child import end_by_signal  # noqa: PLC0415 (--help needs none of this)
    from joulewise.cli.left_behind import report_left_behind  # noqa: PLC0415
    from joulewise.cli.run_once import write_outputs  # noqa: PLC0415
    from joulewise.cli.run_options import Outputs  # noqa: PLC0415
    from joulewise.cli.tune_output import document, goal_of, lines, report_of  # noqa: PLC0415
    from joulewise.cli.tune_program import run_tuned  # noqa: PLC0415
    from joulewise.devices.selection import find_devices  # noqa: PLC0415
    from joulewise.runtime.knob import find_tunable  # noqa: PLC0415
    from joulewise.runtime.observe.marker import compile_marker  # noqa: PLC0415
    from joulewise.runtime.session import JobTuner  # noqa: PLC0415

    outputs = Outputs(json_file, html)
    outputs.check()
    report_left_behind()
    pattern = None if marker is None else compile_marker(marker)
    devices = find_devices(device)
    wanted = goal_of(goal, eta, max_slowdown, find_tunable(devices, knob))
    tuner = JobTuner(wanted, knob=knob, devices=devices, store=store)
    run = run_tuned(command, os.environ, tuner, pattern, patience, drawn=outputs.drawn)
    code = run.ended.code
    said = lines(command, code, tuner, run.watch)
    report = report_of(command, said, run, tuner) if outputs.html is not None else None
    problems = write_outputs(outputs, document(command, code, tuner, run.watch), None, report)
    for line in [*said, *problems]:
        typer.echo(f"joulewise: {line}", err=True)
    if code < 0:
        end_by_signal(-code)
    raise typer.Exit(code)
