"""Frequencies of CPUs through cpufreq: what is achieved, and the range that is allowed.

A device is all CPUs of one package that have the same range: one on most machines, two where fast and slow cores share
a package. Its uid names no range and no state, so that it is found again after a crash in the midst of setting it. If
its CPUs are found to be limited differently, one range could not put that back, so changing it is not permitted then;
telling it still works, since that is how a crash in the midst of setting is repaired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Finding, Host, Identity, Scope
from joulewise.devices.sysfs import (
    KeptFile,
    can_write,
    cpu_vendor_and_model,
    folders,
    join_some,
    read_int,
    read_text,
    surroundings,
    without_sysfs,
    write_int,
)
from joulewise.errors import CapabilityError, CounterError, UsageError

CPU = "/sys/devices/system/cpu"
LOOKED_FOR = "CPU frequencies (cpufreq)"
ROOT, ALIKE = "root", "CPUs that are limited alike, to put back what was found"
_MAKE_ALIKE = "sudo cpupower frequency-set --min MHZ --max MHZ"
_KHZ_PER_MHZ = 1000


@dataclass(frozen=True)
class Policy:
    """CPUs that share a clock.

    Attributes:
        folder: Where its files are.
        cpus: Its CPUs.
        package: Number of the package that they are in.
        range_khz: What its hardware can do.
    """

    folder: Path
    cpus: tuple[int, ...]
    package: int
    range_khz: tuple[int, int]

    def limits_khz(self) -> tuple[int, int]:
        """The range that is allowed now."""
        low, high = read_int(self.folder / "scaling_min_freq"), read_int(self.folder / "scaling_max_freq")
        if low is None or high is None:
            raise CounterError(f"{self.folder.name} does not tell its limits", str(self.folder), "read again")
        return low, high

    def set_limits_khz(self, low: int, high: int, device: str) -> None:
        """Allow a range; the limit that must give way moves first, or the minimum would pass the maximum."""
        order = ("max", "min") if high >= self.limits_khz()[0] else ("min", "max")
        for end in order:
            write_int(self.folder / f"scaling_{end}_freq", {"min": low, "max": high}[end], device)


class CpuClocks:
    """The CPUs of one package that have the same range of frequencies.

    Args:
        identity: Who it is.
        capabilities: What it can.
        policies: The policies of its CPUs.
    """

    def __init__(self, identity: Identity, capabilities: Capabilities, policies: Sequence[Policy]) -> None:
        """Open nothing yet."""
        self._identity, self._capabilities, self._policies = identity, capabilities, tuple(policies)
        self._current = [KeptFile(policy.folder / "scaling_cur_freq", identity.uid) for policy in policies]

    @property
    def identity(self) -> Identity:
        """Who it is."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """What it can."""
        return self._capabilities

    def read_frequency_mhz(self) -> int:
        """The frequency that is achieved now, mean over CPUs [MHz]."""
        weights = [len(policy.cpus) for policy in self._policies]
        total = sum(file.read_int() * weight for file, weight in zip(self._current, weights, strict=True))
        return round(total / sum(weights) / _KHZ_PER_MHZ)

    def read_frequency_limits_mhz(self) -> tuple[int, int]:
        """The lowest and highest frequency that any of its CPUs is allowed [MHz]."""
        limits = [policy.limits_khz() for policy in self._policies]
        low, high = min(low for low, _ in limits), max(high for _, high in limits)
        return round(low / _KHZ_PER_MHZ), round(high / _KHZ_PER_MHZ)

    def set_frequency_limits_mhz(self, minimum_mhz: int, maximum_mhz: int) -> None:
        """Set the allowed range [MHz] of all its CPUs.

        Raises:
            UsageError: If the range is the wrong way round.
            CapabilityError: If it goes beyond what the hardware can do.
            PermissionDeniedError: Unless root.
        """
        if minimum_mhz > maximum_mhz:
            raise UsageError("the range ends below its start", f"{minimum_mhz} to {maximum_mhz} MHz", "swap the two")
        low, high = (self._khz(mhz) for mhz in (minimum_mhz, maximum_mhz))
        for policy in self._policies:
            policy.set_limits_khz(low, high, self._identity.uid)

    def _khz(self, mhz: int) -> int:
        """In kHz; the ends of the range are exact even where they are not whole MHz."""
        ends = self._policies[0].range_khz
        for end in ends:
            if mhz == round(end / _KHZ_PER_MHZ):
                return end
        khz = round(mhz * _KHZ_PER_MHZ)
        if not ends[0] <= khz <= ends[1]:
            has = f"{ends[0] / _KHZ_PER_MHZ:g} to {ends[1] / _KHZ_PER_MHZ:g} MHz"
            raise CapabilityError(self._identity.uid, f"{mhz} MHz", has)
        return khz


class CpufreqDriver:
    """Finds CPUs whose frequencies can be limited."""

    name = "cpufreq"

    def find(self, host: Host) -> Sequence[CpuClocks]:
        """By package, then by first CPU."""
        groups: dict[tuple[int, tuple[int, int]], list[Policy]] = {}
        for policy in _policies(host):
            groups.setdefault((policy.package, policy.range_khz), []).append(policy)
        packages = [package for package, _ in groups]
        ordered = sorted(groups.values(), key=lambda policies: (policies[0].package, policies[0].cpus))
        vendor, model = cpu_vendor_and_model(host)
        return [_device(host, group, packages.count(group[0].package) > 1, vendor, model) for group in ordered]

    def examine(self, host: Host) -> Sequence[Finding]:
        """Whether frequencies are shown, and whether they may be limited."""
        found = self.find(host)
        if not found:
            return [without_sysfs(host, self.name, LOOKED_FOR) or _why_none(host)]
        findings = [Finding(self.name, LOOKED_FOR, True, join_some(device.identity.uid for device in found))]
        for privilege, fix in ((ROOT, "run as root; in a container, with /sys mounted writable"), (ALIKE, _MAKE_ALIKE)):
            entries = [(device.identity.uid, device.capabilities[Kind.CPU_FREQUENCY]) for device in found]
            closed = [uid for uid, entry in entries if not entry.permitted and entry.privilege == privilege]
            if closed:
                seen = f"{join_some(closed)}: changing them takes {privilege}"
                findings.append(Finding(self.name, "limits of CPU frequencies", False, seen, fix))
        return findings


driver = CpufreqDriver()


def _policies(host: Host) -> list[Policy]:
    found = []
    for folder in folders(host.path(f"{CPU}/cpufreq"), "policy*"):
        cpus = tuple(int(cpu) for cpu in (read_text(folder / "related_cpus") or "").split() if cpu.isdigit())
        low, high = read_int(folder / "cpuinfo_min_freq"), read_int(folder / "cpuinfo_max_freq")
        if cpus and low is not None and high is not None and read_int(folder / "scaling_max_freq") is not None:
            package = read_int(host.path(f"{CPU}/cpu{cpus[0]}/topology/physical_package_id"))
            found.append(Policy(folder, cpus, max(package or 0, 0), (low, high)))
    return found


def _told_limits(policy: Policy) -> tuple[str | None, ...]:
    return tuple(read_text(policy.folder / f"scaling_{end}_freq") for end in ("min", "max"))


def _device(host: Host, policies: Sequence[Policy], several: bool, vendor: str, model: str) -> CpuClocks:
    first, folder = policies[0], policies[0].folder
    low, high = (end / _KHZ_PER_MHZ for end in first.range_khz)
    steps = [
        int(text) for text in (read_text(folder / "scaling_available_frequencies") or "").split() if text.isdigit()
    ]
    latency_ns = read_int(folder / "cpuinfo_transition_latency")
    told = f"; its driver promises {latency_ns / 1e3:g} µs" if latency_ns and latency_ns > 0 else ""
    writable = all(can_write(policy.folder / f"scaling_{end}_freq") for policy in policies for end in ("min", "max"))
    alike = len({_told_limits(policy) for policy in policies}) == 1
    capability = Capability(
        kind=Kind.CPU_FREQUENCY,
        unit="MHz",
        source="/" + (folder / "scaling_max_freq").relative_to(host.root).as_posix(),
        minimum=round(low),
        maximum=round(high),
        values=tuple(sorted({khz / _KHZ_PER_MHZ for khz in steps})) or None,
        resolution=1.0,
        privilege=ROOT if alike or not writable else ALIKE,
        permitted=writable and alike,
        note=f"governor {read_text(folder / 'scaling_governor')} of {read_text(folder / 'scaling_driver')}{told}",
    )
    uid = f"cpufreq:package-{first.package}" + (f"/cpu{first.cpus[0]}" if several else "")
    cpus = sum(len(policy.cpus) for policy in policies)
    identity = Identity(uid, vendor, f"{model} clocks of {cpus} CPUs", Scope.PACKAGE, None, driver.name)
    return CpuClocks(identity, Capabilities({Kind.CPU_FREQUENCY: capability}), policies)


def _why_none(host: Host) -> Finding:
    where, folder = surroundings(host), host.path(f"{CPU}/cpufreq")
    seen = f"no policy in {CPU}/cpufreq" if folder.is_dir() else f"no {CPU}/cpufreq"
    if "virtual machine" in where:
        fix = "run on the host itself: hypervisors keep clocks to themselves"
    elif where:
        fix = "mount the host's /sys into the container"
    else:
        fix = "load a cpufreq driver, or let the firmware leave clocks to the operating system"
    return Finding(driver.name, LOOKED_FOR, False, f"{seen} ({where})" if where else seen, fix)
