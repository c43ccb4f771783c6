"""Energy of CPUs and DRAM through RAPL, as powercap shows it, and the power caps of packages. Intel and AMD.

Counters are handed out raw: they wrap, and `counter.CleanCounter` unwraps them. Which zones there are, and which
include which, is found in `rapl_zones`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Finding, Host, Identity
from joulewise.devices.rapl_zones import POWERCAP, Zone, hidden_zones, survey
from joulewise.devices.sysfs import (
    KeptFile,
    anyone_can_read,
    can_read,
    can_write,
    cpu_vendor_and_model,
    join_some,
    read_int,
    surroundings,
    without_sysfs,
    write_int,
)
from joulewise.errors import CapabilityError, CounterError, UsageError

ENERGY, CAP = "CPU energy counters (RAPL)", "CPU power cap (RAPL)"
READ_PRIVILEGE = "CAP_DAC_READ_SEARCH"
_REGISTER_MAXIMUM = 2**32 - 1
NO_CAP_W = 4095  # 15 bits of 1/8 W, all set
LEAST_CAP_W = 1.0  # the kernel names no minimum, and less is a mistake of units


class RaplZone:
    """One zone: a package or die, its core or uncore, DRAM, or the platform.

    Args:
        identity: Who it is.
        capabilities: What it can.
        zone: Where its files are.
    """

    def __init__(self, identity: Identity, capabilities: Capabilities, zone: Zone) -> None:
        """Open nothing yet."""
        self._identity, self._capabilities = identity, capabilities
        self._energy = KeptFile(zone.energy, identity.uid, READ_PRIVILEGE)
        number = zone.long_term
        self._cap = None if number is None else zone.folder / f"constraint_{number}_power_limit_uw"

    @property
    def identity(self) -> Identity:
        """Who it is."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """What it can."""
        return self._capabilities

    def read_energy_j(self) -> float:
        """The counter as it stands [J]; it wraps at its capability's maximum.

        Raises:
            PermissionDeniedError: If only root may read it.
            DeviceLostError, CounterError: If it is gone, or gives no number.
        """
        return self._energy.read_int() / 1e6

    def read_power_cap_w(self) -> float:
        """The long-term power cap [W].

        Raises:
            CapabilityError: If it has none.
            CounterError: If it cannot be read.
        """
        if self._cap is None:
            raise self._without_cap()
        cap_uw = read_int(self._cap)
        if cap_uw is None:
            raise CounterError(f"{self._identity.uid} does not tell its power cap", str(self._cap), "read again")
        return cap_uw / 1e6

    def set_power_cap_w(self, cap_w: float) -> None:
        """Set the long-term power cap [W]; its time window stays.

        Firmware that wants no cap fills the register, whatever it names as the maximum; such a value that was found can
        be put back too.

        Raises:
            UsageError: If it is not a positive number.
            PermissionDeniedError: Unless root; for root too if the firmware has locked it.
            CapabilityError: If it has none, or it is out of range, or the kernel refuses it.
        """
        if self._cap is None:
            raise self._without_cap()
        if not 0 < cap_w < math.inf:
            raise UsageError("not a power cap", f"{cap_w!r} W", "give a positive number of watts")
        known = self._capabilities[Kind.CPU_POWER_CAP]
        low, high = known.minimum or 0.0, known.maximum or math.inf
        if not (low <= cap_w <= high or math.floor(cap_w) == NO_CAP_W):
            raise CapabilityError(self._identity.uid, f"a cap of {cap_w:g} W", f"{low:g} to {high:g} W")
        write_int(self._cap, round(cap_w * 1e6), self._identity.uid, "root (and firmware that has not locked the cap)")

    def _without_cap(self) -> CapabilityError:
        return CapabilityError(self._identity.uid, "a power cap", ", ".join(self._capabilities))


class RaplDriver:
    """Finds RAPL zones."""

    name = "cpu"

    def find(self, host: Host) -> Sequence[RaplZone]:
        """Packages, each followed by its parts, then the platform; mirrors are left out."""
        vendor, model = cpu_vendor_and_model(host)
        return [_device(zone, vendor, model) for zone in survey(host)[0]]

    def examine(self, host: Host) -> Sequence[Finding]:
        """Whether zones are there, may be read, and may be capped."""
        zones, left_out = survey(host)
        if not zones:
            return [without_sysfs(host, self.name, ENERGY) or _why_none(host)]
        repeated = [Finding(self.name, "RAPL zones to leave out", True, join_some(left_out))] if left_out else []
        there = Finding(self.name, ENERGY, True, join_some(zone.uid for zone in zones))
        return [there, *repeated, *_examine_reading(zones), _examine_caps(zones)]


driver = RaplDriver()


def _device(zone: Zone, vendor: str, model: str) -> RaplZone:
    entries = {Kind.ENERGY_COUNTER: _energy(zone, vendor)}
    number = zone.long_term
    if number is not None:
        entries[Kind.CPU_POWER_CAP] = _power_cap(zone, number)
    within = f"{zone.above} " if zone.above else ""
    identity = Identity(zone.uid, vendor, f"{model} {within}{zone.name}", zone.scope, zone.parent, driver.name)
    return RaplZone(identity, Capabilities(entries), zone)


def _energy(zone: Zone, vendor: str) -> Capability:
    maximum_uj = read_int(zone.folder / "max_energy_range_uj") or None
    notes = ["documented to change about every ms"]
    if maximum_uj is None:
        notes.append("its range is not told, so a wrap cannot be undone")
    if zone.name == "core" and vendor == "amd":
        notes.append("covers the one core that leads the package")
    return Capability(
        kind=Kind.ENERGY_COUNTER,
        unit="J",
        source=f"{POWERCAP}/{zone.folder.name}/energy_uj",
        maximum=None if maximum_uj is None else maximum_uj / 1e6,
        resolution=1e-6 if maximum_uj is None else maximum_uj / 1e6 / _REGISTER_MAXIMUM,
        privilege=None if anyone_can_read(zone.energy) else READ_PRIVILEGE,
        permitted=can_read(zone.energy),
        note="; ".join(notes),
    )


def _power_cap(zone: Zone, number: int) -> Capability:
    limit = f"constraint_{number}_power_limit_uw"
    # Firmware sets the short-term limit, and at times the long-term one, above what it names as the maximum.
    known = [f"constraint_{number}_max_power_uw", *(f"constraint_{other}_power_limit_uw" for other in (0, 1))]
    maximum_uw = max((read_int(zone.folder / name) or 0 for name in known), default=0)
    window_us = read_int(zone.folder / f"constraint_{number}_time_window_us")
    enforced = read_int(zone.folder / "enabled") != 0
    return Capability(
        kind=Kind.CPU_POWER_CAP,
        unit="W",
        source=f"{POWERCAP}/{zone.folder.name}/{limit}",
        minimum=LEAST_CAP_W,
        maximum=maximum_uw / 1e6 or NO_CAP_W,
        averaging_window_s=None if window_us is None else window_us / 1e6,
        privilege="root",
        permitted=can_write(zone.folder / limit),
        note="caps the average over its window" + ("" if enforced else "; the zone is disabled: nothing enforces it"),
    )


def _examine_reading(zones: Sequence[Zone]) -> list[Finding]:
    closed = [zone for zone in zones if not can_read(zone.energy)]
    if not closed:
        return []
    files = f"{POWERCAP}/*rapl*:*/energy_uj"
    commands = "chgrp GROUP /sys%p/energy_uj; chmod g+r /sys%p/energy_uj"
    fix = (
        f"until reboot: sudo chgrp $(id -g) {files} && sudo chmod g+r {files}; "
        "for good, in /etc/udev/rules.d/70-rapl.rules with your GROUP: "
        f'SUBSYSTEM=="powercap", KERNEL=="*rapl*:*", RUN+="/bin/sh -c \'{commands}\'"; '
        f"or give the process {READ_PRIVILEGE}"
    )
    seen = f"{len(closed)} of {len(zones)} may not be read: {join_some(zone.uid for zone in closed)}"
    return [Finding(driver.name, "reading CPU energy", False, seen, fix)]


def _examine_caps(zones: Sequence[Zone]) -> Finding:
    capped = [(zone, number) for zone in zones if (number := zone.long_term) is not None]
    if not capped:
        fix = "limit the frequency instead (driver cpufreq)"
        return Finding(driver.name, CAP, False, "the kernel offers none for this CPU", fix)
    closed = [zone.uid for zone, number in capped if not _power_cap(zone, number).permitted]
    if closed:
        fix = "run as root; in a container, with /sys mounted writable"
        return Finding(driver.name, CAP, False, f"not writable: {join_some(closed)}", fix)
    return Finding(driver.name, CAP, True, join_some(zone.uid for zone, _ in capped))


def _why_none(host: Host) -> Finding:
    where = surroundings(host)
    try:
        hidden = hidden_zones(host)
        seen = f"no RAPL zone in {POWERCAP}"
    except FileNotFoundError:
        hidden, seen = [], f"no {POWERCAP}"
    except OSError as error:
        hidden, seen = [], f"{POWERCAP}: {error.strerror}"
    if hidden:
        seen = f"{join_some(hidden, 2)} in {POWERCAP}: masked by the container run time"
        fix = "docker run --security-opt systempaths=unconfined (podman takes it too)"
    elif "virtual machine" in where:
        fix = "run on the host itself: hypervisors do not pass RAPL on"
    elif where:
        fix = "sudo modprobe intel_rapl_msr on the host, and mount its /sys into the container"
    else:
        fix = "sudo modprobe intel_rapl_msr (it serves AMD too)"
    return Finding(driver.name, ENERGY, False, f"{seen} ({where})" if where else seen, fix)
