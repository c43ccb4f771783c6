"""One connection to an agent: questions, answers, leases and their heartbeat.

Theory of operation. The first setting of a knob makes the agent lend it to this connection; from then on a thread lets
the agent hear of us. However the connection ends, the agent puts back what it found, so there is nothing to clean up
here: a connection that fails is dropped, and the next question opens another. A question that a signal's handler asks
in the middle of another one drops the connection too, since the answers could no longer be told apart. A forked child
opens its own.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from joulewise.devices.capabilities import Kind
from joulewise.devices.settings import Setting, from_dict, to_dict
from joulewise.errors import DeviceLostError, JoulewiseError, PermissionDeniedError, UsageError
from joulewise.wire.agent import ANSWER_BYTES, SCHEMA, encode, error_from_dict, parse_object
from joulewise.wire.agent_address import Address

TOKEN, CA = "JOULEWISE_AGENT_TOKEN", "JOULEWISE_AGENT_CA"
TIMEOUT_S = 30.0
TTL_S = 10.0
PUT_BACK_S, LOOK_S = 2.0, 0.02
Knob = tuple[str, Kind]


class AgentConnection:
    """See the module. Thread-safe.

    Args:
        address: Where the agent is.
        environ: Environment variables: the token and the certificate to trust, for an agent over the network.
        ttl_s: How long the agent keeps a lease of ours without hearing of us [s].
    """

    def __init__(self, address: Address, environ: Mapping[str, str], *, ttl_s: float = TTL_S) -> None:
        """Connect when the first question is asked."""
        self.address, self._environ, self._ttl_s = address, environ, ttl_s
        self.hello: Mapping[str, Any] = {}
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._socket: socket.socket | None = None
        self._received, self._number, self._asks = b"", 0, False
        self._held: set[Knob] = set()
        self._found: dict[Knob, Setting] = {}
        self._beats: threading.Event | None = None

    # Questions ------------------------------------------------------------------------------------------------------

    def ask(self, operation: str, **fields: Any) -> Any:
        """Ask, and wait for the answer; once more on a new connection if the old one has ended meanwhile.

        Raises:
            DeviceLostError: If the agent cannot be reached, or does not answer.
            PermissionDeniedError: If its socket or its policy does not let us.
            JoulewiseError: Whatever the agent refuses with.
        """
        if os.getpid() != self._pid:
            self._leave_to_parent()
        with self._lock:
            if self._asks:  # we are a signal's handler, in the middle of a question of this very thread
                self._drop()
            if self._socket is not None:
                try:
                    return self._ask(operation, fields)
                except DeviceLostError:
                    if self._socket is not None:  # the device, not the connection
                        raise
            self._connect()
            if operation == "set" and self._is_back(fields):
                return {"lost": True}
            return self._ask(operation, fields)

    def stream(self) -> Iterator[Mapping[str, Any]]:
        """Samples of every device that we may read, as the agent takes them; until it ends. Uses up the connection.

        Raises:
            JoulewiseError: As of `ask`.
        """
        self.ask("stream")
        while self._socket is not None:
            yield self._receive(self._socket)["event"]

    def close(self) -> None:
        """Close; the agent puts back whatever this connection had changed."""
        with self._lock:
            self._drop()

    def _ask(self, operation: str, fields: Mapping[str, Any]) -> Any:
        self._number += 1
        number, self._asks = self._number, True
        connected = self._socket
        try:
            self._send(connected, {"id": number, "op": operation, **fields})
            answer = self._receive(connected)
        finally:
            self._asks = False
        unasked = answer.get("id") is None and "error" in answer  # it could not read what we asked
        if not unasked and (answer.get("id") != number or not {"result", "error"} & set(answer)):
            self._drop()
            seen = f"it answered question {answer.get('id')!r} when asked {number}"
            raise DeviceLostError(f"the agent at {self.address} does not make sense", seen, "look at its log")
        if "error" in answer:
            raise error_from_dict(answer["error"])
        return answer["result"]

    def _send(self, connected: socket.socket | None, document: Mapping[str, Any]) -> None:
        try:
            if connected is None:
                raise ConnectionError("the connection was dropped")
            connected.sendall(encode(document))
        except BrokenPipeError:
            pass  # the agent has closed; what it said before, such as why, is still there to be read
        except OSError as error:
            raise self._lost(error) from error

    def _receive(self, connected: socket.socket | None) -> dict[str, Any]:
        while b"\n" not in self._received:
            try:
                if connected is None:
                    raise ConnectionError("the connection was dropped")
                content = connected.recv(65536)
                if not content or len(self._received) > ANSWER_BYTES:
                    raise ConnectionError("the agent closed the connection")
            except OSError as error:
                raise self._lost(error) from error
            self._received += content
        line, _, self._received = self._received.partition(b"\n")
        try:
            return parse_object(line)
        except UsageError as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> DeviceLostError:
        self._drop()
        fix = "see whether it runs: systemctl status joulewise-agent; it puts back what was found by itself"
        return DeviceLostError(f"the agent at {self.address} is gone", str(error) or type(error).__name__, fix)

    # Connecting -----------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._received = b""
        try:
            self._socket = self._open()
        except PermissionError as error:
            what, privilege = f"the agent at {self.address}", "membership in the group of its socket"
            raise PermissionDeniedError(what, privilege) from error
        except OSError as error:
            raise self._lost(error) from error
        weakref.finalize(self, self._socket.close)
        token = self._environ.get(TOKEN, "")
        self.hello = self._ask("hello", {"schema": SCHEMA, **({"token": token} if token else {})})

    def _open(self) -> socket.socket:
        if self.address.path:
            made = socket.socket(socket.AF_UNIX)
            try:
                made.settimeout(TIMEOUT_S)
                made.connect(self.address.path)
            except BaseException:
                made.close()
                raise
            return made
        context = ssl.create_default_context(cafile=self._environ.get(CA) or None)
        plain = socket.create_connection((self.address.host, self.address.port), TIMEOUT_S)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return context.wrap_socket(plain, server_hostname=self.address.host)
        except BaseException:
            plain.close()
            raise

    def _drop(self) -> None:
        """Forget the connection, and with it what was lent; what had been found is remembered."""
        self._held.clear()
        if self._beats is not None:
            self._beats.set()
            self._beats = None
        dropped, self._socket = self._socket, None
        if dropped is not None:
            with suppress(OSError):
                dropped.close()

    def _leave_to_parent(self) -> None:
        """In a forked child: the connection is the parent's, and its lock may be held for ever."""
        inherited = self._socket
        self._begin_anew()
        if inherited is not None:
            with suppress(OSError):
                os.close(inherited.detach())  # of our descriptor only: the parent's stays open

    # Knobs ----------------------------------------------------------------------------------------------------------

    def tell(self, uid: str, setting: Setting) -> None:
        """Set a knob; the agent lends it to us if it has not yet.

        What was found, told after the lease was lost, is left to the agent, which has put it back.

        Raises:
            UsageError: If the knob is in another's hands (names him), or the agent only rehearses.
            JoulewiseError: As of `ask`.
        """
        knob = (uid, setting.kind)
        with self._lock:
            lost = os.getpid() == self._pid and knob not in self._held and self._found.get(knob) == setting
            answer: dict[str, Any] = {"lost": True}
            if not lost:
                answer = self.ask("set", device=uid, **to_dict(setting), ttl_s=self._ttl_s)
            if answer.get("lost"):
                self._wait_put_back(knob)
                return
            if answer.get("dry_run"):
                fix = "its policy would allow it; start it without --dry-run"
                raise UsageError(f"{setting.kind} of {uid} was not set", "the agent only rehearses", fix)
            self._found[knob] = from_dict(answer["found"])
            self._held.add(knob)
            self._start_beats()

    def _wait_put_back(self, knob: Knob) -> None:
        """Wait until the agent has seen that the connection was lost, and put back what it found."""
        pause = threading.Event()
        for _ in range(round(PUT_BACK_S / LOOK_S)):
            leases = self.ask("status")["leases"]
            if knob not in [(lease["device"], lease["setting"]["kind"]) for lease in leases]:
                return
            pause.wait(LOOK_S)

    def holds(self, uid: str, kind: Kind) -> bool:
        """Whether a knob is on loan to us, as far as we know."""
        return os.getpid() == self._pid and (uid, kind) in self._held

    def give_back(self, uid: str, kind: Kind) -> None:
        """End the lease of a knob, if we still have it; the agent puts back what it found.

        Raises:
            RestoreError: If it could not.
        """
        knob = (uid, kind)
        with self._lock:
            lent = knob in self._held and os.getpid() == self._pid
            self._held.discard(knob)
            self._found.pop(knob, None)
            if lent:
                with suppress(DeviceLostError):  # then there is no lease either
                    self.ask("release", device=uid, kind=str(kind))
            if not self._held and self._beats is not None:
                self._beats.set()
                self._beats = None

    def _is_back(self, fields: Mapping[str, Any]) -> bool:
        """Whether a setting is what was found before a lease that has just been lost."""
        wanted = from_dict(fields)
        return self._found.get((fields["device"], wanted.kind)) == wanted

    def _start_beats(self) -> None:
        if self._beats is None:
            self._beats = threading.Event()
            longest_s = float(self.hello.get("longest_ttl_s", self._ttl_s))
            arguments = (weakref.ref(self), self._beats, min(self._ttl_s, longest_s) / 3)
            threading.Thread(target=_beat, args=arguments, name="joulewise-heartbeat", daemon=True).start()

    def _beat(self) -> None:
        with self._lock:
            if self._held and self._socket is not None:
                held = self._ask("heartbeat", {})["held"]
                self._held &= {(uid, Kind(kind)) for uid, kind in held}


def _beat(connection: weakref.ref[AgentConnection], over: threading.Event, period_s: float) -> None:
    """Let the agent hear of us until it is over; keeps no connection alive that nobody else wants."""
    while not over.wait(period_s):
        living = connection()
        if living is None:
            return
        try:
            living._beat()
        except JoulewiseError:
            return  # the connection is lost, and the lease with it: whoever sets next finds out
        del living
