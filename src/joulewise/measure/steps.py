"""Windows by step: ``for batch in steps(loader)``, with live joules, watts and joules per sample like a progress bar.

Theory of operation. Each turn of the loop, from when a batch was handed out until the next is asked for, is a step.
Single steps are often shorter than a tick of the sensor, and then nothing honest can be said of one step: its energy
is known to lie within bounds, no more. The mean over all steps is known well, since between them only two edges lie.
The spread of steps is given where steps are long enough for the sensor; else it is None, and a warning says why.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Generic, TypeVar

from joulewise.errors import UsageError
from joulewise.measure.measurement import Measurement
from joulewise.measure.meter import Meter
from joulewise.measure.synchronise import Wait
from joulewise.measure.window import Window
from joulewise.wire.step_channel import Mark, announcer

T = TypeVar("T")
SHORT_FRAC = 0.5
KEPT = 512


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        duration_s: How long it was [s].
        energy_j, lo_j, hi_j: What was used, and its bounds [J].
        resolution_j: How far two equal steps may read apart [J].
        samples: How many samples it handled, or None.
    """

    duration_s: float
    energy_j: float
    lo_j: float
    hi_j: float
    resolution_j: float
    samples: float | None = None


@dataclass(frozen=True)
class StepStatistics:
    """What steps used.

    Attributes:
        count: How many steps.
        total: All of them as one window, or None if there was no step.
        mean_j, mean_lo_j, mean_hi_j: Energy per step, and its bounds [J].
        sd_j, min_j, max_j: Spread of single steps [J], of at most 512 at even distance; None where steps are too short
            for the sensor, and while they run.
        mean_s: Duration of a step [s].
        joules_per_sample: Energy per sample [J], if samples were told.
        warnings: What else to know.
    """

    count: int
    total: Measurement | None
    mean_j: float
    mean_lo_j: float
    mean_hi_j: float
    sd_j: float | None
    min_j: float | None
    max_j: float | None
    mean_s: float
    joules_per_sample: float | None = None
    warnings: tuple[str, ...] = ()


class Steps(Generic[T]):
    """An iterable that measures each turn of the loop over it.

    Args:
        meter: Measures.
        batches: What to loop over.
        samples: Samples in a batch: a number, or what tells it of a batch.
        progress: Whether to show a line on stderr while it runs; by default if that is a terminal.
        synchronise: Which frameworks to wait for at the edges of each step; by default none, since that stalls their
            queues: only the first and last edge wait.
        name: For people.

    Raises:
        UsageError: If the number of samples is not above 0.
    """

    def __init__(
        self,
        meter: Meter,
        batches: Iterable[T],
        *,
        samples: float | Callable[[T], float] | None = None,
        progress: bool | None = None,
        synchronise: bool | str | Wait | None = False,
        name: str = "step",
    ) -> None:
        """Nothing has run."""
        if samples is not None and not callable(samples) and not samples > 0:
            raise UsageError(
                "a batch has samples", f"samples = {samples!r}", "give how many, or what tells it of a batch"
            )
        self._meter, self._batches, self._samples = meter, batches, samples
        self._progress, self._synchronise, self.name = progress, synchronise, name
        self._kept: list[tuple[Window, float | None]] = []
        self._stride = 1
        self._all: Window | None = None
        self._count, self._sampled = 0, 0.0

    def __len__(self) -> int:
        """How many turns there will be, if that is known."""
        if not isinstance(self._batches, Sized):
            raise TypeError(f"{type(self._batches).__name__} has no length")
        return len(self._batches)

    def __iter__(self) -> Iterator[T]:
        """Loop, measuring; whoever started this program hears of steps, if it listens."""
        from joulewise.measure.step_line import StepLine  # noqa: PLC0415 (rich, and only for those who look)

        tell = announcer() or (lambda mark: None)
        self._all = self._meter.begin(f"all {self.name}s")
        line = StepLine(self, self._progress, len(self._batches) if isinstance(self._batches, Sized) else None)
        try:
            tell(Mark.BEGIN)
            with line:
                for batch in self._batches:
                    samples = self._samples(batch) if callable(self._samples) else self._samples
                    window = self._meter.begin(self.name, synchronise=self._synchronise)
                    try:
                        yield batch
                    finally:
                        self._count += 1
                        self._sampled += samples or 0.0
                        self._keep(window.end(), samples)
                    tell(Mark.STEP)
                    line.show()
        finally:
            tell(Mark.END)
            self._all.end()

    def _keep(self, window: Window, samples: float | None) -> None:
        """Keep few steps at even distance: to tell the energy of a single one costs milliseconds."""
        if (self._count - 1) % self._stride == 0:
            self._kept.append((window, samples))
        if len(self._kept) > KEPT:
            self._kept, self._stride = self._kept[::2], 2 * self._stride

    def now_ns(self) -> int:
        """The instant now [ns]."""
        return self._meter.clock.now_ns()

    @property
    def count(self) -> int:
        """Steps that have ended."""
        return self._count

    @property
    def known(self) -> tuple[Step, ...]:
        """Single steps that have ended, at most 512 at even distance; waits as `statistics` does."""
        told = [(window, samples, window.result().total) for window, samples in self._kept]
        return tuple(
            Step(window.duration_s, total.energy_j, total.lo_j, total.hi_j, total.resolution_j, samples)
            for window, samples, total in told
            if total is not None
        )

    def so_far(self) -> StepStatistics:
        """What is known of all steps by now, without waiting, and nothing of single ones."""
        return self._statistics(None if self._all is None else self._all.so_far(), ())

    @property
    def statistics(self) -> StepStatistics:
        """Statistics of the steps that have ended; waits, at most two seconds, for what sensors tell late."""
        if self._all is None or self._all.end_ns is None:
            return self.so_far()
        return self._statistics(self._all.result(), self.known)

    def _statistics(self, total: Measurement | None, known: Sequence[Step]) -> StepStatistics:
        whole = None if total is None else total.total
        if total is None or whole is None or not self._count:
            nan = math.nan
            return StepStatistics(self._count, total, nan, nan, nan, None, None, None, nan)
        count = self._count
        warnings: list[str] = list(total.warnings)
        spread: tuple[float | None, float | None, float | None] = (None, None, None)
        single_j = [step.energy_j for step in known]
        mean_j = whole.energy_j / count
        resolution_j = statistics.fmean(step.resolution_j for step in known) if known else math.inf
        if known and resolution_j <= SHORT_FRAC * mean_j:
            spread = (statistics.stdev(single_j) if len(known) > 1 else 0.0, min(single_j), max(single_j))
        elif known:
            length = f"steps of {total.duration_s / count:.3g} s are too short for the sensor"
            warnings.append(f"{length} ({resolution_j:.3g} J of {mean_j:.3g} J per step): only their mean is known")
        sampled = self._sampled
        return StepStatistics(
            count,
            total,
            mean_j,
            whole.lo_j / count,
            whole.hi_j / count,
            *spread,
            mean_s=total.duration_s / count,
            joules_per_sample=whole.energy_j / sampled if sampled else None,
            warnings=tuple(warnings),
        )


def steps(
    batches: Iterable[T],
    *,
    meter: Meter | None = None,
    samples: float | Callable[[T], float] | None = None,
    progress: bool | None = None,
    synchronise: bool | str | Wait | None = False,
) -> Steps[T]:
    """Loop over batches, measuring what each turn uses on all devices that are found, as ``tqdm`` shows time.

    Args:
        batches: What to loop over.
        meter: Measures; by default a new one on all devices.
        samples: Samples in a batch: a number, or what tells it of a batch.
        progress: Whether to show a line on stderr; by default if that is a terminal.
        synchronise: Which frameworks to wait for at the edges of each step.
    """
    return Steps(meter or Meter(), batches, samples=samples, progress=progress, synchronise=synchronise)
