"""``joulewise sim``: make what a real machine would have measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from joulewise.cli import sim_nvml

app = typer.Typer(help="Simulate measurements, for trying things out without a GPU.", no_args_is_help=True)


@app.callback()
def sim() -> None:
    """Simulate measurements, for trying things out without a GPU."""


@app.command()
def profile(
    output: Annotated[Path, typer.Option("--output", "-o", help="CSV file to write.")],
    *,
    device: Annotated[str, typer.Option(help="GPU model, such as a100.")] = "a100",
    stages: Annotated[int, typer.Option(min=1, help="Pipeline stages.")] = 8,
    layers: Annotated[int, typer.Option(min=1, help="Transformer layers, cut into the stages.")] = 84,
    repetitions: Annotated[int, typer.Option(min=1, help="Readings at each clock.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 0,
) -> None:
    """Simulate the profile of a pipeline: time and energy of each stage at every clock."""
    from joulewise.devices.simulated.power_model import load_device_law  # noqa: PLC0415  (numpy: only when asked)
    from joulewise.sim.profile import simulate_profile  # noqa: PLC0415
    from joulewise.wire.profile import write_profile  # noqa: PLC0415

    simulated = simulate_profile(load_device_law(device), stages, layers=layers, repetitions=repetitions, seed=seed)
    command = f"joulewise sim profile --device {device} --stages {stages} --layers {layers}"
    command += f" --repetitions {repetitions} --seed {seed}"
    write_profile(output, replace(simulated, notes=(*simulated.notes, f"made by: {command}")))
    typer.echo(f"{output}: {len(simulated.readings)} simulated readings of {stages} stages")


app.command("nvml", context_settings={"allow_interspersed_args": False})(sim_nvml.nvml)
