"""Where an agent is, and which of its devices are meant: the text after ``agent:``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from joulewise.errors import UsageError
from joulewise.wire.agent_socket import SOCKET

_HOST_PORT = re.compile(r"(?:\[(?P<literal>[0-9a-fA-F:.%]+)\]|(?P<name>[^\[\]:/#\s]+)):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Address:
    """A Unix socket, or a host and port where TLS is spoken.

    Attributes:
        path: The socket, or empty.
        host: The host, or empty.
        port: Its port.
    """

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        """As it is written after ``agent:``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """An address from its text: a path that begins with ``/`` or ``.``, or ``host:port``.

    Raises:
        UsageError: If it is none.
    """
    if text.startswith(("/", ".")):
        return Address(path=text)
    found = _HOST_PORT.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 65536:
        fix = f"give a path such as {SOCKET}, or host:port"
        raise UsageError("this is no address of an agent", repr(text), fix)
    return Address(host=found["literal"] or found["name"], port=int(found["port"]))


def split_selector(text: str) -> tuple[Address | None, str]:
    """Address and device of what follows ``agent:``; no address means the default one.

    With ``#`` the address stands before it and the device (index, uid or the start of one) behind; without, the text
    is an address if it looks like one, else a device of the agent at the default address.

    Raises:
        UsageError: If what stands before ``#`` is no address.
    """
    address, mark, which = text.partition("#")
    if mark:
        return (parse_address(address) if address else None), which
    if text.startswith(("/", ".")) or _HOST_PORT.fullmatch(text):
        return parse_address(text), ""
    return None, text
