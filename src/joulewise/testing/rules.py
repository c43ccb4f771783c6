"""The rules of `conformance` for who a device is and what it reads.

Each is a function that yields (what must be, what is) for whatever is wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from joulewise.clock import Clock
from joulewise.devices.capabilities import PROTOCOLS, Capabilities, Capability, Kind
from joulewise.devices.capability_checks import UNITS
from joulewise.devices.counter import CleanCounter, Reason, energy_between, most_power_w
from joulewise.devices.device import Device, Scope, can
from joulewise.devices.settings import CLASSES
from joulewise.errors import JoulewiseError, PermissionDeniedError

Wrong = Iterator[tuple[str, str]]
READ: dict[Kind, tuple[str, float, float]] = {  # a reading and its plausible range
    Kind.ENERGY_COUNTER: ("read_energy_j", 0.0, 1e13),
    Kind.POWER_INSTANT: ("read_power_w", 0.0, 1e5),
    Kind.POWER_AVERAGE: ("read_average_power_w", 0.0, 1e5),
    Kind.TEMPERATURE: ("read_temperature_c", -60.0, 200.0),
    Kind.UTILISATION: ("read_utilisation_frac", 0.0, 1.0),
    Kind.POWER_LIMIT: ("read_power_limit_w", 0.0, 1e5),
    Kind.CORE_CLOCK: ("read_core_clock_mhz", 0.0, 1e4),
    Kind.MEMORY_CLOCK: ("read_memory_clock_mhz", 0.0, 3e4),
    Kind.CPU_POWER_CAP: ("read_power_cap_w", 0.0, 1e5),
    Kind.CPU_FREQUENCY: ("read_frequency_mhz", 0.0, 1e4),
}
CONSTANT_LOAD_S = 20.0
GAIN_ERROR_FRAC = 0.05


@dataclass(frozen=True, slots=True)
class Context:
    """What is checked: a device, its clock, and a way to let time pass under constant load, if there is one."""

    device: Device
    clock: Clock
    advance: Callable[[float], None] | None


def identity(context: Context) -> Wrong:
    """Who it is."""
    who = context.device.identity
    if not isinstance(who.uid, str) or not who.uid.strip() or who.uid.isdecimal():
        yield "uid is a name that survives a reboot, no bare index", repr(who.uid)
    for field in ("vendor", "model", "driver"):
        if not getattr(who, field):
            yield f"identity.{field} is stated", repr(getattr(who, field))
    if who.scope not in tuple(Scope):
        yield f"scope is one of {', '.join(Scope)}", repr(who.scope)
    if who.parent == who.uid:
        yield "a device is not its own parent", repr(who.parent)
    if who != context.device.identity:
        yield "identity does not change", f"{who}, then {context.device.identity}"


def document(context: Context) -> Wrong:
    """Its capabilities are a document."""
    known = context.device.capabilities
    if not len(known) and context.device.identity.parent is None:  # a MIG slice is only who it is
        yield "a device can something", "no capabilities"
    text = json.dumps(known.to_dict(), allow_nan=False)
    if Capabilities.from_dict(json.loads(text)) != known:
        yield "capabilities come back from JSON as they were", text


def capabilities(context: Context) -> Wrong:
    """Each capability makes sense in itself."""
    for kind, entry in context.device.capabilities.items():
        if entry.kind is not kind:
            yield f"{kind} is filed under its kind", repr(entry.kind)
        if entry.unit not in UNITS[kind]:
            yield f"{kind} is in {UNITS[kind][-1]}", repr(entry.unit)
        if not entry.source:
            yield f"{kind} says its source", repr(entry.source)
        if not entry.permitted and not entry.privilege:
            yield f"{kind} says which privilege is missing", repr(entry.privilege)
        yield from _numbers(kind, entry)


def _numbers(kind: Kind, entry: Capability) -> Wrong:
    for name in ("step", "resolution", "update_period_s", "averaging_window_s", "duty_frac"):
        value = getattr(entry, name)
        if value is not None and not 0 < value < math.inf:
            yield f"{kind} {name} is positive or None", repr(value)
    if entry.duty_frac is not None and entry.duty_frac > 1:
        yield f"{kind} duty_frac is at most 1", repr(entry.duty_frac)
    if entry.minimum is not None and entry.maximum is not None and entry.minimum > entry.maximum:
        yield f"{kind} minimum is not above maximum", f"{entry.minimum} > {entry.maximum}"
    if entry.values is not None and list(entry.values) != sorted(set(entry.values)):
        yield f"{kind} values rise", repr(entry.values)
    if kind in CLASSES and not entry.values and (entry.minimum is None or entry.maximum is None):
        yield f"{kind} says which values it takes", "neither values nor minimum and maximum"


def methods(context: Context) -> Wrong:
    """It has the methods of what it can."""
    for kind in context.device.capabilities:
        if not isinstance(context.device, PROTOCOLS[kind]):
            yield f"{kind} has the methods of {PROTOCOLS[kind].__name__}", f"missing in {type(context.device).__name__}"


def readings(context: Context) -> Wrong:
    """Every reading is plausible, or refused with the right error."""
    for kind, entry in context.device.capabilities.items():
        if kind in CLASSES or can(context.device, kind):
            yield from _reading(context, kind, entry)
            continue
        try:
            getattr(context.device, READ[kind][0] if kind in READ else "read_throttle_reasons")()
            yield f"{kind} is permitted if it can be read", "permitted is False"
        except PermissionDeniedError:
            pass
        except JoulewiseError as error:
            yield f"{kind} without privilege raises PermissionDeniedError", f"{type(error).__name__}: {error}"


def _reading(context: Context, kind: Kind, entry: Capability) -> Wrong:
    if kind is Kind.THROTTLE_REASONS:
        reasons: Any = context.device.read_throttle_reasons()  # type: ignore[attr-defined]
        if not isinstance(reasons, frozenset) or not all(isinstance(reason, str) for reason in reasons):
            yield f"{kind} is a frozenset of words", repr(reasons)
        return
    name, low, high = READ[kind]
    value = getattr(context.device, name)()
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        yield f"{name} is a number from {low:g} to {high:g}", repr(value)
    elif kind is Kind.ENERGY_COUNTER and entry.maximum is not None and value > entry.maximum:
        yield f"{name} is not above where it wraps", f"{value!r} > {entry.maximum!r}"


def counter(context: Context) -> Wrong:
    """The counter reads what can be true, and under constant load agrees with power."""
    if not can(context.device, Kind.ENERGY_COUNTER):
        return
    clean = CleanCounter(context.device, context.clock)
    clean.read()
    if context.advance is not None:
        yield from _constant_load(context, clean, context.advance)
    draws = any(_power_w(context.device)) or not _power_w(context.device)
    wrong = [item for item in clean.rejections if draws or item.reason is not Reason.FROZEN]
    if wrong:
        most = f"at most {most_power_w(context.device):g} W"
        yield "the counter reads what can be true", f"{wrong[0]}, {most}"


def _constant_load(context: Context, clean: CleanCounter, advance: Callable[[float], None]) -> Wrong:
    entry = context.device.capabilities[Kind.ENERGY_COUNTER]
    slices = max(20, math.ceil(2 * CONSTANT_LOAD_S / max(clean.longest_gap_s, 0.01)))
    powers_w: list[float] = []
    begin, begin_ns = clean.read(), context.clock.now_ns()
    end = begin
    for _ in range(slices):
        advance(CONSTANT_LOAD_S / slices)
        end = clean.read()
        powers_w += _power_w(context.device)
    elapsed_s, energy_j = (context.clock.now_ns() - begin_ns) / 1e9, energy_between(begin, end)
    if energy_j is None or not powers_w:
        return
    integral_j = sum(powers_w) / len(powers_w) * elapsed_s
    slack_j = 2 * (entry.update_period_s or 0.1) * max(powers_w) + 2 * (entry.resolution or 0.0)
    if abs(energy_j - integral_j) > 2 * max(GAIN_ERROR_FRAC, _gain(context.device)) * integral_j + slack_j:
        seen = f"{energy_j:g} J in {elapsed_s:g} s, power says {integral_j:g} J"
        yield "energy agrees with power under constant load", seen


def _power_w(device: Device) -> list[float]:
    """Power now, if it can be read."""
    kinds = [kind for kind in (Kind.POWER_AVERAGE, Kind.POWER_INSTANT) if can(device, kind)]
    return [getattr(device, READ[kind][0])() for kind in kinds[:1]]


def _gain(device: Device) -> float:
    kinds = (Kind.POWER_AVERAGE, Kind.POWER_INSTANT, Kind.ENERGY_COUNTER)
    known = [device.capabilities[kind].gain_error_frac for kind in kinds if kind in device.capabilities]
    return max((gain for gain in known if gain), default=0.0)
