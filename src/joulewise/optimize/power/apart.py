"""Settings of each device apart, where some of them wait for others.

Theory of operation
-------------------
Devices that do a step together wait for the slowest. Once one setting for all is chosen, whoever waits can be lowered
until it no longer does: its energy falls and the step does not get longer. Who waits is not asked, it is tried. At
equal settings the device that uses most per step is taken for the slowest; all others are lowered together. If the step
gets longer, or they do not save more than their sensors can tell, that was too much: half as much is tried, and if even
one candidate is too much for all of them, the pass ends. Otherwise the group shrinks by the device that uses most, and
the rest is lowered further, until nothing more is gained. So equal devices cost two probes, and no more.

A device's own energy is compared with its own, so that errors of gain do not matter, and other devices' noise does not
drown a small saving. When time or energy of a step shift, the setting for all is put back in force, and looked at anew.

Source: the extrinsic bloat of Perseus (SOSP'24, section 3), here for whole steps of whole devices.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import asdict
from typing import Any

from joulewise.frontier import Frontier, Point
from joulewise.optimize.power.goal import Goal
from joulewise.optimize.power.tuner import PowerTuner
from joulewise.optimize.protocol import Apart, Outcome, Probe

STEPS = 50
STRIDES = (2, 1)
LONGER_FRAC = 0.003
"""A step may become longer by this fraction, or by two standard errors of its mean, whichever is more."""


class ApartTuner:
    """Tunes all devices alike with another tuner, then lowers those that wait.

    Args:
        inner: Finds the setting for all.
        devices: How many there are, of all ranks.
    """

    def __init__(self, inner: PowerTuner, devices: int) -> None:
        """Begin with the inner tuner's search."""
        self.inner, self._devices = inner, devices
        self._forget()

    def _forget(self) -> None:
        self._reference: Outcome | None = None  # at the choice for all
        self._kept: Outcome | None = None  # at the rows
        self._rows: list[int] = []
        self._group: list[int] = []  # lowered together, the one that uses most first
        self._stride, self._gained, self._done, self._doubts = 0, False, False, 0

    def ask(self) -> Probe:
        """What to run next."""
        probe = self.inner.ask()
        if not probe.is_final or (self._done and not self._is_apart):
            return probe
        if self._reference is None:
            return Probe(probe.setting, STEPS, probe.settle_steps)
        if self._done:
            return Probe(self.best(), probe.steps, is_final=True)
        return Probe(self._apart(self._tried()), STEPS, self.inner.effort.settle_steps)

    def tell(self, outcome: Outcome) -> None:
        """What happened."""
        if not isinstance(outcome.setting, Apart):
            choice = self.inner.best()
            self.inner.tell(outcome)
            if self.inner.best() != choice or not self.inner.ask().is_final:
                self._forget()
            elif self._reference is None and outcome.setting == choice and self._tells(outcome):
                self._begin(outcome)
        elif self._done:
            self._watch(outcome)
        elif outcome.setting == self._apart(self._tried()):
            self._judge(outcome)

    def _begin(self, outcome: Outcome) -> None:
        self._reference = self._kept = outcome
        self._rows = [self.inner.candidates.index(outcome.setting)] * self._devices
        self._group = sorted(range(self._devices), key=lambda one: -outcome.shares[one].energy_j)[1:]
        self._narrow()

    def _narrow(self) -> None:
        """Begin to lower the group, or end."""
        self._stride, self._gained = 0, False
        if not self._group or self._rows[self._group[0]] == 0:
            self._done = True

    def _tried(self) -> list[int]:
        rows = list(self._rows)
        for one in self._group:
            rows[one] = max(0, rows[one] - STRIDES[self._stride])
        return rows

    def _judge(self, outcome: Outcome) -> None:
        reference, kept = self._reference, self._kept
        if reference is None or kept is None:
            return
        if self._tells(outcome) and self._is_as_fast(outcome, reference) and self._saves(outcome, kept):
            self._rows, self._kept, self._gained = self._tried(), outcome, True
            if self._rows[self._group[0]] == 0:
                self._done = True
        elif self._stride + 1 < len(STRIDES):
            self._stride += 1
        elif self._gained:
            self._group = self._group[1:]
            self._narrow()
        else:
            self._done = True

    def _is_as_fast(self, outcome: Outcome, reference: Outcome) -> bool:
        spread_s = math.hypot(outcome.step_time_sd_s or 0.0, reference.step_time_sd_s or 0.0)
        step_s = reference.time_s / reference.steps
        allowed_s = max(LONGER_FRAC * step_s, 2 * spread_s / math.sqrt(min(outcome.steps, reference.steps)))
        return outcome.time_s / outcome.steps <= step_s + allowed_s

    def _saves(self, outcome: Outcome, kept: Outcome) -> bool:
        def used(one: Outcome) -> tuple[float, float]:
            shares = [one.shares[index] for index in self._group]
            return (
                math.fsum(share.energy_j for share in shares) / one.steps,
                math.hypot(*(share.resolution_j for share in shares)) / math.sqrt(6) / one.steps,
            )

        (now_j, now_error_j), (then_j, then_error_j) = used(outcome), used(kept)
        return then_j - now_j > 2 * math.hypot(now_error_j, then_error_j)

    def _watch(self, outcome: Outcome) -> None:
        """Doubt the rows if time or energy of a step have shifted in several reports in a row."""
        kept, effort = self._kept, self.inner.effort
        if outcome.void or not outcome.steps or kept is None:
            return
        time_frac = outcome.time_s / outcome.steps / (kept.time_s / kept.steps) - 1
        energy_frac = outcome.energy_j / outcome.steps / (kept.energy_j / kept.steps) - 1
        shifted = max(abs(time_frac), abs(energy_frac)) > effort.drift_frac
        self._doubts = self._doubts + 1 if shifted else 0
        if self._doubts >= effort.drift_reports:
            self._forget()

    def _tells(self, outcome: Outcome) -> bool:
        return not outcome.void and outcome.steps > 1 and len(outcome.shares) == self._devices

    @property
    def _is_apart(self) -> bool:
        return len(set(self._rows)) > 1

    def _apart(self, rows: list[int]) -> Apart:
        return Apart(tuple(self.inner.candidates[row] for row in rows))

    # --- what everybody may know

    def best(self) -> Hashable:
        """One setting for all, or `Apart`."""
        return self._apart(self._rows) if self._is_apart else self.inner.best()

    def retarget(self, goal: Goal) -> None:
        """Pursue another goal."""
        choice = self.inner.best()
        self.inner.retarget(goal)
        if self.inner.best() != choice:
            self._forget()

    def points(self) -> tuple[Point, ...]:
        """What was measured of one step with all devices alike, and then at what was chosen apart."""
        kept = self._kept
        if not self._is_apart or kept is None:
            return self.inner.points()
        step_s, step_j = kept.time_s / kept.steps, kept.energy_j / kept.steps
        sd_s = kept.step_time_sd_s or 0.0
        apart = Point(step_s, step_j, self.best(), kept.provenance, kept.steps, sd_s, sd_s * step_j / step_s)
        return (*self.inner.points(), apart)

    def frontier(self) -> Frontier | None:
        """The frontier with all devices alike."""
        return self.inner.frontier()

    def to_dict(self) -> dict[str, Any]:
        """What the inner tuner knows; who waits is found anew."""
        return {**self.inner.to_dict(), "apart": asdict(self.best()) if self._is_apart else None}  # type: ignore[call-overload]
