"""Every pipeline schedule, drawn.

Theory of operation. Each operation starts as early as its predecessors allow. A rank's whole share of the model takes
t for a forward pass, t for each half of a backward pass and t for a recomputation; where a rank holds two stages, each
takes half of that. So all drawings have one scale, and their lengths can be compared.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from joulewise.optimize.pipeline.schedule import Operation, Schedule
from joulewise.optimize.pipeline.schedules import SCHEDULES, make_schedule
from joulewise.records import Instruction
from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.exhibit import Exhibit, Origin

RANKS, MICROBATCHES = 4, 8

TIME_T = {
    Instruction.FORWARD: 1.0,
    Instruction.RECOMPUTATION: 1.0,
    Instruction.BACKWARD: 2.0,
    Instruction.BACKWARD_INPUT: 1.0,
    Instruction.BACKWARD_WEIGHT: 1.0,
}
COLOURS = {  # of a rank's first stage, of its second
    Instruction.FORWARD: ("#2b5fa8", "#b5d0f0"),
    Instruction.RECOMPUTATION: ("#6b7280", "#d5d8de"),
    Instruction.BACKWARD: ("#1c7a54", "#aee0c8"),
    Instruction.BACKWARD_INPUT: ("#b4540a", "#f6cda3"),
    Instruction.BACKWARD_WEIGHT: ("#75459c", "#dccaee"),
}
WORDS = {
    Instruction.FORWARD: "forward",
    Instruction.RECOMPUTATION: "recomputation",
    Instruction.BACKWARD: "backward",
    Instruction.BACKWARD_INPUT: "gradient by input",
    Instruction.BACKWARD_WEIGHT: "gradient by weight",
}
SCALE, ROW, LEFT, TOP, BOTTOM = 23, 26, 62, 34, 44  # pixels: one t, one rank, margins


def draw(schedule: Schedule) -> str:
    """One schedule as SVG: a row per rank, a cell per operation with its microbatch, and a legend."""
    chunks = len({operation.stage for operation in schedule.operations}) // schedule.ranks
    start, end = _earliest(schedule, chunks)
    length = max(end)
    bubble = length - max(sum(end[i] - start[i] for i in order) for order in schedule.orders)
    width, height = LEFT + 41 * SCALE + 12, TOP + schedule.ranks * ROW + BOTTOM
    title = f"{schedule.name}: {length:g} t, bubble {bubble:g} t"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-size="13" fill="#111827"><tspan font-weight="bold">{escape(schedule.name)}'
        f"</tspan> · one iteration {length:g} t, of which each rank waits {bubble:g} t</text>",
    ]
    for rank, order in enumerate(schedule.orders):
        top = TOP + rank * ROW
        parts.append(f'<text x="{LEFT - 8}" y="{top + 17}" text-anchor="end" fill="#374151">rank {rank}</text>')
        parts.append(_box(LEFT, top, length * SCALE, "#eef0f3"))
        for index in order:
            operation = schedule.operations[index]
            fill, ink = _colours(operation, schedule.ranks)
            left, wide = LEFT + start[index] * SCALE, (end[index] - start[index]) * SCALE
            parts.append(_box(left, top, wide, fill, line="#ffffff"))
            parts.append(
                f'<text x="{left + wide / 2:g}" y="{top + 16}" text-anchor="middle" fill="{ink}">'
                f"{operation.microbatch}</text>"
            )
    parts += _legend(schedule, chunks, TOP + schedule.ranks * ROW + 14)
    return "\n".join([*parts, "</svg>", ""])


def exhibits(data: Data) -> tuple[Exhibit, ...]:
    """A drawing of each."""
    del data
    return tuple(
        Exhibit(
            name,
            f"Schedule {name}",
            f"{RANKS} ranks, {MICROBATCHES} microbatches; each operation starts as early as it can. A rank's share of "
            "the model takes t for a forward pass, t for each half of a backward pass and t for a recomputation.",
            "the schedule's own docstring names its paper",
            svg=draw(make_schedule(name, RANKS, MICROBATCHES)),
            origin=Origin.MODELLED,
        )
        for name in SCHEDULES
    )


def _earliest(schedule: Schedule, chunks: int) -> tuple[list[float], list[float]]:
    """Start and end of each operation [t] when all start as early as they can."""
    start = [0.0] * len(schedule.operations)
    end = [0.0] * len(schedule.operations)
    earlier: list[list[int]] = [[] for _ in schedule.operations]
    for before, after in schedule.edges.tolist():
        earlier[after].append(before)
    for index, operation in enumerate(schedule.operations):
        start[index] = max((end[before] for before in earlier[index]), default=0.0)
        end[index] = start[index] + TIME_T[operation.instruction] / chunks
    return start, end


def _colours(operation: Operation, ranks: int) -> tuple[str, str]:
    """Fill and ink of a cell: strong for the first stage of a rank, pale for the second."""
    second = operation.stage >= ranks
    return COLOURS[operation.instruction][second], "#111827" if second else "#ffffff"


def _box(left: float, top: float, width: float, fill: str, *, height: float = ROW - 3, line: str = "none") -> str:
    """A rectangle."""
    return f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" fill="{fill}" stroke="{line}"/>'


def _legend(schedule: Schedule, chunks: int, top: int) -> list[str]:
    """What the colours mean, for the instructions that the schedule has."""
    parts, left = [], LEFT
    present = {operation.instruction for operation in schedule.operations}
    for instruction in COLOURS:
        if instruction in present:
            for chunk in range(chunks):
                parts.append(_box(left, top, 14, COLOURS[instruction][chunk], height=14))
                left += 16
            parts.append(f'<text x="{left + 4}" y="{top + 11}" fill="#374151">{WORDS[instruction]}</text>')
            left += 26 + 7 * len(WORDS[instruction])
    if chunks > 1:
        parts.append(f'<text x="{left}" y="{top + 11}" fill="#6b7280">(strong: first stage, pale: second)</text>')
    return parts
