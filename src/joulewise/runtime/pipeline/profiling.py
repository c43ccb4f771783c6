"""The profile of a running pipeline: sweeps clocks during the first iterations, plans, and says when a plan is there.

Theory of operation. Ranks agree at the boundaries of iterations, where each says whether it is done. The first
iteration runs at the clocks that were found and shows the order. Then the sweep says at which clock to run what, one
iteration after the other, until all ranks are done; ranks that are done early go on at the clocks that were found. The
portraits of all ranks go to the plan source of the first one, and from then on it is asked at each boundary, until
there is a plan or a reason why there is none. After that nothing is exchanged any more.

A rank on which something fails says so and goes on taking part, so that nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from joulewise.runtime.pipeline.computation import Iteration, Operation
from joulewise.runtime.pipeline.exchange import Exchange
from joulewise.runtime.pipeline.gauge import Tick
from joulewise.runtime.pipeline.plan_source import FAILED, PlanSource
from joulewise.runtime.pipeline.portrait import Portrait
from joulewise.runtime.pipeline.portraitist import Portraitist
from joulewise.runtime.pipeline.sweep import SweepMaker


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

    Attributes:
        phase: What iterations are used for now.
        asked: At which clock to run what in the next iteration [MHz].
        iterations: How many were used to learn and to sweep.
        failure: Why there will be no plan, or nothing.
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
    ) -> None:
        """Begin to learn the order."""
        self.phase, self.iterations, self.failure = Phase.LEARN, 0, ""
        self.asked: Mapping[Operation, int] = {}
        self._exchange, self._source, self._name = exchange, source, name
        self._make, self._clocks_mhz, self._gpus = sweep, clocks_mhz, gpus
        self._portraitist: Portraitist | None = None
        self._portrait: Portrait | None = None
        self._lost: Mapping[str, Any] | None = None

    @property
    def measuring(self) -> bool:
        """Whether computations are to be timed exactly."""
        return self.phase in (Phase.LEARN, Phase.SWEEP)

    def end_iteration(
        self, iteration: Iteration | None, ticks: Sequence[Tick], tick_sd_s: float, failure: str
    ) -> Mapping[str, Any] | None:
        """Say that an iteration has ended. Collective, until the phase is DONE.

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
                self.phase, self.failure = Phase.DONE, str(answer.get(FAILED, ""))
                return None if self.failure else answer
        return None

    def _together(self, act: Callable[[], Any]) -> Any:
        """Do something with the others; if they cannot be reached, do nothing with them ever again."""
        try:
            return act()
        except Exception as error:
            self.phase, self.asked = Phase.DONE, {}
            self.failure = f"other ranks cannot be reached: {error}".splitlines()[0]
            return None

    def _agree(self, words: Sequence[Word]) -> None:
        failed = [f"rank {rank}: {word.failure}" for rank, word in enumerate(words) if word.failure]
        if not failed and not all(word.done for word in words):
            self.phase = Phase.SWEEP
            return
        self.asked = {}
        self.phase, self.failure = (Phase.DONE if failed else Phase.PLAN), "; ".join(failed)
        if not failed and self._exchange.rank == 0:
            self._submit([word.portrait for word in words if word.portrait is not None])

    def _learned(self, iteration: Iteration | None, ticks: Sequence[Tick], tick_sd_s: float, failure: str) -> Word:
        try:
            if failure or iteration is None:
                return Word(True, failure=failure or "an iteration was not seen")
            if self._portraitist is None:
                rank, clocks_mhz = self._exchange.rank, self._clocks_mhz
                self._portraitist = Portraitist(iteration, rank, self._make, clocks_mhz=clocks_mhz, gpus=self._gpus)
            elif self._portrait is None:
                self._portraitist.add(iteration, ticks, tick_sd_s)
            self.asked = self._portraitist.asked
            if not self.asked and self._portrait is None:
                self._portrait = self._portraitist.portrait()
            return Word(self._portrait is not None, self._portrait)
        except Exception as error:  # others wait for this rank's word
            return Word(True, failure=f"{type(error).__name__}: {error}")

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
