"""Power and energy through the kernel's hwmon: AMD and Intel GPUs, Grace, and other ACPI power meters.

Only chips are used of which it is known what they cover; a sum of rails of an unknown board would mean nothing. Grace
reports power only, averaged already: a module includes its Grace socket, and that its CPU and its system I/O; what the
socket draws beyond those two is DRAM and conversion.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from joulewise.devices.capabilities import Capabilities, Kind
from joulewise.devices.device import Finding, Host, Identity, Scope
from joulewise.devices.hwmon_gpus import AMD, INTEL, amd_gpu, intel_gpu
from joulewise.devices.hwmon_sensors import HWMON, HwmonDevice, address, sensor
from joulewise.devices.sysfs import folders, join_some, read_int, read_text, surroundings, without_sysfs

METER, ELSEWHERE = "power_meter", ("ina3221", "ina3221x")  # the latter are for driver jetson
LOOKED_FOR = "GPUs and power meters (hwmon)"
_GRACE = re.compile(r"(Module|Grace|CPU|SysIO) Power Socket (\d+)", re.IGNORECASE)
_WITHIN = {"module": (), "grace": ("module",), "cpu": ("grace", "module"), "sysio": ("grace", "module")}
_SCOPES = {"module": Scope.MODULE, "grace": Scope.PACKAGE, "cpu": Scope.DIE, "sysio": Scope.DIE}


class HwmonDriver:
    """Finds hwmon chips that measure power or energy."""

    name = "hwmon"

    def find(self, host: Host) -> Sequence[HwmonDevice]:
        """GPUs by address, then power meters."""
        gpus: list[HwmonDevice] = []
        meters: list[Path] = []
        for folder in folders(host.path(HWMON), "hwmon*"):
            chip = read_text(folder / "name") or ""
            if chip == AMD:
                gpus.append(amd_gpu(host, folder))
            elif chip.partition("_gt")[0] in INTEL:
                gpus += intel_gpu(host, folder)
            elif chip == METER:
                meters.append(folder)
        found = sorted(gpus, key=lambda device: device.identity.uid) + _meters(host, meters)
        return [device for device in found if device.capabilities]

    def examine(self, host: Host) -> Sequence[Finding]:
        """What was found, what may not be read or set, and what was left alone."""
        found = self.find(host)
        if not found:
            return [without_sysfs(host, self.name, LOOKED_FOR) or _why_none(host)]
        findings = [Finding(self.name, LOOKED_FOR, True, join_some(device.identity.uid for device in found))]
        unread = _refused(found, (Kind.ENERGY_COUNTER, Kind.POWER_AVERAGE, Kind.POWER_INSTANT))
        if unread:
            findings.append(Finding(self.name, "hwmon power readings", False, f"not readable: {unread}", "run as root"))
        unset = _refused(found, (Kind.POWER_LIMIT,))
        if unset:
            fix = "run as root; in a container, with /sys mounted writable"
            findings.append(Finding(self.name, "hwmon power limits", False, f"not writable: {unset}", fix))
        if alone := _left_alone(host):
            seen = f"left alone, since what they cover is not known: {join_some(alone)}"
            findings.append(Finding(self.name, "other power sensors (hwmon)", True, seen))
        return findings


driver = HwmonDriver()


def _refused(devices: Sequence[HwmonDevice], kinds: Sequence[Kind]) -> str:
    refused = [
        device.identity.uid
        for device in devices
        if any(kind in device.capabilities and not device.capabilities[kind].permitted for kind in kinds)
    ]
    return join_some(refused)


def _meters(host: Host, found: Sequence[Path]) -> list[HwmonDevice]:
    """ACPI power meters; those of Grace say by name what they cover."""
    named = [(folder, _power_file(folder), _GRACE.fullmatch(_told(folder, "power1_oem_info"))) for folder in found]
    grace = {f"grace-{match[2]}/{match[1].lower()}" for _, _, match in named if match}
    devices = []
    for folder, file, match in named:
        if file is None or _told(folder, "power1_is_battery") == "1":
            continue
        if match:
            part, socket = match[1].lower(), match[2]
            above = next((f"grace-{socket}/{w}" for w in _WITHIN[part] if f"grace-{socket}/{w}" in grace), None)
            uid = f"grace-{socket}/{part}"
            identity = Identity(uid, "nvidia", match[0], _SCOPES[part], above, driver.name)
        else:
            model = _told(folder, "power1_model_number") or "ACPI power meter"
            identity = Identity(address(folder), "acpi", model, Scope.NODE, None, driver.name)
        window_ms = int(text) if (text := _told(folder, "power1_average_interval")).isdigit() else None
        known = {"averaging_window_s": None if window_ms is None else window_ms / 1e3, "note": _told_of(folder)}
        power = sensor(host, Kind.POWER_AVERAGE, file, **known)
        devices.append(HwmonDevice(identity, Capabilities({power.kind: power}), {power.kind: file}))
    return sorted(devices, key=lambda device: device.identity.uid)


def _places(folder: Path) -> tuple[Path, Path]:
    """Older kernels keep the files of a power meter with its device, newer ones in the hwmon folder."""
    return folder, folder / "device"


def _power_file(folder: Path) -> Path | None:
    return next((file for place in _places(folder) if (file := place / "power1_average").exists()), None)


def _told(folder: Path, name: str) -> str:
    return next((text for place in _places(folder) if (text := read_text(place / name))), "")


def _told_of(folder: Path) -> str:
    return _told(folder, "power1_oem_info") or "the whole machine, unless its maker says otherwise"


def _left_alone(host: Host) -> list[str]:
    """Chips with power or energy that are not used."""
    others = []
    for folder in folders(host.path(HWMON), "hwmon*"):
        chip = read_text(folder / "name") or folder.name
        known = chip in (AMD, METER, *ELSEWHERE) or chip.partition("_gt")[0] in INTEL
        if not known and any(read_int(folder / name) is not None for name in ("power1_input", "energy1_input")):
            others.append(chip)
    return others


def _why_none(host: Host) -> Finding:
    where = surroundings(host)
    if not host.path(HWMON).is_dir():
        seen = f"no {HWMON}"
    else:
        chips = [read_text(folder / "name") or folder.name for folder in folders(host.path(HWMON), "hwmon*")]
        seen = f"none among {len(chips)} hwmon chips ({join_some(chips)})" if chips else f"nothing in {HWMON}"
    fix = "load the kernel driver of the GPU (amdgpu, xe or i915), if there is one"
    if "virtual machine" in where:
        fix = "pass the GPU through to the virtual machine, if there is one, or run on the host"
    elif where:
        fix = "mount the host's /sys into the container"
    return Finding(driver.name, LOOKED_FOR, False, f"{seen} ({where})" if where else seen, fix)
