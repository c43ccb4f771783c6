"""Over the network: TLS always, a token always, and no longer than the token lasts."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent_stage import new_stage, serving
from file_device import file_device
from joulewise.clock import MonotonicClock
from joulewise.devices.agent_connection import AgentConnection
from joulewise.devices.apply import apply
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Host
from joulewise.devices.selection import find_devices
from joulewise.devices.settings import PowerLimit
from joulewise.errors import DeviceLostError, PermissionDeniedError, UsageError
from joulewise.services.agent.policy import Policy, Rule
from joulewise.services.agent.tokens import make_token
from joulewise.wire.agent_address import Address

NOW = datetime.now(UTC)
BOUNDS = {Kind.POWER_LIMIT: (150.0, 300.0)}
POLICY = Policy((Rule(tokens=frozenset({"ci", "monitoring"}), devices=frozenset({"*"}), read=True, bounds=BOUNDS),))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem"
        " -out cert.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost"
        " -addext basicConstraints=critical,CA:TRUE"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def network(certificate):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    made = [make_token(name, scopes, 1, NOW) for name, scopes in NAMES.items()]
    texts = {token.name: text for text, token in made}
    tokens = tuple(replace(token, expires=NOW) if token.name == "old" else token for _, token in made)
    with new_stage() as stage:
        device = file_device(stage.folder / "device.json")
        options = {"unix": False, "address": ("localhost", 0), "tls": tls, "tokens": tokens}
        with serving(stage, [device], POLICY, **options) as agent:
            environ = {"JOULEWISE_AGENT_CA": str(certificate / "cert.pem")}
            yield device, agent.port, texts, environ


NAMES = {"ci": frozenset({"read", "set"}), "monitoring": frozenset({"read"}), "old": frozenset({"read", "set"})}


def test_token_lets_in_and_its_scopes_hold(network):
    device, port, texts, environ = network
    host = Host(environ={**environ, "JOULEWISE_AGENT_TOKEN": texts["ci"]})
    (client,) = find_devices(f"agent:localhost:{port}#file-0", host)
    with apply(client, PowerLimit(200.0), settle_s=0.0):
        assert device.read_power_limit_w() == 200.0
    assert device.read_power_limit_w() == 400.0
    host = Host(environ={**environ, "JOULEWISE_AGENT_TOKEN": texts["monitoring"]})
    (client,) = find_devices(f"agent:localhost:{port}", host)
    assert client.read_power_limit_w() == 400.0
    with pytest.raises(PermissionDeniedError):
        apply(client, PowerLimit(200.0), settle_s=0.0)


@pytest.mark.parametrize("token", ["", "ci.wrong", "old"])
def test_without_a_good_token_nobody_is_let_in(network, token):
    _, port, texts, environ = network
    environ = {**environ, "JOULEWISE_AGENT_TOKEN": texts.get(token, token)}
    with (
        closing(AgentConnection(Address(host="localhost", port=port), environ)) as client,
        pytest.raises(PermissionDeniedError, match="this connection was refused"),
    ):
        client.ask("devices")


def test_certificate_that_is_not_trusted_ends_it(network):
    _, port, texts, _ = network
    environ = {"JOULEWISE_AGENT_TOKEN": texts["ci"]}
    with (
        closing(AgentConnection(Address(host="localhost", port=port), environ)) as client,
        pytest.raises(DeviceLostError, match="certificate verify failed"),
    ):
        client.ask("devices")


def test_lost_connection_over_the_network_restores(network):
    device, port, texts, environ = network
    environ = {**environ, "JOULEWISE_AGENT_TOKEN": texts["ci"]}
    client = AgentConnection(Address(host="localhost", port=port), environ)
    client.tell("file-0", PowerLimit(200.0))
    assert device.read_power_limit_w() == 200.0
    client.close()
    for _ in range(500):
        if device.read_power_limit_w() == 400.0:
            break
        MonotonicClock().sleep(0.01)
    assert device.read_power_limit_w() == 400.0


def test_prometheus_brings_its_token(network, certificate):
    _, port, texts, _ = network
    context = ssl.create_default_context(cafile=certificate / "cert.pem")
    for token, status in ((texts["monitoring"], 200), ("x", 401)):
        head = f"GET /metrics HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        assert _exchange(context, port, head).startswith(f"HTTP/1.1 {status} ".encode())


def _exchange(context, port, head):
    with (
        socket.create_connection(("localhost", port), 20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as stream,
    ):
        stream.sendall(head)
        return b"".join(iter(lambda: stream.recv(65536), b""))


def test_network_without_tls_or_tokens_is_refused():
    with new_stage() as stage:
        device = file_device(stage.folder / "device.json")
        refused = pytest.raises(UsageError, match="no TLS or no tokens")
        with refused, serving(stage, [device], address=("localhost", 0)):
            pass
        assert not stage.socket.exists()


def test_old_token_is_worth_nothing_a_moment_later():
    text, token = make_token("ci", NAMES["ci"], 1, NOW)
    assert text.startswith("ci.")
    assert token.expires == NOW + timedelta(days=1)
