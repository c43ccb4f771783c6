"""A callback for Keras: ``model.fit(..., callbacks=[EnergyCallback()])``."""

from __future__ import annotations

from typing import Any

from joulewise.errors import MissingExtraError
from joulewise.measure.meter import Meter
from joulewise.runtime.session import JobTuner
from joulewise.runtime.training_energy import TrainingEnergy

try:
    from keras.callbacks import Callback
except ImportError:
    raise MissingExtraError("keras") from None


class EnergyCallback(Callback):  # type: ignore[misc]
    """Measures ``model.fit``, adds figures of each epoch to its history, and tunes it if asked.

    Args:
        meter: Who measures; one over all devices by default.
        tuner: Who tunes meanwhile, or nobody.

    Attributes:
        energy: What was measured: ``energy.result`` of the run, ``energy.epochs`` of each epoch.
    """

    def __init__(self, meter: Meter | None = None, tuner: JobTuner | None = None) -> None:
        """Nothing is read yet."""
        super().__init__()
        self.energy = TrainingEnergy(meter, tuner)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """The run begins."""
        self.energy.begin()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """An epoch begins."""
        self.energy.begin_epoch()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """A step is done."""
        self.energy.step()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """An epoch ends: add its figures to the history."""
        found = self.energy.end_epoch()
        if logs is not None:
            logs.update(found)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """The run ends."""
        self.energy.end()
