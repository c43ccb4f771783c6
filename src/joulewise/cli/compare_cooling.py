"""Wait until devices are as cool as they were: a warm chip leaks more, and would charge one program for another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joulewise.clock import Clock
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device, can
from joulewise.errors import JoulewiseError

NEAR_C = 2.0
LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Wait:
    """How long was waited [s], and which devices were still warm after that."""

    waited_s: float
    warm: tuple[str, ...] = ()


class Cooling:
    """Remembers how warm devices are now.

    Args:
        devices: Those that have no thermometer are not waited for.
        clock: Time.
        patience_s: Longest wait [s].
    """

    def __init__(self, devices: Sequence[Device], clock: Clock, patience_s: float) -> None:
        """Read them once."""
        self._clock, self._patience_s = clock, patience_s
        self._devices = {device.identity.uid: device for device in devices if can(device, Kind.TEMPERATURE)}
        self.start_c = {uid: value for uid, device in self._devices.items() if (value := _read_c(device)) is not None}

    def wait(self) -> Wait:
        """Return once all are within 2 C of where they were, or after the longest wait."""
        begin_ns = self._clock.now_ns()
        while True:
            warm = self._warm()
            waited_s = (self._clock.now_ns() - begin_ns) * 1e-9
            if not warm or waited_s >= self._patience_s:
                return Wait(waited_s, warm)
            self._clock.sleep(min(LOOK_S, self._patience_s - waited_s))

    def _warm(self) -> tuple[str, ...]:
        now_c = {uid: _read_c(self._devices[uid]) for uid in self.start_c}
        return tuple(
            f"{uid} is at {value:.0f} C, began at {self.start_c[uid]:.0f} C"
            for uid, value in now_c.items()
            if value is not None and value > self.start_c[uid] + NEAR_C
        )


def _read_c(device: Device) -> float | None:
    try:
        return float(device.read_temperature_c())  # type: ignore[attr-defined]  # it can: its capabilities say so
    except JoulewiseError:
        return None
