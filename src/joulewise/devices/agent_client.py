"""The driver of devices that an agent serves: whoever may not touch hardware himself asks for it here.

``docs/how-to/select-devices.md`` says which texts select them. Each device keeps the uid that it has without an agent,
so that whoever is found both ways is one device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from joulewise.devices.capabilities import Capabilities
from joulewise.devices.device import Device, Finding, Host, Identity, Scope
from joulewise.errors import DeviceLostError, JoulewiseError, UsageError
from joulewise.wire.agent_socket import SOCKET

if TYPE_CHECKING:
    from joulewise.devices.agent_connection import AgentConnection
    from joulewise.devices.agent_device import AgentDevice
    from joulewise.wire.agent_address import Address

NAME, VARIABLE = "agent", "JOULEWISE_AGENT"
_connections: WeakValueDictionary[tuple[Address, str], AgentConnection] = WeakValueDictionary()


def address_of(text: str, host: Host) -> Address:
    """An address from its text; without one $JOULEWISE_AGENT, else the socket of the service.

    Raises:
        UsageError: If it is none.
    """
    from joulewise.wire.agent_address import Address, parse_address  # noqa: PLC0415 (as below: only with an agent)

    text = text or host.environ.get(VARIABLE, "")
    return parse_address(text) if text else Address(path=str(host.path(SOCKET)))


def connect(address: Address, host: Host) -> AgentConnection:
    """The connection of this process to an agent; shared by all devices of it."""
    from joulewise.devices.agent_connection import TOKEN, AgentConnection  # noqa: PLC0415

    key = (address, host.environ.get(TOKEN, ""))
    connection = _connections.get(key)
    if connection is None:
        connection = _connections[key] = AgentConnection(address, host.environ)
    return connection


def devices_at(address: Address, host: Host) -> list[Device]:
    """The devices that an agent serves us.

    Raises:
        JoulewiseError: If it cannot be reached, or refuses.
    """
    connection = connect(address, host)
    try:
        return [_device(connection, entry) for entry in connection.ask("devices")]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, JoulewiseError):
            raise
        seen = f"{type(error).__name__}: {error}"
        raise DeviceLostError(f"the agent at {address} does not make sense", seen, "use one version on both") from error


class AgentDriver:
    """See `joulewise.devices.device.Driver` and `DriverToOrder`."""

    name = NAME

    def find(self, host: Host) -> Sequence[Device]:
        """The devices of the agent at the default address; none if there is no agent."""
        if not host.environ.get(VARIABLE) and not host.path(SOCKET).exists():
            return []
        try:
            address = address_of("", host)
            return devices_at(address, host) if _is_there(address) else []
        except JoulewiseError:
            return []

    def select(self, text: str, host: Host) -> Sequence[Device]:
        """The devices of a selector: an address, an address and a device, or a device at the default address.

        Raises:
            UsageError: If it means no device, or more than one.
            JoulewiseError: If the agent cannot be reached, or refuses.
        """
        from joulewise.wire.agent_address import split_selector  # noqa: PLC0415

        named, which = split_selector(text)
        address = named or address_of("", host)
        if not _is_there(address):
            fix = "start one: docs/how-to/run-without-root.md; or name another as in agent:/path or agent:host:port"
            raise UsageError("there is no agent", f"{address} is not there", fix)
        found = devices_at(address, host)
        if not found:
            raise UsageError(f"the agent at {address} serves us no device", "its policy", "ask the operator for a rule")
        if not which:
            return found
        if which.isdecimal() and int(which) < len(found):
            return [found[int(which)]]
        matches = [device for device in found if which in device.identity.names]
        matches = matches or [one for one in found if any(name.startswith(which) for name in one.identity.names)]
        if len(matches) != 1 or which.isdecimal():
            there = ", ".join(f"{i} ({d.identity.model}, {d.identity.uid})" for i, d in enumerate(found))
            what = f"{which!r} means {0 if which.isdecimal() else len(matches)} devices of the agent at {address}"
            raise UsageError(what, f"there are {there}", "name one of these after #")
        return matches

    def examine(self, host: Host) -> Sequence[Finding]:
        """Whether there is an agent, and what it lets us do."""
        try:
            address = address_of("", host)
        except UsageError as error:
            return [Finding(self.name, f"${VARIABLE}", False, error.seen, error.fix, broken=True)]
        if not _is_there(address):
            fix = "only needed to set or read hardware without root: see docs/how-to/run-without-root.md"
            return [Finding(self.name, "an agent", False, f"{address} is not there", fix)]
        looked_for = f"the agent at {address}"
        try:
            found = devices_at(address, host)
        except JoulewiseError as error:
            return [Finding(self.name, looked_for, False, error.seen or error.what, error.fix, broken=True)]
        fix = "" if found else "ask the operator for a rule in the agent's policy"
        return [Finding(self.name, looked_for, bool(found), f"it serves us {len(found)} devices", fix)]


def _is_there(address: Address) -> bool:
    """Whether it is worth knocking: a socket that does not exist needs no attempt."""
    return not address.path or Path(address.path).exists()


def _device(connection: AgentConnection, entry: Mapping[str, Any]) -> AgentDevice:
    from joulewise.devices.agent_device import DRIVER, AgentDevice  # noqa: PLC0415

    who = entry["identity"]
    changed = {"scope": Scope(who["scope"]), "aliases": tuple(who["aliases"]), "driver": DRIVER}
    return AgentDevice(connection, Identity(**{**who, **changed}), Capabilities.from_dict(entry["capabilities"]))


driver = AgentDriver()
