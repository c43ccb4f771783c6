"""GPUs whose kernel drivers show power, energy and limits through hwmon: amdgpu, xe and i915."""

from __future__ import annotations

import re
from pathlib import Path

from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Host, Identity, Scope
from joulewise.devices.hwmon_sensors import HwmonDevice, address, power_limit, sensor, temperature_file
from joulewise.devices.sysfs import read_int, read_text

AMD, INTEL = "amdgpu", ("xe", "i915")
_WRAPS_UNSEEN = "the kernel must see each wrap of its 32-bit register: read at least once per 262 kJ"


def amd_gpu(host: Host, folder: Path) -> HwmonDevice:
    """A GPU of amdgpu.

    A die that reports 0 W leaves the figure to the other die of its module, and gets no power gauge.
    """
    files: dict[Kind, Path] = {}
    entries: dict[Kind, Capability] = {}
    label = read_text(folder / "power1_label") or "power"
    for kind, name in ((Kind.POWER_AVERAGE, "power1_average"), (Kind.POWER_INSTANT, "power1_input")):
        if read_int(folder / name):
            files[kind] = folder / name
            entries[kind] = sensor(host, kind, files[kind], note=f"{label} as the firmware tells it")
    if read_int(folder / "power1_cap") is not None:
        files[Kind.POWER_LIMIT] = folder / "power1_cap"
        bounds = read_int(folder / "power1_cap_min"), read_int(folder / "power1_cap_max")
        note = "a cap below the present draw has switched capping off for a while on some boards"
        entries[Kind.POWER_LIMIT] = power_limit(host, folder / "power1_cap", *bounds, step=1.0, note=note)
    _add_temperature(host, folder, files, entries)
    if read_int(folder / "device/gpu_busy_percent") is not None:
        files[Kind.UTILISATION] = folder / "device/gpu_busy_percent"
        busy = sensor(host, Kind.UTILISATION, files[Kind.UTILISATION], minimum=0.0, maximum=1.0, resolution=0.01)
        entries[Kind.UTILISATION] = busy
    levels = re.findall(r":\s*(\d+)\s*mhz", (read_text(folder / "device/pp_dpm_sclk") or "").lower())
    if levels and read_int(folder / "freq1_input") is not None:
        files[Kind.CORE_CLOCK] = folder / "freq1_input"
        only_shown: dict[str, object] = {
            "permitted": False,
            "privilege": "driver amd (amd-smi)",
            "note": "shown here, locked there",
        }
        only_shown["values"] = sorted({float(level) for level in levels})
        entries[Kind.CORE_CLOCK] = sensor(host, Kind.CORE_CLOCK, files[Kind.CORE_CLOCK], **only_shown)
    unique = read_text(folder / "device/unique_id")
    model = read_text(folder / "device/product_name") or f"AMD GPU {read_text(folder / 'device/device') or ''}".strip()
    identity = Identity(
        address(folder), "amd", model, Scope.BOARD, None, "hwmon", aliases=(f"GPU-{unique}",) if unique else ()
    )
    return HwmonDevice(identity, Capabilities(entries), files)


def intel_gpu(host: Host, folder: Path) -> list[HwmonDevice]:
    """The channels of a GPU of xe or i915: the card first; its package, or tiles, within it."""
    name, uid = read_text(folder / "name") or "", address(folder)
    chip, _, tile = name.partition("_")
    energies = [number for number in range(1, 5) if (folder / f"energy{number}_input").exists()]
    labels = {number: read_text(folder / f"energy{number}_label") or "" for number in energies}
    whole = next((number for number in energies if labels[number] in ("card", "")), None)
    devices = []
    for number in sorted(energies, key=lambda number: number != whole):
        files: dict[Kind, Path] = {Kind.ENERGY_COUNTER: folder / f"energy{number}_input"}
        counted = sensor(host, Kind.ENERGY_COUNTER, files[Kind.ENERGY_COUNTER], resolution=1e-6, note=_WRAPS_UNSEEN)
        entries = {Kind.ENERGY_COUNTER: counted}
        limit = folder / f"power{number}_max"
        if read_int(limit) is not None:
            files[Kind.POWER_LIMIT] = limit
            entries[Kind.POWER_LIMIT] = _intel_limit(host, folder, number)
        if number == whole:
            _add_temperature(host, folder, files, entries)
        part = tile or ("" if number == whole else labels[number] or str(number))
        within = uid if part and (tile or whole is not None) else None
        scope = Scope.DIE if tile else Scope.PACKAGE if part else Scope.BOARD
        model = f"Intel GPU {read_text(folder / 'device/device') or ''} ({chip}) {part}".replace("  ", " ").strip()
        identity = Identity(f"{uid}/{part}" if part else uid, "intel", model, scope, within, "hwmon")
        devices.append(HwmonDevice(identity, Capabilities(entries), files, zero_is_off=True))
    return devices


def _intel_limit(host: Host, folder: Path, number: int) -> Capability:
    interval_ms = read_int(folder / f"power{number}_max_interval")
    return power_limit(
        host,
        folder / f"power{number}_max",
        None,
        read_int(folder / f"power{number}_rated_max"),
        averaging_window_s=None if interval_ms is None else interval_ms / 1e3,
        note="0 means that no limit is in force; it is written only to put back a 0 that was found",
    )


def _add_temperature(host: Host, folder: Path, files: dict[Kind, Path], entries: dict[Kind, Capability]) -> None:
    found = temperature_file(folder)
    if found:
        files[Kind.TEMPERATURE], label = found
        entries[Kind.TEMPERATURE] = sensor(host, Kind.TEMPERATURE, files[Kind.TEMPERATURE], note=label)
