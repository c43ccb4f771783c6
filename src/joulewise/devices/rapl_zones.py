"""Which RAPL zones a machine has, and which of them count.

Theory of operation. A zone counts energy in a 32-bit register; the kernel shows it in µJ, so it falls back to 0 once
it has reached ``max_energy_range_uj`` (262 kJ where the unit is 61 µJ: 11 minutes at 400 W). What includes what is not
what the folders say:

* psys includes its package, a package its core and uncore; dram lies in the folder of its package but is counted
  apart, so its parent is psys or nothing;
* ``intel-rapl-mmio`` shows packages again that ``intel-rapl`` shows already, and the dies of some AMD packages all show
  the one counter of the package. Such mirrors are left out. Two dies share a counter if one, read between two readings
  of the other, lies between them: separate counters do so by accident less than once in a million starts;
* a psys that stands at 0 is not wired, and is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from joulewise.devices.device import Host, Scope
from joulewise.devices.sysfs import KeptFile, folders, read_int, read_text
from joulewise.errors import JoulewiseError

POWERCAP = "/sys/class/powercap"
_FOLDER = re.compile(r"[\w-]*rapl[\w-]*(:\d+)+")
_PACKAGE = re.compile(r"package-(\d+)(?:-die-\d+)?")


@dataclass(frozen=True)
class Zone:
    """A zone as found.

    Attributes:
        folder: Where its files are.
        name: What the kernel calls it: "package-0", "core", "dram", "psys", ...
        above: Name of the zone in whose folder it lies, or None.
        parent: Uid of the zone that includes its energy, or None.
        scope: What it covers.
    """

    folder: Path
    name: str
    above: str | None = None
    parent: str | None = None
    scope: Scope = Scope.PACKAGE

    @property
    def uid(self) -> str:
        """Its name for ever: numbers of folders depend on the order of discovery, names do not."""
        return f"rapl:{self.name}" if self.above is None else f"rapl:{self.above}/{self.name}"

    @property
    def package(self) -> str | None:
        """Number of the package that it is, or is a die of; None for parts and the platform."""
        match = _PACKAGE.fullmatch(self.name)
        return match[1] if match else None

    @property
    def energy(self) -> Path:
        """The counter."""
        return self.folder / "energy_uj"

    @property
    def long_term(self) -> int | None:
        """Number of the long-term power constraint of a package; those of its parts are not caps of a CPU."""
        names = {read_text(self.folder / f"constraint_{number}_name"): number for number in range(4)}
        return names.get("long_term") if self.package is not None else None


def survey(host: Host) -> tuple[list[Zone], list[str]]:
    """Zones that count, each package followed by its parts and the platform last; and what was left out, and why."""
    found: dict[str, Zone] = {}
    for folder in folders(host.path(POWERCAP), "*rapl*:*"):
        name = read_text(folder / "name")
        if name and _FOLDER.fullmatch(folder.name) and (folder / "energy_uj").exists():
            above = found.get(folder.name.rpartition(":")[0])
            found[folder.name] = Zone(folder, name, above.name if above else None)
    kept: list[Zone] = []
    left_out: list[str] = []
    # The interface through model-specific registers before the one through memory; wholes before parts.
    for zone in sorted(found.values(), key=lambda zone: (zone.folder.name.partition(":")[0], zone.above is not None)):
        why = _why_not(zone, kept)
        if why:
            left_out.append(f"{zone.folder.name}: {why}")
        else:
            kept.append(zone)
    return sorted((_placed(zone, kept) for zone in kept), key=_order), left_out


def hidden_zones(host: Host) -> list[str]:
    """Zones whose links lead nowhere, because a container run time masks what they point to.

    Raises:
        OSError: If there is no powercap folder, or it is not readable.
    """
    powercap = host.path(POWERCAP)
    return sorted(name for name in os.listdir(powercap) if _FOLDER.fullmatch(name) and not (powercap / name).exists())


def _why_not(zone: Zone, kept: Sequence[Zone]) -> str:
    """Why a zone does not count beside those that do, or nothing."""
    if zone.above is not None and zone.above not in [other.name for other in kept]:
        return "part of a mirror"
    if any(zone.uid == other.uid for other in kept):
        return f"{zone.name} again"
    if twin := next((other for other in kept if _mirrors(zone, other)), None):
        return f"{zone.name} shows the counter of {twin.name}"
    if zone.name.startswith("psys") and read_int(zone.energy) == 0:
        return "psys stands at 0"
    return ""


def _mirrors(zone: Zone, other: Zone) -> bool:
    """Whether two dies of one package show the same counter."""
    if zone.package is None or zone.package != other.package:
        return False
    one, two = KeptFile(zone.energy, zone.uid), KeptFile(other.energy, other.uid)
    try:
        for _ in range(3):  # again if it wrapped meanwhile
            before, between, after = one.read_int(), two.read_int(), one.read_int()
            if before <= after:
                return 0 < before <= between <= after
    except JoulewiseError:
        pass  # not readable: nothing can be said
    return False


def _placed(zone: Zone, kept: Sequence[Zone]) -> Zone:
    """The zone with what includes it and what it covers."""
    if zone.name.startswith("psys"):
        return replace(zone, scope=Scope.NODE)
    if zone.above is not None and zone.name != "dram":
        return replace(zone, scope=Scope.DIE, parent=f"rapl:{zone.above}")
    package = _PACKAGE.fullmatch(zone.above or zone.name)
    names = {other.name for other in kept}
    platform = next((name for name in (f"psys-{package[1] if package else ''}", "psys") if name in names), None)
    scope = Scope.DRAM if zone.name == "dram" else Scope.PACKAGE
    if zone.package is not None and sum(other.package == zone.package for other in kept) > 1:
        scope = Scope.DIE
    return replace(zone, scope=scope, parent=platform and f"rapl:{platform}")


def _order(zone: Zone) -> tuple[bool, list[int], str]:
    numbers = [int(digits) for digits in re.findall(r"\d+", zone.above or zone.name)]
    return zone.name.startswith("psys"), numbers, zone.name if zone.above is not None else ""
