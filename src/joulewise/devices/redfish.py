"""Power of whole nodes, as their management controller reports it over Redfish.

Set JOULEWISE_REDFISH_URL (and _USER, _PASSWORD, _CA where needed); without it nothing is looked for. Every chassis that
reports power is a device; one that lies in another names that one as parent. Figures are what the controller makes of
its sensors: averaged, and 1 to 60 s old, so they suit minutes, not kernels. Their scope is the node: fans, supplies
and whatever else hangs on the plug included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Finding, Host, Identity, Scope
from joulewise.devices.redfish_client import PREFIX, RedfishClient
from joulewise.devices.redfish_power import Source, find_energy, find_power, link, members
from joulewise.errors import CapabilityError, DeviceLostError, JoulewiseError, PermissionDeniedError

ROOT = "/redfish/v1/"
MOST_CHASSIS = 64
LOOK_BUDGET_S = 60.0
COARSEST_COUNTER_S = 60.0
NOTE = "averaged by the management controller over an unstated 1 to 60 s, and as old"


class RedfishChassis:
    """A chassis that reports its power; reading takes a request of up to the time-out."""

    def __init__(self, identity: Identity, power: Source, energy: Source | None) -> None:
        """Keep where to read."""
        self.identity, self._power, self._energy = identity, power, energy
        entries = {
            Kind.POWER_AVERAGE: Capability(
                Kind.POWER_AVERAGE,
                "W",
                power.path,
                resolution=power.resolution,
                update_period_s=power.update_period_s,
                averaging_window_s=power.averaging_window_s,
                note="" if power.averaging_window_s else NOTE,
            )
        }
        if energy is not None:
            entries[Kind.ENERGY_COUNTER] = Capability(
                Kind.ENERGY_COUNTER,
                "J",
                energy.path,
                resolution=energy.resolution,
                update_period_s=energy.update_period_s,
            )
        self.capabilities = Capabilities(entries)

    def read_average_power_w(self) -> float:
        """Power as the controller last averaged it [W].

        Raises:
            DeviceLostError: If the controller does not answer in time.
        """
        return self._power.read()

    def read_energy_j(self) -> float:
        """The energy counter [J].

        Raises:
            CapabilityError: If it has none.
            DeviceLostError: If the controller does not answer in time.
        """
        if self._energy is None:
            raise CapabilityError(self.identity.uid, "energy counting", ", ".join(self.capabilities))
        return self._energy.read()


@dataclass
class RedfishDriver:
    """Nodes behind a management controller."""

    name: str = "redfish"
    _known: dict[tuple[str, str], list[RedfishChassis]] = field(default_factory=dict, repr=False)

    def find(self, host: Host) -> Sequence[RedfishChassis]:
        """Chassis that report power, in the controller's order; looked for once in a process."""
        try:
            return self._look(host)
        except JoulewiseError:
            return []

    def examine(self, host: Host) -> Sequence[Finding]:
        """Whether a controller is configured, answers, lets us in, and knows power."""
        if not host.environ.get(f"{PREFIX}URL"):
            fix = f"export {PREFIX}URL=https://HOST with {PREFIX}USER and {PREFIX}PASSWORD"
            return [Finding(self.name, "a management controller", False, f"{PREFIX}URL is not set", fix)]
        try:
            found = self._look(host)
        except PermissionDeniedError as error:
            fix = f"export {PREFIX}USER and {PREFIX}PASSWORD of a login with the role ReadOnly"
            seen = f"{error.what}; {error.seen}"
            return [Finding(self.name, "access to the controller", False, seen, fix, broken=True)]
        except JoulewiseError as error:
            seen = f"{error.what}; {error.seen}"
            return [Finding(self.name, "the controller", False, seen, error.fix, broken=True)]
        fix = "" if found else "update the controller's firmware; some never report power"
        return [Finding(self.name, "chassis that report power", bool(found), f"{len(found)} found", fix)]

    def _look(self, host: Host) -> list[RedfishChassis]:
        if not host.environ.get(f"{PREFIX}URL"):
            return []
        key = (host.environ[f"{PREFIX}URL"], host.environ.get(f"{PREFIX}USER", ""))
        if key not in self._known:
            found = _list_chassis(RedfishClient(host.environ), host)
            if not found:
                return []
            self._known[key] = found
        return self._known[key]


def _list_chassis(client: RedfishClient, host: Host) -> list[RedfishChassis]:
    begun_ns = host.clock.now_ns()
    paths = members(client.get(link(client.get(ROOT), "Chassis")))
    found: dict[str, tuple[Mapping[str, Any], Source, Source | None]] = {}
    for path in paths[:MOST_CHASSIS]:
        if (host.clock.now_ns() - begun_ns) * 1e-9 > LOOK_BUDGET_S:
            break
        try:
            chassis = client.get(path)
            power = find_power(client, chassis)
            found[path.rstrip("/")] = chassis, power, _usable_energy(client, chassis, power)
        except (DeviceLostError, PermissionDeniedError):
            raise
        except JoulewiseError:
            continue  # fans, drives and the like
    return [
        RedfishChassis(_identity(client.place, path, chassis, set(found)), power, energy)
        for path, (chassis, power, energy) in found.items()
    ]


def _usable_energy(client: RedfishClient, chassis: Mapping[str, Any], power: Source) -> Source | None:
    """The energy counter, unless its steps take longer than a minute at present power: then power is better."""
    try:
        energy = find_energy(client, chassis)
    except CapabilityError:
        return None
    step_s = (energy.resolution or 0.0) / max(power.read(), 1.0)
    if step_s > COARSEST_COUNTER_S:
        return None
    return replace(energy, update_period_s=max(step_s, 1.0))


def _identity(place: str, path: str, chassis: Mapping[str, Any], known: set[str]) -> Identity:
    links = chassis.get("Links")
    try:
        above = link(links, "ContainedBy").rstrip("/") if isinstance(links, Mapping) else ""
    except CapabilityError:
        above = ""
    inside = above in known and above != path
    model = " ".join(str(chassis[part]) for part in ("Manufacturer", "Model") if chassis.get(part))
    uuid = chassis.get("UUID")
    return Identity(
        uid=f"{place}{path}",
        vendor=str(chassis.get("Manufacturer") or "unknown"),
        model=model or str(chassis.get("Name") or "chassis"),
        scope=Scope.MODULE if inside else Scope.NODE,
        parent=f"{place}{above}" if inside else None,
        driver="redfish",
        aliases=(str(uuid),) if uuid else (),
    )


driver = RedfishDriver()
