"""A management controller on this machine: a small Redfish server whose node draws power on a clock.

It speaks three generations of the standard, wants a login if told so, and can fail in the ways of real ones: refuse,
stall for ever, drip its answer byte by byte, send garbage, point elsewhere.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from joulewise.clock import Clock

ROOT, CHASSIS = "/redfish/v1/", "/redfish/v1/Chassis"


@dataclass
class FakeBmc:
    """The controller; use it as a context.

    Attributes:
        clock: Time.
        power_w: What the node draws.
        generation: "metrics", "subsystem" (two supplies, and a third one's empty bay), or "power".
        kwh_digits: Digits after the point of its energy reading in kWh, or None if it has joules instead.
        login: User and password that it wants, or None.
        status: Status that it answers instead, by path.
        body: Bytes that it answers instead, by path.
        stalls: Paths for which it never answers.
        drips: Paths for which it answers a byte at a time, without end.
        certificate: Files of a certificate and its key, for https.
    """

    clock: Clock
    power_w: float = 500.0
    generation: str = "metrics"
    kwh_digits: int | None = None
    login: tuple[str, str] | None = None
    status: dict[str, int] = field(default_factory=dict)
    body: dict[str, bytes] = field(default_factory=dict)
    stalls: set[str] = field(default_factory=set)
    drips: set[str] = field(default_factory=set)
    certificate: tuple[Path, Path] | None = None
    more: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Serve on a free port of 127.0.0.1."""
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.bmc = self
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of whoever waits, and stop."""
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self._server.server_address[1]}"

    def resources(self) -> dict[str, Mapping[str, Any]]:
        """Everything that it serves now, by path."""
        node = f"{CHASSIS}/Node"
        ways = {"metrics": "EnvironmentMetrics", "subsystem": "PowerSubsystem", "power": "Power"}
        way = ways[self.generation]
        everything: dict[str, Mapping[str, Any]] = {
            ROOT: {"Chassis": _link(CHASSIS)},
            CHASSIS: {"Members": [_link(f"{CHASSIS}/Fans"), _link(node)]},
            f"{CHASSIS}/Fans": {"Name": "Fans"},
            node: {
                "Name": "Node",
                "Manufacturer": "Fake",
                "Model": "R1",
                "UUID": "0f5b7c1e-0000-4000-8000-00000000b3c1",
                way: _link(f"{node}/{way}"),
            },
        }
        everything |= getattr(self, f"_{self.generation}")(f"{node}/{way}")
        return everything | self.more

    def _metrics(self, path: str) -> dict[str, Mapping[str, Any]]:
        sensor = "/redfish/v1/Chassis/Node/Sensors/Power"
        energy_j = self.power_w * self.clock.now_ns() * 1e-9
        if self.kwh_digits is None:
            energy: dict[str, Any] = {"EnergyJoules": {"Reading": int(energy_j)}}
        else:
            energy = {"EnergykWh": {"Reading": round(energy_j / 3.6e6, self.kwh_digits)}}
        return {
            path: {"PowerWatts": {"Reading": self.power_w, "DataSourceUri": sensor}, **energy},
            sensor: {"Reading": self.power_w, "SensingInterval": "PT1S", "AveragingInterval": "PT5S"},
        }

    def _subsystem(self, path: str) -> dict[str, Mapping[str, Any]]:
        supplies = [f"{path}/PowerSupplies/{bay}" for bay in (1, 2, 3)]
        found: dict[str, Mapping[str, Any]] = {
            path: {"CapacityWatts": 4000, "PowerSupplies": _link(f"{path}/PowerSupplies")},
            f"{path}/PowerSupplies": {"Members": [_link(supply) for supply in supplies]},
            supplies[2]: {"Status": {"State": "Absent"}},
        }
        for supply in supplies[:2]:
            found[supply] = {"Status": {"State": "Enabled"}, "Metrics": _link(f"{supply}/Metrics")}
            found[f"{supply}/Metrics"] = {"InputPowerWatts": {"Reading": self.power_w / 2}}
        return found

    def _power(self, path: str) -> dict[str, Mapping[str, Any]]:
        return {path: {"PowerControl": [{"PowerConsumedWatts": self.power_w, "PowerCapacityWatts": 2000}]}}


def _link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    bmc: FakeBmc

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that went away are what this server is for."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        bmc, path = self.server.bmc, self.path
        if path in bmc.stalls:
            bmc._over.wait()
            return
        if path in bmc.drips:
            self._drip()
            return
        if bmc.login and self.headers.get("Authorization") != _basic(*bmc.login):
            self._answer(401, b"{}")
        elif path in bmc.status:
            self._answer(bmc.status[path], b"{}")
        elif path in bmc.body:
            self._answer(200, bmc.body[path])
        elif (resource := bmc.resources().get(path)) is not None:
            self._answer(200, json.dumps({"@odata.id": path, **resource}).encode())
        else:
            self._answer(404, b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it
        """Nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.bmc._over.wait(0.01):
            self.wfile.write(b" ")
            self.wfile.flush()


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
