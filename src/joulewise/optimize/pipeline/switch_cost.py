"""What a change of setting costs, how sure one is of it, and how that scatter is realised.

Theory of operation. A rank that is told another setting waits until it is in force. How long that takes depends mostly
on the setting that is told, and scatters with a long tail upwards, so a latency is a log-normal variable: never
negative, and described by its mean and its standard deviation as a fraction of the mean. Since energy is linear in the
time of an iteration, expected energy needs the expected time only. A deadline is another matter: it is kept in a share
``confidence`` of all iterations. Both are taken over a fixed sample in which every operation sees each quantile of the
latency once, in an order of its own (Latin hypercube), so that the same plan always gets the same figures and longer
latencies are never judged by luckier draws.

Source: switching latencies of GPUs by target clock, arXiv 2502.20075; the law and the sample are ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.frontier.settings import Setting

Floats = NDArray[np.float64]
DRAWS = 100
"""Iterations in the sample by which confidence is judged."""
_SEED = 1


@dataclass(frozen=True, slots=True)
class SwitchCost:
    """What a change of setting between two computations of a rank costs.

    Attributes:
        latency_s: Mean time during which the rank waits for it [s].
        penalty_j: Energy that it must save to be worth planning [J].
        jitter_frac: Standard deviation of the time, as a fraction of its mean.
        confidence: Share of iterations that must meet the deadline where there is jitter.
        latencies_s: Mean time to reach single settings, as pairs of setting and time [s]; linear between them, and
            in place of ``latency_s`` for settings that are numbers.
    """

    latency_s: float = 0.0
    penalty_j: float = 0.0
    jitter_frac: float = 0.0
    confidence: float = 0.95
    latencies_s: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        """Check all."""
        for name in ("latency_s", "penalty_j", "jitter_frac"):
            value = getattr(self, name)
            if not (value >= 0 and np.isfinite(value)):
                raise UsageError(f"the {name} of a switch is not usable", repr(value), "give a number, not negative")
        if not 0.5 <= self.confidence < 1:
            raise UsageError("the confidence is not usable", repr(self.confidence), "give a share from 0.5 to below 1")
        for setting, time_s in self.latencies_s:
            if not (time_s >= 0 and np.isfinite(time_s) and np.isfinite(setting)):
                seen, fix = f"{time_s!r} s to reach {setting!r}", "give numbers, no time negative"
                raise UsageError("a latency of latencies_s is not usable", seen, fix)
        object.__setattr__(self, "latencies_s", tuple(sorted((float(s), float(t)) for s, t in self.latencies_s)))

    def __bool__(self) -> bool:
        """Whether a switch costs anything."""
        return self.latency_s > 0 or self.penalty_j > 0 or any(time_s > 0 for _, time_s in self.latencies_s)

    def to_reach_s(self, setting: Setting) -> float:
        """Mean time to reach a setting [s]."""
        if not self.latencies_s or not isinstance(setting, int | float):
            return self.latency_s
        settings, times_s = zip(*self.latencies_s, strict=True)
        return float(np.interp(float(setting), settings, times_s))

    def factors(self, count: int) -> Floats:
        """By what the mean latency of each of ``count`` operations is multiplied in each iteration of the sample.

        Shapes:
            result: (count, DRAWS), or (count, 1) and all ones without jitter.
        """
        if not self.jitter_frac:
            return np.ones((count, 1))
        normal = NormalDist()
        quantiles = self._factor(np.array([normal.inv_cdf((draw + 0.5) / DRAWS) for draw in range(DRAWS)]))
        generator = np.random.default_rng(_SEED)
        return generator.permuted(np.tile(quantiles / quantiles.mean(), (count, 1)), axis=1)

    def drawn(self, count: int, generator: np.random.Generator) -> Floats:
        """Such factors for one iteration, by chance. Shapes: (count,)."""
        return self._factor(generator.standard_normal(count))

    def kept_s(self, times_s: Floats) -> Floats:
        """The time that a share ``confidence`` of iterations keeps [s]. Shapes: times_s (..., draws); result (...)."""
        draws = times_s.shape[-1]
        return np.asarray(np.partition(times_s, rank := _rank(self.confidence, draws), axis=-1)[..., rank])

    def _factor(self, normal: Floats) -> Floats:
        variance = float(np.log1p(self.jitter_frac**2))
        return np.asarray(np.exp(np.sqrt(variance) * normal - variance / 2))


FREE = SwitchCost()


def _rank(confidence: float, draws: int) -> int:
    """Place of the quantile among sorted draws, and two standard errors more: plans are chosen by the same sample."""
    surer = confidence + 2 * (confidence * (1 - confidence) / draws) ** 0.5
    return min(draws - 1, max(0, int(np.ceil(surer * draws - 1e-9)) - 1))


def latencies_by_setting(switch: SwitchCost, settings: Iterable[Setting]) -> Floats:
    """Mean time to reach each setting [s]."""
    return np.array([switch.to_reach_s(setting) for setting in settings], dtype=np.float64)
