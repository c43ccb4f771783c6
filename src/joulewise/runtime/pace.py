"""How fast the steps of a job are, and how many of them count as one.

Theory of operation. A tuner thinks in steps, a sensor in time: energy counters move ten times a second, perhaps, and a
step may take a millisecond. So as many steps count as one as last for two periods of the sensor. Figures stay those of
single steps, only the number of samples is that of the groups. All ranks of a job must count alike, so that only
outcomes that are common to them are learned from.
"""

from __future__ import annotations

import math
from dataclasses import replace

from joulewise.optimize.protocol import Outcome, Share

PERIODS = 2.0
"""How many periods of the sensor a counted step lasts at least."""
MOST_DOUBLINGS = 6


class Pace:
    """Of the steps of one job.

    Args:
        sensor_s: Period of the slowest sensor of all ranks [s].

    Attributes:
        step_s: Time of a step as last learned [s]; None before the first time.
        group: How many steps count as one.
    """

    def __init__(self, sensor_s: float) -> None:
        """Nothing is known yet: every step counts."""
        self.step_s: float | None = None
        self.group = self._least_group = 1
        self._sensor_s, self._doublings = sensor_s, 0

    def learn(self, outcome: Outcome) -> None:
        """Learn how long a step takes."""
        if outcome.steps and outcome.time_s > 0:
            self.step_s = outcome.time_s / outcome.steps
            self.group = max(self._least_group, math.ceil(PERIODS * self._sensor_s / self.step_s))

    def lengthen(self, outcome: Outcome) -> bool:
        """Whether an outcome was too short for any energy to be seen; steps are then counted by twice as many."""
        if outcome.void or (outcome.energy_j > 0 and outcome.time_s > 0) or self._doublings >= MOST_DOUBLINGS:
            return False
        self._doublings += 1
        self.group = self._least_group = 2 * self.group
        return True

    def steps(self, duration_s: float) -> int:
        """How many steps that takes, at least one."""
        return max(1, math.ceil(duration_s / self.step_s)) if self.step_s else 1

    def counted(self, outcome: Outcome) -> Outcome:
        """An outcome of single steps as one of groups: as many samples as there are groups, figures as before."""
        samples = max(1, round(outcome.steps / self.group))
        share = samples / outcome.steps if outcome.steps else 1.0
        sd_s = outcome.step_time_sd_s
        return replace(
            outcome,
            steps=samples,
            time_s=outcome.time_s * share,
            energy_j=outcome.energy_j * share,
            energy_lo_j=outcome.energy_lo_j * share,
            energy_hi_j=outcome.energy_hi_j * share,
            step_time_sd_s=None if sd_s is None else sd_s / self.group,
            shares=tuple(Share(one.energy_j * share, one.resolution_j * share) for one in outcome.shares),
        )
