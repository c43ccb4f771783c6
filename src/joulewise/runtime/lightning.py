"""A callback for Lightning: ``Trainer(callbacks=[EnergyCallback()])``."""

from __future__ import annotations

from typing import Any

from joulewise.errors import MissingExtraError
from joulewise.measure.meter import Meter
from joulewise.runtime.session import JobTuner
from joulewise.runtime.training_energy import TrainingEnergy

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:
    raise MissingExtraError("lightning") from None


class EnergyCallback(Callback):  # type: ignore[misc]
    """Measures a Trainer's run, logs figures of each epoch to its loggers, and tunes it if asked.

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

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """The run begins."""
        self.energy.begin()

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """An epoch begins."""
        self.energy.begin_epoch()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """A step is done."""
        self.energy.step()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """An epoch ends: log its figures."""
        pl_module.log_dict(self.energy.end_epoch())

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """The run ends."""
        self.energy.end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """The run ends by an error: put back what was found."""
        self.energy.end()
