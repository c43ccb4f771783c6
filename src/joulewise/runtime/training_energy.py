"""What callbacks of training frameworks have in common: measure a run and its epochs, and tune it if asked."""

from __future__ import annotations

from joulewise.measure.measurement import Measurement
from joulewise.measure.meter import Meter
from joulewise.measure.window import Window
from joulewise.runtime.session import JobTuner

Figures = dict[str, float]


class TrainingEnergy:
    """Measures a training run; a framework's callback tells it where the run is.

    Args:
        meter: Who measures; one over all devices by default.
        tuner: Who tunes meanwhile, or nobody.

    Attributes:
        result: What the run used, once it has ended.
        epochs: What each epoch used.
    """

    def __init__(self, meter: Meter | None = None, tuner: JobTuner | None = None) -> None:
        """Nothing is read yet."""
        self.meter, self.tuner = meter or Meter(), tuner
        self._own_meter = meter is None
        self._run: Window | None = None
        self._epoch: Window | None = None
        self.steps = self._epoch_steps = 0
        self.result: Measurement | None = None
        self.epochs: list[Measurement] = []

    def begin(self) -> None:
        """The run begins, perhaps once more."""
        self.steps, self.result, self.epochs = 0, None, []
        self._run = self.meter.begin("training")
        if self.tuner is not None:
            self.tuner.start()

    def begin_epoch(self) -> None:
        """An epoch begins."""
        self._epoch, self._epoch_steps = self.meter.begin(f"epoch {len(self.epochs)}"), 0

    def step(self) -> None:
        """A step is done."""
        self.steps += 1
        self._epoch_steps += 1
        if self.tuner is not None:
            self.tuner.step()
        if not self.meter.sampler.threaded:
            self.meter.tick()

    def end_epoch(self) -> Figures:
        """An epoch ends; its figures for the log. Waits, at most two seconds, for the slowest sensor."""
        window, self._epoch = self._epoch, None
        if window is None:
            return {}
        self.epochs.append(window.end().result())
        return figures(self.epochs[-1], self._epoch_steps)

    def so_far(self) -> Figures:
        """Figures of the run until now, without waiting."""
        return {} if self._run is None else figures(self._run.so_far(), self.steps)

    def end(self) -> Figures:
        """The run ends, by itself or by an error; its figures. Puts back what was found on tuned devices."""
        if self.tuner is not None:
            self.tuner.stop()
        self._epoch = None
        window, self._run = self._run, None
        if window is None:
            return {}
        self.result = window.end().result()
        if self._own_meter:
            self.meter.close()
        return figures(self.result, self.steps)


def figures(measured: Measurement, steps: int) -> Figures:
    """Numbers for a log, by name; none if no device told energy.

    ``energy_j`` and its bounds, mean power [W], energy per step [J]; ``energy_simulated`` is 1 if a device is no real
    one, since logs hold only numbers.
    """
    if measured.total is None:
        return {}
    found = {
        "energy_j": measured.energy_j,
        "energy_lo_j": measured.lo_j,
        "energy_hi_j": measured.hi_j,
        "mean_power_w": measured.mean_power_w,
        "energy_simulated": float(str(measured.provenance) == "simulated"),
    }
    if steps:
        found["joules_per_step"] = measured.energy_j / steps
    return found
