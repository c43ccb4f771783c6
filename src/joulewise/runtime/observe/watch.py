"""Tune a program from outside: hear or see its steps, and pass them on to whoever tunes.

Steps come from the first of these that there is: the program's own loop, if joulewise wraps it; lines of its output
that match a marker, if one was given; the rhythm of a device's power or utilisation, if it is regular. If there is
none of them, nothing is tuned, and it is said why.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from queue import Empty, SimpleQueue
from threading import Event

from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device, can
from joulewise.errors import JoulewiseError
from joulewise.runtime.observe.rhythm import Rhythm
from joulewise.runtime.session import JobTuner
from joulewise.wire.step_channel import Mark, StepChannel

POLL_S = 0.05
PATIENCE_S = 20.0
"""How long a program may be silent before its steps are looked for in the rhythm of its devices [s]."""
REFUSE_AFTER_S = 120.0
SIGNALS = (
    (Kind.POWER_INSTANT, "read_power_w"),
    (Kind.UTILISATION, "read_utilisation_frac"),
    (Kind.POWER_AVERAGE, "read_average_power_w"),
)


class Source(StrEnum):
    """Where steps come from."""

    LOOP = "the program's own loop"
    MARKER = "the marker in its output"
    RHYTHM = "the rhythm of its devices"


class Watch:
    """Passes a program's steps on to a tuner; all of that in the thread that calls `run`.

    Args:
        tuner: Who is told.
        channel: Where the program's own loop tells its steps.
        by_marker: Whether a marker was given, so that no rhythm is looked for.
        patience_s: How long to wait for the program's own steps before looking for a rhythm [s].

    Attributes:
        source: Where steps come from; None as long as there are none.
        refusal: Why nothing is tuned, or nothing.
        steps: How many were seen.
    """

    def __init__(
        self, tuner: JobTuner, channel: StepChannel, *, by_marker: bool = False, patience_s: float = PATIENCE_S
    ) -> None:
        """Nothing is seen yet."""
        self._tuner, self._channel, self._clock = tuner, channel, tuner.clock
        self._by_marker, self._patience_s = by_marker, patience_s
        self._matches: SimpleQueue[None] = SimpleQueue()
        self.source: Source | None = None
        self.refusal, self.steps = "", 0
        self._rhythm, self._signal = Rhythm(), None if by_marker else _signal(tuner.tunable.devices)

    def match(self) -> None:
        """Say that a line matched the marker; from any thread."""
        self._matches.put(None)

    def run(self, ended: Event) -> None:
        """Watch until the program has ended, then put back what was found."""
        began_ns = self._clock.now_ns()
        try:
            while not ended.is_set():
                by_output = self._by_marker and self.source is not Source.LOOP
                mark = self._channel.receive(0.0 if by_output else POLL_S)
                if mark is not None:
                    self._hear(mark)
                elif self.source is not Source.LOOP:
                    self._look((self._clock.now_ns() - began_ns) * 1e-9)
        finally:
            self._tuner.close()
        if self.source is None and not self.refusal:
            self.refusal = self._why_not()

    def _hear(self, mark: Mark) -> None:
        if self.source is not Source.LOOP:
            self._tuner.stop()
            self.source, self.steps = Source.LOOP, 0
        if mark is Mark.BEGIN:
            self._tuner.start()
        elif mark is Mark.END:
            self._tuner.stop()
        else:
            self._step()

    def _look(self, elapsed_s: float) -> None:
        if self._by_marker:
            with suppress(Empty):
                self._matches.get(timeout=POLL_S)
                self.source = Source.MARKER
                self._step()
            return
        if self._signal is None or elapsed_s < self._patience_s or self.refusal:
            return
        try:
            begins = self._rhythm.add(self._clock.now_ns(), self._signal())
        except JoulewiseError as error:
            self.refusal = f"the signal of the device ended: {error}"
            return
        if self.source is None:
            if not self._rhythm.doubt:
                self.source = Source.RHYTHM
            elif elapsed_s > self._patience_s + REFUSE_AFTER_S:
                self.refusal = self._why_not()
        elif begins:
            self._step()

    def _step(self) -> None:
        self.steps += 1
        self._tuner.step()

    def _why_not(self) -> str:
        if self._by_marker:
            return "no line of its output matched the marker"
        if self._signal is None:
            return "it tells no steps, and its devices have no power or utilisation to see them in"
        return f"it tells no steps, and its devices show no rhythm that can be trusted: {self._rhythm.doubt}"


def _signal(devices: tuple[Device, ...]) -> Callable[[], float] | None:
    """What shows most quickly when a device is busy."""
    for kind, name in SIGNALS:
        for device in devices:
            if can(device, kind):
                read: Callable[[], float] = getattr(device, name)
                return read
    return None
