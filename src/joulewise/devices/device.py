"""A device: who it is, what it can, and how it is read and told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from joulewise.clock import Clock, MonotonicClock
from joulewise.devices.capabilities import Capabilities, Kind
from joulewise.records import Provenance

SIMULATED = "sim"
SIMULATED_MARK = "(simulated)"
"""Ends the product name of a board that a stand-in for a vendor's library shows: all that its driver can tell us by."""


class Scope(StrEnum):
    """What a device's figures cover. Scopes nest: a module holds boards, a board dies; a node holds packages."""

    DIE = "die"
    BOARD = "board"
    MODULE = "module"
    PACKAGE = "package"
    DRAM = "dram"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a device is. Never a bare index: indices change between libraries and reboots.

    Attributes:
        uid: UUID or PCI address, or another name that is unique on the machine and survives a reboot.
        vendor: "nvidia", "amd", "intel", "apple", "arm", ...; "sim" for a twin.
        model: Name for people.
        scope: What its figures cover.
        parent: Uid of the device whose figures include this one's, or None. Sums over devices skip whoever has a
            parent in the sum.
        driver: The driver that found it, as in ``--device nvidia:0``.
        driver_version: Version of the vendor's driver, if known.
        aliases: Other names of the same hardware, such as the UUID where ``uid`` is the PCI address: whoever is found
            by two drivers is one device, and people select by either.
        modelled: Whether its figures come from the vendor's model of its activity, and not from a sensor.
    """

    uid: str
    vendor: str
    model: str
    scope: Scope
    parent: str | None = None
    driver: str = ""
    driver_version: str = ""
    aliases: tuple[str, ...] = ()
    modelled: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that it answers to: its uid and its aliases."""
        return (self.uid, *self.aliases)

    @property
    def provenance(self) -> Provenance:
        """What figures of it are worth: those of a twin, or of a model, must say so wherever they are shown."""
        if self.vendor == SIMULATED or self.model.endswith(SIMULATED_MARK):
            return Provenance.SIMULATED
        return Provenance.MODELLED if self.modelled else Provenance.MEASURED


class Device(Protocol):
    """What a driver hands out. It also has the methods of the Protocol of every kind in its capabilities."""

    @property
    def identity(self) -> Identity:
        """Who it is."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can, as probed, or as loaded in place of that."""


@runtime_checkable
class Busy(Protocol):
    """A device that can be kept busy without a program."""

    def set_activity(self, compute_frac: float, memory_frac: float = 0.0) -> None:
        """Be this busy from now on, as fractions."""


@runtime_checkable
class Lent(Protocol):
    """A device whose knobs are lent to this process by somebody who puts back what he found, however the loan ends."""

    def holds(self, kind: Kind) -> bool:
        """Whether a knob is on loan to this process."""

    def give_back(self, kind: Kind) -> None:
        """End the loan of a knob, after what was found was put back."""


@dataclass(frozen=True)
class Host:
    """The machine as drivers see it, so that tests and containers can show them another.

    Attributes:
        root: Where /sys, /proc and /dev lie; by default what JOULEWISE_ROOT says, for a container that has them
            elsewhere.
        environ: Environment variables.
        clock: Time.
    """

    root: Path = field(default_factory=lambda: Path(os.environ.get("JOULEWISE_ROOT") or "/"))
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    clock: Clock = field(default_factory=MonotonicClock)

    def path(self, absolute: str) -> Path:
        """A path of this host, such as ``/sys/class/powercap``."""
        return self.root / absolute.lstrip("/")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``joulewise doctor``.

    Attributes:
        driver: Driver that looked.
        looked_for: What it looked for.
        found: Whether that was there and usable.
        seen: What was seen.
        fix: What to do, as a command where there is one; empty if nothing is wrong.
        broken: Whether something is defective, not only absent.
    """

    driver: str
    looked_for: str
    found: bool
    seen: str
    fix: str = ""
    broken: bool = False


class Driver(Protocol):
    """One vendor's way in. Neither method raises for what is missing: that is a finding."""

    name: str

    def find(self, host: Host) -> Sequence[Device]:
        """Devices that are there, in a stable order."""

    def examine(self, host: Host) -> Sequence[Finding]:
        """What was looked for, what is there, and how to get what is not."""


@runtime_checkable
class DriverToOrder(Protocol):
    """A driver that also makes or reaches devices by their description, as in ``sim:a100x8``."""

    name: str

    def select(self, text: str, host: Host) -> Sequence[Device]:
        """The devices that a selector means, in a stable order.

        Args:
            text: What follows the driver's name and the colon.
            host: The machine.

        Raises:
            UsageError: If it means nothing; says what would.
        """


def top_level(devices: Iterable[Device]) -> list[Device]:
    """The devices that no other of them includes: their figures may be summed."""
    known = list(devices)
    present = {device.identity.uid for device in known}
    parent = {device.identity.uid: device.identity.parent for device in known}

    def included(device: Device) -> bool:
        above, seen = device.identity.parent, set()
        while above is not None and above not in seen:
            if above in present:
                return True
            seen.add(above)
            above = parent.get(above)
        return False

    return [device for device in known if not included(device)]


def can(device: Device, kind: Kind) -> bool:
    """Whether a device has a capability that we are permitted to use."""
    return kind in device.capabilities and device.capabilities[kind].permitted
