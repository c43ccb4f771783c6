"""The governor of replicas: which plan each pipeline runs, given who straggles.

Theory of operation. Replicas of a pipeline synchronise once an iteration, so all wait for the slowest. If pipeline p is
slowed s_p times, the slowest takes D = max s_p T_p with its fastest plan, T_p, and that is when everyone is done at
best. So p gets the plan for the time D / s_p: slowed down, it takes D. The slowest itself keeps its fastest plan, and
several stragglers at once need no rule of their own. A plan is never slower than the point where waiting is cheaper
(T_max): that is what `Frontier.at_straggler` gives.

A slowdown is told by a scheduler (`Notice`), or found (`SlowdownDetector`); if both, the larger counts, and a notice of
recovery clears what was found. Detectors are told each pipeline's own time, without its waiting for others, over the
time of the plan it ran, divided by the same of all pipelines in the middle (the lower median): what slows all of
them, such as switches of clocks that plans did not reckon with, is nobody's straggling.

A deadline moves only if it matters: by more than ``hysteresis_frac``, or back to the fastest. A told straggler's move
is immediate and exact. Everything here is bookkeeping: a plan swap is a lookup.

Source: Perseus (SOSP'24), section 4.4 (T_opt = min(T*, T')), for one straggler that is told; the rest is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from joulewise.errors import UsageError
from joulewise.frontier import Frontier, Point
from joulewise.optimize.straggling.detector import SlowdownDetector
from joulewise.optimize.straggling.notice import Notice


@dataclass(frozen=True, slots=True)
class Order:
    """What a pipeline is to run.

    Attributes:
        pipeline: Which.
        deadline_s: The iteration time that its plan must not exceed, were it not slowed [s].
        done_s: When all pipelines are done [s].
        point: The point of its frontier; its setting is the plan.
    """

    pipeline: int
    deadline_s: float
    done_s: float
    point: Point


class StragglerGovernor:
    """Orders for replicas, iteration by iteration; pure.

    Args:
        frontiers: One for each pipeline; replicas may share one.
        noise_frac: Relative standard deviation of undisturbed iteration times, at the least.
        hysteresis_frac: Deadlines for stragglers that were found move only by more than this.
    """

    def __init__(
        self, frontiers: Mapping[int, Frontier], *, noise_frac: float = 0.01, hysteresis_frac: float = 0.01
    ) -> None:
        """Begin with nobody slow."""
        if not frontiers:
            raise UsageError("there is nobody to govern", "no pipeline", "give the frontier of at least one")
        self._frontiers = dict(frontiers)
        self._detectors = {pipeline: SlowdownDetector(noise_frac) for pipeline in frontiers}
        self._told: dict[int, float] = {}
        self._held: dict[int, float] = {}
        self._hysteresis_frac = hysteresis_frac
        self._deadlines_s: dict[int, float] = {}
        self._done_s = 0.0
        self._decide()

    @property
    def pipelines(self) -> tuple[int, ...]:
        """All of them."""
        return tuple(self._frontiers)

    def slowdown(self, pipeline: int) -> float:
        """How slow a pipeline is held to be; 1 if it is not."""
        return self._held.get(pipeline, 1.0)

    def stragglers(self) -> dict[int, float]:
        """Those that are slow, and how slow."""
        return {pipeline: factor for pipeline, factor in self._held.items() if factor > 1}

    def notify(self, notice: Notice) -> None:
        """A scheduler says how slow a pipeline is, from now on.

        Raises:
            UsageError: If the pipeline is unknown.
        """
        self._check(notice.pipeline)
        factor = notice.factor(self._fastest_s(notice.pipeline))
        self._told[notice.pipeline] = factor
        if factor <= 1:
            del self._told[notice.pipeline]
            self._detectors[notice.pipeline].recover()
        self._decide()

    def tell(self, times_s: Mapping[int, float]) -> None:
        """How long an iteration of the ordered plans took each pipeline, waiting for other pipelines left out [s].

        Pipelines may be missing. At least two are needed to tell who is slow.

        Raises:
            UsageError: If a pipeline is unknown, or a time is not above 0.
        """
        for pipeline, time_s in times_s.items():
            self._check(pipeline)
            if not 0 < time_s < float("inf"):
                raise UsageError("an iteration time is not usable", f"{time_s!r} s", "give finite seconds above 0")
        if len(times_s) < 2:
            return
        ratios = {pipeline: time_s / self._plan_s(pipeline) for pipeline, time_s in times_s.items()}
        middle = sorted(ratios.values())[(len(ratios) - 1) // 2]
        for pipeline, ratio in ratios.items():
            self._detectors[pipeline].tell(ratio / middle)
        self._decide()

    def ask(self) -> dict[int, Order]:
        """What every pipeline is to run in its next iteration. Changes nothing."""
        return {pipeline: self.order(pipeline) for pipeline in self._frontiers}

    def order(self, pipeline: int) -> Order:
        """What one pipeline is to run in its next iteration.

        Raises:
            UsageError: If it is unknown.
        """
        self._check(pipeline)
        deadline_s = self._deadlines_s[pipeline]
        frontier = self._frontiers[pipeline]
        return Order(pipeline, deadline_s, self._done_s, frontier.at_time(max(deadline_s, self._fastest_s(pipeline))))

    def _decide(self) -> None:
        """Slowdowns that are held, and deadlines that follow."""
        for pipeline in self._frontiers:
            told, found = self._told.get(pipeline, 1.0), self._detectors[pipeline].slowdown
            held = self._held.get(pipeline, 1.0)
            factor = max(told, found)
            matters = abs(factor - held) > self._hysteresis_frac * held
            if matters or factor in (told, 1.0):
                self._held[pipeline] = factor
        self._done_s = max(self._held[pipeline] * self._fastest_s(pipeline) for pipeline in self._frontiers)
        self._deadlines_s = {p: max(self._done_s / self._held[p], self._fastest_s(p)) for p in self._frontiers}

    def _fastest_s(self, pipeline: int) -> float:
        return float(self._frontiers[pipeline].time_s[0])

    def _plan_s(self, pipeline: int) -> float:
        return self.order(pipeline).point.time_s

    def _check(self, pipeline: int) -> None:
        if pipeline not in self._frontiers:
            known = f"{len(self._frontiers)} pipelines are known"
            raise UsageError(f"pipeline {pipeline} is unknown", known, "name one that the governor was given")
