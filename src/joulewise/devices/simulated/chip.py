"""What every simulated device is: a plant, a board, a script of faults and a clock, behind one lock."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from joulewise.clock import Clock
from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Identity, Scope
from joulewise.devices.settings import CLASSES, allowed, nearest_allowed
from joulewise.devices.simulated import physics
from joulewise.devices.simulated.faults import Failure, Fault, FaultScript, SimulatedCrash
from joulewise.devices.simulated.model import ChipModel
from joulewise.devices.simulated.plant import Plant
from joulewise.devices.simulated.sensor import Board, CounterSensor
from joulewise.devices.simulated.work import Work
from joulewise.errors import CapabilityError, DeviceLostError, PermissionDeniedError, UsageError

PRIVILEGE = "root"


class SimulatedChip(ABC):
    """A device that runs described work on the injected clock. Thread-safe.

    Args:
        model: Its parameters.
        clock: Time; a virtual clock makes it deterministic.
        uid: Who it is; boards of different uids differ within the model's errors.
        seed: The same uid with another seed is another board.
        faults: What goes wrong, and when.
    """

    def __init__(
        self, model: ChipModel, clock: Clock, *, uid: str, seed: int = 0, faults: Sequence[Fault] = ()
    ) -> None:
        """Come into existence now, idle for as long as anyone can remember."""
        self.model = model
        self.board = Board.of(model, uid, seed)
        self._clock, self._start_ns = clock, clock.now_ns()
        self._plant = Plant(model, self._start_ns)
        self._faults = FaultScript(tuple(faults))
        self._lock = threading.RLock()
        self._identity = Identity(
            uid=uid,
            vendor="sim",
            model=f"simulated {model.identity.model}",
            scope=Scope(model.identity.scope),
            driver="sim",
        )
        for fault in self._faults.of(Failure.CAP_FOUND_LOWERED):
            self._plant.limit_w = fault.value
        self._told: dict[Kind, Any] = {}
        self._frozen_j: dict[Fault, tuple[float, float]] = {}
        for failure in (Failure.COUNTER_FROZEN, Failure.COUNTER_RESET):
            for fault in self._faults.of(failure):
                at_ns = self._start_ns + round(fault.start_s * 1e9)
                self._plant.schedule(at_ns, f"{failure} at {at_ns}", partial(self._freeze, fault))
        self._capabilities = self._without_missing(self._describe())

    @property
    def identity(self) -> Identity:
        """Who it is; vendor and driver say that it is simulated."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """What it can."""
        return self._capabilities

    # Work -----------------------------------------------------------------------------------------------------------

    def submit(self, *work: Work) -> None:
        """Queue work and return; it runs as the clock moves on."""
        with self._lock:
            self._plant.submit(work, self._clock.now_ns())

    def run(self, *work: Work) -> float:
        """Run work to its end, after what is queued.

        Returns:
            How long it took [s].

        Effects:
            Sleeps on the device's clock: a virtual one jumps. The device idles afterwards.
        """
        start_ns = self._clock.now_ns()
        self.submit(*work)
        return (self.wait_done() - start_ns) * 1e-9

    def wait_done(self) -> int:
        """Sleep until all queued work is done; return the instant [ns]."""
        while True:
            with self._lock:
                self._plant.advance(now_ns := self._clock.now_ns())
                next_ns = self._plant.next_event_ns()
                if not self._plant.working or next_ns is None:
                    return now_ns
            self._clock.sleep((next_ns - now_ns) * 1e-9)

    def set_activity(self, compute_frac: float, memory_frac: float = 0.0) -> None:
        """Make it busy from now on, as seen from outside, while no work is queued.

        Args:
            compute_frac: How busy its cores are, 0 to 1.
            memory_frac: How busy its memory is, 0 to 1.

        Raises:
            UsageError: If a fraction is none.
        """
        if not (0 <= compute_frac <= 1 and 0 <= memory_frac <= 1):
            raise UsageError("cannot be this busy", f"{compute_frac!r}, {memory_frac!r}", "give fractions, 0 to 1")
        active = compute_frac > 0 or memory_frac > 0
        load = physics.Load(0.0, memory_frac, compute_frac, active=active, scales=False) if active else physics.IDLE
        with self._lock:
            self._plant.set_background(load, self._clock.now_ns())

    def settle(self, time_constants: float = 12.0) -> None:
        """Let the temperature settle at the present load. Sleeps on the device's clock."""
        self._clock.sleep(time_constants * self.model.heat.time_constant_s)

    # Truth ----------------------------------------------------------------------------------------------------------

    def true_energy_j(self) -> float:
        """Energy since the device exists [J], exactly."""
        return self._now(self._plant.energy_j)

    def true_power_w(self) -> float:
        """Power now [W]."""
        return self._now(self._plant.power_w)

    def true_temperature_c(self) -> float:
        """Temperature now [C]."""
        return self._now(self._plant.temperature_c)

    def true_clock_mhz(self) -> int:
        """Core clock now [MHz]."""
        return round(self._now(lambda _: self._plant.core_mhz))

    def true_switch_latency_s(self, clock_mhz: int) -> float:
        """How long this board takes from being told a core clock until it runs at it [s]."""
        span = self.model.clock.maximum_mhz - self.model.clock.minimum_mhz
        below = (self.model.clock.maximum_mhz - clock_mhz) / span
        switch = self.model.switch
        return (switch.top_s + (switch.bottom_s - switch.top_s) * below) * self.board.switch_factor

    # For the devices made of it -------------------------------------------------------------------------------------

    @abstractmethod
    def _describe(self) -> list[Capability]:
        """Its capabilities, faults aside."""

    def _now(self, truth: Callable[[int], float]) -> float:
        with self._lock:
            self._plant.advance(now_ns := self._clock.now_ns())
            return truth(now_ns)

    def _age_s(self) -> float:
        return (self._clock.now_ns() - self._start_ns) * 1e-9

    def _without_missing(self, described: Iterable[Capability]) -> Capabilities:
        missing = {fault.kind for fault in self._faults.of(Failure.NOT_SUPPORTED)}
        kept = {one.kind: one for one in described if one.kind not in missing and None not in missing}
        return Capabilities(kept)

    def _read_told(self, kind: Kind, otherwise: Any) -> Any:
        """What a knob was last told, obeyed or not."""
        self._check(kind)
        with self._lock:
            return self._told.get(kind, otherwise)

    def _check(self, kind: Kind) -> None:
        """Raise what a fault, or a missing capability, makes a call raise."""
        if self._faults.active(Failure.LOST, self._age_s()):
            raise DeviceLostError(f"{self.identity.uid} is lost", "every call fails", "reset it, or leave it out")
        if kind not in self._capabilities or self._faults.active(Failure.NOT_SUPPORTED, self._age_s(), kind):
            raise CapabilityError(self.identity.uid, kind, ", ".join(self._capabilities))

    def _read(self, kind: Kind, sensor: Callable[[int], float]) -> float:
        """A reading now, unless a fault forbids it."""
        self._check(kind)
        denied = self._faults.active(Failure.PERMISSION_DENIED, self._age_s(), kind)
        if kind not in CLASSES and denied and denied.kind is kind:
            raise PermissionDeniedError(f"reading {kind} of {self.identity.uid}", PRIVILEGE)
        return self._now(sensor)

    def _read_counter(self, sensor: CounterSensor, memory: bool = False) -> float:
        """The counter of the chip, or of its memory, with the faults that hit it."""
        energy = self._plant.memory_energy_j if memory else self._plant.energy_j

        def shown(now_ns: int) -> float:
            frozen = self._faults.active(Failure.COUNTER_FROZEN, self._age_s())
            if frozen is None:
                value_j = sensor.read(energy, now_ns)
            else:
                value_j = sensor.read(lambda _: self._frozen_j[frozen][memory], now_ns)
            reset = self._faults.active(Failure.COUNTER_RESET, self._age_s())
            if reset is not None:
                value_j -= sensor.read(lambda _: self._frozen_j[reset][memory], now_ns)
                value_j += sensor.maximum_j if value_j < 0 else 0.0
            back = self._faults.active(Failure.COUNTER_BACKWARD, self._age_s())
            return value_j - back.value if back else value_j

        return self._read(Kind.ENERGY_COUNTER, shown)

    def _counter(self, start_j: float) -> CounterSensor:
        """The counter's sensor."""
        sensor, board = self.model.sensor, self.board
        return CounterSensor(
            sensor.counter_period_s, sensor.counter_step_j, self._wrap_j(), board.counter_gain, board.phase, start_j
        )

    def _freeze(self, fault: Fault) -> None:
        at_ns = self._start_ns + round(fault.start_s * 1e9)
        self._frozen_j[fault] = (self._plant.energy_j(at_ns), self._plant.memory_energy_j(at_ns))

    def _wrap_j(self) -> float:
        faults = self._faults.of(Failure.COUNTER_WRAPPED)
        return faults[0].value if faults else self.model.sensor.counter_maximum_j

    def _tell(self, kind: Kind, name: str, value: object, latency_s: float) -> None:
        """Carry out a setter: faults, the time that the call takes, and after its latency ``name`` of the plant."""
        self._check(kind)
        if self._faults.active(Failure.PERMISSION_DENIED, self._age_s(), kind):
            raise PermissionDeniedError(f"setting {kind} of {self.identity.uid}", PRIVILEGE)
        if self._faults.active(Failure.CRASH_BEFORE_SET, self._age_s(), kind):
            raise SimulatedCrash(f"before {kind} was set")
        slow = self._faults.active(Failure.SLOW_SET, self._age_s(), kind)
        if not self._faults.active(Failure.NOT_OBEYED, self._age_s(), kind):
            with self._lock:
                at_ns = self._clock.now_ns() + round(latency_s * 1e9)
                self._plant.schedule(at_ns, kind, partial(setattr, self._plant, name, value))
        self._told[kind] = value
        if self._faults.active(Failure.CRASH_AFTER_SET, self._age_s(), kind):
            raise SimulatedCrash(f"after {kind} was set")
        self._clock.sleep(self.model.switch.call_s + (slow.value if slow else 0.0))

    def _permitted(self, kind: Kind) -> bool:
        """Whether using a capability is permitted; a fault without a kind forbids knobs only."""
        faults = self._faults.of(Failure.PERMISSION_DENIED)
        return not any(fault.kind is kind or (fault.kind is None and kind in CLASSES) for fault in faults)

    def _counter_capability(self, source: str) -> Capability:
        """The energy counter as data."""
        sensor, permitted = self.model.sensor, self._permitted(Kind.ENERGY_COUNTER)
        return Capability(
            Kind.ENERGY_COUNTER,
            "J",
            source,
            maximum=self._wrap_j() or None,
            resolution=sensor.counter_step_j,
            update_period_s=sensor.counter_period_s,
            gain_error_frac=(1 + sensor.gain_error_frac) * (1 + sensor.counter_error_frac) - 1,
            privilege=None if permitted else PRIVILEGE,
            permitted=permitted,
        )

    def _knob(self, kind: Kind, unit: str, values: Sequence[float] = (), **fields: float | None) -> Capability:
        """A knob as data; what it is told is forgotten when the process that simulates it ends."""
        return Capability(
            kind,
            unit,
            f"twin {self.model.name}",
            values=tuple(map(float, values)) or None,
            privilege=PRIVILEGE,
            permitted=self._permitted(kind),
            outlives_process=False,
            **fields,  # type: ignore[arg-type]
        )

    def _checked(self, kind: Kind, *values: float) -> None:
        """Refuse what the hardware would.

        Raises:
            CapabilityError: If a value is none that it takes.
        """
        self._check(kind)
        capability = self._capabilities[kind]
        for value in values:
            nearest = nearest_allowed(capability, value)
            if nearest != value or list(values) != sorted(values):
                wanted = f"{kind} {', '.join(f'{one:g}' for one in values)} {capability.unit}"
                fix = f"the nearest that it takes is {nearest:g} {capability.unit}"
                raise CapabilityError(self.identity.uid, wanted, f"{kind} of {allowed(capability)}", fix)
