"""The agent's body: listens, knows who asks, carries out what the core wants done.

Theory of operation. Everything here runs in one thread with asyncio; hardware is touched in one thread per device
(`hand.Hand`). A connection is served by one task, one question at a time, so that a client that does not read its
answers slows down nobody but himself. Before anybody is served, what an earlier agent left behind is put back; before
the agent ends, everything is.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from joulewise.clock import Clock, MonotonicClock
from joulewise.devices.device import Device
from joulewise.devices.journal import Journal
from joulewise.devices.left_behind import list_left_behind
from joulewise.errors import JoulewiseError, PermissionDeniedError, UsageError
from joulewise.services.agent import events
from joulewise.services.agent.audit import Audit
from joulewise.services.agent.core import Core
from joulewise.services.agent.hand import Hand
from joulewise.services.agent.history import History
from joulewise.services.agent.metrics import render
from joulewise.services.agent.notify import notify
from joulewise.services.agent.peer import peer_of
from joulewise.services.agent.policy import Policy, Principal
from joulewise.services.agent.tokens import Token, who_has
from joulewise.wire.agent import (
    REQUEST_BYTES,
    RefusedLineError,
    Request,
    encode,
    error_line,
    parse_request,
    result_line,
)
from joulewise.wire.agent_scrape import HEAD_BYTES, METHOD, parse_scrape, response
from joulewise.wire.envelope import open_envelope

HELLO_S, TICK_S, STOP_S, CLOSE_S = 10.0, 0.1, 15.0, 2.0
MOST_CONNECTIONS, MOST_OF_ONE = 512, 64


@dataclass(frozen=True)
class Options:
    """How an agent is run.

    Attributes:
        socket: Path of its Unix socket; None for none.
        mode: Mode of the socket: who may connect at all.
        group: Group of the socket; None leaves it to the system.
        address: Host and port for TCP; needs ``tls``.
        tls: TLS for TCP.
        tokens: Tokens that let clients in over TCP.
        period_s: How often devices are read for history, stream and metrics [s].
        dry_run: Check and note settings, and tell nothing.
    """

    socket: Path | None = None
    mode: int = 0o660
    group: int | None = None
    address: tuple[str, int] | None = None
    tls: ssl.SSLContext | None = None
    tokens: tuple[Token, ...] = field(default=(), repr=False)
    period_s: float = 1.0
    dry_run: bool = False


class Agent:
    """One agent; `serve` until `stop`.

    Args:
        devices: What it serves.
        policy: Who may what.
        state: Folder of its journal; nobody else's.
        options: See `Options`.
        audit: Where it notes what it did.
        clock: Time.
    """

    def __init__(
        self,
        devices: Iterable[Device],
        policy: Policy,
        state: Path,
        options: Options,
        *,
        audit: Audit | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Touch nothing yet."""
        self._options, self._state = options, state
        self._clock, self._audit = clock or MonotonicClock(), audit or Audit()
        self._core = Core(policy, devices, dry_run=options.dry_run)
        journal = Journal(state)
        self._hands = {uid: Hand(device, journal, self._clock) for uid, device in self._core.devices.items()}
        self._histories = {uid: History(device, self._clock) for uid, device in self._core.devices.items()}
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._numbers = itertools.count(1)
        self._connections: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: dict[asyncio.Task[Any] | None, asyncio.StreamWriter] = {}
        self._servers: list[asyncio.Server] = []
        self._stop = asyncio.Event()
        self._lock: int | None = None
        self.port: int | None = None

    # Life -----------------------------------------------------------------------------------------------------------

    async def serve(self, ready: Callable[[], object] = lambda: None) -> None:
        """Put back what was left behind, serve until `stop`, and put back everything.

        Args:
            ready: Called when clients can connect.

        Raises:
            UsageError: If another agent has the socket or the folder, or TCP is asked for without TLS.
        """
        self._lock = _lock_folder(self._state)
        try:
            self._note("started", {"devices": list(self._hands), "dry_run": self._options.dry_run})
            for (
                uid,
                hand,
            ) in self._hands.items():  # some hardware tells what is permitted only when it is told something
                await hand.do(list, self._core.devices[uid].capabilities.values())
            await self._restore_left_behind()
            await self._listen()
            for uid in self._histories:
                self._start(self._sample(uid))
            self._start(self._tick())
            notify("READY=1")
            ready()
            await self._stop.wait()
        finally:
            await self._end()

    def stop(self) -> None:
        """Begin to end; call it in the thread of the loop."""
        self._stop.set()

    async def _restore_left_behind(self) -> None:
        for item in list_left_behind(self._state):
            uid, kind = item.entries[-1].knob
            device = self._core.devices.get(uid)
            if device is None or kind not in device.capabilities:
                self._note("NOT put back", {"device": uid, "left": str(item), "error": "the device is not there"})
                continue
            self._hands[uid].adopt(item)
            await self._perform(self._core.adopt((uid, kind), item.left))
        await self._rest()

    async def _listen(self) -> None:
        options = self._options
        if options.socket is not None:
            listening = await asyncio.to_thread(_bind, options.socket, options.mode, options.group)
            server = await asyncio.start_unix_server(self._serve_unix, sock=listening, limit=REQUEST_BYTES)
            self._servers.append(server)
        if options.address is not None:
            if options.tls is None or not options.tokens:
                fix = "give a certificate, its key and a file of tokens"
                raise UsageError("the agent does not listen to the network like this", "no TLS or no tokens", fix)
            host, port = options.address
            tcp = await asyncio.start_server(self._serve_tcp, host, port, ssl=options.tls, limit=REQUEST_BYTES)
            self._servers.append(tcp)
            self.port = tcp.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        notify("STOPPING=1")
        for server in self._servers:
            server.close()
        await self._perform(self._core.step(events.Stopping(), self._clock.now_ns()))
        await self._rest()
        for _ in range(round(CLOSE_S / 0.005)):  # each connection's task ends by itself, a last one just accepted too
            await asyncio.sleep(0.005)
            for writer in list(self._open.values()):
                writer.close()
            if not self._open:
                break
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for hand in self._hands.values():
            hand.let_go()
        if self._options.socket is not None and self._servers:
            with suppress(OSError):
                self._options.socket.unlink()
        self._note("stopped", {"not_put_back": [list(knob) for knob in self._core.leases]})
        self._audit.close()
        if self._lock is not None:
            os.close(self._lock)

    async def _rest(self) -> None:
        """Wait until nothing is being told."""
        for _ in range(round(STOP_S / 0.005)):
            if self._core.at_rest:
                return
            await asyncio.sleep(0.005)

    async def _tick(self) -> None:
        for tick in itertools.count():
            await self._perform(self._core.step(events.Ticked(), self._clock.now_ns()))
            if tick % round(5 / TICK_S) == 0:
                notify("WATCHDOG=1")
            await asyncio.sleep(TICK_S)

    async def _sample(self, uid: str) -> None:
        while True:
            await self._hands[uid].do(self._histories[uid].take)
            await asyncio.sleep(self._options.period_s)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _note(self, event: str, facts: dict[str, Any]) -> None:
        self._audit.write(events.Note(event, None, facts))

    # Connections ----------------------------------------------------------------------------------------------------

    async def _serve_unix(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._guarded(self._serve(reader, writer, peer_of(writer.get_extra_info("socket"))), writer)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._guarded(self._serve(reader, writer, None), writer)

    async def _guarded(self, work: Awaitable[None], writer: asyncio.StreamWriter) -> None:
        """Serve a connection; however it fails, only it ends."""
        self._open[asyncio.current_task()] = writer
        try:
            await work
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError):
            pass
        except JoulewiseError as error:
            number = error.number if isinstance(error, RefusedLineError) else None
            if isinstance(error, PermissionDeniedError):
                self._note("refused", {"peer": str(writer.get_extra_info("peername") or ""), "why": error.what})
            with suppress(OSError):
                writer.write(error_line(number, error))
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            del self._open[asyncio.current_task()]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Principal | None) -> None:
        name = peer.name if peer else "the network"
        if self._connections.total() >= MOST_CONNECTIONS or self._connections[name] >= MOST_OF_ONE:
            raise UsageError("the agent is busy", f"{self._connections[name]} connections of {name}", "close some")
        self._connections[name] += 1
        session = next(self._numbers)
        try:
            first = await asyncio.wait_for(_line(reader), HELLO_S)
            if first.startswith(METHOD):
                head = first + await asyncio.wait_for(_head(reader), HELLO_S)
                writer.write(self._scraped(head, peer))
                await writer.drain()
                return
            request = parse_request(first)
            who = self._let_in(request, peer)
            self._writers[session] = writer
            await self._step(events.Opened(session, who))
            await self._ask(session, request, reader)
            while not writer.is_closing():
                await self._ask(session, parse_request(await _line(reader)), reader)
        finally:
            self._connections[name] -= 1
            self._connections += Counter()  # forgets those that have none
            self._writers.pop(session, None)
            if session in self._core.sessions:
                await self._step(events.Closed(session))

    def _let_in(self, request: Request, peer: Principal | None) -> Principal:
        """Who it is.

        Raises:
            PermissionDeniedError: If the token is none, or there is no token where there must be one.
            UsageError: If the first question is not hello, or of another version.
        """
        if request.operation != "hello":
            raise UsageError("nobody has said hello", repr(request.operation), 'begin with {"op": "hello", ...}')
        open_envelope(request.fields, "agent", 1)
        return self._who(request.fields["token"], peer)

    def _who(self, token: str, peer: Principal | None) -> Principal:
        who = peer
        if token or peer is None:
            who = who_has(token, self._options.tokens, datetime.now(UTC), self._clock.now_ns()) if token else None
        if who is None:
            raise PermissionDeniedError("this connection", "a token that is known and has not expired")
        return who

    def _scraped(self, head: bytes, peer: Principal | None) -> bytes:
        try:
            scrape = parse_scrape(head)
            who = self._who(scrape.token, peer)
        except PermissionDeniedError as error:
            return response(401, f"{error}\n")
        except UsageError as error:
            return response(400, f"{error}\n")
        if scrape.path != "/metrics":
            return response(404, "there is only /metrics\n")
        uids = self._core.readable(who)
        if not uids:
            return response(403, f"{who.name} may read nothing\n")
        latest = {uid: self._histories[uid].latest for uid in uids}
        devices = [self._core.devices[uid] for uid in uids]
        return response(200, render(devices, latest, self._core.leases.values(), self._clock.now_ns()))

    # Effects --------------------------------------------------------------------------------------------------------

    async def _ask(self, session: int, request: Request, reader: asyncio.StreamReader) -> None:
        effects = self._core.step(events.Asked(session, request), self._clock.now_ns())
        await self._perform(effects)
        writer = self._writers[session]
        follow = next((effect for effect in effects if isinstance(effect, events.Follow)), None)
        if follow is not None:
            await self._follow(follow, reader, writer)
        await writer.drain()

    async def _step(self, event: events.Event) -> None:
        await self._perform(self._core.step(event, self._clock.now_ns()))

    async def _perform(self, effects: Iterable[events.Effect]) -> None:
        for effect in effects:
            match effect:
                case events.Note():
                    self._audit.write(effect)
                case events.Answer(session, number, result, error):
                    self._send(session, error_line(number, error) if error else result_line(number, result))
                case events.Take(knob, setting):
                    await self._step(await self._hands[knob[0]].do(self._hands[knob[0]].take, setting))
                case events.Tell(knob, setting):
                    await self._step(await self._hands[knob[0]].do(self._hands[knob[0]].tell, setting))
                case events.PutBack(knob):
                    self._start(self._put_back(knob))
                case events.Look(session, number, uid, what):
                    self._send(session, await self._look(number, uid, what))
                case events.Remember(session, number, uid, since_ns):
                    kept = [sample.to_dict() for sample in self._histories[uid].since(since_ns)]
                    self._send(session, result_line(number, kept))
                case events.HangUp(session):
                    self._writers[session].close()

    async def _put_back(self, knob: events.Knob) -> None:
        hand = self._hands[knob[0]]
        await self._step(await hand.do(hand.put_back, knob[1]))

    async def _look(self, number: int, uid: str, what: str) -> bytes:
        try:
            return result_line(number, await self._hands[uid].do(self._hands[uid].read, what))
        except JoulewiseError as error:
            return error_line(number, error)
        except ValueError:  # JSON has no such number
            seen = "it is not finite"
            return error_line(number, UsageError(f"{what} of {uid} is no number", seen, "look at the device"))

    async def _follow(self, follow: events.Follow, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send samples as they are taken, until the client says anything or goes."""
        last = dict.fromkeys(follow.uids, self._clock.now_ns())
        writer.write(result_line(follow.number, {"period_s": self._options.period_s}))
        over = asyncio.ensure_future(reader.read(1))
        try:
            while not over.done() and not writer.is_closing():
                for uid in follow.uids:
                    for sample in self._histories[uid].since(last[uid]):
                        last[uid] = sample.at_ns
                        writer.write(encode({"id": follow.number, "event": {"device": uid, **sample.to_dict()}}))
                await writer.drain()
                await asyncio.wait({over}, timeout=self._options.period_s)
        finally:
            over.cancel()
            writer.close()

    def _send(self, session: int, line: bytes) -> None:
        writer = self._writers.get(session)
        if writer is not None and not writer.is_closing():
            writer.write(line)


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError as error:
        fix = f"send at most {REQUEST_BYTES} bytes a line"
        raise RefusedLineError(None, "a message is too long", f"more than {error.consumed} bytes", fix) from error


async def _head(reader: asyncio.StreamReader) -> bytes:
    """The rest of the head of a request of HTTP."""
    lines = b""
    while len(lines) <= HEAD_BYTES:
        line = await _line(reader)
        if not line.strip():
            break
        lines += line
    return lines


def _bind(path: Path, mode: int, group: int | None) -> socket.socket:
    """A listening socket that never was open to more than its mode says.

    Raises:
        UsageError: If another agent listens there, or it cannot be made.
    """
    try:
        if path.is_socket():
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(path)) == 0:
                    fix = "end it first, or name another --socket"
                    raise UsageError("another agent serves here", str(path), fix)
            path.unlink()
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        if group is not None:
            os.chown(path, -1, group)
        path.chmod(mode)
    except OSError as error:
        fix = "name a --socket in a folder that the agent may write"
        raise UsageError("the agent cannot listen", f"{path}: {error.strerror or error}", fix) from error
    return listening


def _lock_folder(folder: Path) -> int:
    """Hold the folder of the journal against other agents; the lock goes with the process.

    Raises:
        UsageError: If another agent holds it, or it cannot be made.
    """
    import fcntl  # noqa: PLC0415 (not on Windows)

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        fix = "name a --state folder that the agent may write"
        raise UsageError("the agent has no place for its journal", f"{folder}: {error.strerror}", fix) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        fix = "end it first, or name another --state folder"
        raise UsageError("another agent keeps its journal here", str(folder), fix) from error
    return descriptor
