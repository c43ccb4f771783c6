"""Telling systemd that we are ready and alive, if it asked to know."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def notify(state: str, environ: Mapping[str, str] | None = None) -> None:
    """Send a state such as ``READY=1`` to the socket in $NOTIFY_SOCKET; nothing if there is none."""
    address = (os.environ if environ is None else environ).get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stream:
        stream.sendto(state.encode(), "\0" + address[1:] if address[0] == "@" else address)
