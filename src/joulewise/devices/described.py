"""Hardware as another document describes it: calibrated, or edited to ask what other hardware would be worth."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from joulewise.devices.capabilities import PROTOCOLS, Capabilities
from joulewise.devices.device import Device, Identity
from joulewise.errors import InputFileError, UsageError

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


def read_capabilities(path: str | Path) -> Capabilities:
    """The capabilities of a file: an entry of ``joulewise devices --json``, or what calibration saved.

    Raises:
        InputFileError: If it cannot be read, is not JSON, or says something that capabilities cannot be.
    """
    try:
        return Capabilities.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise InputFileError(str(path), None, "cannot be read", str(error), "name a file of capabilities") from error
    except UsageError as error:
        raise InputFileError(str(path), None, error.what, error.seen, error.fix) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputFileError(
            str(path), None, "is no document of capabilities", str(error), "write it as JSON"
        ) from error
