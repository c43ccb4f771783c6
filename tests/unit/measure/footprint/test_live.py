"""Services on the network, here on this machine: right answers, wrong ones, and those that never end."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from joulewise.errors import UsageError
from joulewise.measure.footprint import Live, country_intensity, flat_intensity, live_intensity, load_provider
from joulewise.measure.footprint.electricity_maps import ElectricityMaps
from joulewise.measure.footprint.intensity import Scope
from joulewise.measure.footprint.live import cache_folder
from joulewise.measure.footprint.uk_grid import UkGrid

BEGIN_S = datetime(2025, 3, 1, 12, 10, tzinfo=UTC).timestamp()
END_S = BEGIN_S + 1800
UK = {
    "data": [
        {"from": "2025-03-01T12:00Z", "to": "2025-03-01T12:30Z", "intensity": {"forecast": 1, "actual": 100}},
        {"from": "2025-03-01T12:30Z", "to": "2025-03-01T13:00Z", "intensity": {"forecast": 1, "actual": 200}},
    ]
}
MAPS = {
    "zone": "DE",
    "data": [
        {
            "datetime": "2025-03-01T12:00:00.000Z",
            "carbonIntensity": 302,
            "emissionFactorType": "lifecycle",
            "isEstimated": False,
        }
    ],
}
Answer = Callable[[BaseHTTPRequestHandler], None]


class Service:
    """What a test sees of a server."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[tuple[str, str | None]] = []


@contextmanager
def serving(answer: Answer) -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append((self.path, self.headers.get("auth-token")))
            answer(self)

        def log_message(self, *parts: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service = Service(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sending(document: Any, status: int = 200, **headers: str) -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_great_britain_by_half_hours_and_asked_once(tmp_path: Path) -> None:
    with serving(sending(UK)) as service:
        provider = UkGrid(service.address)
        first = live_intensity(provider, BEGIN_S, END_S, folder=tmp_path)
        again = live_intensity(provider, BEGIN_S, END_S, folder=tmp_path)
    assert first.intensity is not None
    assert [step.per_kwh for step in first.intensity.rate.steps(BEGIN_S, END_S)] == [100, 200]
    assert (first.intensity.scope, first.intensity.region, first.intensity.notes) == (Scope.DIRECT, "Great Britain", ())
    assert (first.kept, again.kept, again.intensity) == (False, True, first.intensity)
    assert service.asked == [("/intensity/2025-03-01T12:00Z/2025-03-01T13:00Z", None)]


def test_forecasts_are_told_and_not_kept(tmp_path: Path) -> None:
    rows = [UK["data"][0], UK["data"][1] | {"intensity": {"forecast": 55, "actual": None}}]
    with serving(sending({"data": rows})) as service:
        for _ in range(2):
            live = live_intensity(UkGrid(service.address), BEGIN_S, END_S, folder=tmp_path)
    assert live.intensity is not None
    assert live.intensity.notes == ("1 of 2 half-hours are forecasts",)
    assert len(service.asked) == 2


def test_electricity_maps_gets_the_key_and_nobody_else_does(tmp_path: Path) -> None:
    with serving(sending(MAPS)) as service:
        provider = ElectricityMaps("DE", "s3cret", service.address)
        live = live_intensity(provider, BEGIN_S, BEGIN_S + 60, folder=tmp_path)
    assert live.intensity is not None
    assert (live.intensity.scope, live.intensity.region) == (Scope.LIFECYCLE, "DE")
    ((path, key),) = service.asked
    assert path.startswith("/carbon-intensity/past-range?zone=DE&start=2025-03-01T12%3A00Z")
    assert key == "s3cret"
    assert "s3cret" not in repr(provider) + "".join(str(file) + file.read_text() for file in tmp_path.iterdir())


def test_a_redirect_does_not_take_the_key_along(tmp_path: Path) -> None:
    with serving(sending(MAPS)) as thief, serving(sending(b"", 302, Location=thief.address)) as service:
        live = live_intensity(ElectricityMaps("DE", "s3cret", service.address), BEGIN_S, END_S, folder=tmp_path)
    assert (live.intensity, thief.asked) == (None, [])
    assert "HTTP status 302" in live.failure


def hang(handler: BaseHTTPRequestHandler) -> None:
    """Say nothing until the far side goes away."""
    handler.connection.settimeout(20.0)
    handler.rfile.read(1)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, so that no single wait is long."""
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(1000):
            handler.wfile.write(b" ")
            time.sleep(0.02)
    except OSError:
        return


@pytest.mark.parametrize("answer", [hang, drip])
def test_a_service_that_never_ends_stalls_nobody(tmp_path: Path, answer: Answer) -> None:
    with serving(answer) as service:
        begin = time.monotonic()
        live = live_intensity(UkGrid(service.address), BEGIN_S, END_S, deadline_s=0.2, folder=tmp_path)
        elapsed_s = time.monotonic() - begin
    assert live.intensity is None
    assert "uk-carbon-intensity" in live.failure
    assert elapsed_s < 5  # of a busy machine; the server would take 20


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (sending({}, 500), "HTTP status 500"),
        (sending({}, 403), "HTTP status 403"),
        (sending(b"<html>"), "no JSON"),
        (sending([1, 2]), "another form"),
        (sending({"data": [{"from": "soon"}]}), "another form"),
        (sending({"data": UK["data"][:1]}), "is not known"),
        (sending({"data": []}), "is not known"),
    ],
)
def test_answers_that_do_not_help_are_told(tmp_path: Path, answer: Answer, said: str) -> None:
    with serving(answer) as service:
        live = live_intensity(UkGrid(service.address), BEGIN_S, END_S, folder=tmp_path)
    assert live.intensity is None
    assert said in live.failure
    assert list(tmp_path.iterdir()) == []


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    live = live_intensity(UkGrid(address), BEGIN_S, END_S, folder=tmp_path)
    assert "could not be reached" in live.failure


def test_a_country_can_stand_in_and_says_so() -> None:
    found = Live(None, "the service did not answer").or_else(country_intensity("GB"))
    assert found.notes[-1] == "in place of live figures: the service did not answer"
    live = flat_intensity(1.0, "x")
    assert Live(live).or_else(country_intensity("GB")) is live


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with serving(sending(UK)) as service:
        live = live_intensity(UkGrid(service.address), BEGIN_S, END_S, folder=tmp_path / "file")
    assert live.intensity is not None


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="window or deadline"):
        live_intensity(UkGrid(), END_S, BEGIN_S, folder=tmp_path)
    with pytest.raises(UsageError, match="window or deadline"):
        live_intensity(UkGrid(), BEGIN_S, END_S, deadline_s=0, folder=tmp_path)
    with pytest.raises(UsageError, match="14 days"):
        UkGrid().ask(BEGIN_S, BEGIN_S + 15 * 86_400)
    with pytest.raises(UsageError, match="10 days"):
        ElectricityMaps("DE", "k").ask(BEGIN_S, BEGIN_S + 11 * 86_400)
    with pytest.raises(UsageError, match="not an address"):
        live_intensity(UkGrid("file:///etc"), BEGIN_S, END_S, folder=tmp_path)


def test_providers_by_name() -> None:
    assert load_provider("uk") == UkGrid()
    assert load_provider("electricitymaps", zone="DE", key="k") == ElectricityMaps("DE", "k")
    with pytest.raises(UsageError, match="missing 2 required"):
        load_provider("electricitymaps")
    with pytest.raises(UsageError, match="use electricitymaps, uk"):
        load_provider("crystal-ball")


def test_where_answers_are_kept(tmp_path: Path) -> None:
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "joulewise" / "intensity"
    assert cache_folder({}).parts[-3:] == (".cache", "joulewise", "intensity")
