"""What a device can be told: frozen values, each of which knows its kind and checks itself against a capability.

A setting that the device does not take is refused with the nearest that it takes, never snapped silently. What was
found on a device is a setting too, so restoring is telling it what was found; `Unlocked` is a clock found free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.device import Device
from joulewise.errors import CapabilityError, PermissionDeniedError, UsageError

MISMATCH_W = 0.5  # power limits are stored in the hardware's own steps, often unsaid
MISMATCH_MHZ = 1.0
ON_STEP = 1e-3


@dataclass(frozen=True, slots=True)
class PowerLimit:
    """A limit of power [W]; 0 is none in force, which can be found but not asked for."""

    limit_w: float
    kind: ClassVar[Kind] = Kind.POWER_LIMIT


@dataclass(frozen=True, slots=True)
class CoreClock:
    """A core clock locked into a range [MHz]."""

    minimum_mhz: int
    maximum_mhz: int
    kind: ClassVar[Kind] = Kind.CORE_CLOCK


@dataclass(frozen=True, slots=True)
class MemoryClock:
    """A memory clock locked into a range [MHz]."""

    minimum_mhz: int
    maximum_mhz: int
    kind: ClassVar[Kind] = Kind.MEMORY_CLOCK


@dataclass(frozen=True, slots=True)
class PowerCap:
    """A long-term cap of the power of a CPU [W]."""

    cap_w: float
    kind: ClassVar[Kind] = Kind.CPU_POWER_CAP


@dataclass(frozen=True, slots=True)
class CpuFrequency:
    """The range that CPU frequencies may take [MHz]."""

    minimum_mhz: int
    maximum_mhz: int
    kind: ClassVar[Kind] = Kind.CPU_FREQUENCY


@dataclass(frozen=True, slots=True)
class Unlocked:
    """A core or memory clock that is free."""

    kind: Kind


Setting = PowerLimit | CoreClock | MemoryClock | PowerCap | CpuFrequency | Unlocked
CLASSES: Mapping[Kind, type[PowerLimit | CoreClock | MemoryClock | PowerCap | CpuFrequency]] = {
    Kind.POWER_LIMIT: PowerLimit,
    Kind.CORE_CLOCK: CoreClock,
    Kind.MEMORY_CLOCK: MemoryClock,
    Kind.CPU_POWER_CAP: PowerCap,
    Kind.CPU_FREQUENCY: CpuFrequency,
}
LOCKS = (Kind.CORE_CLOCK, Kind.MEMORY_CLOCK)

_READ: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.POWER_LIMIT: lambda device: (device.read_power_limit_w(),),
    Kind.CORE_CLOCK: lambda device: device.read_core_clock_lock(),
    Kind.MEMORY_CLOCK: lambda device: device.read_memory_clock_lock(),
    Kind.CPU_POWER_CAP: lambda device: (device.read_power_cap_w(),),
    Kind.CPU_FREQUENCY: lambda device: device.read_frequency_limits_mhz(),
}
_TELL: Mapping[Kind, str] = {
    Kind.POWER_LIMIT: "set_power_limit_w",
    Kind.CORE_CLOCK: "lock_core_clock",
    Kind.MEMORY_CLOCK: "lock_memory_clock",
    Kind.CPU_POWER_CAP: "set_power_cap_w",
    Kind.CPU_FREQUENCY: "set_frequency_limits_mhz",
}
_UNLOCK: Mapping[Kind, str] = {Kind.CORE_CLOCK: "unlock_core_clock", Kind.MEMORY_CLOCK: "unlock_memory_clock"}


def numbers(setting: Setting) -> tuple[float, ...]:
    """The values of a setting, in the unit of its capability; none if unlocked."""
    return () if isinstance(setting, Unlocked) else tuple(getattr(setting, name) for name in setting.__slots__)


def make(kind: Kind, *values: float) -> Setting:
    """A setting of a kind from its values, whole MHz for clocks; no values are `Unlocked`."""
    made: Any = CLASSES[kind]
    whole = kind not in (Kind.POWER_LIMIT, Kind.CPU_POWER_CAP)
    setting: Setting = made(*(round(value) if whole else value for value in values)) if values else Unlocked(kind)
    return setting


def read_setting(device: Device, kind: Kind) -> Setting:
    """What a device is set to now; `Unlocked` also if it cannot say."""
    return make(kind, *(_READ[kind](device) or ()))


def tell(device: Device, setting: Setting) -> None:
    """Tell a device a setting, unchecked. `apply.apply` is what restores."""
    if isinstance(setting, Unlocked):
        getattr(device, _UNLOCK[setting.kind])()
    else:
        getattr(device, _TELL[setting.kind])(*numbers(setting))


def check(device: Device, setting: Setting) -> Capability:
    """The capability that a setting needs, if the device takes it.

    Raises:
        UsageError: If the setting means nothing: a number not positive, or a range the wrong way round.
        CapabilityError: If the device cannot do it; lists what it can, and the nearest value that it takes.
        PermissionDeniedError: If a privilege is missing; says which.
    """
    values, uid = numbers(setting), device.identity.uid
    if not all(isinstance(value, int | float) and 0 < value < math.inf for value in values):
        raise UsageError(f"a {setting.kind} must be positive", describe(setting), "give a number above 0")
    if len(values) == 2 and values[0] > values[1]:
        raise UsageError(f"a {setting.kind} range ends below its start", describe(setting), "swap the two")
    if isinstance(setting, Unlocked) and setting.kind not in LOCKS:
        raise UsageError(f"a {setting.kind} cannot be unlocked", repr(setting), f"give {', '.join(LOCKS)}")
    capability = device.capabilities.get(setting.kind)
    if capability is None:
        raise CapabilityError(uid, describe(setting), ", ".join(device.capabilities))
    for value in values:
        nearest = nearest_allowed(capability, value)
        if nearest != value:
            fix = f"the nearest that it takes is {nearest:g} {capability.unit}"
            raise CapabilityError(uid, describe(setting), f"{setting.kind} of {allowed(capability)}", fix)
    if not capability.permitted:
        raise PermissionDeniedError(f"{describe(setting)} of {uid}", capability.privilege or "a privilege")
    return capability


def nearest_allowed(capability: Capability, value: float) -> float:
    """The value nearest to ``value`` that a knob takes; ``value`` itself if it takes that."""
    if capability.values:
        nearest = min(capability.values, key=lambda known: abs(known - value))
        return value if abs(nearest - value) < ON_STEP else nearest
    low = -math.inf if capability.minimum is None else capability.minimum
    high = math.inf if capability.maximum is None else capability.maximum
    nearest = min(max(value, low), high)
    if nearest == value and capability.step and low > -math.inf and value != high:
        steps = (value - low) / capability.step
        if abs(steps - round(steps)) > ON_STEP:
            nearest = min(low + round(steps) * capability.step, high)
    return nearest


def allowed(capability: Capability) -> str:
    """What a knob takes, for people."""
    if capability.values:
        low, high = capability.values[0], capability.values[-1]
        return f"{low:g} to {high:g} {capability.unit} in {len(capability.values)} values"
    ends = ["?" if end is None else f"{end:g}" for end in (capability.minimum, capability.maximum)]
    steps = f" in steps of {capability.step:g}" if capability.step else ""
    return f"{ends[0]} to {ends[1]} {capability.unit}{steps}"


def same(one: Setting, other: Setting, capability: Capability | None = None) -> bool:
    """Whether two settings are one to the hardware, which stores them in its own steps."""
    if one == other:
        return True
    if type(one) is not type(other) or one.kind is not other.kind:
        return False
    stated = max(capability.step or 0.0, capability.resolution or 0.0) if capability else 0.0
    power = one.kind in (Kind.POWER_LIMIT, Kind.CPU_POWER_CAP)
    off = max(min(stated, 5.0), MISMATCH_W if power else MISMATCH_MHZ)
    pairs = list(zip(numbers(one), numbers(other), strict=True))
    if power and 0 in (numbers(one) + numbers(other)):
        return False  # none in force is no small limit
    return all(abs(a - b) <= off * (1 + 1e-9) for a, b in pairs)


def describe(setting: Setting) -> str:
    """A setting for people.

    Example:
        >>> describe(PowerLimit(250.0)), describe(CoreClock(210, 1410)), describe(Unlocked(Kind.CORE_CLOCK))
        ('power_limit 250 W', 'core_clock 210 to 1410 MHz', 'core_clock unlocked')
    """
    values = numbers(setting)
    unit = "W" if setting.kind in (Kind.POWER_LIMIT, Kind.CPU_POWER_CAP) else "MHz"
    text = " to ".join(f"{value:g}" for value in dict.fromkeys(values))
    return f"{setting.kind} {text} {unit}" if values else f"{setting.kind} unlocked"


def to_dict(setting: Setting) -> dict[str, Any]:
    """A setting as JSON."""
    return {"kind": str(setting.kind), "values": list(numbers(setting))}


def from_dict(entry: Mapping[str, Any]) -> Setting:
    """A setting from JSON.

    Raises:
        UsageError: If it is none.
    """
    try:
        return make(Kind(entry["kind"]), *entry["values"])
    except (KeyError, TypeError, ValueError) as error:
        fix = f"give a kind of {', '.join(CLASSES)} and its values"
        raise UsageError("this is no setting", repr(entry), fix) from error
