"""Asking a management controller over HTTP: read-only, with a limit on everything.

No request takes longer than its time-out, whatever the other side, the name service or the network do: it runs in a
thread of its own that nobody waits for beyond that. Certificates are verified unless told otherwise. A password comes
from the environment, is sent to the configured host only, in clear only to this machine, and is in no message.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import queue
import ssl
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from joulewise.clock import MonotonicClock
from joulewise.errors import CapabilityError, DeviceLostError, JoulewiseError, PermissionDeniedError, UsageError

PREFIX = "JOULEWISE_REDFISH_"
TIMEOUT_S = 5.0
MOST_BYTES = 4_000_000
LOGIN = f"a login that may read ({PREFIX}USER and {PREFIX}PASSWORD)"


class RedfishClient:
    """Reads resources of one controller.

    Args:
        environ: Where JOULEWISE_REDFISH_URL, _USER, _PASSWORD, _CA, _INSECURE and _TIMEOUT_S are looked up.

    Raises:
        UsageError: If they cannot be meant, or would send a password in clear over a network.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Check the settings; nothing is sent yet."""
        url = environ.get(f"{PREFIX}URL", "")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"{PREFIX}URL is no address", str(error), "set it to https:// and a host") from error
        self._host, self._secure = parts.hostname or "", parts.scheme == "https"
        if parts.scheme not in ("http", "https") or not self._host:
            raise UsageError("this is no address of a controller", f"{PREFIX}URL", "set it to https:// and a host")
        if parts.username or parts.password:
            raise UsageError(f"{PREFIX}URL holds a login", "name or password", f"set {PREFIX}USER and {PREFIX}PASSWORD")
        self._port, self.place = port or (443 if self._secure else 80), parts.netloc
        self._headers = {"Accept": "application/json", "OData-Version": "4.0"} | _login(environ)
        if "Authorization" in self._headers and not self._secure and not _is_this_machine(self._host):
            raise UsageError("a password would cross the network in clear", f"{PREFIX}URL is http", "use https")
        self._context = _context(environ) if self._secure else None
        self._timeout_s = _timeout_s(environ.get(f"{PREFIX}TIMEOUT_S", ""))

    def get(self, path: str) -> dict[str, Any]:
        """A resource; numbers with a point come as Decimal, so that their steps can be seen.

        Raises:
            CapabilityError: If there is no such resource.
            PermissionDeniedError: If it takes a login.
            DeviceLostError: If nobody answers in time.
            JoulewiseError: If the answer cannot be used, or the certificate is not trusted.
        """
        path = path.partition("#")[0]
        if not path.startswith("/redfish/"):
            raise JoulewiseError("the controller points elsewhere", repr(path[:80]), "update its firmware")
        status, body = self._bounded(lambda: self._fetch(path))
        if status in (401, 403):
            raise PermissionDeniedError(f"reading {path}", LOGIN)
        if status in (404, 405, 501):
            raise CapabilityError(f"the controller at {self.place}", path, "other resources")
        if status != http.client.OK:
            raise JoulewiseError(f"reading {path} failed", f"HTTP status {status}", "look at the controller's log")
        try:
            document = json.loads(body, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise JoulewiseError(f"{path} is no JSON", str(error), "update the controller's firmware") from error
        if not isinstance(document, dict):
            raise JoulewiseError(f"{path} is no resource", type(document).__name__, "update the controller's firmware")
        return document

    def _bounded(self, fetch: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        answers: queue.SimpleQueue[tuple[int, bytes] | Exception] = queue.SimpleQueue()

        def run() -> None:
            try:
                answers.put(fetch())
            except Exception as error:
                answers.put(error)

        threading.Thread(target=run, name="redfish", daemon=True).start()
        try:
            answer = answers.get(timeout=self._timeout_s)
        except queue.Empty:
            answer = TimeoutError(f"no answer in {self._timeout_s:g} s")
        if isinstance(answer, ssl.SSLCertVerificationError):
            fix = f"set {PREFIX}CA to a file with its certificate, or {PREFIX}INSECURE=1 on a network that you trust"
            raise JoulewiseError(f"{self.place} is not who it should be", answer.verify_message, fix) from answer
        if isinstance(answer, Exception):
            fix = f"check {PREFIX}URL and the network; {PREFIX}TIMEOUT_S allows more time"
            raise DeviceLostError(f"no controller answers at {self.place}", str(answer) or repr(answer), fix)
        return answer

    def _fetch(self, path: str) -> tuple[int, bytes]:
        clock = MonotonicClock()
        deadline_ns = clock.now_ns() + round(self._timeout_s * 1e9)
        if self._context is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        else:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=self._context
            )
        try:
            connection.request("GET", path, headers=self._headers)
            with connection.getresponse() as response:
                body = bytearray()
                while chunk := response.read1(65_536):
                    body += chunk
                    if len(body) > MOST_BYTES or clock.now_ns() > deadline_ns:
                        raise TimeoutError(f"its answer does not end: {len(body)} bytes")
                return response.status, bytes(body)
        finally:
            connection.close()


def _login(environ: Mapping[str, str]) -> dict[str, str]:
    user = environ.get(f"{PREFIX}USER")
    if not user:
        return {}
    login = f"{user}:{environ.get(f'{PREFIX}PASSWORD', '')}".encode()
    return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _context(environ: Mapping[str, str]) -> ssl.SSLContext:
    authority = environ.get(f"{PREFIX}CA")
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise UsageError(f"{PREFIX}CA is not usable", str(error), "give a PEM file") from error
    if environ.get(f"{PREFIX}INSECURE") == "1":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _timeout_s(text: str) -> float:
    try:
        timeout_s = float(text or TIMEOUT_S)
    except ValueError:
        timeout_s = 0.0
    if not 0 < timeout_s <= 60:
        raise UsageError(f"{PREFIX}TIMEOUT_S cannot be", repr(text), "give seconds, up to 60")
    return timeout_s
