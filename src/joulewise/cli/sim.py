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


@app.command()
def kernels(
    output: Annotated[Path, typer.Option("--output", "-o", help="CSV file to write.")],
    *,
    device: Annotated[str, typer.Option(help="GPU model, such as a100.")] = "a100",
    layers: Annotated[int, typer.Option(min=1, help="Transformer layers.")] = 4,
    sequences: Annotated[int, typer.Option(min=1, help="Sequences of a microbatch.")] = 4,
    clocks: Annotated[int, typer.Option(min=2, help="Clocks between the lowest and the highest.")] = 21,
) -> None:
    """Simulate the kernels of GPT-3-like layers: time and energy of each kernel at every clock."""
    from joulewise.sim.transformer_kernels import Shape, transformer_kernels  # noqa: PLC0415
    from joulewise.wire.kernels import write_kernels  # noqa: PLC0415

    made = transformer_kernels(device, Shape(sequences=sequences, layers=layers), clocks=clocks)
    command = f"joulewise sim kernels --device {device} --layers {layers} --sequences {sequences} --clocks {clocks}"
    write_kernels(output, replace(made, notes=(*made.notes, f"made by: {command}")))
    typer.echo(f"{output}: {len(made.readings)} simulated readings of kernels")


app.command("nvml", context_settings={"allow_interspersed_args": False})(sim_nvml.nvml)
