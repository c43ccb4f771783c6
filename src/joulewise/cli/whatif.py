"""``joulewise whatif``: what better hardware would be worth to a workload, in joules, time and money."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def whatif(
    workload: Annotated[
        str,
        typer.Argument(
            help="Profile of stages (CSV), table of power limits (CSV), saved tuning (JSON), or sim:CHIP as sim:h100."
        ),
    ],
    *,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="An ask and its values, as switch-latency=10us,1ms,500ms; again for a grid. [default: all]"),
    ] = None,
    today: Annotated[
        list[str] | None, typer.Option(help="What hardware offers today, as switch-latency=20ms; may be given again.")
    ] = None,
    contract: Annotated[
        str | None,
        typer.Option(help="Capabilities of the device: JSON as of joulewise devices, or sim:CHIP for a simulated one."),
    ] = None,
    job: Annotated[str | None, typer.Option(help="Which job of a table of power limits.")] = None,
    schedule: Annotated[str, typer.Option(help="Pipeline schedule: 1f1b, gpipe, zb-h1, ...")] = "1f1b",
    stages: Annotated[int | None, typer.Option(min=1, help="Pipeline ranks. [default: the profile's, or 8]")] = None,
    microbatches: Annotated[int, typer.Option(min=1, help="Microbatches of one iteration.")] = 12,
    scale: Annotated[float, typer.Option(help="The profile holds one part in so many of the layers.")] = 1.0,
    tensor_parallel: Annotated[int, typer.Option(min=1, help="GPUs that share a stage.")] = 1,
    wait_power: Annotated[float | None, typer.Option(min=0, help="Power of one waiting GPU [W].")] = None,
    straggler: Annotated[
        list[float] | None,
        typer.Option(help="Time of a straggler over all at max clock; may be given again. [default: 1.2]"),
    ] = None,
    imbalance: Annotated[
        str | None, typer.Option(help="Loads of partitions of a chip, the busiest 1. [default: 1,0.9,0.8,0.7]")
    ] = None,
    phases: Annotated[int | None, typer.Option(min=1, help="How often a computation stalls. [default: 24]")] = None,
    stalled_power: Annotated[
        float | None, typer.Option(help="Power of a stalled core over a computing one, 0 to 1. [default: 0.5]")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of a whole job that is tuned.")] = 20_000,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of the profiler or the tuner to average over.")] = 2,
    fleet: Annotated[int, typer.Option(min=1, help="GPUs of the fleet.")] = 1024,
    busy: Annotated[float, typer.Option(help="Part of the year that they run such work.")] = 0.6,
    price: Annotated[str, typer.Option(help="Price of electricity.")] = "0.10 USD/kWh",
    pue: Annotated[float, typer.Option(help="Power of the building over that of its computers.")] = 1.0,
    country: Annotated[str | None, typer.Option(help="Whose yearly average carbon intensity counts, as DE.")] = None,
    intensity: Annotated[str | None, typer.Option(help="Carbon intensity, as '380 g/kWh'.")] = None,
    pairs: Annotated[int, typer.Option(min=0, help="Look at pairs of so many asks that are worth most.")] = 4,
    on: Annotated[str | None, typer.Option(help="Where to evaluate: dask://HOST:PORT, or ray.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Processes of this machine. [default: all CPUs]")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Keep finished points in this Parquet file, and go on from it.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report page.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures as JSON.")] = None,
) -> None:
    """Price what hardware could offer: plan a workload anew under a changed contract."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # many small matrices, in a process for each CPU
    from joulewise.cli import whatif_options, whatif_output, whatif_run  # noqa: PLC0415 (--help needs none of this)
    from joulewise.wire.atomic import check_writable  # noqa: PLC0415

    for file in (json_file, html):
        if file is not None:
            check_writable(file, "nothing was planned")

    chosen = whatif_options.choose(
        workload,
        today=today or [],
        contract=contract,
        job=job,
        steps=steps,
        seeds=seeds,
        stragglers=straggler or [1.2],
        pipeline={
            "schedule": schedule,
            "stages": stages,
            "microbatches": microbatches,
            "scale": scale,
            "gpus_per_rank": tensor_parallel,
            "wait_power_w": wait_power,
            "assumptions": whatif_options.assumptions(imbalance, phases, stalled_power),
        },
    )
    owner = whatif_options.fleet_of(fleet, busy, price, pue=pue, country=country, intensity=intensity)
    sweep = whatif_run.Sweep(chosen, on, processes, resume)
    result = whatif_run.ask_grid(sweep, owner, vary) if vary else whatif_run.ask_everything(sweep, owner, pairs)
    whatif_output.show(result)
    if json_file is not None:
        whatif_output.write_json(json_file, result)
    if html is not None:
        whatif_output.write_html(html, result)
