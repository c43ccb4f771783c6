"""Log measurements to TensorBoard."""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

from joulewise.export.scalars import prefix_of, scalars, tags
from joulewise.measure.measurement import Measurement


class ScalarWriter(Protocol):
    """A writer of ``torch.utils.tensorboard``, ``tensorboardX`` or ``tensorboard.summary``."""

    def add_scalar(self, tag: str, value: float, step: int, /) -> Any:
        """Write a number."""


class TensorBoardLogger:
    """Logs a measurement when called with one; windows of one name are steps 0, 1, 2 of their scalars.

    Args:
        writer: Such as ``torch.utils.tensorboard.SummaryWriter()``. What figures are worth is written as text, if it
            can write texts; that they are simulated stands in their names anyway.
    """

    def __init__(self, writer: ScalarWriter) -> None:
        """Log nothing yet."""
        self._writer, self._steps, self._said = writer, Counter[str](), dict[str, str]()

    def __call__(self, measurement: Measurement) -> None:
        """Log figures with their bounds."""
        prefix = prefix_of(measurement)
        step, self._steps[prefix] = self._steps[prefix], self._steps[prefix] + 1
        for name, value in scalars(measurement).items():
            self._writer.add_scalar(name, value, step)
        add_text = getattr(self._writer, "add_text", None)
        if add_text is None:
            return
        for name, text in tags(measurement).items():
            if self._said.get(name) != text:  # only what is new
                add_text(name, text, step)
                self._said[name] = text
