"""The line that shows joules per step, watts and joules per sample while steps run."""

from __future__ import annotations

import math
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from joulewise.measure.steps import Steps, StepStatistics


def summary(found: StepStatistics) -> str:
    """Statistics in one line."""
    if not found.count or math.isnan(found.mean_j):
        return "no step was measured"
    duration_s = found.mean_s * found.count
    said = [f"{found.mean_j:.4g} J/step", f"{found.mean_j / found.mean_s:.4g} W" if duration_s else "0 W"]
    if found.joules_per_sample is not None:
        said.append(f"{found.joules_per_sample:.4g} J/sample")
    return ", ".join(said)


class StepLine:
    """A progress bar on stderr, if that is a terminal or it is asked for; updated twice a second.

    Args:
        steps: What to show.
        wanted: Whether to show it; None for if stderr is a terminal.
        total: How many steps there will be, if that is known.
    """

    def __init__(self, steps: Steps[Any], wanted: bool | None, total: int | None) -> None:
        """Nothing is shown yet."""
        self._steps, self._total = steps, total
        self._wanted = sys.stderr.isatty() if wanted is None else wanted
        self._bar: Any = None
        self._task: Any = None
        self._shown_ns = 0

    def __enter__(self) -> Self:
        """Show."""
        if self._wanted:
            from rich.console import Console  # noqa: PLC0415 (only for those who look)
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[energy]}"),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), refresh_per_second=2)
            self._bar.start()
            self._task = self._bar.add_task(self._steps.name, total=self._total, energy="")
        return self

    def show(self, *, now: bool = False) -> None:
        """Bring it up to date, if half a second has passed."""
        if self._bar is None:
            return
        now_ns = self._steps.now_ns()
        if now or now_ns - self._shown_ns >= 5e8:
            self._shown_ns = now_ns
            self._bar.update(self._task, completed=self._steps.count, energy=summary(self._steps.so_far()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        self.show(now=True)
        if self._bar is not None:
            self._bar.stop()
