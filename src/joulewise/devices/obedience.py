"""Whether hardware does what it was told, as far as its sensors show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.device import Device, can
from joulewise.devices.settings import LOCKS, Setting, Unlocked, describe, numbers, read_setting, same
from joulewise.errors import DeviceLostError, JoulewiseError

CLOCK_STEP_MHZ = 15.0
CPU_CLOCK_FRAC = 0.02
POWER_FRAC = 0.10  # draw swings around a limit, and gauges are off by about 5 %
CLOCKS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.CORE_CLOCK: "read_core_clock_mhz",
        Kind.MEMORY_CLOCK: "read_memory_clock_mhz",
        Kind.CPU_FREQUENCY: "read_frequency_mhz",
    }
)


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of a device after it was told something.

    Attributes:
        seen: The setting as read back; `Unlocked` also where hardware cannot say.
        obeyed: Whether it does as told; None if it cannot be known.
        throttle_reasons: Why it does not run faster.
        clock_mhz: The clock that is achieved [MHz], for settings of a clock.
        power_w: The power that is drawn [W], for settings of power.
        why: What does not agree, for people; empty if nothing.
    """

    seen: Setting
    obeyed: bool | None
    throttle_reasons: frozenset[str] = frozenset()
    clock_mhz: int | None = None
    power_w: float | None = None
    why: str = ""


def observe(device: Device, setting: Setting) -> Observation:
    """Look whether a device obeys a setting; reads only.

    Raises:
        DeviceLostError: If it is gone.
    """
    capability = device.capabilities[setting.kind]
    seen = read_setting(device, setting.kind)
    shows = same(seen, setting, capability)
    silent = isinstance(seen, Unlocked) and not isinstance(setting, Unlocked)
    reasons = _throttle_reasons(device)
    clock_mhz, power_w = _number(device, CLOCKS.get(setting.kind)), None
    if setting.kind in CLOCKS:
        why = _clock_problem(setting, clock_mhz, capability, reasons)
        known = clock_mhz is not None
    else:
        power_w = _power_w(device)
        why, known = _power_problem(setting, power_w, _gain(device)), True
    if not shows and not silent:
        why = f"it shows {describe(seen)}, told {describe(setting)}"
    if why and reasons:
        why += f"; throttled by {', '.join(sorted(reasons))}"
    obeyed = False if why else None if silent and not known else True
    clock = None if clock_mhz is None else round(clock_mhz)
    return Observation(seen, obeyed, reasons, clock, power_w, why)


def _clock_problem(setting: Setting, clock_mhz: float | None, entry: Capability, reasons: frozenset[str]) -> str:
    if clock_mhz is None or isinstance(setting, Unlocked):
        return ""
    low, high = numbers(setting)
    off = max(entry.step or CLOCK_STEP_MHZ, 0.0 if setting.kind in LOCKS else CPU_CLOCK_FRAC * high)
    if clock_mhz > high + off:
        return f"its clock is {clock_mhz:g} MHz, told at most {high:g} MHz"
    may_be_low = setting.kind is Kind.CPU_FREQUENCY or "idle" in reasons
    if clock_mhz < low - off and not may_be_low:
        return f"its clock is {clock_mhz:g} MHz, told at least {low:g} MHz"
    return ""


def _power_problem(setting: Setting, power_w: float | None, gain_frac: float) -> str:
    (limit_w,) = numbers(setting)
    if power_w is not None and power_w > limit_w * (1 + max(POWER_FRAC, 2 * gain_frac)):
        return f"it draws {power_w:g} W, told at most {limit_w:g} W"
    return ""


def _power_w(device: Device) -> float | None:
    """Power now; the instant gauge does not lag behind."""
    for kind, name in ((Kind.POWER_INSTANT, "read_power_w"), (Kind.POWER_AVERAGE, "read_average_power_w")):
        if can(device, kind):
            return _number(device, name)
    return None


def _gain(device: Device) -> float:
    kinds = (Kind.POWER_INSTANT, Kind.POWER_AVERAGE)
    return max((device.capabilities[kind].gain_error_frac or 0.0 for kind in kinds if can(device, kind)), default=0.0)


def _throttle_reasons(device: Device) -> frozenset[str]:
    if not can(device, Kind.THROTTLE_REASONS):
        return frozenset()
    try:
        reasons: frozenset[str] = device.read_throttle_reasons()  # type: ignore[attr-defined]
    except DeviceLostError:
        raise
    except JoulewiseError:
        return frozenset()
    return reasons


def _number(device: Device, name: str | None) -> float | None:
    """A reading, or None if there is none."""
    if name is None:
        return None
    try:
        value: float = getattr(device, name)()
    except DeviceLostError:
        raise
    except JoulewiseError:
        return None
    return value
