"""Keep devices at settings until the process is told to end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from joulewise.clock import MonotonicClock
from joulewise.devices.apply import Applied, apply
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device
from joulewise.devices.settings import CLASSES, Setting, describe, make, same
from joulewise.errors import JoulewiseError, UsageError

LOOK_S = 2.0


def hold(devices: Sequence[Device], texts: Sequence[str]) -> None:
    """Set, and look every two seconds whether somebody (an agent that was started again) has put it back meanwhile.

    Returns never; a signal ends it, and what was found comes back.

    Raises:
        UsageError: If a text is no setting.
        JoulewiseError: As of `joulewise.devices.apply.apply`; whatever was set before is put back.
    """
    clock, settings = MonotonicClock(), [parse_setting(text) for text in texts]
    with ExitStack() as stack:
        handles = [stack.enter_context(apply(one, setting)) for one in devices for setting in settings]
        for handle in handles:
            uid = handle.device.identity.uid
            sys.stdout.write(f"{uid}: holding {describe(handle.setting)}, found {describe(handle.found)}\n")
        sys.stdout.flush()
        while True:
            clock.sleep(LOOK_S)
            for handle in handles:
                with suppress(JoulewiseError):  # the agent is away: it will be back
                    _keep(handle)


def _keep(handle: Applied) -> None:
    if not same(handle.look().seen, handle.setting, handle.device.capabilities[handle.setting.kind]):
        handle.change(handle.setting)


def parse_setting(text: str) -> Setting:
    """A setting from ``kind=value`` or ``kind=lowest,highest``.

    Raises:
        UsageError: If it is none.
    """
    name, _, numbers = text.partition("=")
    try:
        values = [float(number) for number in numbers.split(",")]
        kind = Kind(name)
        if kind not in CLASSES:
            raise ValueError(name)
        pair = kind not in (Kind.POWER_LIMIT, Kind.CPU_POWER_CAP) and len(values) == 1
        return make(kind, *(values * 2 if pair else values))
    except (TypeError, ValueError, OverflowError) as error:
        fix = f"give one of {', '.join(CLASSES)} and its value, as in power_limit=250 or core_clock=900,1200"
        raise UsageError("this is no setting", repr(text), fix) from error
