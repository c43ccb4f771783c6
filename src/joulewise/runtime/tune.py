"""``for batch in jw.tune(loader)``: all that a training loop must say to run at the setting that is best for it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Generic, TypeVar

from joulewise.clock import Clock
from joulewise.devices.device import Device
from joulewise.errors import UsageError
from joulewise.optimize.power.goal import Goal
from joulewise.runtime.knob import Knob
from joulewise.runtime.session import GoalLike, JobTuner
from joulewise.runtime.tune_line import TuneLine
from joulewise.wire.step_channel import Announcer, Mark, announcer

T = TypeVar("T")
Options = tuple[object, ...]
_KNOWN: dict[int, tuple[weakref.ref[object], Options, JobTuner]] = {}


class Tuned(Generic[T]):
    """A loader whose loop is tuned: iterate over it as often as there are epochs.

    Attributes:
        tuner: What tunes; None if whoever started this program does.
    """

    def __init__(
        self,
        loader: Iterable[T],
        tuner: JobTuner | None,
        announce: Announcer | None = None,
        *,
        progress: bool | None = False,
    ) -> None:
        """Nothing is turned before the first batch."""
        self.loader, self.tuner, self._announce, self._progress = loader, tuner, announce, progress

    def __len__(self) -> int:
        """Number of batches, if the loader knows it."""
        if not isinstance(self.loader, Sized):
            raise TypeError(f"{type(self.loader).__name__} does not know its length")
        return len(self.loader)

    def __iter__(self) -> Iterator[T]:
        """The batches; a step is done when the next is asked for. Settings are put back when the loop ends."""
        if self.tuner is None:
            yield from self._announced()
            return
        started = False
        total = len(self.loader) if isinstance(self.loader, Sized) else None
        with TuneLine(self.tuner, self._progress, total) as line:
            try:
                for batch in self.loader:
                    if not started:
                        self.tuner.start()
                        started = True
                    yield batch
                    self.tuner.step()
                    line.step()
            finally:
                self.tuner.stop()

    def _announced(self) -> Iterator[T]:
        tell = self._announce or (lambda mark: None)
        tell(Mark.BEGIN)
        try:
            for batch in self.loader:
                yield batch
                tell(Mark.STEP)
        finally:
            tell(Mark.END)


def tune(
    loader: Iterable[T],
    *,
    max_slowdown: float | None = None,
    goal: GoalLike | None = None,
    knob: Knob | str | None = None,
    devices: str | Sequence[Device] | None = None,
    store: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    clock: Clock | None = None,
) -> Tuned[T]:
    """Tune a training loop while it runs.

    Args:
        loader: What the loop iterates over, one batch per step. Tuning goes on where it was when the same loader is
            given again, as in ``for epoch in ...: for batch in jw.tune(loader):``; a list or range is not recognised
            again, so hold on to what is returned and iterate over that.
        max_slowdown: Least energy in at most so many times the time of the fastest setting; 1.05 by default.
        goal: Another goal; see `joulewise.optimize.power.goal.Goal`.
        knob: ``power-limit``, ``core-clock``, ``clock-and-limit`` or ``cpu-power-cap``.
        devices: Which, as in ``nvidia:0``; by default what there is, or the rank's own.
        store: File that keeps what was learned for the next run.
        progress: Whether to show on stderr what the tuner does, and what it chose; by default if that is a terminal.
        clock: Time; the machine's by default.

    Raises:
        UsageError: If both ``max_slowdown`` and ``goal`` are given, or one means nothing.
        CapabilityError, PermissionDeniedError: If there is nothing that we may turn.

    Effects:
        As of `JobTuner`. What was found is put back whenever the loop ends. If ``joulewise tune`` started this program,
        that one tunes, and this only tells it of steps.

    Example:
        >>> from joulewise.sim.training import SimulatedTraining
        >>> job = SimulatedTraining("v100", steps=400)
        >>> for batch in (tuned := tune(job, max_slowdown=1.1, devices=job.devices, clock=job.clock)):
        ...     pass  # train
        >>> tuned.tuner.is_decided
        True

    Source:
        Zeus (NSDI'23), section 4.2: the limit is found while the job runs. Probes are chosen rather than swept.
    """
    if max_slowdown is not None and goal is not None:
        raise UsageError("a slowdown is a goal of its own", f"max_slowdown={max_slowdown!r} and a goal", "give one")
    tell = announcer()
    if tell is not None:
        return Tuned(loader, None, tell)
    options = (max_slowdown, goal, knob, devices, store, clock)
    tuner = _known_tuner(loader, options)
    if tuner is None:
        wanted = Goal.max_slowdown(max_slowdown) if max_slowdown is not None else goal
        tuner = JobTuner(wanted, knob=knob, devices=devices, store=store, clock=clock)
        _remember(loader, options, tuner)
    return Tuned(loader, tuner, progress=progress)


def _known_tuner(loader: object, options: Options) -> JobTuner | None:
    of, said, tuner = _KNOWN.get(id(loader), (None, None, None))
    return tuner if of is not None and of() is loader and said == options else None


def _remember(loader: object, options: Options, tuner: JobTuner) -> None:
    """As long as the loader lives; one that cannot be watched (a list) is tuned anew each time."""
    key = id(loader)
    try:
        of = weakref.ref(loader, lambda _: _KNOWN.pop(key, None))
    except TypeError:
        return
    _KNOWN[key] = (of, options, tuner)
