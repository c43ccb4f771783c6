"""A device whose sensors and limit are files in a hwmon folder, and what the kernel promises about those files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Host, Identity
from joulewise.devices.sysfs import KeptFile, can_read, can_write, read_int, read_text, write_int
from joulewise.errors import CapabilityError, PermissionDeniedError, UsageError

HWMON = "/sys/class/hwmon"
# What a file's number must be multiplied with to become the unit: µJ, µW, m°C, %, Hz.
UNITS: Mapping[Kind, tuple[str, float]] = {
    Kind.ENERGY_COUNTER: ("J", 1e-6),
    Kind.POWER_INSTANT: ("W", 1e-6),
    Kind.POWER_AVERAGE: ("W", 1e-6),
    Kind.POWER_LIMIT: ("W", 1e-6),
    Kind.TEMPERATURE: ("C", 1e-3),
    Kind.UTILISATION: ("fraction", 1e-2),
    Kind.CORE_CLOCK: ("MHz", 1e-6),
}
LEAST_LIMIT_W = 1.0
_PCI = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


class HwmonDevice:
    """A GPU or a power meter seen through hwmon.

    Args:
        identity: Who it is.
        capabilities: What it can.
        files: Where each kind is read, and told.
        zero_is_off: Whether a limit of 0 means that none is in force, so that a 0 that was found may be put back.
    """

    def __init__(
        self, identity: Identity, capabilities: Capabilities, files: Mapping[Kind, Path], *, zero_is_off: bool = False
    ) -> None:
        """Open nothing yet."""
        self._identity, self._capabilities, self._zero_is_off = identity, capabilities, zero_is_off
        self._files = {kind: KeptFile(path, identity.uid) for kind, path in files.items()}

    @property
    def identity(self) -> Identity:
        """Who it is."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """What it can."""
        return self._capabilities

    def read_energy_j(self) -> float:
        """Energy since the kernel's driver was loaded [J]."""
        return self._read(Kind.ENERGY_COUNTER)

    def read_power_w(self) -> float:
        """Power now [W]."""
        return self._read(Kind.POWER_INSTANT)

    def read_average_power_w(self) -> float:
        """Power averaged by the hardware [W]."""
        return self._read(Kind.POWER_AVERAGE)

    def read_temperature_c(self) -> float:
        """Temperature [C]."""
        return self._read(Kind.TEMPERATURE)

    def read_utilisation_frac(self) -> float:
        """Fraction of recent time in which it was busy."""
        return self._read(Kind.UTILISATION)

    def read_core_clock_mhz(self) -> int:
        """The clock that is achieved now [MHz]."""
        return round(self._read(Kind.CORE_CLOCK))

    def read_core_clock_lock(self) -> None:
        """Not known here."""
        self._file(Kind.CORE_CLOCK)

    def lock_core_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """Refuse: hwmon shows clocks and sets none."""
        raise self._no_lock()

    def unlock_core_clock(self) -> None:
        """Refuse: hwmon shows clocks and sets none."""
        raise self._no_lock()

    def read_power_limit_w(self) -> float:
        """The limit in force [W], or 0 if there is none in force."""
        return self._read(Kind.POWER_LIMIT)

    def set_power_limit_w(self, limit_w: float) -> None:
        """Set the limit [W].

        Raises:
            UsageError: If it is not a positive number. Only where 0 means that no limit is in force may a 0 that was
                read be put back.
            CapabilityError: If there is no limit to set, or it is out of range.
            PermissionDeniedError: Unless root.
        """
        file, capability = self._file(Kind.POWER_LIMIT), self._capabilities[Kind.POWER_LIMIT]
        if not 0 <= limit_w < math.inf or (limit_w == 0 and not self._zero_is_off):
            raise UsageError("not a power limit", f"{limit_w!r} W", "give a positive number of watts")
        low, high = capability.minimum or 0.0, capability.maximum or math.inf
        if limit_w != 0 and not low <= limit_w <= high:
            raise CapabilityError(self._identity.uid, f"a limit of {limit_w:g} W", f"{low:g} to {high:g} W")
        write_int(file.path, round(limit_w * 1e6), self._identity.uid)

    def _file(self, kind: Kind) -> KeptFile:
        if kind not in self._files:
            raise CapabilityError(self._identity.uid, kind, ", ".join(self._capabilities))
        return self._files[kind]

    def _read(self, kind: Kind) -> float:
        return self._file(kind).read_int() * UNITS[kind][1]

    def _no_lock(self) -> Exception:
        if Kind.CORE_CLOCK not in self._files:
            return CapabilityError(self._identity.uid, Kind.CORE_CLOCK, ", ".join(self._capabilities))
        privilege = self._capabilities[Kind.CORE_CLOCK].privilege or "another driver"
        return PermissionDeniedError(f"locking the clock of {self._identity.uid} through hwmon", privilege)


def sensor(host: Host, kind: Kind, file: Path, **known: object) -> Capability:
    """The capability to read a file."""
    told = {"permitted": can_read(file), "privilege": None if can_read(file) else "root", **known}
    return Capability.from_dict({"kind": kind, "unit": UNITS[kind][0], "source": source(host, file), **told})


def power_limit(host: Host, file: Path, minimum_uw: int | None, maximum_uw: int | None, **known: object) -> Capability:
    """The capability to set a power limit.

    A minimum of 0 is none, as 0 itself is never a limit; where no maximum is told, it is what is set now.
    """
    low, high = (minimum_uw or 0) / 1e6, (maximum_uw or read_int(file) or 0) / 1e6
    told = {
        "minimum": max(low, LEAST_LIMIT_W),
        "maximum": max(high, LEAST_LIMIT_W),
        "privilege": "root",
        "permitted": can_write(file),
        **known,
    }
    return Capability.from_dict({"kind": Kind.POWER_LIMIT, "unit": "W", "source": source(host, file), **told})


def source(host: Host, file: Path) -> str:
    """A file as it is named on the machine itself."""
    return "/" + file.relative_to(host.root).as_posix() if host.root in file.parents else str(file)


def address(folder: Path) -> str:
    """What the hardware behind a hwmon folder is called: its PCI address, or the name of its device."""
    named = dict(line.partition("=")[::2] for line in (read_text(folder / "device/uevent") or "").splitlines())
    behind = (folder / "device").resolve().name
    return behind if _PCI.fullmatch(behind) else named.get("PCI_SLOT_NAME", behind)


def temperature_file(folder: Path) -> tuple[Path, str] | None:
    """The thermometer of the chip itself, and its label."""
    labels = {number: read_text(folder / f"temp{number}_label") or "" for number in range(1, 9)}
    there = [number for number in labels if read_int(folder / f"temp{number}_input") is not None]
    best = sorted(there, key=lambda number: (labels[number] not in ("edge", "pkg", ""), number))
    return (folder / f"temp{best[0]}_input", labels[best[0]]) if best else None
