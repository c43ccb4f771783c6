"""Run the agent: ``python -m joulewise.services.agent``, which is also ``joulewise agent serve``.

Needs nothing but the standard library, so that little runs with privilege.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from joulewise.devices.catalog import driver_names, find
from joulewise.devices.device import Device, Host
from joulewise.devices.selection import find_devices
from joulewise.errors import JoulewiseError, UsageError
from joulewise.services.agent.audit import Audit
from joulewise.services.agent.policy import own_user_only
from joulewise.services.agent.policy_file import read_policy
from joulewise.services.agent.server import Agent, Options
from joulewise.services.agent.tokens import read_tokens
from joulewise.wire.agent_address import parse_address
from joulewise.wire.agent_socket import SOCKET

STATE = "/var/lib/joulewise"
POLICY = "/etc/joulewise/agent.toml"


def parser() -> argparse.ArgumentParser:
    """The options of the agent."""
    made = argparse.ArgumentParser(
        "joulewise agent serve",
        description="Let others read and set this machine's devices within a policy, and put back what was found.",
        allow_abbrev=False,
    )
    made.add_argument("--socket", type=Path, default=Path(SOCKET), help="Unix socket to listen at (%(default)s)")
    made.add_argument("--socket-mode", type=_mode, default=0o660, metavar="MODE", help="who may connect (0660)")
    made.add_argument("--socket-group", metavar="GROUP", help="group of the socket, by name or number")
    made.add_argument("--policy", type=Path, help=f"who may what ({POLICY} if it is there, else only your own user)")
    made.add_argument("--state", type=Path, default=Path(STATE), help="folder of the journal (%(default)s)")
    made.add_argument("--audit", type=Path, help="file of the audit log (the standard error stream)")
    made.add_argument(
        "--device", action="append", help="serve only these, as in nvidia:0 or sim:a100x2; again for more"
    )
    made.add_argument("--period-s", type=float, default=1.0, help="how often devices are read (%(default)s)")
    made.add_argument("--dry-run", action="store_true", help="check and note settings, and set nothing")
    made.add_argument("--tcp", metavar="HOST:PORT", help="listen here too, with TLS and tokens")
    made.add_argument("--certificate", type=Path, help="certificate chain for --tcp, as PEM")
    made.add_argument("--key", type=Path, help="its private key")
    made.add_argument("--tokens", type=Path, help="file made by joulewise agent token")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP; what was found is put back before the process ends.

    Raises:
        JoulewiseError: If it cannot begin.
    """
    chosen = parser().parse_args(arguments)
    if not 0.01 <= chosen.period_s <= 3600:
        raise UsageError("--period-s is no period", f"{chosen.period_s!r}", "give 0.01 to 3600 seconds")
    options = Options(
        socket=chosen.socket,
        mode=chosen.socket_mode,
        group=None if chosen.socket_group is None else _group(chosen.socket_group),
        address=None if chosen.tcp is None else _host_port(chosen.tcp),
        tls=_tls(chosen.certificate, chosen.key),
        tokens=() if chosen.tokens is None else read_tokens(chosen.tokens),
        period_s=chosen.period_s,
        dry_run=chosen.dry_run,
    )
    policy_file = chosen.policy or (Path(POLICY) if Path(POLICY).exists() else None)
    policy = own_user_only(os.geteuid()) if policy_file is None else read_policy(policy_file)
    devices = _devices(chosen.device)
    sys.setswitchinterval(0.001)  # a device's thread that has an answer should not wait for the loop
    agent = Agent(devices, policy, chosen.state, options, audit=Audit(chosen.audit))

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, agent.stop)
        who = f"policy {policy_file}" if policy_file else f"no policy: only uid {os.geteuid()} is served"
        served = ", ".join(device.identity.uid for device in devices)
        await agent.serve(lambda: print(f"serving {served} at {chosen.socket} ({who})", flush=True))

    asyncio.run(run())


def _devices(selection: Sequence[str] | None) -> list[Device]:
    """The devices to serve: those named, else all of this machine, whatever the environment hides.

    Raises:
        UsageError: If there are none, or they are another agent's.
    """
    host = Host()
    names = [name for name in driver_names() if name != "agent"]
    found = find_devices(selection, host) if selection else [one for name in names for one in find(name, host)]
    devices = list({device.identity.uid: device for device in reversed(found)}.values())[::-1]
    if not devices:
        raise UsageError("there is no device to serve", "none was found", "joulewise doctor says why")
    if any(device.identity.driver == "agent" for device in devices):
        raise UsageError("an agent cannot serve another agent's devices", "agent:", "ask that one directly")
    return devices


def _mode(text: str) -> int:
    mode = int(text, 8)
    if not 0o600 <= mode <= 0o777:
        raise argparse.ArgumentTypeError("give a mode such as 0660")
    return mode


def _group(text: str) -> int:
    import grp  # noqa: PLC0415 (not on Windows)

    try:
        return int(text) if text.isdecimal() else grp.getgrnam(text).gr_gid
    except KeyError:
        raise UsageError("this machine has no such group", repr(text), "make it with groupadd --system") from None


def _host_port(text: str) -> tuple[str, int]:
    address = parse_address(text)
    if not address.host:
        raise UsageError("--tcp is no host and port", repr(text), "write it as host:port")
    return address.host, address.port


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        fix = "give --certificate and --key as PEM files that belong together"
        raise UsageError("the certificate cannot be used", f"{certificate}: {error}", fix) from error
    return context


if __name__ == "__main__":
    try:
        main()
    except JoulewiseError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from None
