"""Candidates and outcomes as they are handed in, checked; settings as JSON and back."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

from joulewise.errors import UsageError
from joulewise.optimize.protocol import Outcome


def check_candidates(candidates: Sequence[Hashable]) -> tuple[Hashable, ...]:
    """The candidates as a tuple.

    Raises:
        UsageError: If there is none, one stands twice, or one cannot be hashed.
    """
    settings = tuple(candidates)
    try:
        different = len(set(settings))
    except TypeError as error:
        raise UsageError("a candidate is not usable", str(error), "give hashable settings, as tuples") from error
    if not settings or different < len(settings):
        seen = f"{len(settings)} candidates, {different} different"
        raise UsageError("the candidates are not usable", seen, "give at least one setting, and none twice")
    return settings


def check_arms(arms: Sequence[int], count: int) -> tuple[int, ...]:
    """The ranks at which arms begin.

    Raises:
        UsageError: If they do not rise from 0, or one holds no candidate beside the last.
    """
    starts = tuple(arms)
    if starts != tuple(sorted(set(starts))) or starts[:1] != (0,) or starts[-1] >= max(count - 1, 1):
        seen = f"arms at {starts} of {count} candidates"
        raise UsageError("the arms are not usable", seen, "give rising ranks from 0 on, below the last")
    return starts


def check_outcome(outcome: Outcome, candidates: tuple[Hashable, ...]) -> int:
    """The rank of an outcome's setting; a void one and one without steps need no figures.

    Raises:
        UsageError: If the setting is no candidate, or a number cannot be meant.
    """
    if outcome.setting not in candidates:
        fix = "tell only settings from the list of candidates"
        raise UsageError("an outcome is of a setting that is no candidate", repr(outcome.setting), fix)
    row = candidates.index(outcome.setting)
    if outcome.void:
        return row
    if outcome.steps < 0 or outcome.steps != int(outcome.steps):
        raise UsageError("an outcome has no whole number of steps", repr(outcome.steps), "count whole steps")
    if not outcome.steps:
        return row
    sd_s = outcome.step_time_sd_s
    numbers = (outcome.time_s, outcome.energy_j, outcome.energy_lo_j, outcome.energy_hi_j, sd_s or 0.0)
    if not all(math.isfinite(number) for number in numbers) or min(outcome.time_s, outcome.energy_j) <= 0:
        fix = "give finite seconds and joules above 0, or say why the outcome is void"
        raise UsageError("an outcome has unusable figures", repr(outcome), fix)
    if not outcome.energy_lo_j <= outcome.energy_j <= outcome.energy_hi_j or (sd_s or 0.0) < 0:
        fix = "give energy_lo_j <= energy_j <= energy_hi_j, and a spread of at least 0"
        raise UsageError("an outcome has unusable bounds", repr(outcome), fix)
    return row


def plain(setting: Hashable) -> Any:
    """A setting as a JSON value: tuples as lists.

    Raises:
        UsageError: If it is not None, bool, int, finite float, str, or a tuple of these.
    """
    if isinstance(setting, tuple):
        return [plain(item) for item in setting]
    if setting is None or isinstance(setting, bool | int | str):
        return setting
    if isinstance(setting, float) and math.isfinite(setting):
        return setting
    fix = "use None, bool, int, finite float, str, or nested tuples of these"
    raise UsageError("a setting cannot be written to JSON", repr(setting), fix)


def tupled(value: Any) -> Hashable:
    """A setting from a JSON value: lists as tuples."""
    return tuple(tupled(item) for item in value) if isinstance(value, list) else value
