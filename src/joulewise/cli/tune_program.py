"""Run a program beside the thread that tunes it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from joulewise.cli.child import Ended, run_forwarding
from joulewise.cli.run_once import timeline_of
from joulewise.devices.simulated.shadow import following
from joulewise.measure.measurement import Measurement
from joulewise.measure.timeline import Timeline
from joulewise.runtime.observe.marker import pass_on
from joulewise.runtime.observe.watch import Watch
from joulewise.runtime.session import JobTuner
from joulewise.wire.step_channel import StepChannel


@dataclass(frozen=True)
class TunedRun:
    """What came of a program.

    Attributes:
        ended: How it ended.
        watch: Who watched it.
        measurement, timeline: Of the tuned devices from its begin to its end, if they are to be drawn.
    """

    ended: Ended
    watch: Watch
    measurement: Measurement | None
    timeline: Timeline | None


def run_tuned(
    command: Sequence[str],
    environ: Mapping[str, str],
    tuner: JobTuner,
    marker: re.Pattern[bytes] | None,
    patience_s: float,
    *,
    drawn: bool = False,
) -> TunedRun:
    """Run a program, and tune its devices until it ends.

    Args:
        command: Program and arguments.
        environ: Its environment variables.
        tuner: Closed when this returns.
        marker: What it prints at the end of a step, if that is known; its output then goes through us.
        patience_s: How long to wait for steps that it tells itself [s].
        drawn: Whether to measure all of it, and keep what is read.
    """
    whole = tuner.meter.begin(command[0]) if drawn else None
    with ExitStack() as stack:
        channel = stack.enter_context(StepChannel())
        watch = Watch(tuner, channel, by_marker=marker is not None, patience_s=patience_s)
        outputs = (None, None) if marker is None else stack.enter_context(_copied(marker, watch.match))

        @contextmanager
        def beside(pid: int) -> Iterator[None]:
            ended = Event()
            watcher = Thread(target=watch.run, args=(ended,), name="joulewise-tuner", daemon=True)
            with following(tuner.tunable.devices, tuner.clock, pid):
                watcher.start()
                try:
                    yield
                finally:
                    ended.set()
                    watcher.join()

        ended = run_forwarding(command, {**environ, **channel.environ}, beside, outputs=outputs)
    measurement = whole.end().result() if whole is not None else None
    timeline = None if measurement is None else timeline_of(tuner.meter, measurement)
    tuner.close()
    return TunedRun(ended, watch, measurement, timeline)


@contextmanager
def _copied(marker: re.Pattern[bytes], on_step: Callable[[], None]) -> Iterator[tuple[int, int]]:
    """Write ends of pipes whose lines are looked at and passed on to our standard output and error."""
    copiers, writers = [], []
    for sink in (sys.stdout.buffer, sys.stderr.buffer):
        reader, writer = os.pipe()
        writers.append(writer)
        copiers.append(pass_on(os.fdopen(reader, "rb"), sink, marker, on_step))
    try:
        yield writers[0], writers[1]
    finally:
        for writer in writers:
            os.close(writer)
        for copier in copiers:
            copier.join()
