"""Which replicas are slow, by their own iteration times, and whether the profile still holds.

Theory of operation. A replica tells the time of its iterations, and which plan they followed; over the time of that
plan it is a ratio, the same whichever plan is in force. What all replicas have in common is drift of the profile, not
straggling: so ratios are taken over their lower median over replicas, and one replica alone is never a straggler.
Noise and hysteresis are the detector's (`joulewise.optimize.straggling.detector`), one for each replica; what is said
of a straggler changes only by more than `MOVE_FRAC`, for every change is written down and told to thousands.

Drift is said when the median over replicas that are healthy has been off by `DRIFT_ENTER` for `DRIFT_BEATS` beats of
each, and taken back below `DRIFT_LEAVE`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median, median_low

from joulewise.optimize.straggling.detector import SHORT, SlowdownDetector

MOVE_FRAC = 0.01
DRIFT_ENTER, DRIFT_LEAVE, DRIFT_BEATS = 0.05, 0.02, 20
MIDDLE_PARTS = 16
"""The middle is found anew after so many parts of the replicas have told of an iteration."""


class Detector:
    """Watches the replicas of a job under one round of plans; whoever has the next round makes another one."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._recent: dict[int, deque[float]] = {}
        self._detectors: dict[int, SlowdownDetector] = {}
        self._slow: dict[int, float] = {}
        self._middle, self._until_middle, self._drift = 1.0, 0, 1.0

    def tell(self, replica: int, ratio: float) -> None:
        """Say how long a replica took.

        Args:
            replica: Which.
            ratio: Its iteration time over that of the plan that it followed.
        """
        self._recent.setdefault(replica, deque(maxlen=DRIFT_BEATS)).append(ratio)
        if len(self._recent) < 2:
            return
        self._until_middle -= 1
        if self._until_middle <= 0:
            self._middle = median_low(found[-1] for found in self._recent.values())
            self._until_middle = len(self._recent) // MIDDLE_PARTS
        self._detectors.setdefault(replica, SlowdownDetector()).tell(ratio / self._middle)

    def recover(self, replica: int) -> None:
        """A replica is known to be healthy again: forget its last iterations."""
        self._slow.pop(replica, None)
        if replica in self._detectors:
            self._detectors[replica].recover()

    @property
    def seen(self) -> frozenset[int]:
        """Replicas of which enough is known to say whether they are stragglers."""
        return frozenset(replica for replica in self._detectors if len(self._recent[replica]) >= SHORT)

    def stragglers(self) -> Mapping[int, float]:
        """How many times as long as the others each straggler takes."""
        for replica, detector in list(self._detectors.items()):
            factor, held = detector.slowdown, self._slow.get(replica, 1.0)
            if factor == 1.0:
                self._slow.pop(replica, None)
            elif abs(factor - held) > MOVE_FRAC * held:
                self._slow[replica] = round(factor, 4)
        return dict(self._slow)

    def drift(self) -> float:
        """How many times as long as planned healthy replicas take; 1 while that is not noticeable."""
        settled = [
            median(found)
            for replica, found in list(self._recent.items())
            if len(found) == DRIFT_BEATS and replica not in self._slow
        ]
        if not settled:
            return self._drift
        common = median_low(settled)
        if abs(common - 1) < DRIFT_LEAVE:
            self._drift = 1.0
        elif abs(common - 1) > DRIFT_ENTER and abs(common - self._drift) > DRIFT_LEAVE:
            self._drift = round(common, 3)
        return self._drift
