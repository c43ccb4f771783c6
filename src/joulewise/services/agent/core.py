"""The agent without its body: events in, effects out; no I/O, no clock, no threads.

Theory of operation. A session is a connection whose other end is known. Its first ``set`` of a knob is a lease of that
knob: what is there is written down and then the knob told (`events.Take`); the lease lives as long as its connection,
and as its client lets hear of himself (any question counts) within the time that he asked for. However it ends
(release, expiry, closed connection, end of the agent) what was found is put back, and until that is seen to be so the
knob is nobody else's; if it fails, it is tried again for ever. One knob has one holder: a second client is told who.
At most one effect of a knob is under way at any time; what must happen meanwhile is kept as ``Lease.ending``.

Every question meets three checks in this order: may this one know of the device at all (else it is as if it did not
exist), may he do that with the knob within these bounds, does the hardware take it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from joulewise.devices.capabilities import PROTOCOLS, Capabilities, Kind
from joulewise.devices.device import Device
from joulewise.devices.settings import CLASSES, Setting, Unlocked, check, describe, from_dict, same, to_dict
from joulewise.errors import CapabilityError, JoulewiseError, PermissionDeniedError, UsageError
from joulewise.services.agent import events
from joulewise.services.agent.events import Answer, Effect, Event, Knob, Note, PutBack, Take, Tell
from joulewise.services.agent.lease import Lease, Stage
from joulewise.services.agent.policy import PRIVILEGE, Policy, Principal
from joulewise.wire.agent import VERSION, Request

RETRY_S = 5.0
SHORTEST_TTL_S = 0.5
REMEMBERED = 256
READERS: Mapping[str, Kind] = {
    name: kind for kind, protocol in PROTOCOLS.items() for name in vars(protocol) if name.startswith("read_")
}
"""What can be read of a device, and which kind of capability that takes."""
_KNOBS = {str(kind): kind for kind in CLASSES}


class Core:
    """The decisions of one agent.

    Args:
        policy: Who may what.
        devices: What it serves. Only identity and capabilities are looked at.
        dry_run: Whether settings are checked and noted, and never told.
    """

    def __init__(self, policy: Policy, devices: Iterable[Device], *, dry_run: bool = False) -> None:
        """Serve nobody yet."""
        self.policy, self.dry_run = policy, dry_run
        self.devices = {device.identity.uid: device for device in devices}
        self.sessions: dict[int, Principal] = {}
        self.leases: dict[Knob, Lease] = {}
        self._seen: dict[tuple[int, str], Capabilities] = {}
        self._allowed: dict[int, dict[tuple[Any, ...], tuple[Device, Setting, str]]] = {}
        self._stops = False

    @property
    def at_rest(self) -> bool:
        """Whether nothing is being told, and whatever could be put back is."""
        return not any(lease.works for lease in self.leases.values())

    def adopt(self, knob: Knob, left: Setting) -> list[Effect]:
        """Take over a knob that an earlier agent left behind, and put it back before anyone gets it."""
        lease = Lease(knob, 0, Principal("an earlier agent"), left, 0.0, 0, Stage.STUCK, ending="left behind")
        self.leases[knob] = lease
        return self._put_back(lease)

    def step(self, event: Event, now_ns: int) -> list[Effect]:
        """What is to be done about an event, in this order."""
        return list(self._step(event, now_ns))

    def _step(self, event: Event, now_ns: int) -> Iterator[Effect]:
        match event:
            case events.Opened(session, who):
                self.sessions[session] = who
                yield Note("opened", who, {"session": session})
            case events.Asked(session, request):
                yield from self._asked(session, request, now_ns)
            case events.Closed(session):
                yield from self._closed(session)
            case events.Told():
                yield from self._told(event)
            case events.WasPutBack():
                yield from self._was_put_back(event, now_ns)
            case events.Ticked():
                yield from self._ticked(now_ns)
            case events.Stopping():
                self._stops = True
                for lease in list(self.leases.values()):
                    yield from self._end(lease, "the agent ends", again=True)

    # Questions ------------------------------------------------------------------------------------------------------

    def _asked(self, session: int, request: Request, now_ns: int) -> Iterator[Effect]:
        who = self.sessions.get(session)
        try:
            if who is None or (who.until_ns is not None and who.until_ns <= now_ns):
                raise PermissionDeniedError("this question", "a token that has not expired")
            self._renew(session, now_ns)
            yield from getattr(self, f"_ask_{request.operation}")(session, who, request, now_ns)
        except JoulewiseError as error:
            if isinstance(error, PermissionDeniedError):
                asked = {name: value for name, value in request.fields.items() if name != "token"}
                yield Note("denied", who, {"asked": request.operation, **asked, "why": error.what})
            yield Answer(session, request.number, error=error)

    def _ask_hello(self, session: int, who: Principal, request: Request, now_ns: int) -> Iterator[Effect]:
        del now_ns
        facts = {"you": who.name, "version": VERSION, "dry_run": self.dry_run}
        yield Answer(session, request.number, {**facts, "longest_ttl_s": self.policy.longest_ttl_s})

    def _ask_devices(self, session: int, who: Principal, request: Request, now_ns: int) -> Iterator[Effect]:
        del now_ns
        shown = [
            {"identity": asdict(device.identity), "capabilities": self._seen_by(session, who, device).to_dict()}
            for device in self.devices.values()
            if self._knows(who, device)
        ]
        yield Answer(session, request.number, shown)

    def _ask_read(self, session: int, who: Principal, request: Request, now_ns: int) -> Iterator[Effect]:
        del now_ns
        device, what = self._device(who, request), request.fields["what"]
        kind = READERS.get(what)
        if kind is None:
            raise UsageError("there is no such reading", repr(what)[:80], f"read {', '.join(READERS)}")
        if not self.policy.may_read(who, device.identity):
            raise PermissionDeniedError(f"reading {kind} of {device.identity.uid}", PRIVILEGE)
        if kind not in device.capabilities:
            raise CapabilityError(device.identity.uid, kind, ", ".join(device.capabilities))
        yield events.Look(session, request.number, device.identity.uid, what)

    def _ask_history(self, session: int, who: Principal, request: Request, now_ns: int) -> Iterator[Effect]:
        del now_ns
        device = self._device(who, request)
        if not self.policy.may_read(who, device.identity):
            raise PermissionDeniedError(f"reading {device.identity.uid}", PRIVILEGE)
        yield events.Remember(session, request.number, device.identity.uid, request.fields["since_ns"])

    def _ask_stream(self, session: int, who: Principal, request: Request, now_ns: int) -> Iterator[Effect]:
        del now_ns
        uids = tuple(self.readable(who))
        if not uids:
            raise PermissionDeniedError("a stream of readings", PRIVILEGE)
        yield events.Follow(session, request.number, uids)

    def _ask_check(self, session: int, who: Principal, request: Request, now_ns: int) -> Iterator[Effect]:
        device, setting, _ = self._setting(session, who, request, now_ns)
        lease = self.leases.get((device.identity.uid, setting.kind))
        if lease is not None and lease.session != session:
            raise self._held(lease)
        yield Answer(session, request.number, {"allowed": True})

    def _ask_set(self, session: int, who: Principal, request: Request, now_ns: int) -> Iterator[Effect]:
        device, setting, described = self._known_setting(session, who, request, now_ns)
        knob = (device.identity.uid, setting.kind)
        lease = self.leases.get(knob)
        if lease is not None and (lease.session != session or lease.stage is not Stage.HELD):
            raise self._held(lease)
        if self._stops:
            raise UsageError(f"{describe(setting)} was not set", "the agent is about to end", "try again in a moment")
        note = {"device": knob[0], "setting": described}
        if self.dry_run:
            yield Note("would set", who, note)
            yield Answer(session, request.number, {"dry_run": True})
            return
        yield Note("set", who, note)
        ttl_s = min(max(request.fields["ttl_s"], SHORTEST_TTL_S), self.policy.longest_ttl_s)
        if lease is None:
            lease = self.leases[knob] = Lease(knob, session, who, setting, ttl_s, 0)
            yield Take(knob, setting)
        else:
            lease.stage, lease.setting, lease.ttl_s = Stage.TELLING, setting, ttl_s
            yield Tell(knob, setting)
        lease.number, lease.until_ns = request.number, now_ns + round(ttl_s * 1e9)

    def _ask_release(self, session: int, who: Principal, request: Request, now_ns: int) -> Iterator[Effect]:
        del now_ns
        device = self._device(who, request)
        lease = self.leases.get((device.identity.uid, _kind(request)))
        if lease is None or lease.session != session:
            yield Answer(session, request.number, {"held": False})
        elif lease.stage in (Stage.HELD, Stage.STUCK):
            lease.number = request.number
            yield from self._end(lease, "released", again=True)
        else:
            raise self._held(lease)

    def _ask_heartbeat(self, session: int, who: Principal, request: Request, now_ns: int) -> Iterator[Effect]:
        del who, now_ns
        held = [list(knob) for knob, lease in self.leases.items() if lease.session == session and not lease.ending]
        yield Answer(session, request.number, {"held": held})

    def _ask_status(self, session: int, who: Principal, request: Request, now_ns: int) -> Iterator[Effect]:
        leases = [
            {
                "device": uid,
                "setting": to_dict(lease.setting),
                "found": None if lease.found is None else to_dict(lease.found),
                "holder": str(lease.who),
                "stage": str(lease.stage),
                "expires_s": max(0.0, (lease.until_ns - now_ns) / 1e9) if lease.session else 0.0,
            }
            for (uid, _), lease in self.leases.items()
            if self._knows(who, self.devices[uid])
        ]
        yield Answer(session, request.number, {"leases": leases, "dry_run": self.dry_run})

    # Leases ---------------------------------------------------------------------------------------------------------

    def _told(self, event: events.Told) -> Iterator[Effect]:
        lease = self.leases[event.knob]
        if event.found is not None and lease.found is None:
            lease.found = event.found
        if event.error is not None:
            facts = {"device": event.knob[0], "setting": describe(lease.setting)}
            yield Note("not set", lease.who, {**facts, "why": str(event.error)})
        elif event.found is not None:
            yield Note("lent", lease.who, {"device": event.knob[0], "found": describe(event.found)})
        if event.error is not None or lease.found is None:
            yield from self._reply(lease, error=event.error)
        else:
            yield from self._reply(lease, {"found": to_dict(lease.found)})
        if lease.found is None:  # nothing was changed: it could not be written down
            del self.leases[event.knob]
            return
        failed = event.error is not None and lease.stage is Stage.TAKING
        lease.stage = Stage.HELD
        if failed:
            lease.ending = lease.ending or "setting failed"
        if lease.ending:
            yield from self._put_back(lease)

    def _was_put_back(self, event: events.WasPutBack, now_ns: int) -> Iterator[Effect]:
        lease = self.leases[event.knob]
        facts = {"device": event.knob[0], "why": lease.ending}
        if event.error is None:
            del self.leases[event.knob]
            yield Note("put back", lease.who, {**facts, "did": event.did})
            yield from self._reply(lease, {"held": True})
            return
        yield Note("NOT put back", lease.who, {**facts, "error": str(event.error)})
        yield from self._reply(lease, error=event.error)
        lease.stage, lease.retry_ns = Stage.STUCK, now_ns + round(RETRY_S * 1e9)

    def _closed(self, session: int) -> Iterator[Effect]:
        who = self.sessions.pop(session, None)
        self._allowed.pop(session, None)
        for device in self.devices:
            self._seen.pop((session, device), None)
        if who is not None:
            yield Note("closed", who, {"session": session})
        for lease in list(self.leases.values()):
            if lease.session == session:
                lease.number = None
                yield from self._end(lease, "its connection closed")

    def _ticked(self, now_ns: int) -> Iterator[Effect]:
        for session, who in list(self.sessions.items()):
            if who.until_ns is not None and who.until_ns <= now_ns:
                yield events.HangUp(session)
        for lease in list(self.leases.values()):
            if lease.stage is Stage.STUCK and lease.retry_ns <= now_ns:
                yield from self._put_back(lease)
            elif not lease.ending and not lease.works and lease.until_ns <= now_ns:
                yield from self._end(lease, "it expired")

    def _end(self, lease: Lease, why: str, *, again: bool = False) -> Iterator[Effect]:
        """Put back, now or as soon as the knob has been told; ``again`` does not wait if that failed before."""
        lease.ending = lease.ending or why
        if lease.stage is Stage.HELD or (again and lease.stage is Stage.STUCK):
            yield from self._put_back(lease)

    def _put_back(self, lease: Lease) -> list[Effect]:
        lease.stage = Stage.PUTTING_BACK
        return [PutBack(lease.knob)]

    def _renew(self, session: int, now_ns: int) -> None:
        for lease in self.leases.values():
            if lease.session == session and not lease.ending:
                lease.until_ns = now_ns + round(lease.ttl_s * 1e9)

    def _reply(self, lease: Lease, result: Any = None, error: JoulewiseError | None = None) -> Iterator[Effect]:
        number, lease.number = lease.number, None
        if number is not None:
            yield Answer(lease.session, number, result, error)

    def _held(self, lease: Lease) -> UsageError:
        what = f"{lease.knob[1]} of {lease.knob[0]} is in another's hands"
        seen = f"{lease.who} has set {describe(lease.setting)}"
        if lease.ending:
            what = f"{lease.knob[1]} of {lease.knob[0]} is being put back"
            seen += f"; its lease ended: {lease.ending}"
        return UsageError(what, seen, "try again when it is free; joulewise agent status shows who holds what")

    # Rights ---------------------------------------------------------------------------------------------------------

    def readable(self, who: Principal) -> list[str]:
        """Uids of the devices whose readings he may see."""
        return [uid for uid, device in self.devices.items() if self.policy.may_read(who, device.identity)]

    def _knows(self, who: Principal, device: Device) -> bool:
        """Whether he may know that a device exists: if he may read it, or set anything of it."""
        kinds = (kind for kind in device.capabilities if kind in CLASSES)
        identity = device.identity
        return self.policy.may_read(who, identity) or any(
            self.policy.bounds(who, identity, kind) is not None for kind in kinds
        )

    def _device(self, who: Principal, request: Request) -> Device:
        name = request.fields["device"]
        direct = self.devices.get(name)
        for device in self.devices.values() if direct is None else (direct,):
            if name in device.identity.names and self._knows(who, device):
                return device
        raise PermissionDeniedError(f"device {name[:80]!r}, or it does not exist: it", PRIVILEGE)

    def _seen_by(self, session: int, who: Principal, device: Device) -> Capabilities:
        """A device's capabilities as this session may use them; worked out once."""
        key = (session, device.identity.uid)
        if key not in self._seen:
            self._seen[key] = self.policy.seen_by(who, device.identity, device.capabilities)
        return self._seen[key]

    def _known_setting(
        self, session: int, who: Principal, request: Request, now_ns: int
    ) -> tuple[Device, Setting, str]:
        """`_setting`, worked out once: clients set the same few values again and again, and rights do not change."""
        fields = request.fields
        key = (fields["device"], fields["kind"], *fields["values"])
        known = self._allowed.setdefault(session, {})
        if key in known:
            return known[key]
        device, setting, always = self._setting(session, who, request, now_ns)
        found = (device, setting, describe(setting))
        if always and len(known) < REMEMBERED:
            known[key] = found
        return found

    def _setting(self, session: int, who: Principal, request: Request, now_ns: int) -> tuple[Device, Setting, bool]:
        """What is to be set on which device, if this session may do so; and whether it always may."""
        del now_ns
        device, kind = self._device(who, request), _kind(request)
        setting = from_dict({"kind": kind, "values": request.fields["values"]})
        bounds = self.policy.bounds(who, device.identity, kind)
        if kind in device.capabilities and bounds is None:
            raise PermissionDeniedError(f"{describe(setting)} of {device.identity.uid}", PRIVILEGE)
        lease = self.leases.get((device.identity.uid, kind))
        entry = device.capabilities.get(kind)
        if lease and lease.session == session and lease.found and same(setting, lease.found, entry):
            return device, setting, False  # what was found may come back, as long as the lease lasts
        check(_Seen(device, self._seen_by(session, who, device)), setting)
        if isinstance(setting, Unlocked) and entry is not None and bounds is not None:
            highest = entry.values[-1] if entry.values else entry.maximum
            if highest is not None and bounds[1] < highest:
                fix = f"lock it at most at {bounds[1]:g} {entry.unit}; what was found comes back by itself"
                raise CapabilityError(device.identity.uid, describe(setting), f"{kind} up to {bounds[1]:g}", fix)
        return device, setting, True


class _Seen:
    """A device as one client may use it."""

    def __init__(self, device: Device, capabilities: Capabilities) -> None:
        """Keep both."""
        self.identity, self.capabilities = device.identity, capabilities


def _kind(request: Request) -> Kind:
    """The kind of knob that is meant.

    Raises:
        UsageError: If there is none of that name.
    """
    name = request.fields["kind"]
    if name not in _KNOBS:
        raise UsageError("there is no such knob", repr(name)[:80], f"use {', '.join(CLASSES)}")
    return _KNOBS[name]
