"""What a tuner may turn, named by capability and never by vendor, and the settings that it stands for.

A candidate is plain numbers, so that it can be saved: a limit [W], a clock [MHz], or a pair of both. Only here does it
become settings of devices; each device gets the nearest setting that it takes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.device import Device
from joulewise.devices.settings import Setting, make, nearest_allowed, numbers, read_setting
from joulewise.errors import CapabilityError, PermissionDeniedError, UsageError
from joulewise.optimize.protocol import Apart

STRIDE_W = 25.0
"""Distance of power limits that are tried at first [W], as in Zeus; tuners choose among them rather than sweep."""
CLOCKS = 24
"""About how many clocks are candidates, evenly spread over those that the device takes."""


class Knob(StrEnum):
    """What can be turned."""

    POWER_LIMIT = "power-limit"
    CORE_CLOCK = "core-clock"
    CLOCK_AND_LIMIT = "clock-and-limit"
    CPU_POWER_CAP = "cpu-power-cap"


KINDS: Mapping[Knob, tuple[Kind, ...]] = MappingProxyType(
    {
        Knob.POWER_LIMIT: (Kind.POWER_LIMIT,),
        Knob.CORE_CLOCK: (Kind.CORE_CLOCK,),
        Knob.CLOCK_AND_LIMIT: (Kind.CORE_CLOCK, Kind.POWER_LIMIT),
        Knob.CPU_POWER_CAP: (Kind.CPU_POWER_CAP,),
    }
)
"""The kinds of capability that each knob takes, in the order of a candidate's numbers."""


@dataclass(frozen=True)
class Tunable:
    """A knob of some devices, and what it can be turned to.

    Attributes:
        knob: Which.
        devices: Whose; all are set alike.
        candidates: What it can be turned to, slowest first in each arm; the last one is what was found, or holds
            nothing back: nothing is raised above what an operator allows.
        arms: Ranks at which an arm begins. Of two knobs each is lowered while the other is where it was found: the one
            that binds at an instant decides alone, so that lowering both adds little.
        first: How many devices ranks before ours turn.
        count: How many devices all ranks turn.
    """

    knob: Knob
    devices: tuple[Device, ...]
    candidates: tuple[Hashable, ...]
    arms: tuple[int, ...] = (0,)
    first: int = 0
    count: int = 0

    def settings(self, candidate: Hashable, device: Device) -> tuple[Setting, ...]:
        """What one device is told for a candidate, or for its part of one `Apart`: the nearest that it takes."""
        if isinstance(candidate, Apart):
            candidate = candidate.settings[self.first + self.devices.index(device)]
        values = candidate if isinstance(candidate, tuple) else (candidate,)
        told = []
        for kind, value in zip(KINDS[self.knob], values, strict=True):
            nearest = nearest_allowed(device.capabilities[kind], value)
            told.append(make(kind, *([nearest, nearest] if kind is Kind.CORE_CLOCK else [nearest])))
        return tuple(told)


def find_tunable(devices: Sequence[Device], knob: Knob | str | None = None) -> Tunable:
    """The devices that have a knob which we may turn.

    Args:
        devices: Among these.
        knob: Which; by default the first of power limit, core clock and CPU power cap that some device has.

    Raises:
        UsageError: If there is no such knob.
        CapabilityError: If no device has it.
        PermissionDeniedError: If some have it, but we may turn none of them.
    """
    try:
        wanted = [Knob(knob)] if knob else [Knob.POWER_LIMIT, Knob.CORE_CLOCK, Knob.CPU_POWER_CAP]
    except ValueError:
        raise UsageError("there is no such knob", repr(knob), f"use one of {', '.join(Knob)}") from None
    denied: tuple[Device, Capability] | None = None
    for one in wanted:
        having = [device for device in devices if all(kind in device.capabilities for kind in KINDS[one])]
        allowed = [device for device in having if all(device.capabilities[kind].permitted for kind in KINDS[one])]
        if allowed:
            return Tunable(one, tuple(allowed), *_candidates(one, allowed))
        if having and denied is None:
            entries = [having[0].capabilities[kind] for kind in KINDS[one]]
            denied = having[0], next(entry for entry in entries if not entry.permitted)
    if denied is not None:
        device, entry = denied
        what = f"turning the {entry.kind} of {device.identity.uid}"
        raise PermissionDeniedError(what, entry.privilege or "a privilege")
    has = "; ".join(f"{device.identity.uid}: {', '.join(device.capabilities)}" for device in devices)
    names = ", ".join(device.identity.uid for device in devices) or "no device"
    raise CapabilityError(names, f"tuning by {' or '.join(wanted)}", has)


def _candidates(knob: Knob, devices: Sequence[Device]) -> tuple[tuple[Hashable, ...], tuple[int, ...]]:
    """Candidates, and where arms begin."""
    columns = [_values([_up_to_found(device, kind) for device in devices]) for kind in KINDS[knob]]
    if len(columns) == 1:
        return tuple(columns[0]), (0,)
    clocks, limits = columns
    lower_clocks = tuple((clock, limits[-1]) for clock in clocks[:-1])
    arms = (0, len(lower_clocks)) if lower_clocks and len(limits) > 1 else (0,)
    return (*lower_clocks, *((clocks[-1], limit) for limit in limits)), arms


def _up_to_found(device: Device, kind: Kind) -> Capability:
    """What a knob can be turned to without giving more than whoever set it allows: an operator, or the factory."""
    entry = device.capabilities[kind]
    found = numbers(read_setting(device, kind))
    if not found or found[-1] <= 0:
        return entry
    values = None if entry.values is None else tuple(value for value in entry.values if value <= found[-1])
    return replace(entry, maximum=found[-1], values=values or None)


def _values(entries: Sequence[Capability]) -> list[float]:
    """Values that all of these knobs come near to, rising."""
    lows = [entry.values[0] if entry.values else entry.minimum for entry in entries]
    highs = [entry.values[-1] if entry.values else entry.maximum for entry in entries]
    known_lows, known_highs = [one for one in lows if one], [one for one in highs if one]
    if len(known_lows) < len(entries) or len(known_highs) < len(entries) or max(known_lows) > min(known_highs):
        seen = ", ".join(f"{low} to {high} {entry.unit}" for low, high, entry in zip(lows, highs, entries, strict=True))
        raise CapabilityError("these devices together", f"one common {entries[0].kind}", seen, "tune them apart")
    low, high = max(known_lows), min(known_highs)
    if entries[0].values:
        values = [value for value in entries[0].values if low <= value <= high]
        stride = max(1, round(len(values) / CLOCKS))
        return sorted(values[::-1][::stride])
    step = entries[0].step or 1.0
    stride_w = max(step, min(STRIDE_W, (high - low) / 6))
    count = int((high - low) / stride_w + 1e-9)
    return sorted({low, *(high - stride_w * index for index in range(count + 1))})
