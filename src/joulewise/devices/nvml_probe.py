"""What an NVIDIA GPU can, found by asking it: what answers NotSupported is absent, with the reason kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.nvml_gpu import FIELD_AVERAGE_POWER, FIELD_INSTANT_POWER, SCOPE_GPU, SCOPE_MODULE
from joulewise.devices.nvml_library import PRIVILEGE, NvmlLibrary
from joulewise.devices.nvml_power import AMPERE, GAIN_ERROR_FRAC, VOLTA, power_sensing
from joulewise.errors import CapabilityError, DeviceLostError, PermissionDeniedError, UsageError

PLAIN_POWER = "nvmlDeviceGetPowerUsage"
KNOBS = (Kind.POWER_LIMIT, Kind.CORE_CLOCK, Kind.MEMORY_CLOCK)
REFUSED = "refused"
VANISHES = "persistence mode is off: what is set vanishes when the last client exits"
UNREADABLE = "NVML cannot be asked for locks: only those of this process are known"


@dataclass
class Probed:
    """What was found on one GPU.

    Attributes:
        found: Capabilities.
        missing: Why others are absent.
        module: Capabilities of the module that it is part of; empty if there is none.
        plain_power: Kind of power that the plain call gives, if the board has no field for it.
        refusal: Asks why knobs may not be told; empty if they may.
    """

    refusal: Callable[[], str]
    found: dict[Kind, Capability] = field(default_factory=dict)
    missing: dict[Kind, str] = field(default_factory=dict)
    module: dict[Kind, Capability] = field(default_factory=dict)
    plain_power: Kind | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the GPU can; asked for permission when somebody first wants to know of a knob."""
        knobs = KNOBS if Kind.POWER_LIMIT in self.found else ()
        untold = [kind for kind in knobs if kind in self.found]
        return Capabilities(self.found, lambda: not self.refusal(), untold)


class Probe:
    """Asks one GPU.

    Args:
        library: NVML.
        handle: The GPU.
        uid: Its name, for errors.

    Effects:
        None. When somebody first wants to know whether a knob is permitted, the power limit is set to what it is
        already, once in a process: NVML tells it in no other way.
    """

    def __init__(self, library: NvmlLibrary, handle: object, uid: str) -> None:
        """Ask for its generation."""
        self._library, self._handle, self._uid = library, handle, uid
        self._architecture: int = self._or_none("nvmlDeviceGetArchitecture") or 0
        compute: list[int] = self._or_none("nvmlDeviceGetCudaComputeCapability") or [0, 0]
        self._sensing = power_sensing(self._architecture, (compute[0], compute[1]), library.driver_version)
        self._probed = Probed(self._refusal)

    def run(self) -> Probed:
        """Ask for everything.

        Raises:
            DeviceLostError: If the GPU is gone.
        """
        self._sensor(Kind.ENERGY_COUNTER, "J", 0.001, "nvmlDeviceGetTotalEnergyConsumption")
        self._power()
        self._sensor(Kind.TEMPERATURE, "C", 1.0, "nvmlDeviceGetTemperature", 0)
        self._sensor(Kind.UTILISATION, "fraction", 0.01, "nvmlDeviceGetUtilizationRates")
        self._sensor(Kind.THROTTLE_REASONS, "", None, "nvmlDeviceGetCurrentClocksEventReasons")
        self._attempt(Kind.POWER_LIMIT, self._power_limit)
        self._attempt(Kind.CORE_CLOCK, self._core_clock)
        self._attempt(Kind.MEMORY_CLOCK, self._memory_clock)
        return self._probed

    def _call(self, name: str, *arguments: object) -> Any:
        return self._library.call(self._uid, name, self._handle, *arguments)

    def _or_none(self, name: str, *arguments: object) -> Any:
        try:
            return self._call(name, *arguments)
        except (CapabilityError, PermissionDeniedError):
            return None

    def _attempt(self, kind: Kind, ask: Callable[[], Capability]) -> None:
        try:
            self._probed.found[kind] = ask()
        except (CapabilityError, PermissionDeniedError) as error:
            self._probed.missing[kind] = error.seen.removeprefix("it has ")

    def _sensor(self, kind: Kind, unit: str, resolution: float | None, call: str, *arguments: object) -> None:
        def ask() -> Capability:
            self._call(call, *arguments)
            return Capability(kind, unit, call, resolution=resolution)

        self._attempt(kind, ask)

    def _has_field(self, field_id: int, scope: int) -> bool:
        try:
            self._library.read_field(self._uid, self._handle, field_id, scope)
        except (CapabilityError, PermissionDeniedError):
            return False
        return True

    def _power(self) -> None:
        """Instant and averaged power, by field where there is one, else by the plain call if that is what it gives."""
        fields = {Kind.POWER_INSTANT: FIELD_INSTANT_POWER, Kind.POWER_AVERAGE: FIELD_AVERAGE_POWER}
        plain = Kind.POWER_AVERAGE if self._sensing.plain_is_average else Kind.POWER_INSTANT
        for kind, field_id in fields.items():
            if self._has_field(field_id, SCOPE_GPU):
                self._probed.found[kind] = self._gauge(kind, f"nvmlDeviceGetFieldValues {field_id}")
            elif kind is plain:
                self._attempt(kind, self._plain_power)
            else:
                self._probed.missing[kind] = f"no field {field_id}"
            if self._has_field(field_id, SCOPE_MODULE):
                source = f"nvmlDeviceGetFieldValues {field_id} of the module"
                self._probed.module[kind] = self._gauge(kind, source)
        if plain in self._probed.found and self._probed.found[plain].source == PLAIN_POWER:
            self._probed.plain_power = plain

    def _plain_power(self) -> Capability:
        self._call(PLAIN_POWER)
        kind = Kind.POWER_AVERAGE if self._sensing.plain_is_average else Kind.POWER_INSTANT
        return self._gauge(kind, PLAIN_POWER)

    def _gauge(self, kind: Kind, source: str) -> Capability:
        sensing = self._sensing.average if kind is Kind.POWER_AVERAGE else self._sensing.instant
        return Capability(
            kind,
            "W",
            source,
            resolution=0.001,
            averaging_window_s=sensing.window_s,
            duty_frac=sensing.duty_frac,
            gain_error_frac=GAIN_ERROR_FRAC,
            note="window and duty as published for this generation",
        )

    def _power_limit(self) -> Capability:
        minimum_mw, maximum_mw = self._call("nvmlDeviceGetPowerManagementLimitConstraints")
        self._call("nvmlDeviceGetPowerManagementLimit")
        default_mw = self._or_none("nvmlDeviceGetPowerManagementDefaultLimit")
        notes = [] if default_mw is None else [f"default {default_mw / 1000:g} W"]
        if not self._or_none("nvmlDeviceGetPersistenceMode"):
            notes.append(VANISHES)
        return Capability(
            Kind.POWER_LIMIT,
            "W",
            "nvmlDeviceSetPowerManagementLimit",
            minimum=minimum_mw / 1000,
            maximum=maximum_mw / 1000,
            resolution=0.001,
            privilege=PRIVILEGE,
            note="; ".join(notes),
        )

    def _refusal(self) -> str:
        """Why the limit may not be set: NVML has no question for that but setting it, here once to what it is."""
        known = self._library.refusals
        if self._uid not in known:
            try:
                self._call("nvmlDeviceSetPowerManagementLimit", self._call("nvmlDeviceGetPowerManagementLimit"))
                known[self._uid] = ""
            except UsageError:  # so it was looked at, and not taken
                known[self._uid] = ""
            except PermissionDeniedError:
                known[self._uid] = REFUSED
            except CapabilityError as error:
                known[self._uid] = error.seen.removeprefix("it has ")
            except DeviceLostError as error:  # it may come back
                return error.seen
        return known[self._uid]

    def _core_clock(self) -> Capability:
        memory_mhz = max(self._call("nvmlDeviceGetSupportedMemoryClocks"))
        clocks_mhz = self._call("nvmlDeviceGetSupportedGraphicsClocks", memory_mhz)
        return self._clock(Kind.CORE_CLOCK, "nvmlDeviceSetGpuLockedClocks", clocks_mhz, VOLTA)

    def _memory_clock(self) -> Capability:
        clocks_mhz = self._call("nvmlDeviceGetSupportedMemoryClocks")
        return self._clock(Kind.MEMORY_CLOCK, "nvmlDeviceSetMemoryLockedClocks", clocks_mhz, AMPERE)

    def _clock(self, kind: Kind, call: str, clocks_mhz: list[int], since: int) -> Capability:
        if self._architecture < since:
            raise CapabilityError(self._uid, call, "a generation before such locks")
        if kind is Kind.MEMORY_CLOCK and len(set(clocks_mhz)) < 2:
            raise CapabilityError(self._uid, call, "one memory clock, so that there is nothing to choose")
        values = tuple(sorted({float(clock) for clock in clocks_mhz}))
        steps = {round(high - low, 3) for low, high in pairwise(values)}
        return Capability(
            kind,
            "MHz",
            call,
            minimum=values[0],
            maximum=values[-1],
            step=steps.pop() if len(steps) == 1 else None,
            values=values,
            resolution=1.0,
            privilege=PRIVILEGE,
            note=UNREADABLE,
        )
