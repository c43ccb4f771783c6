"""What a trial of a recurring job has used so far, and on what it runs: a meter in the terms of the hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device, top_level
from joulewise.errors import JoulewiseError, UsageError
from joulewise.frontier import Point
from joulewise.measure.meter import Meter
from joulewise.measure.window import Window
from joulewise.optimize.protocol import Apart
from joulewise.runtime.knob import Knob
from joulewise.runtime.session import JobTuner
from joulewise.wire.hub import Rate

_ENERGY = (Kind.ENERGY_COUNTER, Kind.POWER_INSTANT, Kind.POWER_AVERAGE)
_LIMITS = (Kind.POWER_LIMIT, Kind.CPU_POWER_CAP)
MOST_DOUBT = 2.0
"""Energy of a device that failed is not known once its bounds are so many times apart."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a job runs on.

    Attributes:
        device: Models of what is metered.
        count: How many, if they are all alike.
        max_power_w: The highest power limits together [W]; None if none is known.
        tells_energy: Whether any device tells energy.
    """

    device: str
    count: int
    max_power_w: float | None
    tells_energy: bool

    @classmethod
    def of(cls, devices: Sequence[Device]) -> Machine:
        """That of devices; those that are part of others, or tell no energy, do not count."""
        telling = top_level(one for one in devices if any(kind in one.capabilities for kind in _ENERGY))
        models = Counter(one.identity.model for one in telling)
        highest = [one.capabilities[kind].maximum for one in telling for kind in _LIMITS if kind in one.capabilities]
        limits_w = [limit_w for limit_w in highest if limit_w is not None]
        if len(models) == 1:
            ((name, count),) = models.items()
        else:
            name, count = " + ".join(f"{model} x{models[model]}" for model in sorted(models)), 1
        return cls(name[:200], count, sum(limits_w) if limits_w else None, bool(telling))


@dataclass(frozen=True, slots=True)
class Used:
    """What a trial has used: time [s], energy [J], and what that figure is worth."""

    time_s: float
    energy_j: float
    provenance: str


def tuner_at(size: int, job: str, folder: Path, new: Callable[[Path | None], JobTuner]) -> tuple[JobTuner, str]:
    """A tuner that starts from the power limits that earlier runs of a job found at a batch size on this machine.

    A step is another at every batch size, so each size has a file of its own.

    Returns:
        The tuner, and why it starts from nothing if the file could not be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return new(folder / f"limits-{job}-{size}.json"), ""
    except (OSError, UsageError) as error:
        return new(None), f"power limits that earlier runs found are not used: {error}"


class TrialAccount:
    """Counts what a trial uses.

    Args:
        meter: Who measures.
        tuner: Who tunes meanwhile, or None.

    Attributes:
        note: Why energy is not known any more, or nothing.
    """

    def __init__(self, meter: Meter, tuner: JobTuner | None) -> None:
        """Begin now."""
        self._meter, self._tuner = meter, tuner
        self._tells_energy = Machine.of(meter.devices).tells_energy
        self._window: Window = meter.begin("trial", synchronise=None)
        self._last = Used(0.0, 0.0, "measured")
        self._first_step = 0 if tuner is None else tuner.steps
        self._extra: tuple[float, float] = (0.0, 0.0)
        self._was_decided = False
        self._last_step = self._first_step
        self.note = ""

    def so_far(self, *, is_end: bool = False) -> Used:
        """What was used until now; at the end after waiting, at most two seconds, for the slowest sensor."""
        if not self._meter.sampler.threaded:
            self._meter.tick()
        try:
            if is_end and self._window.end_ns is None:
                self._window.end()
            measured = self._window.result() if is_end else self._window.so_far()
            total = measured.total
        except JoulewiseError as error:
            self.note = f"energy is not known any more: {error}"
            return self._last
        if total is None and self._tells_energy:
            self.note = "energy is not known any more: no device tells it"
            return self._last
        failure = next((one.failure for one in measured.devices if one.in_total and one.failure), "")
        if failure and total is not None and total.hi_j > MOST_DOUBT * total.lo_j:
            self.note = f"energy is not known any more: {failure}"
            return self._last
        energy_j, provenance = (0.0, "measured") if total is None else (total.energy_j, str(total.provenance))
        self._last = Used(measured.duration_s, max(energy_j, self._last.energy_j), provenance)
        return self._last

    def rates(self, used: Used, before: Used, epochs: float) -> tuple[Rate, ...]:
        """What an epoch takes: at every limit that the tuner measured, or as epochs went.

        Args:
            used: Until now.
            before: Until the epoch before ended.
            epochs: Epochs run, > 0.
        """
        tuner = self._tuner
        if tuner is None or tuner.tunable.knob is not Knob.POWER_LIMIT or not tuner.tuner.points():
            return (Rate(None, used.time_s / epochs, used.energy_j / used.time_s),) if used.time_s > 0 else ()
        steps = (tuner.steps - self._first_step) / epochs
        points, own_steps = tuner.tuner.points(), tuner.steps - self._last_step
        if self._was_decided and own_steps:
            chosen = next((point for point in points if point.setting == tuner.choice), points[-1])
            epoch_s, epoch_j = used.time_s - before.time_s, used.energy_j - before.energy_j
            self._extra = (
                max(0.0, epoch_s - own_steps * chosen.time_s),
                max(0.0, epoch_j - own_steps * chosen.energy_j),
            )
        self._was_decided, self._last_step = tuner.is_decided, tuner.steps
        alike = [point for point in points if point.time_s > 0 and not isinstance(point.setting, Apart)]
        return tuple(_rate(point, steps, self._extra) for point in alike) if steps else ()


def _rate(point: Point, steps: float, extra: tuple[float, float]) -> Rate:
    """An epoch of so many steps at a limit, and what it takes beside steps (validation, saving) at any limit."""
    epoch_s, epoch_j = steps * point.time_s + extra[0], steps * point.energy_j + extra[1]
    if not isinstance(point.setting, int | float):
        raise UsageError("a power limit is no number", repr(point.setting), "tune with the knob power-limit")
    return Rate(float(point.setting), epoch_s, epoch_j / epoch_s)
