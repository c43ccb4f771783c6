"""Power of Jetson boards from INA3221 monitors: each rail, and what the module draws in all.

Theory of operation. An INA3221 converts bus and shunt voltage of its enabled channels in turn, 13 bits each: 8 mV of
bus voltage and 40 µV across the shunt. One round takes channels × samples × (bus + shunt conversion time), which the
kernel tells as ``update_interval``; so a channel is seen for one part of it, averaged over that part. There is no
energy counter: energy must be integrated. The total is the rail at the input of the module (VDD_IN, or POM_5V_IN on
older boards), which includes the other rails; without one, it is their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Finding, Host, Identity, Scope
from joulewise.devices.sysfs import (
    KeptFile,
    can_read,
    folders,
    join_some,
    read_int,
    read_text,
    surroundings,
    without_sysfs,
)

MONITORS = ("/sys/bus/i2c/drivers/ina3221", "/sys/bus/i2c/drivers/ina3221x")
TOTALS = ("VDD_IN", "POM_5V_IN")
LOOKED_FOR = "power rails of a Jetson (INA3221)"
BUS_STEP_V, SHUNT_STEP_V = 8e-3, 40e-6
_CONVERSION_S = 1.1e-3  # of bus or shunt voltage, as after reset


@dataclass(frozen=True)
class Rail:
    """One channel of a monitor.

    Attributes:
        label: What it supplies.
        volts, amperes: Files in mV and mA, or
        power: file in mW.
        resolution_w: Smallest difference that shows, where it stands now.
        interval_s: Time of one round over all channels.
        channels: Channels in a round.
    """

    label: str
    volts: Path | None = None
    amperes: Path | None = None
    power: Path | None = None
    resolution_w: float | None = None
    interval_s: float | None = None
    channels: int = 1

    @property
    def files(self) -> list[Path]:
        """What is read."""
        return [file for file in (self.volts, self.amperes, self.power) if file is not None]


class JetsonRails:
    """A rail, or the sum of all.

    Args:
        identity: Who it is.
        capabilities: What it can.
        rails: What is summed.
    """

    def __init__(self, identity: Identity, capabilities: Capabilities, rails: Sequence[Rail]) -> None:
        """Open nothing yet."""
        self._identity, self._capabilities = identity, capabilities
        self._rails = [[KeptFile(file, identity.uid) for file in rail.files] for rail in rails]

    @property
    def identity(self) -> Identity:
        """Who it is."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """What it can."""
        return self._capabilities

    def read_power_w(self) -> float:
        """Power as of the last round of conversions [W]."""
        total_w = 0.0
        for files in self._rails:
            values = [file.read_int() / 1e3 for file in files]
            total_w += values[0] * values[1] if len(values) == 2 else values[0]
        return max(total_w, 0.0)  # an idle rail may read one step below nothing


class JetsonDriver:
    """Finds the power monitors of a Jetson."""

    name = "jetson"

    def find(self, host: Host) -> Sequence[JetsonRails]:
        """The total first, then the rails that it includes."""
        rails = _rails(host)
        if not rails:
            return []
        model = (read_text(host.path("/proc/device-tree/model")) or "NVIDIA Jetson").strip("\x00")
        whole = next((rail for name in TOTALS for rail in rails if rail.label == name), None)
        parts = [rail for rail in rails if rail is not whole]
        total = _device(host, "total" if whole is None else whole.label, model, [whole] if whole else parts, None)
        return [total, *(_device(host, rail.label, model, [rail], total.identity.uid) for rail in parts)]

    def examine(self, host: Host) -> Sequence[Finding]:
        """Whether monitors are there and readable."""
        found = self.find(host)
        if not found:
            return [without_sysfs(host, self.name, LOOKED_FOR) or _why_none(host)]
        findings = [Finding(self.name, LOOKED_FOR, True, join_some(device.identity.uid for device in found))]
        closed = [device.identity.uid for device in found if not device.capabilities[Kind.POWER_INSTANT].permitted]
        if closed:
            seen = f"not readable: {join_some(closed)}"
            findings.append(Finding(self.name, "reading power rails", False, seen, "run as root"))
        return findings


driver = JetsonDriver()


def _rails(host: Host) -> list[Rail]:
    """All rails, those of equal label told apart by their monitor."""
    found: list[Rail] = []
    for monitor in (folder for place in MONITORS for folder in folders(host.path(place), "*-*")):
        for rail in _hwmon_rails(monitor) + _iio_rails(monitor):
            again = any(rail.label == other.label for other in found)
            found.append(replace(rail, label=f"{rail.label}@{monitor.name}") if again else rail)
    return found


def _hwmon_rails(monitor: Path) -> list[Rail]:
    """Channels 1 to 3 of the kernel's own driver; unused ones are labelled NC, or disabled."""
    rails = []
    for folder in folders(monitor / "hwmon", "hwmon*"):
        enabled = [number for number in (1, 2, 3) if read_int(folder / f"in{number}_enable") != 0]
        there = [number for number in enabled if (folder / f"curr{number}_input").exists()]
        interval_s = _interval_s(folder, len(there))
        for number in there:
            label = read_text(folder / f"in{number}_label") or f"in{number}@{monitor.name}"
            if label.upper() == "NC":
                continue
            rails.append(
                Rail(
                    label=label,
                    volts=folder / f"in{number}_input",
                    amperes=folder / f"curr{number}_input",
                    resolution_w=_resolution_w(folder, number),
                    interval_s=interval_s,
                    channels=len(there),
                )
            )
    return rails


def _interval_s(folder: Path, channels: int) -> float | None:
    """Time of one round over the channels."""
    told_ms, samples = read_int(folder / "update_interval"), read_int(folder / "samples")
    if told_ms:
        return told_ms / 1e3
    return channels * samples * 2 * _CONVERSION_S if samples else None


def _resolution_w(folder: Path, number: int) -> float | None:
    """One step of current at the present voltage, and one of voltage at the present current [W]."""
    volts, amperes, shunt = (
        read_int(folder / name) for name in (f"in{number}_input", f"curr{number}_input", f"shunt{number}_resistor")
    )
    if not volts or amperes is None or not shunt:
        return None
    return volts / 1e3 * SHUNT_STEP_V / (shunt / 1e6) + abs(amperes) / 1e3 * BUS_STEP_V


def _iio_rails(monitor: Path) -> list[Rail]:
    """Channels 0 to 2 of the driver of older boards, which multiplies by itself."""
    return [
        Rail(label=label, power=folder / f"in_power{number}_input")
        for folder in folders(monitor, "iio:device*") + folders(monitor, "iio_device*")
        for number in range(3)
        if (label := read_text(folder / f"rail_name_{number}")) and label.upper() != "NC"
        if (folder / f"in_power{number}_input").exists()
    ]


def _device(host: Host, label: str, model: str, rails: Sequence[Rail], parent: str | None) -> JetsonRails:
    files = [file for rail in rails for file in rail.files]
    steps = [rail.resolution_w for rail in rails if rail.resolution_w is not None]
    intervals = [rail.interval_s for rail in rails if rail.interval_s is not None]
    share = 1 / max(rail.channels for rail in rails)
    interval_s = max(intervals, default=None)
    names = "" if len(rails) == 1 else f"sum of {', '.join(rail.label for rail in rails)}; "
    capability = Capability(
        kind=Kind.POWER_INSTANT,
        unit="W",
        source=", ".join("/" + file.relative_to(host.root).as_posix() for file in files),
        resolution=sum(steps) if len(steps) == len(rails) else None,
        update_period_s=interval_s,
        averaging_window_s=None if interval_s is None else interval_s * share,
        duty_frac=None if interval_s is None else share,
        privilege=None if all(map(can_read, files)) else "root",
        permitted=all(map(can_read, files)),
        note=f"{names}update period as configured",
    )
    scope = Scope.MODULE if parent is None else Scope.DIE
    identity = Identity(f"jetson:{label}", "nvidia", f"{model} {label}", scope, parent, driver.name)
    return JetsonRails(identity, Capabilities({Kind.POWER_INSTANT: capability}), rails)


def _why_none(host: Host) -> Finding:
    where = surroundings(host)
    there = [place for place in MONITORS if host.path(place).is_dir()]
    board = "jetson" in (read_text(host.path("/proc/device-tree/model")) or "").lower()
    if there:
        seen, fix = f"{', '.join(there)} without rails", "check that the device tree of the board names its rails"
    else:
        seen = "no INA3221 monitor" + ("" if board else ", and this is no Jetson")
        fix = "sudo modprobe ina3221" if board else "nothing to do, unless this should be a Jetson"
    if board and where:
        fix = "mount the host's /sys into the container"
    return Finding(driver.name, LOOKED_FOR, False, f"{seen} ({where})" if where else seen, fix)
