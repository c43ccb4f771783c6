"""Energy from an energy counter, with bounds that follow from its ticks.

Theory of operation. A counter shows what was used until its last tick. So a reading at or before an instant shows no
more than was used by then, and a reading shows no less if a tick lies between the instant and it: because it is one
update period later, or because it is more than another reading that is not before the instant. Between these two lies
what was used until the instant, for either edge of a window; gain and step of the counter come on top.

Where readings nearby changed, they tell when the counter ticks (`joulewise.measure.ticks`): a reading after the instant
but surely before the next tick still shows no more, one after that tick already shows no less. And what a device can
draw at most says how far a counter can have come since the instant, or since its last reading. So a counter that was
not read just when it mattered is known to one tick as well, if it was read often enough around.

A counter that does not move for ``STILL_TICKS`` ticks around an edge, or has not moved since though it should have,
shows nothing of that time: what was used until the edge may then be as much as the next reading that moved, or as much
as the device can draw, and a warning says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from joulewise.devices.capabilities import UNKNOWN_TICK_S, Capability
from joulewise.devices.counter import CounterReading
from joulewise.errors import CounterError, UsageError
from joulewise.measure.energy import Energy, Method
from joulewise.measure.integrate import UNKNOWN_GAIN_FRAC, too_short
from joulewise.measure.sensor import STILL_TICKS
from joulewise.measure.ticks import tick_age
from joulewise.records import Provenance


class CounterEdge:
    """What readings say of the energy that was used until an instant.

    Args:
        at_ns: The instant [ns].
        capability: Of the counter.

    Attributes:
        before: The last reading at or before the instant: shows no more than was used.
        after: The first reading that shows no less.
    """

    def __init__(self, at_ns: int, capability: Capability) -> None:
        """Know nothing yet."""
        self.at_ns = at_ns
        tick_s = UNKNOWN_TICK_S if capability.update_period_s is None else capability.update_period_s
        self._surely_ns = at_ns + round(tick_s * 1e9)
        self.before: CounterReading | None = None
        self.after: CounterReading | None = None
        self._since: CounterReading | None = None

    def add(self, reading: CounterReading) -> None:
        """Take a reading, not before the last one."""
        if reading.at_ns <= self.at_ns:
            self.before = reading
        if self.after is not None or reading.at_ns < self.at_ns:
            return
        since = self._since or reading
        self._since = since
        moved = reading.epoch == since.epoch and reading.energy_j > since.energy_j
        if moved or reading.at_ns >= self._surely_ns:
            self.after = reading


def count_energy(
    readings: Iterable[CounterReading],
    begin_ns: int,
    end_ns: int,
    capability: Capability,
    provenance: Provenance = Provenance.MEASURED,
    *,
    max_power_w: float = math.inf,
) -> Energy:
    """Energy over a window, from readings of a counter.

    Args:
        readings: Of one `joulewise.devices.counter.CleanCounter` in the order of time; the first not after
            ``begin_ns``. Readings until one tick after ``end_ns`` make the bounds certain.
        begin_ns: First instant of the window [ns].
        end_ns: First instant after it [ns].
        capability: Of the counter.
        provenance: Of the readings.
        max_power_w: More than the device can ever draw, as of `joulewise.devices.counter.CleanCounter` [W].

    Raises:
        UsageError: If the window ends before it begins, or the readings begin later.
        CounterError: If the counter was reset or stood still meanwhile.
    """
    if end_ns < begin_ns:
        raise UsageError("a window cannot end before it begins", f"{begin_ns} to {end_ns} ns", "swap them")
    begin, end = CounterEdge(begin_ns, capability), CounterEdge(end_ns, capability)
    doubted, fresh = 0, list[CounterReading]()
    for reading in readings:
        if reading.frozen and reading.at_ns >= begin_ns:
            raise CounterError("an energy counter stands still", "it did in this window", "integrate power instead")
        if reading.fresh:
            fresh.append(reading)
            begin.add(reading)
            end.add(reading)
        doubted += not reading.fresh and begin_ns <= reading.at_ns
    if begin.before is None or end.before is None:
        raise UsageError("no reading at the begin of the window", f"begin {begin_ns} ns", "read before it begins")
    known = [one for one in (begin.before, begin.after, end.before, end.after) if one is not None]
    if len({one.epoch for one in known}) > 1:
        raise CounterError("an energy counter was reset", "it was in this window", "integrate power instead")

    shown_j = [_shown_until_j(edge, fresh, capability, max_power_w) for edge in (begin, end)]
    energy_j, duration_s = max(0.0, shown_j[1] - shown_j[0]), (end_ns - begin_ns) * 1e-9
    told = [_used_until_j(edge, fresh, capability, max_power_w) for edge in (begin, end)]
    missing_j = energy_j  # of an edge without a later reading: as much again as in the whole window
    least = [max(low_j, here_j) for (low_j, _), here_j in zip(told, shown_j, strict=True)]
    most = [
        max(here_j, min(high_j, here_j + missing_j if math.isinf(high_j) else high_j))
        for (_, high_j), here_j in zip(told, least, strict=True)
    ]
    first_j, last_j = most[0] - least[0], most[1] - least[1]
    least_j, most_j = min(energy_j, least[1] - most[0]), max(energy_j, most[1] - least[0])
    step_j = capability.resolution or 0.0
    gain_frac = UNKNOWN_GAIN_FRAC if capability.gain_error_frac is None else capability.gain_error_frac
    lo_j = (least_j - step_j) / (1 + gain_frac)
    hi_j = (most_j + step_j) / max(1 - gain_frac, 1e-9)
    resolution_j = max(first_j, last_j) + step_j
    warnings = [f"{doubted} readings of the counter could not be true and were left out"] if doubted else []
    if any(_stood_since_ns(edge, fresh, capability) is not None for edge in (begin, end)):
        warnings.append("the counter stood still at an edge: what was used meanwhile is in one of two windows")
    if end.after is None:
        warnings.append("there is no reading after the counter's next tick: what was used last is not seen")
    warnings += too_short(energy_j, resolution_j, duration_s)
    return Energy(energy_j, max(0.0, lo_j), hi_j, resolution_j, Method.COUNTER, provenance, tuple(warnings))


def _shown_until_j(
    edge: CounterEdge, fresh: Sequence[CounterReading], capability: Capability, max_power_w: float
) -> float:
    """What the counter showed at an instant at least [J]: it cannot have risen since faster than power allows."""
    before = edge.before or fresh[0]
    after = next((one for one in fresh if one.at_ns > edge.at_ns), None)
    if after is None or after.epoch != before.epoch or before.at_ns == edge.at_ns:
        return before.energy_j
    risen_j = max_power_w * (after.at_ns - edge.at_ns) * 1e-9 + (capability.resolution or 0.0)
    return max(before.energy_j, after.energy_j - risen_j)


def _used_until_j(
    edge: CounterEdge, fresh: Sequence[CounterReading], capability: Capability, max_power_w: float
) -> tuple[float, float]:
    """Between which energies of the counter lies what was used until an instant [J]; infinite if that is not known."""
    before = edge.before or fresh[0]
    least_j, most_j = before.energy_j, edge.after.energy_j if edge.after else math.inf
    if capability.update_period_s is None:
        return least_j, most_j
    period_ns = round(capability.update_period_s * 1e9)
    since_ns = _stood_since_ns(edge, fresh, capability)
    if since_ns is not None:
        most_j = min((one.energy_j for one in fresh if one.energy_j > least_j), default=math.inf)
    dark_ns = edge.at_ns - (before.at_ns if since_ns is None else since_ns) + period_ns
    most_j = min(most_j, before.energy_j + max_power_w * dark_ns * 1e-9 + (capability.resolution or 0.0))
    if since_ns is not None:
        return least_j, most_j
    ticks = [(a.at_ns, b.at_ns) for a, b in pairwise(fresh) if a.epoch == b.epoch and a.energy_j != b.energy_j]
    age = tick_age(edge.at_ns, ticks, period_ns)
    tick_ns = edge.at_ns + period_ns - age.most_ns, edge.at_ns + period_ns - age.least_ns
    same = [one for one in fresh if one.epoch == before.epoch]
    least_j = max([least_j, *(one.energy_j for one in same if one.at_ns < tick_ns[0])])
    return least_j, min([most_j, *(one.energy_j for one in same if one.at_ns >= tick_ns[1])])


def _stood_since_ns(edge: CounterEdge, fresh: Sequence[CounterReading], capability: Capability) -> int | None:
    """Since when a counter did not move at an instant, though it should have [ns]; None if it did."""
    before = edge.before or fresh[0]
    run = [one.at_ns for one in fresh if one.energy_j == before.energy_j and one.epoch == before.epoch]
    tick_ns = (capability.update_period_s or math.inf) * 1e9
    not_yet = run[-1] == fresh[-1].at_ns >= edge.at_ns + tick_ns
    return run[0] if not_yet or run[-1] - run[0] > STILL_TICKS * tick_ns else None
