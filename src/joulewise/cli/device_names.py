"""What people call devices, as in nvidia:0: the name by which ``--device`` finds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from joulewise.devices.catalog import load_driver
from joulewise.devices.device import Device, Host
from joulewise.errors import UsageError


def device_names(devices: Sequence[Device], host: Host) -> dict[str, str]:
    """A name for each uid: the driver and the place in its own order, whichever of its devices were chosen.

    Devices that are made to order are counted as they come.
    """
    names: dict[str, str] = {}
    for driver in dict.fromkeys(one.identity.driver for one in devices):
        with suppress(UsageError):  # of a driver that was handed in
            found = load_driver(driver).find(host)
            names |= {one.identity.uid: f"{driver}:{place}" for place, one in enumerate(found)}
    counts: Counter[str] = Counter()
    for one in devices:
        if one.identity.uid not in names:
            names[one.identity.uid] = f"{one.identity.driver}:{counts[one.identity.driver]}"
            counts[one.identity.driver] += 1
    return {one.identity.uid: names[one.identity.uid] for one in devices}
