"""Which replicas are slow, by their own iteration times; noise is passed over, and what has settled is told once.

Theory of operation. A replica tells the time of its iterations, and which plan they followed; over the time of that
plan it is a ratio, the same whichever plan is in force. The median of the last three is what counts, so that one odd
iteration is nothing, and a real change shows after two. What all replicas have in common is drift of the profile, not
straggling: ratios are taken over their median over replicas (with fewer than three, over 1, for then nobody can
tell).

Hysteresis: a replica becomes a straggler above `ENTER`, and is none any more below `LEAVE`; while it is one its
factor is told anew only if it has moved by `MOVE`. The same for drift, after `DRIFT_BEATS` beats of a replica in the
middle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median, median_low

ENTER, LEAVE, MOVE = 1.05, 1.02, 0.03
RECENT, ENOUGH = 3, 2
FEW = 3
DRIFT_ENTER, DRIFT_LEAVE, DRIFT_BEATS = 0.05, 0.02, 20


class Detector:
    """Watches the replicas of a job under one round of plans; whoever has the next round makes another one."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._ratios: dict[int, deque[float]] = {}
        self._beats: dict[int, int] = {}
        self._slow: dict[int, float] = {}
        self._drift = 1.0

    def tell(self, replica: int, ratio: float) -> None:
        """Say how long a replica took.

        Args:
            replica: Which.
            ratio: Its iteration time over that of the plan that it followed.
        """
        self._ratios.setdefault(replica, deque(maxlen=RECENT)).append(ratio)
        self._beats[replica] = self._beats.get(replica, 0) + 1

    @property
    def seen(self) -> frozenset[int]:
        """Replicas of which enough is known to say that they are none, or are stragglers."""
        return frozenset(replica for replica, found in self._ratios.items() if len(found) >= ENOUGH)

    def stragglers(self) -> Mapping[int, float]:
        """How many times as long as the others each straggler takes."""
        recent = {replica: median_low(self._ratios[replica]) for replica in self.seen}
        common = median_low(recent.values()) if len(recent) >= FEW else 1.0
        for replica, ratio in recent.items():
            factor = ratio / common
            known = self._slow.get(replica)
            if factor < LEAVE or (known is None and factor < ENTER):
                self._slow.pop(replica, None)
            elif known is None or abs(factor - known) > MOVE * known:
                self._slow[replica] = round(factor, 4)
        return dict(self._slow)

    def drift(self) -> float:
        """How many times as long as planned replicas take that are none; 1 while that is not noticeable."""
        settled = [
            median(found)
            for replica, found in self._ratios.items()
            if self._beats[replica] >= DRIFT_BEATS and replica not in self._slow
        ]
        if len(settled) < FEW:
            return self._drift
        common = median_low(settled)
        if abs(common - 1) < DRIFT_LEAVE:
            self._drift = 1.0
        elif abs(common - 1) > DRIFT_ENTER and abs(common - self._drift) > DRIFT_LEAVE:
            self._drift = round(common, 3)
        return self._drift
