"""Energy from power readings, with exact edges and bounds that follow from how the sensor sees.

Theory of operation. A sensor ticks each u; at a tick it shows the mean over the time w before it, until the next. So
what it showed (`joulewise.measure.shown`) follows what was used by (u + w) / 2 on average, and energy is taken from
that curve so much later: C(t) = shown(t + (u + w) / 2). C knows no windows, so adjacent ones add up to the bit of a
sum. Adding readings from after the end is the same as waiting for the sensor; without them the last one holds.

What is not known, each part with the bound that it gets:

- *Edges.* For w >= u every joule is shown between u/w of a tick and w + u later, and shown energy never falls. With the
  last tick before the instant t at t - a, what was used until t lies between shown(t - a + min(u, L)) and
  shown(t - a + u + max(w, L)), L = (u + w) / 2. That is P w wide for w >= u, P u else; the age a is found from the
  readings that changed (`joulewise.measure.ticks`), or lies anywhere between 0 and u, which costs another P u. If
  readings hardly differ around t, neither does power, unless it pulses faster than the sensor shows: so C(t) is not
  further from the truth than their range and a part of their largest, over the time that the edge may be off.
- *Ticks between readings.* Each change is off by at most its size times the distance of the two readings. These errors
  are independent, since sensors do not tick by our clock: `joulewise.measure.uncertainty.likely_sum`.
- *What is not seen.* With w < u, or readings further apart than u, a part of the time is unseen. There power lies, it
  is assumed, between the least and the largest reading around, so far that two whole periods are seen to either side;
  and sums over stretches of that length err by no more than 2.6 standard deviations. A load in step with the sensor,
  or one burst in the dark, breaks this and cannot be found: such sensors carry a warning.
- *Gain and step* of the board, which no repetition averages away: in full.

So the bounds are likely, not certain: they are held to 99 % of random loads by tests/properties/test_accuracy_laws.py.

Source: update periods, averaging windows and gains of yang2024; the bounds are our own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import pstdev

from joulewise.devices.capabilities import Capability
from joulewise.errors import UsageError
from joulewise.measure.energy import Energy, Method
from joulewise.measure.shown import Sample, Shown
from joulewise.measure.ticks import REACH_PERIODS, tick_age
from joulewise.measure.uncertainty import LIKELY, likely_sum
from joulewise.records import Provenance

UNKNOWN_PERIOD_S = 1.0
UNKNOWN_GAIN_FRAC = 0.05
SHORT_FRAC = 0.05  # a window whose edges matter more is too short to say much
SEEN_PERIODS = 2  # unseen power is looked for among readings around, until they have seen this much time
NEAR_READINGS = 2  # the same where only our readings are too seldom, whose phase changes from one to the next
UNEVEN_FRAC = 0.25  # part of a period's energy that pulses too fast to be seen may move to one side of an instant


@dataclass(frozen=True, slots=True)
class Sight:
    """How a power sensor sees time.

    Attributes:
        period_s: It updates each [s].
        window_s: It shows the mean over this much before each update [s].
        assumed: Whether its period is not known.
    """

    period_s: float
    window_s: float
    assumed: bool

    @classmethod
    def of(cls, capability: Capability) -> Sight:
        """As a capability says; a period that is not known is assumed to be long."""
        stated_s = capability.period_s
        period_s = UNKNOWN_PERIOD_S if stated_s is None else stated_s
        window_s, duty_frac = capability.averaging_window_s, capability.duty_frac
        if window_s is None or (duty_frac is not None and duty_frac < 1):
            window_s = period_s * (1.0 if duty_frac is None else duty_frac)
        return cls(period_s, window_s, stated_s is None)

    @property
    def duty_frac(self) -> float:
        """Part of the time that it sees."""
        return min(1.0, self.window_s / self.period_s)

    @property
    def span_s(self) -> float:
        """What each edge of a window may be off by, as time [s]."""
        return max(self.period_s, self.window_s)

    @property
    def lag_s(self) -> float:
        """How much later than used energy is shown, on average [s]."""
        return (self.period_s + self.window_s) / 2

    @property
    def settled_s(self) -> float:
        """After so long all that was used has been shown [s]."""
        return self.period_s + self.span_s


def integrate_power(
    samples: Iterable[Sample],
    begin_ns: int,
    end_ns: int,
    capability: Capability,
    provenance: Provenance = Provenance.MEASURED,
) -> Energy:
    """Energy over a window, from power readings.

    Args:
        samples: Readings in the order of time; the first not after ``begin_ns``. Those of a second before it, and until
            `Sight.settled_s` after ``end_ns``, make the bounds better.
        begin_ns: First instant of the window [ns].
        end_ns: First instant after it [ns].
        capability: Of the power gauge: period, averaging window, duty, gain and step.
        provenance: Of the readings.

    Raises:
        UsageError: If the window ends before it begins, or the readings begin later, or are not in order.
        CounterError: If a reading is negative or no number.

    Accuracy:
        See the theory of operation above.
    """
    if end_ns < begin_ns:
        raise UsageError("a window cannot end before it begins", f"{begin_ns} to {end_ns} ns", "swap them")
    sight, shown = Sight.of(capability), Shown(samples)
    if not shown.at_ns or shown.at_ns[0] > begin_ns:
        seen = f"the first is {(shown.at_ns[0] - begin_ns) * 1e-9:g} s late" if shown.at_ns else "there are none"
        raise UsageError("power is not known at the begin of the window", seen, "read before the window begins")

    lag_ns, duration_s = round(sight.lag_s * 1e9), (end_ns - begin_ns) * 1e-9
    energy_j = shown.until_j(end_ns + lag_ns) - shown.until_j(begin_ns + lag_ns)
    begin, end = _edge(shown, begin_ns, sight), _edge(shown, end_ns, sight)
    ticks_j = _ticks_j(shown, begin[0], end[1], sight)
    below_j, above_j = _unseen_j(shown, begin_ns + lag_ns, end_ns + lag_ns, sight)
    step_j = (capability.resolution or 0.0) * duration_s
    gain_frac = UNKNOWN_GAIN_FRAC if capability.gain_error_frac is None else capability.gain_error_frac
    before, after = _used_until_j(shown, begin_ns, begin, sight), _used_until_j(shown, end_ns, end, sight)
    least_j = min(energy_j, after[0] - before[1]) - ticks_j - below_j - step_j
    most_j = max(energy_j, after[1] - before[0]) + ticks_j + above_j + step_j
    resolution_j = sum(max(shown.within(*_around(at_ns, sight))) for at_ns in (begin_ns, end_ns)) * sight.span_s
    said = _warnings(shown, (begin_ns, end_ns), sight) + too_short(energy_j, resolution_j, duration_s)
    return Energy(
        max(0.0, energy_j),
        max(0.0, least_j / (1 + gain_frac)),
        max(0.0, most_j / max(1 - gain_frac, 1e-9)),
        resolution_j,
        Method.INTEGRATED,
        provenance,
        tuple(said),
    )


def too_short(energy_j: float, resolution_j: float, duration_s: float) -> list[str]:
    """A warning with the shortest honest window, if a window is shorter; else nothing."""
    if resolution_j <= SHORT_FRAC * energy_j:
        return []
    if energy_j <= 0:
        return ["too short for this sensor: no energy was seen"] if resolution_j else []
    needed_s = duration_s * resolution_j / energy_j / SHORT_FRAC
    digit_s = 10.0 ** (math.floor(math.log10(needed_s)) - 1)
    needed_s = math.ceil(needed_s / digit_s - 1e-6) * digit_s  # two digits that are not less
    return [f"too short for this sensor: measure for {needed_s:.2g} s to know it within {SHORT_FRAC:.0%}"]


def _around(at_ns: int, sight: Sight) -> tuple[float, float]:
    """When what was used around an instant is shown [ns]."""
    return at_ns - sight.period_s * 1e9, at_ns + sight.settled_s * 1e9


def _edge(shown: Shown, at_ns: int, sight: Sight) -> tuple[float, float]:
    """Between which instants shown energy reaches what was used until ``at_ns`` [ns]."""
    period_ns = round(sight.period_s * 1e9)
    reach_ns = REACH_PERIODS * period_ns
    age = tick_age(at_ns, shown.changes(at_ns - reach_ns, at_ns + reach_ns), period_ns)
    earliest_s, latest_s = min(sight.period_s, sight.lag_s), max(sight.window_s, sight.lag_s)
    return at_ns - age.most_ns + earliest_s * 1e9, at_ns - age.least_ns + period_ns + latest_s * 1e9


def _used_until_j(shown: Shown, at_ns: int, edge: tuple[float, float], sight: Sight) -> tuple[float, float]:
    """Between which energies lies what was used until an instant, as `Shown.until_j` counts [J]."""
    near_w, middle_j = shown.within(*_around(at_ns, sight)), shown.until_j(at_ns + sight.lag_s * 1e9)
    uneven_frac = UNEVEN_FRAC * (2 - sight.duty_frac)
    uneven_j = (max(near_w) - min(near_w) + uneven_frac * max(near_w)) * sight.span_s
    return max(shown.until_j(edge[0]), middle_j - uneven_j), min(shown.until_j(edge[1]), middle_j + uneven_j)


def _ticks_j(shown: Shown, begin_ns: float, end_ns: float, sight: Sight) -> float:
    """How far shown energy may be off for ticks that lie anywhere between two readings [J]."""
    rows = shown.rows(begin_ns, end_ns)
    return likely_sum([abs(w1 - w0) * min((t1 - t0) * 1e-9, sight.period_s) for t0, t1, w0, w1 in rows if w0 != w1])


def _unseen_j(shown: Shown, begin_ns: int, end_ns: int, sight: Sight) -> tuple[float, float]:
    """How much less, and more, may have been used while nothing was seen [J]."""
    widest_ns = max((t1 - t0 for t0, t1, _, _ in shown.rows(begin_ns, end_ns)), default=0)
    block_ns = max(sight.period_s * 1e9, widest_ns)
    unseen_frac = 1 - sight.window_s * 1e9 / block_ns if block_ns else 0.0
    if unseen_frac < 1e-6 or end_ns <= begin_ns:
        return 0.0, 0.0
    near_ns = (SEEN_PERIODS / sight.duty_frac if sight.duty_frac < 1 else NEAR_READINGS) * block_ns
    below_j, above_j, deviations_j = [], [], []
    blocks = math.ceil((end_ns - begin_ns) / near_ns)
    length_ns = (end_ns - begin_ns) / blocks
    for number in range(blocks):
        here_ns = begin_ns + number * length_ns
        near_w = shown.within(here_ns - near_ns, here_ns + length_ns + near_ns)
        mean_w = (shown.until_j(here_ns + length_ns) - shown.until_j(here_ns)) / length_ns * 1e9
        unseen_s = unseen_frac * length_ns * 1e-9
        below_j.append(max(0.0, mean_w - min(near_w)) * unseen_s)
        above_j.append(max(0.0, max(near_w) - mean_w) * unseen_s)
        deviations_j.append(pstdev(near_w) * unseen_s)
    likely_j = LIKELY * math.sqrt(math.fsum(one * one for one in deviations_j))
    return min(math.fsum(below_j), likely_j), min(math.fsum(above_j), likely_j)


def _warnings(shown: Shown, window: tuple[int, int], sight: Sight) -> list[str]:
    """What else the reader must know."""
    (begin_ns, end_ns), said = window, []
    if sight.assumed:
        said.append(f"how often the sensor updates is not known: {sight.period_s:g} s is assumed")
    if sight.duty_frac < 1:
        what = f"the sensor sees {sight.duty_frac:.0%} of the time: the bounds may not hold for loads"
        said.append(f"{what} that repeat in step with its {sight.period_s:g} s")
    rows = shown.rows(begin_ns, end_ns)
    widest_s = max(((min(t1, end_ns) - t0) * 1e-9 for t0, t1, _, _ in rows), default=0.0)
    if widest_s > sight.period_s:
        said.append(f"readings lie up to {widest_s:.2g} s apart, the sensor updates each {sight.period_s:g} s")
    if shown.at_ns[-1] < end_ns + sight.period_s * 1e9:
        said.append(f"there is no reading {sight.period_s:g} s after the end: what was used last is not seen")
    return said
