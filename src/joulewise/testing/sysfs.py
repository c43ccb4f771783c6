"""A machine made of files: RAPL, hwmon, cpufreq and INA3221 trees as the kernel writes them, under a folder of yours.

`FakeSysfs` writes; sensors that move are `Reading` and `RaplCounter`, which rewrite their file in place, so that kept
descriptors see the change as they do with the kernel. `RaplCounter` counts in steps of its unit and wraps at 32 bits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from joulewise.clock import Clock, MonotonicClock
from joulewise.devices.device import Host

POWERCAP = "/sys/devices/virtual/powercap"
REGISTER_MAXIMUM = 2**32 - 1
INTEL_UNIT_NJ, AMD_UNIT_NJ = 61_035, 15_258  # 2^-14 J and 2^-16 J, in whole nJ as the kernel has them
INTEL = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel Xeon (fake)\n"
AMD = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC (fake)\n"


def rewrite(path: Path, value: object) -> None:
    """Replace what is in a file, in place and at once; what is longer than before never shows a mixture."""
    text, mode = f"{value}\n".encode(), path.stat().st_mode & 0o777
    path.chmod(mode | 0o200)
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, text.ljust(os.fstat(descriptor).st_size, b"\n"), 0)
    finally:
        os.close(descriptor)
        path.chmod(mode)


@dataclass
class Reading:
    """A number that moves.

    Attributes:
        path: Its file.
        scale: What a value is multiplied with to become the whole number in the file.
    """

    path: Path
    scale: float = 1.0

    def set(self, value: float) -> None:
        """Show a value."""
        rewrite(self.path, round(value * self.scale))


@dataclass
class RaplCounter:
    """An energy counter of RAPL.

    Attributes:
        paths: Files that show it; several are mirrors.
        unit_nj: What one count means [nJ].
        energy_j: What it has counted since ever [J].
    """

    paths: Sequence[Path]
    unit_nj: int = INTEL_UNIT_NJ
    energy_j: float = 0.0

    @property
    def maximum_uj(self) -> int:
        """Where it wraps, as the kernel tells [µJ]."""
        return REGISTER_MAXIMUM * self.unit_nj // 1000

    @property
    def shown_uj(self) -> int:
        """What the files show [µJ]."""
        counts = int(self.energy_j * 1e9 / self.unit_nj) % (REGISTER_MAXIMUM + 1)
        return counts * self.unit_nj // 1000

    def add(self, energy_j: float) -> None:
        """Count more energy [J]."""
        self.set(self.energy_j + energy_j)

    def set(self, energy_j: float) -> None:
        """Have counted ``energy_j`` since ever [J], as from the truth of a twin."""
        self.energy_j = energy_j
        for path in self.paths:
            rewrite(path, self.shown_uj)


@dataclass
class FakeSysfs:
    """Writes trees under ``root``.

    Attributes:
        root: Stands for ``/``.
        clock: Time of the host.
        followers: Called by `refresh`.
    """

    root: Path
    clock: Clock = field(default_factory=MonotonicClock)
    followers: list[Callable[[], None]] = field(default_factory=list)

    @property
    def host(self) -> Host:
        """The machine as drivers see it."""
        return Host(self.root, {}, self.clock)

    def write(self, path: str, value: object, *, mode: int = 0o644) -> Path:
        """Write a file, and the folders above it."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n", encoding="utf-8")
        file.chmod(mode)
        return file

    def link(self, path: str, target: str) -> None:
        """Link ``path`` to ``target``, both absolute on the host; the target need not be there."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(os.path.relpath(self.root / target.lstrip("/"), file.parent))

    def follow(self, reading: Reading | RaplCounter, truth: Callable[[], float]) -> None:
        """Show ``truth()`` whenever `refresh` is called, such as the energy of a twin."""
        self.followers.append(lambda: reading.set(truth()))

    def refresh(self) -> None:
        """Let everything that follows something show it."""
        for show in self.followers:
            show()

    def rapl(
        self,
        zone: str,
        name: str,
        *,
        start_j: float = 1000.0,
        unit_nj: int = INTEL_UNIT_NJ,
        cap_w: float | None = None,
        short_cap_w: float | None = None,
        max_cap_w: float | None = None,
        window_s: float = 1.0,
        mode: int = 0o400,
        mirror_of: RaplCounter | None = None,
    ) -> RaplCounter:
        """Write one RAPL zone.

        Args:
            zone: Name of its folder, such as "intel-rapl:0:1".
            name: What the kernel calls it, such as "package-0" or "dram".
            start_j: What it has counted [J].
            unit_nj: What one count means [nJ].
            cap_w, short_cap_w, max_cap_w: Its long-term cap, short-term cap, and what is named as the maximum [W].
            window_s: Time window of the long-term cap [s].
            mode: Permissions of the counter.
            mirror_of: The counter that it repeats.
        """
        numbers = zone.split(":")
        above = "/".join(":".join(numbers[: end + 1]) for end in range(len(numbers) - 1))
        folder = f"{POWERCAP}/{above}/{zone}"
        counter = mirror_of or RaplCounter([], unit_nj, start_j)
        self.write(f"{folder}/name", name)
        self.write(f"{folder}/enabled", 1)
        self.write(f"{folder}/max_energy_range_uj", counter.maximum_uj)
        counter.paths = [*counter.paths, self.write(f"{folder}/energy_uj", counter.shown_uj, mode=mode)]
        if cap_w is not None:
            self._constraint(f"{folder}/constraint_0", "long_term", cap_w, max_cap_w, window_s)
            self._constraint(f"{folder}/constraint_1", "short_term", short_cap_w or cap_w, None, 0.002)
        self.link(f"/sys/class/powercap/{zone}", folder)
        if not (self.root / "sys/class/powercap" / numbers[0]).exists():
            self.link(f"/sys/class/powercap/{numbers[0]}", f"{POWERCAP}/{numbers[0]}")
        return counter

    def _constraint(self, start: str, name: str, cap_w: float, max_cap_w: float | None, window_s: float) -> None:
        self.write(f"{start}_name", name)
        self.write(f"{start}_power_limit_uw", round(cap_w * 1e6))
        self.write(f"{start}_max_power_uw", round((max_cap_w or 0) * 1e6))
        self.write(f"{start}_time_window_us", round(window_s * 1e6))

    def hwmon(
        self,
        number: int,
        name: str,
        files: Mapping[str, object],
        *,
        device: str,
        device_files: Mapping[str, object] = {},
    ) -> Path:
        """Write one hwmon chip, and return its folder.

        Args:
            number: Of its folder.
            name: Of the chip, such as "amdgpu".
            files: Its files by name.
            device: What is behind it: a PCI address, or a name.
            device_files: Files of that device by name.
        """
        behind = f"/sys/devices/fake/{device}"
        folder = f"{behind}/hwmon/hwmon{number}"
        for file, value in {"name": name, **files}.items():
            self.write(f"{folder}/{file}", value)
        for file, value in device_files.items():
            self.write(f"{behind}/{file}", value)
        self.link(f"{folder}/device", behind)
        self.link(f"/sys/class/hwmon/hwmon{number}", folder)
        return self.root / folder.lstrip("/")

    def cpufreq(
        self, number: int, cpus: Sequence[int], *, range_mhz: tuple[int, int], package: int = 0, now_mhz: float = 0.0
    ) -> Reading:
        """Write one cpufreq policy with its limits wide open, and return the frequency that it shows [MHz]."""
        folder = f"/sys/devices/system/cpu/cpufreq/policy{number}"
        for file, mhz in zip(("min", "max"), range_mhz, strict=True):
            self.write(f"{folder}/cpuinfo_{file}_freq", mhz * 1000, mode=0o444)
            self.write(f"{folder}/scaling_{file}_freq", mhz * 1000)
        self.write(f"{folder}/related_cpus", " ".join(map(str, cpus)))
        self.write(f"{folder}/scaling_governor", "performance")
        self.write(f"{folder}/scaling_driver", "fake-cpufreq")
        for cpu in cpus:
            self.write(f"/sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id", package)
        shown = round((now_mhz or range_mhz[1]) * 1000)
        return Reading(self.write(f"{folder}/scaling_cur_freq", shown, mode=0o444), 1000.0)

    def ina3221(
        self, address: str, rails: Sequence[tuple[str, float, float]], *, samples: int = 1, shunt_ohm: float = 0.005
    ) -> list[tuple[Reading, Reading]]:
        """Write one INA3221 monitor as the kernel's own driver shows it.

        Args:
            address: On the bus, such as "1-0040".
            rails: Up to three channels: label, volts, amperes.
            samples: That are averaged.
            shunt_ohm: Resistance of the shunts [Ω].

        Returns:
            Voltage [V] and current [A] of each channel.
        """
        folder = f"/sys/bus/i2c/drivers/ina3221/{address}/hwmon/hwmon7"
        self.write(f"{folder}/samples", samples)
        self.write(f"{folder}/update_interval", round(len(rails) * samples * 2.2))
        shown = []
        for channel, (label, volts, amperes) in enumerate(rails, 1):
            self.write(f"{folder}/in{channel}_label", label)
            self.write(f"{folder}/in{channel}_enable", 1)
            self.write(f"{folder}/shunt{channel}_resistor", round(shunt_ohm * 1e6))
            voltage = self.write(f"{folder}/in{channel}_input", round(volts * 1e3))
            current = self.write(f"{folder}/curr{channel}_input", round(amperes * 1e3))
            shown.append((Reading(voltage, 1e3), Reading(current, 1e3)))
        return shown

    def ina3221x(self, address: str, rails: Sequence[tuple[str, float]]) -> list[Reading]:
        """Write one INA3221 monitor as the driver of older boards shows it; returns the power of each rail [W]."""
        folder = f"/sys/bus/i2c/drivers/ina3221x/{address}/iio:device0"
        shown = []
        for channel, (label, power_w) in enumerate(rails):
            self.write(f"{folder}/rail_name_{channel}", label)
            file = self.write(f"{folder}/in_power{channel}_input", round(power_w * 1e3))
            shown.append(Reading(file, 1e3))
        return shown
