"""The kernels of a GPT-3-like transformer layer on a simulated chip: shapes, roofline, physics.

Theory of operation. Shapes give the floating-point operations and the bytes of every kernel of one tensor-parallel
rank. A roofline gives what either would take alone at the highest clocks; the greater is the kernel's time, of the
lesser a part shows (they overlap, but not wholly), and each launch takes a moment that no clock changes. An all-reduce
waits for the network. With the core clock a kernel's arithmetic stretches and its power falls as the chip's model says
(`joulewise.devices.simulated.physics`). Where the chip's power limit does not let a clock be held, the highest that it
does let is meant. No GPU ran this: figures are simulated, and only their trend is of interest.
"""

from __future__ import annotations

from dataclasses import dataclass

from joulewise.devices.simulated.model import ChipModel, load_model
from joulewise.devices.simulated.physics import Load, steady_power_w, stretch
from joulewise.errors import UsageError
from joulewise.records import Provenance
from joulewise.wire.kernels import KernelFile, KernelReading

PEAK_FLOPS, PEAK_BYTES_PER_S, LINK_BYTES_PER_S = 312e12, 2.039e12, 300e9
"""A100-SXM4-80GB: dense bf16, memory, one direction of NVLink (vendor's data sheet)."""
REACHED_FRAC = 0.75
"""Part of either peak that kernels reach; an assumption."""
SHOWN_FRAC = 0.2
"""Part of the lesser of arithmetic and memory that does not overlap; an assumption."""
LAUNCH_S = 4e-6
"""What no clock changes, of every kernel; an assumption."""
BYTES = 2
"""Of one number in bf16."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A GPT-3-like model on one of several tensor-parallel ranks.

    Attributes:
        hidden: Width of the model.
        heads: Attention heads.
        tokens: Tokens of a sequence.
        sequences: Sequences of a microbatch.
        ranks: Tensor-parallel ranks.
        layers: Layers of one rank.
    """

    hidden: int = 12288
    heads: int = 96
    tokens: int = 2048
    sequences: int = 4
    ranks: int = 8
    layers: int = 4


@dataclass(frozen=True, slots=True)
class _Work:
    """A kernel: what it computes and moves, over memory and between ranks."""

    name: str
    flops: float
    bytes: float
    link_bytes: float = 0.0
    activity: float = 1.0


def _forward(shape: Shape) -> list[_Work]:
    tokens = shape.tokens * shape.sequences
    hidden, part = shape.hidden, shape.hidden / shape.ranks
    scores = shape.heads / shape.ranks * shape.sequences * shape.tokens**2
    whole, sliced = tokens * hidden * BYTES, tokens * part * BYTES

    def gemm(name: str, inner: float, outer: float) -> _Work:
        moved = (tokens * inner + inner * outer + tokens * outer) * BYTES
        return _Work(name, 2 * tokens * inner * outer, moved)

    return [
        _Work("layernorm 1", 8 * tokens * hidden, 2 * whole, activity=0.5),
        gemm("qkv", hidden, 3 * part),
        _Work("attention scores", 2 * scores * hidden / shape.heads, 2 * sliced + scores * BYTES),
        _Work("softmax", 5 * scores, 2 * scores * BYTES, activity=0.5),
        _Work("attention values", 2 * scores * hidden / shape.heads, 2 * sliced + scores * BYTES),
        gemm("projection", part, hidden),
        _Work("all-reduce 1", 0, 2 * whole, 2 * whole, activity=0.3),
        _Work("residual 1", 2 * tokens * hidden, 3 * whole, activity=0.5),
        _Work("layernorm 2", 8 * tokens * hidden, 2 * whole, activity=0.5),
        gemm("mlp up", hidden, 4 * part),
        _Work("gelu", 10 * 4 * tokens * part, 8 * sliced, activity=0.5),
        gemm("mlp down", 4 * part, hidden),
        _Work("all-reduce 2", 0, 2 * whole, 2 * whole, activity=0.3),
        _Work("residual 2", 2 * tokens * hidden, 3 * whole, activity=0.5),
    ]


def _backward(shape: Shape) -> list[_Work]:
    """In reverse; a product of matrices has two gradients, and everything else moves about one half more."""
    found = []
    for work in reversed(_forward(shape)):
        if work.flops > work.bytes * 20:
            found += [
                _Work(f"{work.name}, {of}", work.flops, work.bytes, activity=work.activity)
                for of in ("gradient of input", "gradient of weight")
            ]
        else:
            more = 1.0 if work.link_bytes else 1.5
            name = f"{work.name}, backward"
            found.append(_Work(name, more * work.flops, more * work.bytes, work.link_bytes, work.activity))
    return found


def _optimizer(shape: Shape) -> list[_Work]:
    parameters = 12 * shape.hidden**2 / shape.ranks
    return [_Work("adam", 12 * parameters, 28 * parameters, activity=0.5)]  # bf16 and fp32 copies, two moments


def transformer_kernels(model_name: str = "a100", shape: Shape | None = None, *, clocks: int = 21) -> KernelFile:
    """Time and energy of every kernel of some layers, forward, backward and optimizer, at each clock.

    Args:
        model_name: A simulated chip, whose arithmetic and memory are taken to be an A100's.
        shape: The model; None for 4 layers of GPT-3 175B on 8 ranks.
        clocks: How many clocks between the lowest and the highest.

    Raises:
        UsageError: If there is no such chip, or fewer than two clocks.
    """
    if clocks < 2:
        raise UsageError("a kernel sequence needs clocks to choose from", f"{clocks}", "ask for 2 or more")
    model, size = load_model(model_name), shape or Shape()
    known = model.clock.core_mhz
    told = sorted({known[round(place * (len(known) - 1) / (clocks - 1))] for place in range(clocks)}, reverse=True)
    readings: list[KernelReading] = []
    for phase, works in (("forward", _forward(size)), ("backward", _backward(size)), ("optimizer", _optimizer(size))):
        for work in works:
            readings += [
                KernelReading(phase, "layer", size.layers, work.name, clock_mhz, *_figures(model, work, clock_mhz))
                for clock_mhz in told
            ]
    wait_w = float(steady_power_w(model, Load(active=True), model.voltage.knee_mhz))
    return KernelFile(
        tuple(readings),
        Provenance.SIMULATED,
        f"simulated {model.identity.model}, {size.layers} GPT-3-like layers, tensor parallel {size.ranks}",
        wait_w,
        ("simulated from shapes, a roofline and the chip's model: no GPU ran this",),
    )


def _figures(model: ChipModel, work: _Work, clock_mhz: int) -> tuple[float, float]:
    """Time [s] and energy [J] of a kernel at a clock, to the nanosecond and microjoule."""
    compute_s = work.flops / (PEAK_FLOPS * REACHED_FRAC)
    memory_s = work.bytes / (PEAK_BYTES_PER_S * REACHED_FRAC)
    fixed_s = LAUNCH_S + work.link_bytes / LINK_BYTES_PER_S
    if work.link_bytes:
        memory_s *= SHOWN_FRAC  # the network is slower and hides the rest
    elif compute_s > memory_s:
        memory_s *= SHOWN_FRAC
    else:
        compute_s *= SHOWN_FRAC
    total_s = fixed_s + memory_s + compute_s
    load = Load(fixed_s / total_s, memory_s / total_s, compute_s / total_s, work.activity, active=True)
    holds = [mhz for mhz in model.clock.core_mhz if steady_power_w(model, load, mhz) <= model.limit.maximum_w]
    runs_mhz = min(clock_mhz, max(holds, default=clock_mhz))
    time_s = total_s * float(stretch(load, runs_mhz / model.clock.maximum_mhz))
    return round(time_s, 9), round(time_s * float(steady_power_w(model, load, runs_mhz)), 6)
