"""A callback for the Trainer of Hugging Face transformers that tells a recurring job of every evaluation.

with jw.recurring("nightly", [16, 32, 64], target={"eval_accuracy": 0.9}, store="jobs.db") as job:
    arguments = TrainingArguments(per_device_train_batch_size=job.batch_size, eval_strategy="epoch", ...)
    Trainer(..., args=arguments, callbacks=[RecurringCallback(job)]).train()
"""

from __future__ import annotations

from typing import Any

from joulewise.errors import MissingExtraError
from joulewise.runtime.recurring import RecurringJob

try:
    from transformers import TrainerCallback
except ImportError:
    raise MissingExtraError("huggingface") from None


class RecurringCallback(TrainerCallback):  # type: ignore[misc]
    """Tells a job what evaluations found, tunes steps if it has a tuner, and ends training when it should stop.

    Args:
        job: The job, entered. Its targets are named as the Trainer names metrics, as in ``eval_accuracy``.
    """

    def __init__(self, job: RecurringJob) -> None:
        """Nothing is told yet."""
        self.job = job

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Steps begin."""
        if self.job.tuner is not None:
            self.job.tuner.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A step is done."""
        if self.job.tuner is not None:
            self.job.tuner.step()

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any) -> Any:
        """An evaluation is done: tell it, and stop if that is best."""
        if self.job.epoch_end(metrics, epochs=state.epoch):
            control.should_training_stop = True
        return control

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Steps end."""
        if self.job.tuner is not None:
            self.job.tuner.stop()
