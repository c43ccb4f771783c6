"""The profile of a running pipeline: sweeps clocks during the first iterations, plans, and says when a plan is there.

Theory of operation. Ranks agree at the boundaries of iterations, where each says whether it is done. The first
iteration runs at the clocks that were found and shows the order. Then the sweep says at which clock to run what, one
iteration after the other, until all ranks are done; ranks that are done early go on at the clocks that were found. The
portraits of all ranks go to the plan source of the first one, and from then on it is asked at each boundary, until
there is a plan or a reason why there is none. After that ranks say one word every fifty iterations: whether all are
well, and the first one whether the profile still holds. If it does not, because the source says so
(`joulewise.runtime.pipeline.plan_source.DriftSource`) or, with any other source, because iterations take another time
than when the plan was new, they profile and plan once more. That is budgeted: never more than a twentieth of all
iterations. If it fails, the plan that there is stays.

A rank on which something fails says so and goes on taking part, so that nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from joulewise.runtime.pipeline.computation import Iteration, Operation
from joulewise.runtime.pipeline.drift import DriftWatch
from joulewise.runtime.pipeline.exchange import Exchange
from joulewise.runtime.pipeline.gauge import Tick
from joulewise.runtime.pipeline.plan_source import FAILED, DriftSource, PlanSource
from joulewise.runtime.pipeline.portrait import Portrait
from joulewise.runtime.pipeline.portraitist import Portraitist
from joulewise.runtime.pipeline.sweep import SweepMaker

WORD_EVERY = 50
"""Iterations between words about drift."""
REST_FACTOR = 20
"""Iterations under a plan for each one that was spent on profiling, before that may happen again."""


class Phase(StrEnum):
    """What iterations are used for."""

    LEARN = "learning the order"
    SWEEP = "sweeping clocks"
    PLAN = "planning"
    DONE = "done"


@dataclass(frozen=True)
class Word:
    """What a rank tells the others after an iteration.

    Attributes:
        done: Whether its sweep is over.
        portrait: What it found out, if its sweep is over.
        failure: Why it has no portrait, or nothing.
    """

    done: bool
    portrait: Portrait | None = None
    failure: str = ""


class Profiling:
    """Profiles one rank together with the others.

    Args:
        exchange: The ranks.
        source: Makes the plan.
        sweep: Makes the sweep of this rank.
        clocks_mhz: What its devices take [MHz], rising.
        gpus: How many it has.
        name: Of the schedule, for people.
        word_every: Iterations between words about drift.
        rest_factor: Iterations under a plan, for each one that was spent on profiling, before that may happen again.

    Attributes:
        phase: What iterations are used for now.
        asked: At which clock to run what in the next iteration [MHz].
        iterations: How many were used to learn and to sweep, the last time.
        rounds: How often it has found a plan.
        failure: Why there will be no plan, or nothing.
        note: Why the last attempt to profile again came to nothing, or nothing.
    """

    def __init__(
        self,
        exchange: Exchange,
        source: PlanSource,
        sweep: SweepMaker,
        *,
        clocks_mhz: Sequence[int],
        gpus: int,
        name: str,
        word_every: int = WORD_EVERY,
        rest_factor: float = REST_FACTOR,
    ) -> None:
        """Begin to learn the order."""
        self.rounds, self.failure, self.note = 0, "", ""
        self._exchange, self._source, self._name = exchange, source, name
        self._make, self._clocks_mhz, self._gpus = sweep, clocks_mhz, gpus
        self._word_every, self._rest_factor = word_every, rest_factor
        self._reachable = True
        self._begin()

    def _begin(self) -> None:
        self.phase, self.iterations, self.note = Phase.LEARN, 0, ""
        self.asked: Mapping[Operation, int] = {}
        self._portraitist: Portraitist | None = None
        self._portrait: Portrait | None = None
        self._lost: Mapping[str, Any] | None = None
        self._trying: Mapping[Operation, int] = {}
        self._tried, self._warmed, self._warming = 0, 0, False
        self._rested = 0
        self._watch = DriftWatch()

    @property
    def measuring(self) -> bool:
        """Whether computations are to be timed exactly."""
        return self.phase in (Phase.LEARN, Phase.SWEEP)

    def end_iteration(
        self, iteration: Iteration | None, ticks: Sequence[Tick], tick_sd_s: float, failure: str
    ) -> Mapping[str, Any] | None:
        """Say that an iteration has ended. Collective until the phase is DONE, and every ``word_every`` iterations.

        Args:
            iteration: What ran; None if that is not known.
            ticks: What counters showed meanwhile.
            tick_sd_s: How well their instants are known, as a standard deviation [s].
            failure: Why this rank cannot go on, or nothing.

        Returns:
            The document of the plan, once.
        """
        if self.measuring:
            self.iterations += 1
            word = self._learned(iteration, ticks, tick_sd_s, failure)
            words = self._together(lambda: self._exchange.gather(word))
            if words is not None:
                self._agree(words)
        elif self.phase is Phase.PLAN:
            polled = self._polled() if self._exchange.rank == 0 else None
            answer = self._together(lambda: self._exchange.broadcast(polled))
            if answer is not None:
                reason = str(answer.get(FAILED, ""))
                self._end(reason)
                self.rounds += not reason
                return None if reason else answer
        elif self.rounds and self._reachable:
            self._follow(iteration, failure)
        return None

    def new_plan(self) -> None:
        """Another plan is followed from now on: its iterations may take another time."""
        self._watch = DriftWatch()

    def _end(self, reason: str) -> None:
        """Profiling is over; a reason is why there is no new plan."""
        self.phase, self.asked = Phase.DONE, {}
        if self.rounds:
            self.note = reason
        else:
            self.failure = reason

    def _follow(self, iteration: Iteration | None, failure: str) -> None:
        """Under a plan: count, and say now and then whether it still holds."""
        self._rested += 1
        if iteration is not None and iteration.planned:
            self._watch.add(iteration.time_s)
        if self._rested % self._word_every == 0:
            word = None if failure else self._has_drifted
            words = self._together(lambda: self._exchange.gather(word))
            if words is not None and None not in words and words[0]:
                self._begin()

    @property
    def _has_drifted(self) -> bool:
        if self._rested < self._rest_factor * self.iterations:
            return False
        source = self._source
        return source.should_profile if isinstance(source, DriftSource) else self._watch.has_drifted

    def _together(self, act: Callable[[], Any]) -> Any:
        """Do something with the others; if they cannot be reached, do nothing with them ever again."""
        try:
            return act()
        except Exception as error:
            self._reachable = False
            self._end(f"other ranks cannot be reached: {error}".splitlines()[0])
            return None

    def _agree(self, words: Sequence[Word]) -> None:
        failed = [f"rank {rank}: {word.failure}" for rank, word in enumerate(words) if word.failure]
        if not failed and not all(word.done for word in words):
            self.phase = Phase.SWEEP
            return
        if failed:
            self._end("; ".join(failed))
            return
        self.phase, self.asked = Phase.PLAN, {}
        if self._exchange.rank == 0:
            self._submit([word.portrait for word in words if word.portrait is not None])

    def _learned(self, iteration: Iteration | None, ticks: Sequence[Tick], tick_sd_s: float, failure: str) -> Word:
        try:
            if failure or iteration is None:
                return Word(True, failure=failure or "an iteration was not seen")
            if self._portraitist is None:
                rank, clocks_mhz = self._exchange.rank, self._clocks_mhz
                self._portraitist = Portraitist(iteration, rank, self._make, clocks_mhz=clocks_mhz, gpus=self._gpus)
            elif self._portrait is None and not self._warming:
                self._portraitist.add(iteration, ticks, tick_sd_s)
            coming = self._portraitist.asked
            self._warming = self._is_to_warm(coming)
            self.asked = {} if self._warming else coming
            if not coming and self._portrait is None:
                self._portrait = self._portraitist.portrait()
            return Word(self._portrait is not None, self._portrait)
        except Exception as error:  # others wait for this rank's word
            return Word(True, failure=f"{type(error).__name__}: {error}")

    def _is_to_warm(self, coming: Mapping[Operation, int]) -> bool:
        """Whether the next iteration is one as found, because another clock comes: as many as ran at the last one."""
        if coming and coming == self._trying:
            self._tried += 1
            return False
        if coming and self._warmed <= self._tried:
            self._warmed += 1
            return True
        self._trying, self._tried, self._warmed = coming, 0, 0
        return False

    def _submit(self, portraits: Sequence[Portrait]) -> None:
        try:
            self._source.submit(portraits, self._name)
        except Exception as error:
            self._lost = {FAILED: f"{type(error).__name__}: {error}"}

    def _polled(self) -> Mapping[str, Any] | None:
        if self._lost is not None:
            return self._lost
        try:
            return self._source.poll()
        except Exception as error:
            return {FAILED: f"{type(error).__name__}: {error}"}
