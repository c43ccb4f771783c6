"""What a policy would let somebody do, said before anybody does it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device, Host
from joulewise.devices.selection import find_devices
from joulewise.devices.settings import CLASSES, allowed
from joulewise.errors import UsageError
from joulewise.services.agent.policy import Policy, Principal


def preview(policy: Policy, who: str, selection: Sequence[str] | None) -> Iterator[str]:
    """Lines for people, one for each device and knob.

    Raises:
        UsageError: If ``who`` is nobody, or the selection means no device.
    """
    principal = _principal(who)
    for device in find_devices(selection, Host()):
        uid, model = device.identity.uid, device.identity.model
        yield f"{model} ({uid}): {'may read' if policy.may_read(principal, device.identity) else 'may not read'}"
        seen = policy.seen_by(principal, device.identity, device.capabilities)
        for kind in CLASSES:
            if kind in device.capabilities:
                yield f"  {kind.replace('_', ' ')}: {_may(policy, principal, device, kind, allowed(seen[kind]))}"


def _may(policy: Policy, who: Principal, device: Device, kind: Kind, range_: str) -> str:
    bounds = policy.bounds(who, device.identity, kind)
    if bounds is None:
        return "may not set"
    seen = policy.seen_by(who, device.identity, device.capabilities)[kind]
    if not seen.permitted and device.capabilities[kind].permitted:
        return f"may not set: {bounds[0]:g} to {bounds[1]:g} {seen.unit} is outside of what the device takes"
    return f"may set {range_}"


def _principal(text: str) -> Principal:
    sort, _, name = text.partition(":")
    if sort in ("uid", "gid") and name.isdecimal() and name.isascii():
        number = int(name)
        return Principal(text, uid=number) if sort == "uid" else Principal(text, gids=frozenset({number}))
    if sort == "token" and name:
        return Principal(text, token=name)
    raise UsageError("this is nobody", repr(text), "give uid:1000, gid:1000 or token:name")
