"""Who is at the other end of a Unix socket, as the kernel says."""

from __future__ import annotations

import array
import socket
import struct

from joulewise.errors import UsageError
from joulewise.services.agent.policy import Principal

_CREDENTIALS = struct.Struct("3i")
_SO_PEERGROUPS = 59  # of Linux 4.13 and later; Python has no name for it
_GROUPS_BYTES = 1024  # as much as Python lets one ask for: 256 groups; of whoever has more only the first counts
_UINT = struct.Struct("I")


def peer_of(connection: socket.socket) -> Principal:
    """The process that connected: its user, and all its groups, as they were then.

    Raises:
        UsageError: If this system cannot say.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        raise UsageError("nobody can be let in", "this system has no SO_PEERCRED", "run the agent on Linux")
    pid, uid, gid = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    uid, gid = (value & 0xFFFFFFFF for value in (uid, gid))
    return Principal(f"uid {uid}", uid=uid, gids=frozenset({gid, *_groups(connection)}), pid=pid or None)


def _groups(connection: socket.socket) -> list[int]:
    """Supplementary groups from the kernel: no name service is asked, which could be slow or lie."""
    try:
        content = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES)
    except OSError:
        return []
    groups = array.array("I")
    groups.frombytes(content[: len(content) // _UINT.size * _UINT.size])
    return groups.tolist()
