"""Runs of a plan, and what a plan becomes if one of them changes.

A run is a rank's operations in a row at one setting. Iterations repeat: if a rank ends with the setting that it begins
with, its last operations and its first are one run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.optimize.pipeline.problem import PipelineProblem

Choices = NDArray[np.int16]
Indices = NDArray[np.intp]
MOST_PAIRED, FAR = 24, (1, 2, 4)
"""Up to how many runs are tried in pairs, and how many settings further up and down."""


@dataclass(frozen=True, eq=False)
class Room:
    """What a change of a plan may cost, so that what cannot pay is never realised.

    Attributes:
        below_j: It must change effective energy by less [J].
        slack_s: How much longer each operation may last if nothing else changes [s].
        saved_s: Time that fewer switches can save at most [s].
    """

    below_j: float
    slack_s: NDArray[np.float64]
    saved_s: float


def runs_of(problem: PipelineProblem, choice: Choices) -> list[list[Indices]]:
    """The runs of each rank that has something to tell, in order; each as the operations that are in it."""
    codes = problem.setting_codes[problem.kind, choice]
    found = []
    for indices in problem.told:
        if not len(indices):
            continue
        changes = np.flatnonzero(codes[indices] != codes[np.roll(indices, 1)])
        if not len(changes):
            found.append([indices])
            continue
        found.append(np.split(np.roll(indices, -changes[0]), (changes - changes[0])[1:]))
    return found


def merges(problem: PipelineProblem, choice: Choices, room: Room | None = None) -> Choices:
    """The plan with each of its runs at the setting of the run before or after it: one switch less, or two;
    only those for which there is room.

    Shapes:
        result: (n_merges, n_operations).
    """
    return _made(problem, choice, _whole(problem, choice), room)


def neighbours(problem: PipelineProblem, choice: Choices, room: Room | None = None) -> Choices:
    """The merges, the plan with each run one setting lower or higher, and with a run begun or ended an operation later
    or earlier; only those for which there is room.

    Shapes:
        result: (n_neighbours, n_operations).
    """
    moves = _whole(problem, choice)
    codes = problem.setting_codes[problem.kind, choice]
    ladders: dict[frozenset[int], list[int]] = {}
    for runs in runs_of(problem, choice):
        for run, after in zip(runs, [*runs[1:], runs[0]], strict=True):
            kinds = frozenset(problem.kind[run].tolist())
            if kinds not in ladders:
                ladders[kinds] = _ladder(problem, kinds)
            ladder, code = ladders[kinds], int(codes[run[0]])
            if code in ladder:
                place = ladder.index(code)
                moves += [(run, beside) for beside in (*ladder[max(0, place - 1) : place], *ladder[place + 1 :][:1])]
            if len(runs) > 1:
                moves += [(run[-1:], int(codes[after[0]])), (after[:1], int(codes[run[0]]))]
    return _made(problem, choice, moves, room)


def exchanges(problem: PipelineProblem, choice: Choices, room: Room | None = None) -> Choices:
    """The plan with one run a few settings higher and another a few lower; none if runs are more than `MOST_PAIRED`,
    and only those for which there is room.

    Shapes:
        result: (n_exchanges, n_operations).
    """
    runs = [run for rank in runs_of(problem, choice) for run in rank]
    if not 1 < len(runs) <= MOST_PAIRED:
        return np.empty((0, len(choice)), dtype=np.int16)
    codes = problem.setting_codes[problem.kind, choice]
    up: list[tuple[int, Choices, float]] = []
    down: list[tuple[int, Choices, float]] = []
    for number, run in enumerate(runs):
        ladder = _ladder(problem, frozenset(problem.kind[run].tolist()))
        code = int(codes[run[0]])
        place = ladder.index(code) if code in ladder else -1
        for far in (*FAR, *(-far for far in FAR)):
            if place >= 0 and 0 <= place + far < len(ladder):
                moved = choice.copy()
                moved[run] = problem.rows_by_setting[problem.kind[run], ladder[place + far]]
                (up if far > 0 else down).append((number, moved, _change_j(problem, choice, moved)))
    below_j = np.inf if room is None else room.below_j
    pairs = [
        np.where(a != choice, a, b) for i, a, more in up for j, b, less in down if i != j and more + less < below_j
    ]
    return np.stack(pairs) if pairs else np.empty((0, len(choice)), dtype=np.int16)


def _change_j(problem: PipelineProblem, before: Choices, after: Choices) -> float:
    lookup, kind = problem.effective_lookup, problem.kind
    return float((lookup[kind, after] - lookup[kind, before]).sum())


def _whole(problem: PipelineProblem, choice: Choices) -> list[tuple[Indices, int]]:
    codes = problem.setting_codes[problem.kind, choice]
    moves = []
    for runs in runs_of(problem, choice):
        for run, after in zip(runs, [*runs[1:], runs[0]], strict=True):
            if len(runs) > 1:
                moves += [(run, int(codes[after[0]])), (after, int(codes[run[0]]))]
    return moves


def _ladder(problem: PipelineProblem, kinds: frozenset[int]) -> list[int]:
    """Codes of the settings that are numbers and that all these kinds of operations know, rising."""
    common = np.flatnonzero((problem.rows_by_setting[list(kinds)] >= 0).all(axis=0)).tolist()
    numbers = [(float(s), code) for code in common if isinstance(s := problem.all_settings[code], int | float)]
    return [code for _, code in sorted(numbers)]


def _made(problem: PipelineProblem, choice: Choices, moves: list[tuple[Indices, int]], room: Room | None) -> Choices:
    """The plan with each move that its tables allow and for which there is room, what saves most first."""
    if not moves:
        return np.empty((0, len(choice)), dtype=np.int16)
    lengths = [len(indices) for indices, _ in moves]
    indices = np.concatenate([indices for indices, _ in moves])
    rows = problem.rows_by_setting[problem.kind[indices], np.repeat([code for _, code in moves], lengths)]
    move = np.repeat(np.arange(len(moves)), lengths)
    kinds = problem.kind[indices]
    change_j = problem.effective_lookup[kinds, rows] - problem.effective_lookup[kinds, choice[indices]]
    total_j = np.where(np.bincount(move, rows < 0) == 0, np.bincount(move, change_j), np.inf)
    if room is not None:
        longer_s = problem.times_of(indices, rows) - problem.times_of(indices, choice[indices])
        late_s = np.maximum.reduceat(longer_s - room.slack_s[indices], np.cumsum([0, *lengths[:-1]]))
        regained_s = np.bincount(move, np.maximum(0.0, -longer_s)) + room.saved_s
        total_j[(total_j >= room.below_j) | (late_s > regained_s)] = np.inf
    order = np.argsort(total_j, kind="stable")[: int(np.isfinite(total_j).sum())]
    place = np.full(len(moves), -1, dtype=np.intp)
    place[order] = np.arange(len(order))
    made = np.tile(choice, (len(order), 1))
    kept = place[move] >= 0
    made[place[move[kept]], indices[kept]] = rows[kept]
    return made
