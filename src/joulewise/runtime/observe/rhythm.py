"""Steps seen from outside, as the rhythm in which a device is busy.

Theory of operation. Training keeps a device busy in the same way each step, with a dip between steps while data comes,
gradients are exchanged or the host prepares. The signal (utilisation, else power) is compared with its own recent low
and high quantiles; going from the low third to the high third is the begin of a step. That is believed only while the
steps are regular: the spread of their last intervals is small, and they are long against the time between readings.
What is not regular is refused rather than guessed, since a tuner that counts wrong steps chooses wrong settings.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from statistics import median

HISTORY = 400
BEATS = 16
"""So many intervals must agree."""
SPREAD_FRAC = 0.15
"""How much they may scatter: their median absolute deviation as a fraction of their median."""
READINGS_PER_BEAT = 4
CONTRAST_FRAC = 0.1


class Rhythm:
    """Finds steps in a signal.

    Attributes:
        beats_ns: Begins of the last steps [ns].
    """

    def __init__(self) -> None:
        """Know nothing."""
        self.beats_ns: deque[int] = deque(maxlen=BEATS + 1)
        self._values: deque[float] = deque(maxlen=HISTORY)
        self._times_ns: deque[int] = deque(maxlen=HISTORY)
        self._is_high = True

    def add(self, at_ns: int, value: float) -> bool:
        """Take a reading; whether a step begins with it."""
        self._times_ns.append(at_ns)
        self._values.append(value)
        ordered = sorted(self._values)
        low, high = ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
        if high - low <= CONTRAST_FRAC * max(abs(high), 1e-9):
            return False
        third = (high - low) / 3
        begins = not self._is_high and value > high - third
        if begins:
            self._is_high = True
            self.beats_ns.append(at_ns)
        elif value < low + third:
            self._is_high = False
        return begins

    @property
    def step_s(self) -> float | None:
        """The typical time of a step [s], or None as long as too few were seen."""
        return median(self._intervals()) if len(self.beats_ns) > 2 else None

    @property
    def doubt(self) -> str:
        """Why it is not to be trusted; empty if it is."""
        intervals_s = self._intervals()
        if len(intervals_s) < BEATS:
            return f"only {len(intervals_s)} of {BEATS} intervals were seen"
        typical_s = median(intervals_s)
        spread_s = median(abs(one - typical_s) for one in intervals_s)
        between_s = median((b - a) * 1e-9 for a, b in pairwise(self._times_ns))
        if typical_s < READINGS_PER_BEAT * between_s:
            return f"steps of {typical_s:.2g} s are too short for readings {between_s:.2g} s apart"
        if spread_s > SPREAD_FRAC * typical_s:
            return f"intervals of {typical_s:.2g} s scatter by {spread_s / typical_s:.0%}"
        return ""

    def _intervals(self) -> list[float]:
        return [(after - before) * 1e-9 for before, after in pairwise(self.beats_ns)]
