"""``joulewise plan-kernels``: where finer clocks stop paying, for a described sequence of kernels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from joulewise.optimize.kernels import GranularityRow, KernelSequence
    from joulewise.optimize.pipeline.switch_cost import SwitchCost

LATENCIES_S = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
PLAN_SCHEMA = "joulewise.kernel_plan/1"


def plan_kernels(
    sequence: Annotated[Path, typer.Argument(help="Described kernels (CSV), as joulewise sim kernels writes them.")],
    *,
    max_slowdown: Annotated[float, typer.Option(min=0, help="Allowed time over everything at the top clock.")] = 1.0,
    switch_latency: Annotated[
        list[float] | None,
        typer.Option(min=0, help="Time of a clock switch [s]; may be given again. [default: 0 and 1 us to 10 ms]"),
    ] = None,
    switch_energy: Annotated[float, typer.Option(min=0, help="Energy of a clock switch, besides waiting [J].")] = 0.0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for the kernels' plan at the first latency.")
    ] = None,
) -> None:
    """Compare clocks per kernel, layer, pass and iteration, for several switch latencies."""
    from joulewise.optimize.kernels import KernelSequence, granularity_study  # noqa: PLC0415
    from joulewise.optimize.pipeline.switch_cost import SwitchCost  # noqa: PLC0415
    from joulewise.wire.kernels import read_kernels  # noqa: PLC0415

    described = KernelSequence.from_file(read_kernels(sequence))
    latencies_s = tuple(switch_latency or LATENCIES_S)
    cost = SwitchCost(penalty_j=switch_energy)
    rows = granularity_study(described, latencies_s, max_slowdown=max_slowdown, switch=cost)
    _show(described, rows, latencies_s, max_slowdown)
    if output is not None:
        _write(output, described, SwitchCost(latencies_s[0], switch_energy), max_slowdown)


def _show(
    sequence: KernelSequence, rows: tuple[GranularityRow, ...], latencies_s: tuple[float, ...], max_slowdown: float
) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    time_s, energy_j = sequence.reference
    console = Console()
    console.print(f"[bold]{sequence.source}[/bold]", highlight=False)
    console.print(
        f"{len(sequence)} kernels, {time_s:.4g} s and {energy_j:.4g} J at the top clock; "
        f"the figures are {sequence.provenance}\n",
        highlight=False,
    )
    title = f"Energy saved within {max_slowdown:g} times the time, by how long a switch takes"
    table = Table(title=title, title_justify="left", title_style="italic", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("a clock for each")
    for latency_s in latencies_s:
        table.add_column(_shown(latency_s), justify="right")
    for granularity in dict.fromkeys(row.granularity for row in rows):
        mine = [row for row in rows if row.granularity == granularity]
        table.add_row(granularity, *(f"{row.saving_frac:.2%}".replace("-0.00", "0.00") for row in mine))
    console.print(table)


def _shown(latency_s: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if latency_s >= size:
            return f"{latency_s / size:g} {unit}"
    return "0" if latency_s == 0 else f"{latency_s:g} s"


def _write(path: Path, sequence: KernelSequence, cost: SwitchCost, max_slowdown: float) -> None:
    from joulewise.optimize.kernels import plan_kernels as plan  # noqa: PLC0415
    from joulewise.wire.atomic import write_text_atomically  # noqa: PLC0415

    made = plan(sequence, cost, max_slowdown=max_slowdown)
    document = {
        "schema": PLAN_SCHEMA,
        "source": sequence.source,
        "provenance": str(sequence.provenance),
        "deadline_s": made.deadline_s,
        "realised": {"time_s": made.time_s, "energy_j": made.energy_j},
        "bound_j": made.bound_j,
        "switches": made.switches,
        "switch_latency_s": cost.latency_s,
        "steps": [
            {"phase": kernel.phase, "layer": kernel.layer, "kernel": kernel.name, "clock_mhz": clock_mhz}
            for kernel, clock_mhz in zip(sequence.kernels, made.settings, strict=True)
        ],
    }
    write_text_atomically(path, json.dumps(document, separators=(",", ":")))
    typer.echo(f"plan: {path}")
