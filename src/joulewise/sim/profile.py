"""The profile of a pipeline that was never run: stages of unequal size on a GPU whose law is known.

A transformer of equal layers is cut into stages of whole layers, the longer ones in the middle; the first stage
also embeds the tokens and the last one also has the language-model head. A stage of average length takes as long
as a stage of the pipeline that the law was fitted to, and the head adds what it added there.
"""

from __future__ import annotations

import numpy as np

from joulewise.devices.simulated.power_model import DeviceLaw, OperationLaw
from joulewise.errors import UsageError
from joulewise.records import Instruction, Profile, Provenance, Reading

EMBEDDING_LAYERS = 0.2
"""Work of embedding the tokens, in layers: an assumption, it was not measured apart."""

TIME_NOISE_FRAC, POWER_NOISE_FRAC = 0.001, 0.005
"""Standard deviations of one reading, near the scatter of measured profiles around the fitted law."""


def partition_layers(layers: int, stages: int) -> tuple[int, ...]:
    """Cut equal layers into stages whose lengths differ by at most one, the longer ones in the middle.

    Args:
        layers: Number of layers, at least one per stage.
        stages: Number of stages, at least one.

    Returns:
        Layers of each stage.

    Raises:
        UsageError: If a stage would have no layer.
    """
    if not 1 <= stages <= layers:
        raise UsageError("cannot cut the layers into stages", f"seen: {layers} layers, {stages} stages", "use fewer")
    length, longer = divmod(layers, stages)
    start = (stages - longer) // 2
    return tuple(length + (start <= stage < start + longer) for stage in range(stages))


def simulate_profile(
    device_law: DeviceLaw, stages: int = 8, *, layers: int = 84, repetitions: int = 1, seed: int = 0
) -> Profile:
    """Simulate the measurement of a pipeline's stages at every clock.

    Args:
        device_law: Law of the GPU, with forward and backward of a first and a last stage.
        stages: Number of pipeline stages.
        layers: Number of transformer layers; if ``stages`` does not divide it, stages differ by one layer.
        repetitions: Readings at each clock.
        seed: Seed of the noise; the same seed gives the same profile.

    Returns:
        Forward and backward of every stage, with simulated provenance and the GPU's wait power. Times are whole
        microseconds and energies whole millijoules, as counters report them.

    Raises:
        UsageError: If a count is below one or there are more stages than layers.
    """
    if repetitions < 1 or seed < 0:
        raise UsageError(
            "cannot simulate a profile", f"seen: {repetitions} repetitions, seed {seed}", "use at least 1, and seed 0"
        )
    rng = np.random.default_rng(seed)
    clocks_mhz = device_law.clocks_mhz
    readings = []
    for stage, layers_here in enumerate(partition_layers(layers, stages)):
        for instruction in (Instruction.FORWARD, Instruction.BACKWARD):
            size = (layers_here + (EMBEDDING_LAYERS if stage == 0 else 0)) * stages / layers
            operation = _operation(device_law, instruction, size, has_head=stage == stages - 1)
            shape = (len(clocks_mhz), repetitions)
            time_s = device_law.time_s(operation, clocks_mhz)[:, None] * _noise(rng, TIME_NOISE_FRAC, shape)
            power_w = device_law.power_w(operation, clocks_mhz)[:, None] * _noise(rng, POWER_NOISE_FRAC, shape)
            readings += [
                Reading(stage, instruction, clock_mhz, round(float(time), 6), round(float(time * power), 3))
                for clock_mhz, times, powers in zip(clocks_mhz, time_s, power_w, strict=True)
                for time, power in zip(times, powers, strict=True)
            ]
    return Profile(
        readings=tuple(readings),
        provenance=Provenance.SIMULATED,
        source=f"simulated {device_law.name}, {layers} layers in {stages} stages",
        wait_power_w=(device_law.wait_power_w,) * stages,
        notes=(
            "simulated, not measured: no GPU ran this; decide nothing about real hardware from it",
            f"law fitted to: {device_law.source}",
        ),
    )


def _operation(law: DeviceLaw, instruction: Instruction, size: float, *, has_head: bool) -> OperationLaw:
    """The law of a stage ``size`` times the measured one, with what the head of the measured last stage adds."""
    body = law.operation(instruction, 0)
    last = law.operation(instruction, max(max(one.stages) for one in law.operations)) if has_head else body
    return OperationLaw(
        instruction=instruction,
        stages=(),
        a_s=size * body.a_s + last.a_s - body.a_s,
        b_s_ghz=size * body.b_s_ghz + last.b_s_ghz - body.b_s_ghz,
        power_scale=last.power_scale,
    )


def _noise(
    rng: np.random.Generator, sigma_frac: float, shape: tuple[int, int]
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Factors around one, cut at three standard deviations."""
    return 1 + sigma_frac * np.clip(rng.standard_normal(shape), -3, 3)
