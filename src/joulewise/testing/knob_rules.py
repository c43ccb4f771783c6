"""The rules of `conformance` for knobs: take what is offered, show it, refuse the rest, go back to what was found."""

from __future__ import annotations

from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.device import Device
from joulewise.devices.settings import (
    CLASSES,
    LOCKS,
    Setting,
    Unlocked,
    describe,
    make,
    nearest_allowed,
    read_setting,
    same,
    tell,
)
from joulewise.errors import CapabilityError, JoulewiseError, PermissionDeniedError, UsageError
from joulewise.testing.rules import Context, Wrong


def knobs(context: Context) -> Wrong:
    """Every knob takes what it says, shows it, refuses the rest, and goes back to what was found."""
    for kind, entry in context.device.capabilities.items():
        if kind not in CLASSES:
            continue
        found = read_setting(context.device, kind)
        try:
            yield from _knob(context.device, entry, found)
        finally:
            if entry.permitted:
                tell(context.device, found)
        after = read_setting(context.device, kind)
        if not same(after, found, entry):
            yield f"{kind} goes back to what was found", f"{describe(after)}, found {describe(found)}"


def _knob(device: Device, entry: Capability, found: Setting) -> Wrong:
    kind = entry.kind
    low, high = _ends(entry)
    wanted = _setting(kind, low, high if kind is Kind.CPU_FREQUENCY else low)
    if same(wanted, found, entry):
        wanted = _setting(kind, high, high)
    if not entry.permitted:
        yield from _refused(device, wanted, PermissionDeniedError, "without privilege")
        return
    tell(device, wanted)
    seen = read_setting(device, kind)
    unsaid = isinstance(seen, Unlocked)  # some hardware takes locks and cannot say so
    if not unsaid and not same(seen, wanted, entry):
        yield f"{kind} shows what it was told", f"{describe(seen)}, told {describe(wanted)}"
    for outside in (_setting(kind, low / 4, low / 4), _setting(kind, high * 4, high * 4)):
        yield from _refused(device, outside, (CapabilityError, UsageError), "out of range")
        now = read_setting(device, kind)
        if not same(now, seen, entry):
            yield f"{kind} stays as it is when it refuses", f"{describe(now)}, was {describe(seen)}"
    if kind in LOCKS:
        tell(device, Unlocked(kind))
        if not isinstance(read_setting(device, kind), Unlocked):
            yield f"{kind} can be unlocked", describe(read_setting(device, kind))


def _refused(
    device: Device, setting: Setting, errors: type[JoulewiseError] | tuple[type[JoulewiseError], ...], why: str
) -> Wrong:
    names = " or ".join(error.__name__ for error in (errors if isinstance(errors, tuple) else (errors,)))
    rule = f"{setting.kind} {why} raises {names}"
    try:
        tell(device, setting)
        yield rule, f"{describe(setting)} was taken"
    except errors:
        pass
    except Exception as error:  # the checker reports whatever a driver does
        yield rule, f"{describe(setting)}: {type(error).__name__}: {error}"


def _ends(entry: Capability) -> tuple[float, float]:
    if entry.values:
        return entry.values[0], entry.values[-1]
    low, high = entry.minimum or 0.0, entry.maximum or 0.0
    return nearest_allowed(entry, low or (entry.step or 1.0)), high


def _setting(kind: Kind, low: float, high: float) -> Setting:
    return make(kind, low) if kind in (Kind.POWER_LIMIT, Kind.CPU_POWER_CAP) else make(kind, low, high)
