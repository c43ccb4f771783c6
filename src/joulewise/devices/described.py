"""Hardware as another document describes it: calibrated, or edited to ask what other hardware would be worth.

A file holds what ``joulewise devices --json`` prints or ``joulewise calibrate -o`` writes: an entry, or a list of them,
each with the uid of its device. The variable ``JOULEWISE_CAPABILITIES`` names one; then it holds for all commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from joulewise.devices.capabilities import PROTOCOLS, Capabilities
from joulewise.devices.device import Device, Identity
from joulewise.errors import InputFileError, UsageError

VARIABLE = "JOULEWISE_CAPABILITIES"
OWN = ("identity", "capabilities")


class Described:
    """A device with capabilities in place of those that were probed; all else is the device's. See `described`."""

    def __init__(self, device: Device, capabilities: Capabilities) -> None:
        """Keep both."""
        self.identity: Identity = device.identity
        self.capabilities = capabilities
        self._device = device


def described(device: Device, capabilities: Capabilities) -> Device:
    """A device as a document describes it; it is read and told as before.

    Raises:
        UsageError: If the document has a kind that the device has no methods for.
    """
    missing = [kind for kind in capabilities if not isinstance(device, PROTOCOLS[kind])]
    if missing:
        have = ", ".join(kind for kind, protocol in PROTOCOLS.items() if isinstance(device, protocol))
        raise UsageError(
            f"{device.identity.uid} has nothing to read or tell for {', '.join(missing)}",
            f"it has {have or 'nothing'}",
            "leave those kinds out of the document",
        )
    names = [name for name in dir(device) if not name.startswith("_") and name not in OWN]
    members = {name: property(partial(_pass_on, name)) for name in names}  # in the class, where Protocols look
    made: Device = type(f"Described{type(device).__name__}", (Described,), members)(device, capabilities)
    return made


def _pass_on(name: str, self: Described) -> Any:
    return getattr(self._device, name)


def as_documented(devices: Iterable[Device], environ: Mapping[str, str]) -> list[Device]:
    """Devices as the file of ``JOULEWISE_CAPABILITIES`` describes them; whom it does not name stays as probed.

    Raises:
        UsageError: If the file cannot be used, or gives a device what it has no methods for.
    """
    file = environ.get(VARIABLE)
    if not file:
        return list(devices)
    documents = read_documents(file)
    return [described(one, documents[uid]) if (uid := one.identity.uid) in documents else one for one in devices]


def read_documents(path: str | Path) -> dict[str, Capabilities]:
    """The capabilities of each uid of a file.

    Raises:
        InputFileError: If it cannot be read, an entry names no device or one that another names, or says something
            that capabilities cannot be.
    """
    document = _json(path)
    found: dict[str, Capabilities] = {}
    for entry in document if isinstance(document, list) else [document]:
        uid = entry.get("uid") if isinstance(entry, Mapping) else None
        if not isinstance(uid, str) or not uid or uid in found:
            seen = "an entry without uid" if not isinstance(uid, str) or not uid else f"{uid} twice"
            raise InputFileError(str(path), None, "does not say whose capabilities these are", seen, _FIX)
        found[uid] = _capabilities(path, entry)
    return found


def read_capabilities(path: str | Path) -> Capabilities:
    """The capabilities of a file that describes one device, whichever it is.

    Raises:
        InputFileError: If it cannot be read, is not JSON, or says something that capabilities cannot be.
    """
    return _capabilities(path, _json(path))


_FIX = "give each device one entry with its uid, as joulewise devices --json prints them"


def _json(path: str | Path) -> Any:
    import json  # noqa: PLC0415 (few have such a file)

    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputFileError(str(path), None, "cannot be read", str(error), "name a file of capabilities") from error
    except ValueError as error:
        raise InputFileError(
            str(path), None, "is no document of capabilities", str(error), "write it as JSON"
        ) from error


def _capabilities(path: str | Path, document: object) -> Capabilities:
    try:
        return Capabilities.from_dict(document)
    except UsageError as error:
        raise InputFileError(str(path), None, error.what, error.seen, error.fix) from error
