"""The line that shows what a tuner does while a loop runs, and what is said when it has chosen."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from joulewise.records import Provenance
from joulewise.runtime.session import JobTuner

SHOWN_EVERY_S = 0.5


def describe_choice(tuner: JobTuner) -> list[str]:
    """The best setting so far and what it saves of a step against the setting found, each in a sentence."""
    points = {point.setting: point for point in tuner.tuner.points()}
    chosen, found = points.get(tuner.choice), points.get(tuner.tunable.candidates[-1])
    if chosen is None:
        return []
    mark = "" if chosen.provenance is Provenance.MEASURED else f" [{chosen.provenance}]"
    state = "chosen" if tuner.is_decided else "best so far, the search had not ended"
    said = [f"{tuner.name(chosen.setting)}: {state}{mark}"]
    if found is not None and found.setting != chosen.setting:
        said.append(
            f"against {tuner.name(found.setting)}: {1 - chosen.energy_j / found.energy_j:+.1%} energy saved, "
            f"{chosen.time_s / found.time_s - 1:+.1%} time per step{mark}"
        )
    return said


class TuneLine:
    """A progress bar on stderr, if that is a terminal or it is asked for; on the first rank of a job only.

    When the loop ends and the tuner has decided for the first time, one line says what.

    Args:
        tuner: What to show.
        wanted: Whether to show it; None for if stderr is a terminal.
        total: How many steps there will be, if that is known.
    """

    def __init__(self, tuner: JobTuner, wanted: bool | None, total: int | None) -> None:
        """Nothing is shown yet."""
        self._tuner, self._total, self._count = tuner, total, 0
        self._wanted = (sys.stderr.isatty() if wanted is None else wanted) and tuner.rank == 0
        self._bar: Any = None
        self._task: Any = None
        self._shown_ns = 0

    def __enter__(self) -> Self:
        """Show."""
        if self._wanted:
            from rich.console import Console  # noqa: PLC0415 (only for those who look)
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=16),
                MofNCompleteColumn(),
                TextColumn("{task.fields[energy]}"),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), refresh_per_second=2)
            self._bar.start()
            self._task = self._bar.add_task(self._tuner.describe(), total=self._total, energy="")
        return self

    def step(self) -> None:
        """A step is done; shown if half a second has passed."""
        if self._bar is None:
            return
        self._count += 1
        now_ns = self._tuner.clock.now_ns()
        if now_ns - self._shown_ns >= SHOWN_EVERY_S * 1e9:
            self._shown_ns = now_ns
            self._show()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen, and say what was chosen."""
        if self._bar is None:
            return
        self._show()
        self._bar.stop()
        if self._tuner.is_decided and not self._tuner.is_told:
            self._tuner.is_told = True
            sys.stderr.write(f"joulewise: {'; '.join(describe_choice(self._tuner))}\n")

    def _show(self) -> None:
        told = self._tuner.loop.outcome
        energy = ""
        if told.steps and told.time_s > 0:
            mark = "" if told.provenance is Provenance.MEASURED else f" [{told.provenance}]"
            energy = f"{told.energy_j / told.steps:.4g} J/step, {told.energy_j / told.time_s:.4g} W{mark}"
        self._bar.update(
            self._task, completed=self._count, description=self._tuner.describe(), energy=energy.replace("[", "\\[")
        )
