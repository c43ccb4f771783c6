"""Devices read again and again, for as long as somebody watches: under exporters and live views.

Theory of operation. One thread per driver reads its devices in turn, since not every vendor's library may be called
from two threads, and a driver that hangs must not stop the others. Energy is that of the cleaned counter; a device that
has only a power gauge is integrated, each reading held until the next. What lies in a gap is not invented: after a gap
of more than `LONGEST_GAP` periods the integral goes on from where it was.

A device that fails keeps its energy, which grows old, and loses its other figures: a power of yesterday is no power.
It is asked again each `RETRY_S`. Nothing that a driver raises ends the watch.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from joulewise.clock import Clock
from joulewise.devices.capabilities import UNKNOWN_TICK_S, Kind
from joulewise.devices.counter import CleanCounter, CounterReading
from joulewise.devices.device import Device, can
from joulewise.errors import CapabilityError, DeviceLostError, JoulewiseError, PermissionDeniedError
from joulewise.export.observation import Means, Observation, nearest_above
from joulewise.measure.integrate import UNKNOWN_PERIOD_S
from joulewise.measure.trace import READERS, gauge_of

FASTEST_S, PERIOD_S, SLOW_S = 0.02, 0.2, 1.0
LONGEST_GAP, RETRY_S, MEAN_S, CLOSE_S = 5, 10.0, 1.0, 2.0
SLOW: Mapping[str, Sequence[tuple[Kind, str]]] = {
    "power_limit_w": ((Kind.POWER_LIMIT, "read_power_limit_w"), (Kind.CPU_POWER_CAP, "read_power_cap_w")),
    "core_mhz": ((Kind.CORE_CLOCK, "read_core_clock_mhz"), (Kind.CPU_FREQUENCY, "read_frequency_mhz")),
    "temperature_c": ((Kind.TEMPERATURE, "read_temperature_c"),),
    "utilisation_frac": ((Kind.UTILISATION, "read_utilisation_frac"),),
}
"""What is read each second, by the name of the field of an `Observation`."""
LOST: dict[str, Any] = {"power_w": None, "lag_j": None, **dict.fromkeys(SLOW)}


class DeviceWatch:
    """One device. Whoever calls `read` owns it; anybody may look at what was seen.

    Args:
        device: Whom to read.
        clock: Time.
        name: What people call it; its uid by default.
        within: Uid of the watched device that includes it, or nothing.

    Attributes:
        seen: What it was last seen to be.
        period_s: How often it should be read [s].
    """

    def __init__(self, device: Device, clock: Clock, name: str = "", within: str = "") -> None:
        """Read nothing yet."""
        self._device, self._clock, self._gauge = device, clock, gauge_of(device)
        self._readers: dict[str, Callable[[], float]] = {}
        for field, ways in SLOW.items():
            for kind, method in ways:
                if kind in device.capabilities:
                    self._readers.setdefault(field, getattr(device, method))
        if self._gauge is not None:
            self._readers["power_w"] = getattr(device, READERS[self._gauge.kind])
        self._counted = can(device, Kind.ENERGY_COUNTER)
        entry = device.capabilities[Kind.ENERGY_COUNTER] if self._counted else self._gauge
        self._step_j = (entry.resolution or 0.0) if self._counted and entry else 0.0
        unknown_s = UNKNOWN_TICK_S if self._counted else UNKNOWN_PERIOD_S
        self._tick_s = (entry.period_s if entry else None) or unknown_s
        self.period_s = PERIOD_S if self._counted else min(max(self._tick_s / 2, FASTEST_S), PERIOD_S)
        shown = self._gauge or entry
        self._counter: CleanCounter | None = None
        self._marks: list[CounterReading] = []
        self._held: tuple[int, float] | None = None
        self._slow_ns: float = -math.inf
        self._retry_ns: float = -math.inf
        self.seen = Observation(
            device.identity,
            name or device.identity.uid,
            within,
            energy_means=Means.COUNTER if self._counted else Means.INTEGRATED,
            energy_source=entry.source if entry else "",
            power_means=Means.GAUGE if self._gauge else Means.COUNTER,
            power_source=shown.source if shown else "",
        )

    def read(self) -> None:
        """Read once; never raises for what a device or its driver does."""
        now_ns = self._clock.now_ns()
        if now_ns < self._retry_ns:
            return
        found: dict[str, Any] = {"failure": ""}
        failures: list[str] = []
        slow = now_ns >= self._slow_ns
        try:
            if "power_w" in self._readers:
                found["power_w"] = self._ask("power_w", failures)
            if self._counted:
                found |= self._count(failures)
            elif self._gauge is not None:
                found |= self._integrate(self._clock.now_ns(), found["power_w"])
            for name in SLOW if slow else ():
                found[name] = self._ask(name, failures) if name in self._readers else None
        except DeviceLostError as error:
            failures, found = [str(error)], found | LOST
            self._retry_ns = now_ns + RETRY_S * 1e9
            self._held, self._marks = None, []
        if slow:
            self._slow_ns = now_ns + SLOW_S * 1e9
            found["power_limit_w"] = found.get("power_limit_w") or None  # 0 says that none is in force
        found["failure"] = "; ".join(failures)
        self.seen = replace(self.seen, **found)
        if self.seen.power_w is not None:
            lag_j = self.seen.power_w * (self._tick_s + self.period_s) + self._step_j
            self.seen = replace(self.seen, lag_j=lag_j)

    def _ask(self, name: str, failures: list[str]) -> float | None:
        try:
            value = float(self._readers[name]())
        except DeviceLostError:
            raise
        except (PermissionDeniedError, CapabilityError):
            del self._readers[name]  # it will not answer the next time either
            return None
        except Exception as error:  # whatever a driver does, the others are still watched
            failures.append(str(error) if isinstance(error, JoulewiseError) else f"{type(error).__name__}: {error}")
            return None
        return value if math.isfinite(value) else None

    def _count(self, failures: list[str]) -> dict[str, Any]:
        try:
            if self._counter is None:
                self._counter = CleanCounter(self._device, self._clock)
            reading = self._counter.read()
        except DeviceLostError:
            raise
        except Exception as error:  # as above
            failures.append(str(error) if isinstance(error, JoulewiseError) else f"{type(error).__name__}: {error}")
            return {} if self._gauge else {"power_w": None}
        if not reading.fresh:
            failures.append("its energy counter stands still" if reading.frozen else "its energy counter cannot be so")
            return {} if self._gauge else {"power_w": None}
        found: dict[str, Any] = {"energy_j": reading.energy_j, "energy_at_ns": reading.at_ns}
        if self._gauge is None:
            found["power_w"] = self._mean_w(reading)
        return found

    def _mean_w(self, reading: CounterReading) -> float | None:
        """Mean power by the counter over the last second or more [W]."""
        if self._marks and self._marks[-1].epoch != reading.epoch:
            self._marks = []
        self._marks.append(reading)
        span_ns = max(MEAN_S, 2 * self._tick_s) * 1e9
        while len(self._marks) > 1 and reading.at_ns - self._marks[1].at_ns >= span_ns:
            self._marks.pop(0)
        first = self._marks[0]
        if reading.at_ns - first.at_ns < span_ns:
            return None
        return (reading.energy_j - first.energy_j) / (reading.at_ns - first.at_ns) * 1e9

    def _integrate(self, at_ns: int, power_w: float | None) -> dict[str, Any]:
        held, energy_j = self._held, self.seen.energy_j or 0.0
        self._held = None if power_w is None or power_w < 0 else (at_ns, power_w)
        if self._held is None:
            return {}
        longest_ns = LONGEST_GAP * max(self._tick_s, self.period_s) * 1e9
        if held is not None and at_ns - held[0] <= longest_ns:
            energy_j += held[1] * (at_ns - held[0]) * 1e-9
        return {"energy_j": energy_j, "energy_at_ns": at_ns}


class Watch:
    """Devices that are read in threads while it is entered; call it for what they were last seen to be.

    Args:
        devices: Whom to read.
        clock: Real time.
        names: What people call them, by uid.

    Effects:
        One thread per driver. Leaving waits two seconds at most, for a driver that hangs.
    """

    def __init__(self, devices: Sequence[Device], clock: Clock, names: Mapping[str, str] | None = None) -> None:
        """Read nothing yet."""
        self.clock, named = clock, names or {}
        self._ended, self._drivers = threading.Event(), dict[str, list[DeviceWatch]]()
        self.devices = [
            DeviceWatch(one, clock, named.get(one.identity.uid, ""), nearest_above(one, devices)) for one in devices
        ]
        for device, watch in zip(devices, self.devices, strict=True):
            self._drivers.setdefault(device.identity.driver, []).append(watch)
        self._threads = [
            threading.Thread(target=self._run, args=(watches,), name=f"joulewise-watch-{name}", daemon=True)
            for name, watches in self._drivers.items()
        ]

    def __call__(self) -> list[Observation]:
        """What the devices were last seen to be."""
        return [one.seen for one in self.devices]

    def read(self) -> None:
        """Read every device once, in this thread."""
        for one in self.devices:
            one.read()

    def _run(self, watches: Sequence[DeviceWatch]) -> None:
        due_ns = [0.0] * len(watches)
        while not self._ended.is_set():
            for index, watch in enumerate(watches):
                now_ns = self.clock.now_ns()
                if now_ns >= due_ns[index]:
                    watch.read()
                    next_ns = due_ns[index] + watch.period_s * 1e9
                    due_ns[index] = next_ns if next_ns > now_ns else now_ns + watch.period_s * 1e9
            self._ended.wait(max((min(due_ns) - self.clock.now_ns()) * 1e-9, FASTEST_S / 4))

    def __enter__(self) -> Self:
        """Start."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._ended.set()
        for thread in self._threads:
            thread.join(CLOSE_S)
