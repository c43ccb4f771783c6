"""The frontier of a recurring job: time and energy to target over (batch size, power limit)."""

from __future__ import annotations

import numpy as np

from joulewise.errors import UsageError
from joulewise.frontier import Frontier
from joulewise.frontier.point import Point
from joulewise.optimize.batch.curves import CurveBandit
from joulewise.optimize.batch.whole_epochs import expected_epochs
from joulewise.records import Provenance


def job_frontier(
    bandit: CurveBandit, *, every_size: bool = False, provenance: Provenance = Provenance.MODELLED
) -> Frontier:
    """What a job can be had for, by what its bandit knows: epochs to target times what an epoch takes at each limit.

    Args:
        bandit: Who has learned.
        every_size: Whether sizes that ran an epoch but have never finished count too, at their expected epochs.
        provenance: Of the figures. A product of epochs and rates is a model, even of measured factors; name SIMULATED
            if the runs were.

    Returns:
        A frontier whose settings are (batch size, limit in watts or None).

    Raises:
        UsageError: If no size qualifies yet.
    """
    belief, noise = bandit.curves.epochs(bandit.evidence)
    expected = expected_epochs(belief.mean, np.diag(belief.cov) + noise)
    finished = bandit.evidence.samples
    points = []
    for size, rates in bandit.rates.items():
        if size not in finished and not every_size:
            continue
        epochs = float(expected[bandit.curves.position[size]])
        count = len(finished[size].values) if size in finished else 1
        points += [
            Point(epochs * rate.epoch_s, epochs * rate.epoch_j, (size, rate.limit_w), provenance, samples=count)
            for rate in rates
        ]
    if not points:
        raise UsageError("the job has no frontier yet", "no batch size has reached the target", "run it once")
    return Frontier.from_points(points)
