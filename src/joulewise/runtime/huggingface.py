"""A callback for the Trainer of Hugging Face transformers: ``Trainer(..., callbacks=[EnergyCallback()])``."""

from __future__ import annotations

from typing import Any

from joulewise.errors import MissingExtraError
from joulewise.measure.meter import Meter
from joulewise.runtime.session import JobTuner
from joulewise.runtime.training_energy import TrainingEnergy

try:
    from transformers import TrainerCallback
except ImportError:
    raise MissingExtraError("huggingface") from None


class EnergyCallback(TrainerCallback):  # type: ignore[misc]
    """Measures a Trainer's run, adds figures to what it logs, and tunes it if asked.

    Args:
        meter: Who measures; one over all devices by default.
        tuner: Who tunes meanwhile, or nobody: ``EnergyCallback(tuner=jw.JobTuner())``.

    Attributes:
        energy: What was measured: ``energy.result`` of the run, ``energy.epochs`` of each epoch.
    """

    def __init__(self, meter: Meter | None = None, tuner: JobTuner | None = None) -> None:
        """Nothing is read yet."""
        self.energy = TrainingEnergy(meter, tuner)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The run begins."""
        self.energy.begin()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """An epoch begins."""
        self.energy.begin_epoch()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A step is done."""
        self.energy.step()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """An epoch ends."""
        self.energy.end_epoch()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Add figures of the run so far to what is logged, here and in the history."""
        found = self.energy.so_far()
        if logs is not None:
            logs.update(found)
        if state.log_history:
            state.log_history[-1].update(found)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The run ends."""
        found = self.energy.end()
        if state.log_history:
            state.log_history[-1].update(found)
