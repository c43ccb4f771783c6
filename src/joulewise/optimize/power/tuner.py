"""The tuner of one knob, or of any ordered list of settings, while a job runs.

Theory of operation
-------------------
Three phases. *Check*: with a frontier from an earlier run, its choice is probed once; if time and power of a step are
what they were, that is all. *Search*: settings are probed as long as a probe is worth it
(`joulewise.optimize.power.search`); each is measured for as many steps as the scatter of step times and the bounds of
energy demand, not more. *Hold*: the choice runs, reports come in, and if time or power have shifted in several of them
in a row the search begins anew, since the curve of another workload is another curve.

Everything follows from what was told: the same outcomes give the same answers, at whatever point state was saved and
loaded, and no chance is involved. A void outcome changes no figure; a setting that is voided again and again is given
up for this search.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any

import numpy as np

from joulewise.errors import UsageError
from joulewise.frontier import Frontier, Point
from joulewise.optimize.power.effort import Effort
from joulewise.optimize.power.goal import Goal
from joulewise.optimize.power.ledger import Entry, Ledger
from joulewise.optimize.power.search import Beliefs, next_row
from joulewise.optimize.power.settings import check_arms, check_candidates, check_outcome, plain, tupled
from joulewise.optimize.protocol import Outcome, Probe
from joulewise.records import Provenance
from joulewise.wire.envelope import open_envelope, schema_tag

SCHEMA, VERSION = "power_tuner", 1
DRIFT_ERRORS = 4.0
"""How many standard errors a shift must exceed."""
_STATE = ("spent_steps", "searches", "doubts", "at", "is_warm", "choice")


class Phase(StrEnum):
    """What a tuner is doing."""

    CHECK = "check"
    SEARCH = "search"
    HOLD = "hold"


class PowerTuner:
    """Finds the setting that a goal asks for, by few and short probes.

    Args:
        candidates: Settings from the slowest to the fastest: power limits, clocks, or pairs; opaque, none twice.
        goal: What to find.
        effort: How much may be spent.
        known: What an earlier run knew of one step, such as its frontier, to start from; settings that are no
            candidates are left out.
        arms: Ranks at which an arm begins. Of two knobs, candidates are those of the first with the second at its
            highest, slowest first, then those of the second with the first at its highest; the last is common to both.

    Raises:
        UsageError: If there is no candidate, one stands twice, or arms do not begin at rising ranks from 0.

    Example:
        >>> from joulewise.optimize.protocol import Outcome
        >>> from joulewise.records import Provenance
        >>> tuner = PowerTuner([100, 150, 200, 250], Goal.least_energy())
        >>> while not (probe := tuner.ask()).is_final:
        ...     time_s = probe.steps * (0.05 + 10 / probe.setting)
        ...     energy_j = time_s * probe.setting
        ...     tuner.tell(Outcome(probe.setting, probe.steps, time_s, energy_j, energy_j, energy_j,
        ...                        Provenance.SIMULATED, step_time_sd_s=0.0))
        >>> tuner.best()
        100
    """

    def __init__(
        self,
        candidates: Sequence[Hashable],
        goal: Goal,
        effort: Effort | None = None,
        *,
        known: Iterable[Point] | None = None,
        arms: Sequence[int] = (0,),
    ) -> None:
        """Begin to search, or to check what is known."""
        self.candidates, self.arms = check_candidates(candidates), check_arms(arms, len(candidates))
        last = len(self.candidates) - 1
        ends = [*self.arms[1:], last]
        self._arms = tuple(
            np.array([*range(start, end), last], dtype=np.intp) for start, end in zip(self.arms, ends, strict=True)
        )
        self.goal, self.effort = goal, effort or Effort()
        self._ledger, self._phase = Ledger(), Phase.SEARCH
        self._spent_steps = self._searches = self._doubts = 0
        self._at: int | None = None  # the rank that has settled
        self._is_warm = False
        self._choice: int | None = None
        for point in known or ():
            if point.setting in self.candidates and point.time_s > 0 and point.energy_j > 0:
                self._ledger.entries[self.candidates.index(point.setting)] = Entry.of(point)
        if self._ledger.entries:
            self._phase = Phase.CHECK
        self._decide()

    # --- ask and tell

    @property
    def phase(self) -> Phase:
        """What it is doing."""
        return self._phase

    @property
    def step_bound(self) -> int:
        """No search asks for more steps than this, settling included; voided ones and check probes come on top."""
        return self.effort.steps_per_setting * len(self.candidates)

    def ask(self) -> Probe:
        """What to run next; the same until something is told."""
        row = self._next
        steps = self.effort.hold_steps if self._phase is Phase.HOLD else self._steps_wanted(row)
        settle = 0 if row == self._at else self._settle_steps()
        if self._phase is Phase.SEARCH:
            left = self.step_bound - self._spent_steps
            settle = min(settle, left - 1)
            steps = min(steps, left - settle)
        return Probe(self.candidates[row], steps, settle, is_final=self._phase is Phase.HOLD)

    def tell(self, outcome: Outcome) -> None:
        """Learn from what happened.

        Raises:
            UsageError: If the setting is no candidate, or a number cannot be meant.
        """
        row = check_outcome(outcome, self.candidates)
        asked = self.ask()
        if outcome.setting == asked.setting and self._phase is Phase.SEARCH and not outcome.void:
            self._spent_steps += asked.settle_steps
        whole = not outcome.void and outcome.steps >= asked.steps and outcome.setting == asked.setting
        self._at = row if whole else None  # an epoch ended, or nobody knows what came between
        self._is_warm = True
        if outcome.void or not outcome.steps:
            if self._phase is not Phase.HOLD:
                self._ledger.voids[row] = self._ledger.voids.get(row, 0) + 1
        elif self._phase is Phase.HOLD:
            self._watch(row, outcome)
        elif self._phase is Phase.CHECK:
            self._check(row, outcome)
        else:
            self._spent_steps += outcome.steps
            self._ledger.entries.setdefault(row, Entry()).add(outcome)
        self._decide()

    def retarget(self, goal: Goal) -> None:
        """Pursue another goal, or the same at another price or with another remainder, from what is known.

        Once the search is over the choice changes without new probes; during it, the search goes on for the new goal.
        """
        self.goal = goal
        if self._phase is Phase.HOLD:
            self._choice = self._best_row()
        self._decide()

    def best(self) -> Hashable:
        """The best setting known so far; the fastest candidate as long as nothing is."""
        return self.candidates[self._best_row()]

    def is_within_limit(self) -> bool:
        """Whether the best setting known so far keeps the goal's limit; if not, it is the one that exceeds it least."""
        if not self._ledger.entries:
            return self.goal.limit is None
        known = self._known()
        best, fastest_s = self.goal.choose_or_nearest(known), float(known.time_s[0])
        return not self.goal.excess(np.array([best.time_s]), np.array([best.energy_j]), fastest_s).any()

    def points(self) -> tuple[Point, ...]:
        """Time [s] and energy [J] of one step at every setting that was measured, slowest setting first."""
        return tuple(entry.point(self.candidates[row]) for row, entry in sorted(self._ledger.entries.items()))

    def frontier(self) -> Frontier | None:
        """What was measured, as time [s] and energy [J] of one step; None before the first measured step."""
        return Frontier.from_points(self.points()) if self._ledger.entries else None

    def to_dict(self) -> dict[str, Any]:
        """All that it knows, as JSON.

        Raises:
            UsageError: If a setting is not None, bool, int, float, str or a tuple of these.
        """
        return {
            "schema": schema_tag(SCHEMA, VERSION),
            "candidates": [plain(setting) for setting in self.candidates],
            "arms": list(self.arms),
            "goal": self.goal.to_dict(),
            "effort": asdict(self.effort),
            "phase": str(self._phase),
            **self._ledger.to_dict(),
            **{name: getattr(self, f"_{name}") for name in _STATE},
        }

    @classmethod
    def from_dict(cls, document: object) -> PowerTuner:
        """The tuner of which `to_dict` made ``document``: it goes on where that one was.

        Raises:
            UsageError: If it is of another schema or version, or does not hold a tuner.
        """
        fields = open_envelope(document, SCHEMA, VERSION)
        try:
            candidates = [tupled(value) for value in fields["candidates"]]
            tuner = cls(candidates, Goal.from_dict(fields["goal"]), Effort(**fields["effort"]), arms=fields["arms"])
            tuner._phase, tuner._ledger = Phase(fields["phase"]), Ledger.from_dict(fields)
            for name in _STATE:
                setattr(tuner, f"_{name}", fields[name])
            tuner._decide()
        except UsageError:
            raise
        except (KeyError, TypeError, ValueError, IndexError) as error:
            seen = f"{type(error).__name__}: {error}"
            raise UsageError("this does not hold a tuner", seen, "begin without it") from error
        return tuner

    # --- deciding

    def _decide(self) -> None:
        """Set what is asked for next, and change the phase if its end has come."""
        if self._phase is Phase.CHECK:
            self._next = self._best_row()
            if self._usable(self._next):
                return
            self._begin_search()
        if self._phase is Phase.SEARCH:
            row = self._row_to_probe()
            if row is not None:
                self._next = row
                return
            self._hold()
        self._next = self._best_row() if self._choice is None else self._choice

    def _row_to_probe(self) -> int | None:
        count, entries = len(self.candidates), self._ledger.entries
        if count == 1 or self._spent_steps >= self.step_bound:
            return None
        usable = [row for row in range(count) if self._usable(row)]
        begun = [row for row in usable if row in entries and self._steps_lacking(row) > 0]
        if begun:
            return self._at if self._at in begun else begun[0]
        allowed = frozenset(row for row in usable if row not in entries or entries[row].steps < self.effort.max_steps)
        return next_row(self._arms, self._ledger.measured(), allowed, self.goal, self.effort.worth_frac)

    def _usable(self, row: int) -> bool:
        return self._ledger.voids.get(row, 0) <= self.effort.void_retries

    def _steps_lacking(self, row: int) -> int:
        """Steps that a setting that was begun lacks of its first probe, cut short by the end of an epoch."""
        return max(0, min(self.effort.min_steps, self.effort.max_steps) - self._ledger.entries[row].steps)

    def _steps_wanted(self, row: int) -> int:
        """Steps to measure at a setting now: a first look, or twice as long as it was looked at."""
        effort, entries = self.effort, self._ledger.entries
        if self._phase is Phase.CHECK:
            return max(effort.min_steps, effort.max_steps // 2)
        if row in entries:
            lacking = self._steps_lacking(row) or max(effort.min_steps, entries[row].steps)
            return max(1, min(lacking, effort.max_steps - entries[row].steps))
        step_s = max((entry.step_s for entry in entries.values()), default=None)
        wanted = self._ledger.steps_for(effort.precision_frac, step_s) if entries else 0
        return max(1, min(max(effort.min_steps, wanted), effort.look_steps, effort.max_steps))

    def _settle_steps(self) -> int:
        effort, entries = self.effort, self._ledger.entries.values()
        if not self._is_warm:
            return effort.warmup_steps
        step_s = min((entry.step_s for entry in entries), default=math.inf)
        return max(effort.settle_steps, math.ceil(effort.settle_s / step_s))

    def _known(self) -> Frontier:
        """The frontier as believed: over ranks, smoothed where measurements are noisy."""
        measured = self._ledger.measured()
        time_s, energy_j = Beliefs.of(self._arms, measured).known()
        return Frontier.from_arrays(time_s, energy_j, measured.rows.tolist(), Provenance.MODELLED)

    def _best_row(self) -> int:
        if self._ledger.entries:
            return operator.index(self.goal.choose_or_nearest(self._known()).setting)  # type: ignore[arg-type]
        usable = [row for row in range(len(self.candidates)) if self._usable(row)]
        return usable[-1] if usable else len(self.candidates) - 1

    # --- phases

    def _begin_search(self) -> None:
        self._phase, self._ledger, self._choice = Phase.SEARCH, Ledger(), None
        self._spent_steps = self._doubts = 0
        self._searches += 1

    def _hold(self) -> None:
        self._phase, self._choice, self._doubts = Phase.HOLD, self._best_row(), 0

    def _shifted(self, row: int, outcome: Outcome) -> bool:
        """Whether an outcome differs from what is known of its setting by more than drift and noise allow."""
        entry, fresh = self._ledger.entries.get(row), Entry()
        fresh.add(outcome)
        if entry is None:
            return False
        errors = zip(self._ledger.errors(entry), self._ledger.errors(fresh), strict=True)
        shifts = (math.log(fresh.step_s / entry.step_s), math.log(fresh.power_w / entry.power_w))
        return any(
            abs(shift) > max(self.effort.drift_frac, DRIFT_ERRORS * math.hypot(*both))
            for shift, both in zip(shifts, errors, strict=True)
        )

    def _check(self, row: int, outcome: Outcome) -> None:
        if self._shifted(row, outcome):
            self._begin_search()
            self._ledger.entries[row] = Entry()
            self._ledger.entries[row].add(outcome)
        elif row == self._next:
            self._ledger.entries[row].add(outcome)
            self._hold()

    def _watch(self, row: int, outcome: Outcome) -> None:
        if row == self._choice:
            self._doubts = self._doubts + 1 if self._shifted(row, outcome) else 0
            if self._doubts >= self.effort.drift_reports:
                self._begin_search()
