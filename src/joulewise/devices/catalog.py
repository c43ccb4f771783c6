"""Which drivers there are, each loaded when it is asked for; third parties through entry points.

A driver that cannot be loaded, or errs while it looks, is a line of ``joulewise doctor`` and stops nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from joulewise.devices.device import Device, Driver, Finding, Host
from joulewise.devices.installed import may_be_there
from joulewise.errors import JoulewiseError, UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "joulewise.drivers"
IN_TREE = MappingProxyType(
    {
        "nvidia": "joulewise.devices.nvml",
        "amd": "joulewise.devices.amdsmi",
        "hwmon": "joulewise.devices.hwmon",
        "cpu": "joulewise.devices.rapl",
        "cpufreq": "joulewise.devices.cpufreq",
        "jetson": "joulewise.devices.jetson",
        "apple": "joulewise.devices.apple",
        "redfish": "joulewise.devices.redfish",
        "agent": "joulewise.devices.agent_client",
        "sim": "joulewise.devices.simulated.driver",
    }
)
"""Modules of our own drivers by the name that selects their devices, in the order in which they look."""

ONLY_IF_TOLD = MappingProxyType({"redfish": "JOULEWISE_REDFISH_URL", "sim": ""})
"""Drivers of ours that find nothing unless a variable is set (or never), and so are not loaded to look."""


@cache
def third_party() -> dict[str, EntryPoint]:
    """Drivers of other packages by name; none takes the name of one of ours."""
    if not may_be_there(GROUP):
        return {}
    from importlib.metadata import entry_points  # noqa: PLC0415 (costs 20 ms, and most machines have no such driver)

    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    return {name: entry for name, entry in sorted(found.items()) if name not in IN_TREE}


def driver_names() -> tuple[str, ...]:
    """Names of all drivers, ours first."""
    return (*IN_TREE, *third_party())


def load_driver(name: str) -> Driver:
    """The driver of a name.

    Raises:
        UsageError: If there is none of that name, or it cannot be loaded.
    """
    if name not in IN_TREE and name not in third_party():
        raise UsageError("unknown driver", repr(name), f"use {', '.join(driver_names())}")
    try:
        loaded = import_module(IN_TREE[name]).driver if name in IN_TREE else third_party()[name].load()
    except Exception as error:  # whatever another package does at import
        fix = "install joulewise again" if name in IN_TREE else f"repair or remove {third_party()[name].value}"
        raise UsageError(f"driver {name} cannot be loaded", f"{type(error).__name__}: {error}", fix) from error
    driver: Driver = loaded
    return driver


def find(name: str, host: Host) -> Sequence[Device]:
    """What a driver finds by itself; none if it cannot look (`examine` says why)."""
    if name in ONLY_IF_TOLD and not host.environ.get(ONLY_IF_TOLD[name]):
        return ()
    try:
        return tuple(load_driver(name).find(host))
    except Exception:  # a driver must not raise here; one that does must not hide the others
        return ()


def examine(name: str, host: Host) -> Sequence[Finding]:
    """What a driver says about a host; never raises."""
    try:
        driver = load_driver(name)
        driver.find(host)
        return tuple(driver.examine(host))
    except JoulewiseError as error:
        return (Finding(name, error.what, False, error.seen or str(error), error.fix, broken=True),)
    except Exception as error:  # as above
        seen = f"{type(error).__name__}: {error}"
        return (Finding(name, f"driver {name}", False, seen, f"report it to the authors of driver {name}", True),)


def find_all(host: Host) -> list[Device]:
    """All devices that drivers find by themselves, each once.

    Of two drivers that find one device, the one that may do more with it has it (an agent, where we lack a privilege),
    else the first.
    """
    found: dict[str, Device] = {}
    for name in driver_names():
        for device in find(name, host):
            known = found.setdefault(device.identity.uid, device)
            if known is not device and _permitted(device) > _permitted(known):
                found[device.identity.uid] = device
    return list(found.values())


def _permitted(device: Device) -> int:
    return sum(entry.permitted for entry in device.capabilities.values())
