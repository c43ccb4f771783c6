"""One result of many ranks and machines: shared devices counted once, missing ranks visible.

Theory of operation. Every rank measures what it sees. A device is the same if its uid is the same on the same machine,
where a machine is one boot of one kernel: containers on one node have names of their own, but share boot and devices.
Windows of ranks are put on one axis by the wall clock, which agrees within a machine, and between machines as well as
they keep time. If several ranks measured one device, its energy over the union of their windows is taken from the rank
that covers most of it; only what lies outside that window comes from another, either whole, if that other window lies
outside altogether, or else in proportion to time, which widens the bounds. So nothing is counted twice.

Whether a device is part of the sum is decided anew, as one rank may have measured a module and another a GPU of it.
A rank that failed, or never answered, is in the result with its reason, and the result says that it is not complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from joulewise.devices.counter import MOST_POWER_W
from joulewise.devices.device import Scope
from joulewise.devices.process import boot_identity, machine_name
from joulewise.errors import UsageError
from joulewise.measure.energy import Energy
from joulewise.measure.joined import Seen, join
from joulewise.measure.measurement import DeviceEnergy, Measurement, SelfCost


@dataclass(frozen=True, slots=True)
class Rank:
    """What one rank hands in.

    Attributes:
        rank: Its number.
        machine: Name of the machine.
        boot: What tells this boot of it from others; empty if the system does not say.
        measurement: What it measured, or None.
        uses: Uids of the devices that it computes on; empty for all that it measured.
        failure: Why there is no measurement.
    """

    rank: int
    machine: str = ""
    boot: str = ""
    measurement: Measurement | None = None
    uses: tuple[str, ...] = ()
    failure: str = ""

    @classmethod
    def here(cls, rank: int, measurement: Measurement | None, uses: Sequence[str] = (), failure: str = "") -> Rank:
        """What the calling process hands in."""
        return cls(rank, machine_name(), boot_identity(), measurement, tuple(uses), failure)

    @property
    def host(self) -> str:
        """Whose devices it sees: the boot, else the machine."""
        return self.boot or self.machine


Entry = tuple[Rank, Measurement, DeviceEnergy]


@dataclass(frozen=True, slots=True)
class SharedDevice:
    """A device that several ranks measured.

    Attributes:
        uid: As in the merged measurement.
        ranks: Who measured it.
        method: From whom its energy was taken.
    """

    uid: str
    ranks: tuple[int, ...]
    method: str


@dataclass(frozen=True)
class Merged:
    """What all ranks used.

    Attributes:
        measurement: Over the union of their windows; its edges count nanoseconds since 1970, and if there are several
            machines, uids begin with the name of theirs.
        ranks: What each rank handed in, in the order of ranks.
        shared: Devices that several ranks measured, each counted once.
        uids: For each rank, the merged uids of the devices that it computes on.
    """

    measurement: Measurement
    ranks: tuple[Rank, ...]
    shared: tuple[SharedDevice, ...]
    uids: Mapping[int, tuple[str, ...]]

    @property
    def complete(self) -> bool:
        """Whether every rank measured."""
        return all(rank.measurement is not None for rank in self.ranks)

    @property
    def failures(self) -> Mapping[int, str]:
        """Why ranks are missing, by rank."""
        return {rank.rank: rank.failure for rank in self.ranks if rank.measurement is None}


def merge(ranks: Iterable[Rank]) -> Merged:
    """Merge what ranks measured, in whatever order they come.

    Args:
        ranks: One for each rank that was expected, failed ones included.

    Raises:
        UsageError: If a rank comes twice, or no rank has a measurement.
    """
    known = sorted(ranks, key=lambda one: one.rank)
    twice = sorted({one.rank for one in known if sum(other.rank == one.rank for other in known) > 1})
    if twice:
        raise UsageError("a rank handed in twice", f"rank {twice[0]}", "merge one measurement per rank")
    told = [(one, one.measurement) for one in known if one.measurement is not None]
    if not told:
        seen = "; ".join(f"rank {one.rank}: {one.failure}" for one in known) or "there are no ranks"
        raise UsageError("no rank has a measurement", seen, "see why ranks failed")
    begin_ns = min(_begin_ns(one) for _, one in told)
    end_ns = max(_begin_ns(one) + one.end_ns - one.begin_ns for _, one in told)
    prefixes = _prefixes([one for one, _ in told])

    groups = _by_device(told)
    uid_of = {  # what a device is called here, by what a host calls it
        (rank.host, name): prefixes[rank.host] + entries[0][2].identity.uid
        for entries in reversed(groups)
        for rank, _, device in entries
        for name in device.identity.names
    }

    def called(rank: Rank, name: str) -> str:
        return uid_of.get((rank.host, name), prefixes[rank.host] + name)

    devices: list[DeviceEnergy] = []
    shared: list[SharedDevice] = []
    for entries in groups:
        rank, (device, method) = entries[0][0], _one_device(entries)
        parent = None if device.identity.parent is None else called(rank, device.identity.parent)
        identity = replace(device.identity, uid=prefixes[rank.host] + device.identity.uid, parent=parent)
        devices.append(replace(device, identity=identity))
        if len(entries) > 1:
            shared.append(SharedDevice(identity.uid, tuple(one.rank for one, _, _ in entries), method))

    merged = Measurement(
        name=told[0][1].name,
        began_at=min(one.began_at for _, one in told),
        begin_ns=begin_ns,
        end_ns=end_ns,
        devices=_summed(devices),
        synchronised=_all_of([one.synchronised for _, one in told]),
        self_cost=_cost([one.self_cost for _, one in told]),
        warnings=tuple(_warnings(known, told)),
    )
    uids = {rank.rank: tuple(called(rank, uid) for uid in rank.uses or tuple(one.by_device)) for rank, one in told}
    return Merged(merged, tuple(known), tuple(shared), uids)


def _begin_ns(measurement: Measurement) -> int:
    return round(measurement.began_at * 1e9)


def _prefixes(ranks: Sequence[Rank]) -> Mapping[str, str]:
    """What goes before uids of each host: nothing if there is one."""
    names: dict[str, str] = {}
    for one in ranks:
        names.setdefault(one.host, one.machine)
    if len(names) <= 1:
        return dict.fromkeys(names, "")
    alike = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {host: f"{name}-{host[:8]}/" if name in alike else f"{name}/" for host, name in names.items()}


def _by_device(told: Sequence[tuple[Rank, Measurement]]) -> Sequence[Sequence[Entry]]:
    """Who measured each device, in the order of ranks; a device may bear another name with another driver."""
    groups: list[list[Entry]] = []
    group_of: dict[tuple[str, Scope, str], list[Entry]] = {}
    for rank, measurement in told:
        for device in measurement.devices:
            names = [(rank.host, device.identity.scope, name) for name in device.identity.names]
            group = next((group_of[name] for name in names if name in group_of), None)
            if group is None or any(one is measurement for _, one, _ in group):
                group = []
                groups.append(group)
            group.append((rank, measurement, device))
            for name in names:
                group_of.setdefault(name, group)
    return groups


def _one_device(
    entries: Sequence[Entry],
) -> tuple[DeviceEnergy, str]:
    """A device that one or more ranks measured, and from whom its energy was taken."""
    seen: list[Seen] = []
    for rank, measurement, device in entries:
        if device.energy is not None:
            first_ns = _begin_ns(measurement)
            last_ns = first_ns + measurement.end_ns - measurement.begin_ns
            seen.append(Seen(rank.rank, first_ns, last_ns, device.energy))
    failures = [f"rank {rank.rank}: {device.failure}" for rank, _, device in entries if device.failure]
    device = entries[0][2]
    peaks = [one.peak_w for _, _, one in entries if one.peak_w is not None]
    idles = [one.idle_w for _, _, one in entries if one.idle_w is not None]
    energy: Energy | None = None
    method = "no rank could tell"
    if seen:
        energy, method = join(seen, MOST_POWER_W[device.identity.scope])
    merged = replace(
        device,
        energy=energy,
        peak_w=max(peaks, default=None),
        idle_w=min(idles, default=None),
        failure="; ".join(failures) if len(entries) > 1 else device.failure,
    )
    return merged, method


def _summed(devices: Sequence[DeviceEnergy]) -> tuple[DeviceEnergy, ...]:
    """Each with whether it is in the total: no other that told its energy includes it."""
    telling = {one.identity.uid for one in devices if one.energy is not None}
    parent = {one.identity.uid: one.identity.parent for one in devices}

    def included(device: DeviceEnergy) -> bool:
        above, passed = device.identity.parent, set()
        while above is not None and above not in passed:
            if above in telling:
                return True
            passed.add(above)
            above = parent.get(above)
        return False

    return tuple(replace(one, in_total=not included(one)) for one in devices)


def _all_of(flags: Sequence[bool | None]) -> bool | None:
    known = [flag for flag in flags if flag is not None]
    return all(known) if known else None


def _cost(costs: Sequence[SelfCost]) -> SelfCost:
    energies = [one.energy_j for one in costs]
    known = [energy_j for energy_j in energies if energy_j is not None]
    return SelfCost(sum(one.cpu_s for one in costs), sum(known) if len(known) == len(energies) else None)


def _warnings(known: Sequence[Rank], told: Sequence[tuple[Rank, Measurement]]) -> Iterable[str]:
    for one in known:
        if one.measurement is None:
            yield f"rank {one.rank} is missing: {one.failure or 'it did not say why'}"
    begins = [measurement.began_at for _, measurement in told]
    spread_s = max(begins) - min(begins)
    shortest_s = min(measurement.duration_s for _, measurement in told)
    if spread_s > 0.1 * shortest_s:
        yield f"windows of ranks begin up to {spread_s:.3g} s apart: the energy is of the union of unlike windows"
    for rank, measurement in told:
        yield from (f"rank {rank.rank}: {warning}" for warning in measurement.warnings)
