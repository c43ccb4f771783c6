"""Log measurements to a run of Weights & Biases."""

from __future__ import annotations

from typing import Any

from joulewise.export.scalars import scalars, tags
from joulewise.measure.measurement import Measurement


class WandbLogger:
    """Logs a measurement when called with one; its figures join the step at which the run is.

    Args:
        run: What ``wandb.init()`` returned.
        commit: Whether each measurement ends a step of the run. By default the next ``run.log()`` of the program does,
            so that its steps stay as they are.
    """

    def __init__(self, run: Any, *, commit: bool = False) -> None:
        """Log nothing yet."""
        self._run, self._commit = run, commit

    def __call__(self, measurement: Measurement) -> None:
        """Log figures with their bounds, and what they are worth to the run's summary."""
        self._run.log(scalars(measurement), commit=self._commit)
        self._run.summary.update(tags(measurement))
