"""Whether one pipeline has become slow, from how long its iterations took against how long they should have.

Theory of operation. What is told is a ratio: measured time over the time that the plan in force should take, relative
to the other pipelines (see `governor`). A healthy one is 1 give or take noise. Three states of mind keep it calm:

- One odd iteration, a checkpoint or a hiccup, means nothing: what counts is the median of the last three, so that two
  of three must be slow.
- The noise is not assumed but measured: the median absolute deviation of healthy ratios, at least ``noise_frac``. A
  pipeline is slow above 1 + 4 noises, and healthy again only below 1 + 2 noises: under noise within one of its
  standard deviations either way, it cannot enter and leave by turns.
- What is reported as the slowdown stays until the median of the last five has moved by more than 2.5 noises, and lies
  one noise below that median: others then finish before the straggler rather than after it.

False alarms: a healthy pipeline with Gaussian noise must exceed 4 standard deviations twice in three iterations, three
times 1e-9 per iteration; the tails of real noise are heavier, which is what the measured deviation is for.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from joulewise.errors import UsageError

ENTER_NOISES, LEAVE_NOISES, MOVE_NOISES = 4.0, 2.0, 2.5
SHORT, LONG, MEMORY = 3, 5, 64
MAD_TO_SD = 1.4826
LEAST_HEALTHY = 16
"""Fewer healthy iterations than this say nothing of the noise."""


class SlowdownDetector:
    """Told one ratio per iteration; pure.

    Args:
        noise_frac: Relative standard deviation of an undisturbed iteration time that is assumed at the least.
    """

    def __init__(self, noise_frac: float = 0.01) -> None:
        """Begin healthy."""
        if not 0 < noise_frac < 0.2:
            raise UsageError("the noise of iteration times is not usable", repr(noise_frac), "give 0.001 to 0.2")
        self._floor_frac = noise_frac
        self._healthy: deque[float] = deque(maxlen=MEMORY)
        self._recent: deque[float] = deque(maxlen=LONG)
        self._level: float | None = None

    @property
    def noise_frac(self) -> float:
        """Relative standard deviation that it reckons with."""
        if len(self._healthy) < LEAST_HEALTHY:
            return self._floor_frac
        middle = median(self._healthy)
        return max(self._floor_frac, MAD_TO_SD * median(abs(ratio - middle) for ratio in self._healthy))

    @property
    def is_slow(self) -> bool:
        """Whether the pipeline is a straggler."""
        return self._level is not None

    @property
    def slowdown(self) -> float:
        """How slow it is, surely not overstated by more than its noise; 1 if it is healthy."""
        return 1.0 if self._level is None else max(1.0, self._level * (1 - self.noise_frac))

    def tell(self, ratio: float) -> None:
        """How long an iteration took, relative to what it should have.

        Raises:
            UsageError: If it is not a number above 0.
        """
        if not 0 < ratio < float("inf"):
            raise UsageError("an iteration time is not usable", repr(ratio), "give a finite ratio above 0")
        self._recent.append(ratio)
        noise = self.noise_frac
        short = median(list(self._recent)[-SHORT:]) if len(self._recent) >= SHORT else 1.0
        if self._level is None:
            if short > 1 + ENTER_NOISES * noise:
                self._level = short
                self._recent = deque([r for r in self._recent if r > 1 + LEAVE_NOISES * noise], maxlen=LONG)
            elif ratio <= 1 + ENTER_NOISES * noise:
                self._healthy.append(ratio)
        elif short < 1 + LEAVE_NOISES * noise:
            self.recover()
        else:
            long = median(self._recent)
            if abs(long - self._level) > MOVE_NOISES * noise * self._level:
                self._level = long

    def recover(self) -> None:
        """It is known to be healthy again: forget the last iterations."""
        self._level = None
        self._recent.clear()
