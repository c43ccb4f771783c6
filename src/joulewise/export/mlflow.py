"""Log measurements to a run of MLflow."""

from __future__ import annotations

from collections import Counter
from importlib import import_module

from joulewise.errors import UsageError
from joulewise.export.scalars import prefix_of, scalars, tags
from joulewise.measure.measurement import Measurement

LONGEST_TAG = 5000


class MlflowLogger:
    """Logs a measurement when called with one; windows of one name are steps 0, 1, 2 of their metrics.

    Args:
        run_id: Of the run; by default the active one, or a new one as MLflow begins it.

    Raises:
        UsageError: If MLflow is not installed.
    """

    def __init__(self, run_id: str | None = None) -> None:
        """Log nothing yet."""
        try:
            self._mlflow = import_module("mlflow")
        except ImportError as error:
            raise UsageError("MLflow is not installed", str(error), "pip install mlflow") from None
        self._run_id, self._steps = run_id, Counter[str]()

    def __call__(self, measurement: Measurement) -> None:
        """Log figures with their bounds as metrics, and what they are worth as tags."""
        prefix = prefix_of(measurement)
        step, self._steps[prefix] = self._steps[prefix], self._steps[prefix] + 1
        if self._run_id is None:
            active = self._mlflow.active_run() or self._mlflow.start_run()
            self._run_id = str(active.info.run_id)
        self._mlflow.log_metrics(scalars(measurement), step=step, run_id=self._run_id)
        client = self._mlflow.MlflowClient()
        for name, text in tags(measurement).items():
            client.set_tag(self._run_id, name, text[:LONGEST_TAG])
