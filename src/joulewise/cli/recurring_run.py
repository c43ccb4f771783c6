"""The work of ``joulewise recurring replay``, shared among processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from joulewise.cli.plan_progress import shown
from joulewise.errors import UsageError
from joulewise.sim.recurring_study import POLICIES, Outcome, World, study

Cell = tuple[str, int]
"""A policy, and the number of a world."""

Part = tuple[Cell, range]
"""A cell, and some of its seeds."""

SEEDS_AT_ONCE = 4


@dataclass(frozen=True)
class Plan:
    """What is replayed: every policy in every world at every seed."""

    worlds: tuple[World, ...]
    policies: tuple[str, ...]
    recurrences: int
    seeds: range
    load: float

    def check(self) -> None:
        """Refuse what cannot be meant, before any work is done.

        Raises:
            UsageError: If a policy is not known or stands twice, or submissions are to overlap across stages.
        """
        unknown = [name for name in self.policies if name not in POLICIES]
        if unknown or not self.policies or len(set(self.policies)) != len(self.policies):
            seen = ", ".join(unknown or self.policies) or "none"
            raise UsageError("the policies cannot be meant", seen, f"name each once, of {', '.join(POLICIES)}")
        if self.load and any(len(world.stages) > 1 for world in self.worlds):
            fix = "leave --load out, or --then and all but one --target"
            raise UsageError("submissions overlap in one stage only", f"load {self.load:g}", fix)


def outcomes(plan: Plan, processes: int) -> dict[Cell, list[Outcome]]:
    """All outcomes, seeds in order; a bar tells how far it is."""
    cells = [(name, number) for number in range(len(plan.worlds)) for name in plan.policies]
    parts = [(cell, plan.seeds[at : at + SEEDS_AT_ONCE]) for cell in cells for at in _starts(plan)]
    done: dict[Cell, dict[int, Outcome]] = {cell: {} for cell in cells}
    with shown() as step:
        move = step("replaying")
        for count, ((cell, seeds), found) in enumerate(_worked(plan, parts, processes), start=1):
            done[cell].update(zip(seeds, found, strict=True))
            move(count / len(parts))
    return {cell: [by_seed[seed] for seed in plan.seeds] for cell, by_seed in done.items()}


def _starts(plan: Plan) -> range:
    return range(0, len(plan.seeds), SEEDS_AT_ONCE)


def _worked(plan: Plan, parts: Sequence[Part], processes: int) -> Iterator[tuple[Part, list[Outcome]]]:
    """Parts as they are done."""
    if processes == 1:
        yield from ((part, _studies(*_work(plan, part))) for part in parts)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        asked = {pool.submit(_studies, *_work(plan, part)): part for part in parts}
        try:
            for job in as_completed(asked):
                yield asked[job], job.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _work(plan: Plan, part: Part) -> tuple[str, World, int, range, float]:
    (name, number), seeds = part
    return name, plan.worlds[number], plan.recurrences, seeds, plan.load


def _studies(name: str, world: World, recurrences: int, seeds: range, load: float) -> list[Outcome]:
    return [study(name, world, recurrences, seed, load) for seed in seeds]
