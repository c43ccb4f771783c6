"""Who may read and set what: rules in order, the first that fits decides, and what no rule allows is denied."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Identity
from joulewise.devices.settings import CLASSES, ON_STEP

ANY = "*"
READ, SET = "read", "set"
PRIVILEGE = "a rule in the agent's policy"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as the kernel or a token says; never as he says himself.

    Attributes:
        name: For people: "uid 1000", "token ci".
        uid: User, or None for one who came with a token.
        gids: Groups.
        token: Name of the token, or None for one who came by the socket.
        scopes: What the token is good for at most.
        pid: Process, as far as known.
        until_ns: When the token ends, on the agent's clock [ns]; None if never.
    """

    name: str
    uid: int | None = None
    gids: frozenset[int] = frozenset()
    token: str | None = None
    scopes: frozenset[str] = frozenset({READ, SET})
    pid: int | None = None
    until_ns: int | None = None

    def __str__(self) -> str:
        """For people."""
        return self.name + (f" (process {self.pid})" if self.pid else "")


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of a policy.

    Attributes:
        uids, gids, tokens: Whom it is for; any of them.
        anyone: Whether it is for whoever can reach the socket. Tokens are always named.
        devices: Uids or aliases, ``driver:*`` for all of a driver, or ``*``.
        read: Whether it lets them read.
        bounds: What it lets them set: lowest and highest value of each kind of knob, in the kind's unit.
    """

    uids: frozenset[int] = frozenset()
    gids: frozenset[int] = frozenset()
    tokens: frozenset[str] = frozenset()
    anyone: bool = False
    devices: frozenset[str] = frozenset()
    read: bool = False
    bounds: Mapping[Kind, tuple[float, float]] | None = None

    def fits(self, who: Principal, device: Identity) -> bool:
        """Whether it speaks of this one and that device."""
        if who.token is not None:
            named = who.token in self.tokens
        else:
            named = self.anyone or who.uid in self.uids or bool(who.gids & self.gids)
        return named and bool({ANY, f"{device.driver}:{ANY}", *device.names} & self.devices)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of an agent.

    Attributes:
        rules: In order.
        longest_ttl_s: The longest time for which a lease may go without a heartbeat [s].
    """

    rules: tuple[Rule, ...] = ()
    longest_ttl_s: float = 60.0

    def may_read(self, who: Principal, device: Identity) -> bool:
        """Whether a device's readings may be told to him; settings of knobs are readings."""
        if READ not in who.scopes:
            return False
        return any(rule.read for rule in self.rules if rule.fits(who, device))

    def bounds(self, who: Principal, device: Identity, kind: Kind) -> tuple[float, float] | None:
        """The lowest and highest value that he may set; None if none. The first rule that speaks of it decides."""
        if SET not in who.scopes:
            return None
        for rule in self.rules:
            if rule.bounds is not None and kind in rule.bounds and rule.fits(who, device):
                return rule.bounds[kind]
        return None

    def seen_by(self, who: Principal, device: Identity, capabilities: Capabilities) -> Capabilities:
        """What a device can for one client: ranges as narrow as his, and what he may not set not permitted."""
        shown = {}
        for kind, entry in capabilities.items():
            if kind in CLASSES:
                shown[kind] = _within(entry, self.bounds(who, device, kind))
            elif self.may_read(who, device):
                shown[kind] = entry
        return Capabilities(shown)


def own_user_only(uid: int) -> Policy:
    """What holds without a policy file: the user who runs the agent, who could do all of it without us."""
    unbounded = dict.fromkeys(CLASSES, (0.0, math.inf))
    return Policy((Rule(uids=frozenset({uid}), devices=frozenset({ANY}), read=True, bounds=unbounded),))


def _within(entry: Capability, bounds: tuple[float, float] | None) -> Capability:
    """A knob for one client; what he sets ends with his lease, hence with his process."""
    entry = replace(entry, outlives_process=False, privilege=entry.privilege if not entry.permitted else PRIVILEGE)
    if bounds is None:
        return replace(entry, permitted=False, privilege=PRIVILEGE if entry.permitted else entry.privilege)
    low, high = bounds
    if entry.values:
        values = tuple(value for value in entry.values if low - ON_STEP <= value <= high + ON_STEP)
        if not values:
            return replace(entry, permitted=False)
        return replace(entry, values=values, minimum=values[0], maximum=values[-1])
    least = -math.inf if entry.minimum is None else entry.minimum
    most = math.inf if entry.maximum is None else entry.maximum
    low, high = max(low, least), min(high, most)
    if entry.step and math.isfinite(least):  # the steps are counted from the device's own minimum
        low = least + math.ceil((low - least) / entry.step - ON_STEP) * entry.step
    if low > high:
        return replace(entry, permitted=False)
    finite = [value if math.isfinite(value) else None for value in (low, high)]
    return replace(entry, minimum=finite[0], maximum=finite[1])
