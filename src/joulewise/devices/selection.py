"""Which devices are meant: by ``--device`` text, or by the environment variables that programs and schedulers set.

Texts, several by comma: ``nvidia`` (all that the driver finds), ``nvidia:0`` (in the driver's order), ``nvidia:GPU-5f``
(a uid or the unique start of one), ``cpu``, ``sim:a100x8`` (made to order). ``nvidia:0,1`` is ``nvidia:0,nvidia:1``.
Without a text: what ``JOULEWISE_DEVICE`` says, else all that drivers find by themselves and the environment lets this
process see (`visible`). Each is as its driver probed it, or as the file of ``JOULEWISE_CAPABILITIES`` describes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from joulewise.devices.catalog import IN_TREE, driver_names, find_all, load_driver
from joulewise.devices.described import as_documented
from joulewise.devices.device import Device, DriverToOrder, Host
from joulewise.devices.visible import visible
from joulewise.errors import UsageError

VARIABLE = "JOULEWISE_DEVICE"


def find_devices(selection: str | Sequence[str] | None = None, host: Host | None = None) -> list[Device]:
    """The devices that are meant, each once, in the order in which they were named or found.

    Args:
        selection: Text as above, or several; None for what there is.
        host: The machine; this one by default.

    Raises:
        UsageError: If a text means no device; says what there is. If the file of capabilities cannot be used.
    """
    host = host or Host()
    return as_documented(_found(selection, host), host.environ)


def named_by_environment(host: Host) -> str | None:
    """What ``JOULEWISE_DEVICE`` selects, if it is set."""
    return host.environ.get(VARIABLE) or None


def _found(selection: str | Sequence[str] | None, host: Host) -> list[Device]:
    if selection is None:
        selection = named_by_environment(host)
    if selection is None:
        return visible(find_all(host), host.environ)
    texts = [selection] if isinstance(selection, str) else list(selection)
    chosen: dict[str, Device] = {}
    for driver, which in _tokens(texts):
        for device in _select(driver, which, host):
            chosen.setdefault(device.identity.uid, device)
    return list(chosen.values())


def _tokens(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of driver and what is wanted of it."""
    tokens: list[tuple[str, str]] = []
    for text in texts:
        driver = ""
        for part in filter(None, map(str.strip, text.split(","))):
            name, colon, which = part.partition(":")
            if not colon and driver and name.isdecimal():
                name, which = driver, name
            if name not in IN_TREE and name not in driver_names():
                fix = f"begin with one of {', '.join(driver_names())}, as in nvidia:0"
                raise UsageError(f"unknown driver {name!r}", f"in {text!r}", fix)
            driver = name
            tokens.append((name, which))
    if not tokens:
        fix = f"begin with one of {', '.join(driver_names())}, as in nvidia:0"
        raise UsageError("no device is named", repr(", ".join(texts)), fix)
    return tokens


def _select(name: str, which: str, host: Host) -> Sequence[Device]:
    driver = load_driver(name)
    if which and isinstance(driver, DriverToOrder):
        return driver.select(which, host)
    found = list(driver.find(host))
    if not found:
        if isinstance(driver, DriverToOrder):
            return driver.select(which, host)  # it says best what it would take
        seen = f"asked for {name}{which and ':' + which}"
        raise UsageError(f"driver {name} finds no device", seen, "joulewise doctor says why")
    if not which:
        return found
    if which.isdecimal() and int(which) < len(found):
        return [found[int(which)]]
    matches = [device for device in found if which in device.identity.names]
    matches = matches or [device for device in found if any(n.startswith(which) for n in device.identity.names)]
    if len(matches) == 1 and not which.isdecimal():
        return matches
    there = ", ".join(f"{name}:{i} ({d.identity.model}, {d.identity.uid})" for i, d in enumerate(found))
    what = f"{name}:{which} means {len(matches)} devices" if len(matches) > 1 else f"there is no {name}:{which}"
    raise UsageError(what, f"there are {there}", "name one of these")
