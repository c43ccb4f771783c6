"""What a power sensor showed, as a curve of energy over time, from readings taken now and then.

Theory of operation. A reading holds until the sensor's next tick. Of two readings in a row that differ, the tick lies
anywhere between; the middle is taken, so that the error has no bias, and at most half the distance times the change.
The curve at an instant depends on the readings around it only, not on any window.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from joulewise.errors import CounterError, UsageError
from joulewise.measure.ticks import Change

Sample = tuple[int, float]
"""An instant [ns] and the power that was read then [W]."""


class Shown:
    """Energy that a sensor showed until any instant; the first and the last reading hold for ever.

    Args:
        samples: Readings in the order of time.

    Raises:
        UsageError: If readings are not in the order of time.
        CounterError: If a reading is negative or no number.
    """

    def __init__(self, samples: Iterable[Sample]) -> None:
        """Sum them up."""
        self.at_ns: list[int] = []
        self.power_w: list[float] = []
        for at_ns, power_w in samples:
            if not 0 <= power_w < math.inf:
                raise CounterError("power cannot be this", f"{power_w!r} W at {at_ns} ns", "leave the reading out")
            if self.at_ns and at_ns <= self.at_ns[-1]:
                seen = f"{at_ns} after {self.at_ns[-1]} ns"
                raise UsageError("readings are not in the order of time", seen, "sort them")
            self.at_ns.append(at_ns)
            self.power_w.append(power_w)
        areas = (
            (t1 - t0) * (w0 + w1) * 0.5e-9
            for (t0, t1), (w0, w1) in zip(pairwise(self.at_ns), pairwise(self.power_w), strict=True)
        )
        self._until_j = list(accumulate(areas, initial=0.0))

    def until_j(self, instant_ns: float) -> float:
        """Energy from the first reading to an instant; negative before it [J]."""
        index = max(0, bisect_right(self.at_ns, instant_ns) - 1)
        since_ns = instant_ns - self.at_ns[index]
        here_w, before_j = self.power_w[index], self._until_j[index]
        if index + 1 < len(self.at_ns):
            late_ns = since_ns - (self.at_ns[index + 1] - self.at_ns[index]) / 2
            if late_ns > 0:
                return before_j + ((since_ns - late_ns) * here_w + late_ns * self.power_w[index + 1]) * 1e-9
        return before_j + since_ns * here_w * 1e-9

    def rows(self, begin_ns: float, end_ns: float) -> Iterator[tuple[int, int, float, float]]:
        """Readings in a row that touch a stretch of time: two instants [ns] and two powers [W]."""
        first = max(0, bisect_right(self.at_ns, begin_ns) - 1)
        for index in range(first, len(self.at_ns) - 1):
            if self.at_ns[index] >= end_ns:
                return
            yield self.at_ns[index], self.at_ns[index + 1], self.power_w[index], self.power_w[index + 1]

    def changes(self, begin_ns: float, end_ns: float) -> list[Change]:
        """Between which readings the sensor ticked, in a stretch of time [ns]."""
        return [(t0, t1) for t0, t1, w0, w1 in self.rows(begin_ns, end_ns) if w0 != w1]

    def within(self, begin_ns: float, end_ns: float) -> Sequence[float]:
        """The powers that were shown in a stretch of time [W]."""
        first = max(0, bisect_right(self.at_ns, begin_ns) - 1)
        return self.power_w[first : max(first + 1, bisect_right(self.at_ns, end_ns))]
