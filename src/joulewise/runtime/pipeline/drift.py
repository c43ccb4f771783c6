"""Whether iterations still take what they took when the plan was new.

What a plan says and what an iteration takes differ from the beginning by what no plan knows (transfers, switches), so
times are compared with the first ones under the plan. Medians of twenty iterations, and five per cent, are what a hub
goes by as well (`joulewise.pipelines.detection`).
"""

from __future__ import annotations

from collections import deque
from statistics import median

DRIFT_FRAC = 0.05
SPAN = 20


class DriftWatch:
    """Told how long each iteration under a plan took; pure."""

    def __init__(self) -> None:
        """Nothing has run yet."""
        self._times_s: deque[float] = deque(maxlen=SPAN)
        self._usual_s = 0.0

    def add(self, time_s: float) -> None:
        """An iteration under the plan took so long [s]."""
        self._times_s.append(time_s)
        if not self._usual_s and len(self._times_s) == SPAN:
            self._usual_s = median(self._times_s)

    @property
    def has_drifted(self) -> bool:
        """Whether the last ones took noticeably longer, or shorter, than the first ones."""
        return bool(self._usual_s) and abs(median(self._times_s) / self._usual_s - 1) > DRIFT_FRAC
