"""Zeus's full sweep, as a baseline: every setting from the highest to the lowest, warmed up and measured in full.

Theory of operation. Each setting gets 10 warm-up steps that do not count and 40 that do; what an epoch cuts short is
continued in the next one. Then the goal's choice among the means is kept for good: no belief, no drift, no check.

Source: Zeus (you2023), section 4.2 (just-in-time profiling); 10 and 40 steps and the order as in its optimizer of
power limits, where neighbouring limits lie 25 W apart. We differ in that a void probe is repeated, a bounded number of
times.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from joulewise.frontier import Frontier, Point
from joulewise.optimize.power.goal import Goal
from joulewise.optimize.power.ledger import Entry, Ledger
from joulewise.optimize.power.settings import check_candidates, check_outcome, plain, tupled
from joulewise.optimize.protocol import Outcome, Probe
from joulewise.wire.envelope import open_envelope, schema_tag

WARMUP_STEPS, PROFILE_STEPS, VOID_RETRIES, HOLD_STEPS = 10, 40, 2, 50
SCHEMA, VERSION = "zeus_sweep", 1


class ZeusSweep:
    """Probes every setting.

    Args:
        candidates: Settings from the slowest to the fastest.
        goal: What to choose at the end.
        warmup_steps: Steps at each setting that do not count.
        profile_steps: Steps at each setting that do.

    Raises:
        UsageError: If there is no candidate, or one stands twice.
    """

    def __init__(
        self,
        candidates: Sequence[Hashable],
        goal: Goal,
        *,
        warmup_steps: int = WARMUP_STEPS,
        profile_steps: int = PROFILE_STEPS,
    ) -> None:
        """Begin at the highest setting."""
        self.candidates, self.goal = check_candidates(candidates), goal
        self.warmup_steps, self.profile_steps = warmup_steps, profile_steps
        self._ledger = Ledger()
        self._at: int | None = None

    def ask(self) -> Probe:
        """The next setting to measure, or the choice."""
        for row in reversed(range(len(self.candidates))):
            done = self._ledger.entries[row].steps if row in self._ledger.entries else 0
            if done < self.profile_steps and self._ledger.voids.get(row, 0) <= VOID_RETRIES:
                settle = 0 if self._at == row else self.warmup_steps
                return Probe(self.candidates[row], self.profile_steps - done, settle)
        return Probe(self.best(), HOLD_STEPS, is_final=True)

    def tell(self, outcome: Outcome) -> None:
        """Learn from what happened.

        Raises:
            UsageError: If the setting is no candidate, or a number cannot be meant.
        """
        row, asked = check_outcome(outcome, self.candidates), self.ask()
        self._at = row if not outcome.void and outcome.steps >= asked.steps else None
        if asked.is_final:
            return
        if outcome.void or not outcome.steps:
            self._ledger.voids[row] = self._ledger.voids.get(row, 0) + 1
        else:
            self._ledger.entries.setdefault(row, Entry()).add(outcome)

    def best(self) -> Hashable:
        """The goal's choice among what was measured; the highest setting as long as nothing was."""
        frontier = self.frontier()
        return self.candidates[-1] if frontier is None else self.goal.choose_or_nearest(frontier).setting

    def points(self) -> tuple[Point, ...]:
        """Time [s] and energy [J] of one step at every setting that was measured, slowest setting first."""
        return tuple(entry.point(self.candidates[row]) for row, entry in sorted(self._ledger.entries.items()))

    def frontier(self) -> Frontier | None:
        """What was measured, as time [s] and energy [J] of one step; None before the first measured step."""
        return Frontier.from_points(self.points()) if self._ledger.entries else None

    def to_dict(self) -> dict[str, Any]:
        """All that it knows, as JSON."""
        return {
            "schema": schema_tag(SCHEMA, VERSION),
            "candidates": [plain(setting) for setting in self.candidates],
            "goal": self.goal.to_dict(),
            "steps": [self.warmup_steps, self.profile_steps],
            "at": self._at,
            **self._ledger.to_dict(),
        }

    @classmethod
    def from_dict(cls, document: object) -> ZeusSweep:
        """The sweep of which `to_dict` made ``document``.

        Raises:
            UsageError: If it is of another schema or version.
        """
        fields = open_envelope(document, SCHEMA, VERSION)
        warmup_steps, profile_steps = fields["steps"]
        sweep = cls(
            [tupled(value) for value in fields["candidates"]],
            Goal.from_dict(fields["goal"]),
            warmup_steps=warmup_steps,
            profile_steps=profile_steps,
        )
        sweep._ledger, sweep._at = Ledger.from_dict(fields), fields["at"]
        return sweep
