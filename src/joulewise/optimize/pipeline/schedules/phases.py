"""The work of one rank written down as phases: how often to repeat which few operations.

Theory of operation. A pipeline schedule is, rank by rank, a handful of phases (fill, steady state, drain), each a
short pattern repeated some number of times. A pattern is a row of letters with the chunk (the rank's first, second,
... part of the model) that they work on::

    F0  forward pass of chunk 0              I0  its gradient by input
    R0  its recomputation                    W0  its gradient by weight
    B0  its backward pass, undivided         W   the oldest gradient by weight still owed, of whichever chunk

Microbatches need not be written: every letter takes the next one in turn, chunk by chunk. A schedule for fewer
microbatches than its fill needs is the longer schedule without the microbatches that do not exist: leaving out the last
microbatches cannot contradict the model's dependencies.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from joulewise.errors import UsageError
from joulewise.optimize.pipeline.schedule import Operation
from joulewise.records import Instruction

_INSTRUCTIONS = {
    "F": Instruction.FORWARD,
    "R": Instruction.RECOMPUTATION,
    "B": Instruction.BACKWARD,
    "I": Instruction.BACKWARD_INPUT,
    "W": Instruction.BACKWARD_WEIGHT,
}


def check_size(name: str, ranks: int, microbatches: int, chunks: int, allowed_chunks: range) -> None:
    """Refuse sizes that no schedule, or not this one, can have.

    Args:
        name: Name of the schedule, for the message.
        ranks: Pipeline ranks, at least 1.
        microbatches: Microbatches of one iteration, at least 1.
        chunks: Parts of the model on each rank.
        allowed_chunks: The values of ``chunks`` that this schedule can have.

    Raises:
        UsageError: If one of them is out of its range.
    """
    for what, count in (("ranks", ranks), ("microbatches", microbatches)):
        if count < 1:
            raise UsageError(f"schedule {name} cannot be built", f"seen: {count} {what}", f"give at least 1 for {what}")
    if chunks not in allowed_chunks:
        only = len(allowed_chunks) == 1
        wanted = f"exactly {allowed_chunks[0]}" if only else f"at least {allowed_chunks[0]}"
        raise UsageError(
            f"schedule {name} cannot be built", f"seen: {chunks} chunks a rank", f"give it {wanted}, or leave it out"
        )


def work_of_rank(
    rank: int, stages: Sequence[int], microbatches: int, phases: Iterable[tuple[int, str]]
) -> list[Operation]:
    """The operations of one rank in execution order.

    Args:
        rank: The rank.
        stages: The stage that each of its chunks is.
        microbatches: Microbatches of one iteration; operations of later ones are left out.
        phases: (how often, pattern) in execution order; 0 times or fewer is never.
    """
    done: Counter[str] = Counter()
    owed: deque[tuple[int, int]] = deque()
    order: list[Operation] = []
    for times, pattern in phases:
        letters = pattern.split()
        for letter in letters * times:
            kind = letter[0]
            if letter == "W":
                chunk, microbatch = owed.popleft()
            else:
                chunk = int(letter[1:])
                counted = f"B{chunk}" if kind == "I" else letter  # one count for both forms of a backward pass
                microbatch = done[counted]
                done[counted] += 1
                if kind == "I":
                    owed.append((chunk, microbatch))
            if microbatch < microbatches:
                order.append(Operation(_INSTRUCTIONS[kind], rank, stages[chunk], microbatch))
    return order
