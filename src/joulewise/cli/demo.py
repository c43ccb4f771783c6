"""``joulewise demo``: a training job measured, tuned while it runs, and compared with itself untuned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NODE = "sim:a100x4"
STEPS = 1500


def demo(
    *,
    device: Annotated[
        str,
        typer.Option(help="A simulated node, as in sim:v100x2; or a real device, as in nvidia:0, which takes PyTorch."),
    ] = NODE,
    steps: Annotated[int, typer.Option(help="Steps of each of the two runs.")] = STEPS,
    max_slowdown: Annotated[float, typer.Option(help="How much slower a step may become.")] = 1.05,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the report.")] = Path("out/demo"),
) -> None:
    """Train twice, at the settings found and tuned, and show what tuning saves; on a simulated node by default."""
    from rich.console import Console  # noqa: PLC0415 (--help needs none of this)

    from joulewise.cli.demo_job import demo_job  # noqa: PLC0415
    from joulewise.cli.demo_output import offers, place, result_table, write_report  # noqa: PLC0415
    from joulewise.cli.demo_run import run_demo  # noqa: PLC0415
    from joulewise.cli.left_behind import report_left_behind  # noqa: PLC0415

    report_left_behind()
    console = Console(highlight=False)
    job = demo_job(device, steps)
    for line in (place(job), *(offers() if device.startswith("sim:") else ())):
        console.print(line, markup=False, soft_wrap=True)
    result = run_demo(job, max_slowdown, console)
    console.print(result_table(result))
    console.print(f"report: {write_report(result, out)}", markup=False, soft_wrap=True)
