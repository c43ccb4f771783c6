"""``joulewise agent``: what people type."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from agent_stage import new_stage
from joulewise.cli.agent import app
from joulewise.cli.agent_hold import parse_setting
from joulewise.clock import MonotonicClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.selection import find_devices
from joulewise.devices.settings import CoreClock, PowerLimit, make
from joulewise.errors import UsageError
from joulewise.services.agent.__main__ import main

COMMAND = [sys.executable, "-c", "from joulewise.cli import main; main()", "agent"]


def run(*words):
    done = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def stage():
    with new_stage() as made:
        yield made


def start(*words):
    child = subprocess.Popen([*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return child, child.stdout.readline()


def test_serve_status_hold(stage):
    places = ["--socket", stage.socket, "--state", stage.state, "--audit", stage.audit_file]
    agent, said = start("serve", "--device", "sim:a100x2", *places)
    try:
        assert f"(no policy: only uid {os.geteuid()} is served)" in said
        assert "no knob is in anybody's hands" in run("status", "--at", stage.socket)
        device, _ = find_devices(f"agent:{stage.socket}")
        holder, said = start("hold", "--device", f"agent:{stage.socket}#0", "--set", "power_limit=250")
        assert "holding power_limit 250 W, found power_limit 400 W" in said
        assert device.read_power_limit_w() == 250.0
        assert f"held by uid {os.geteuid()} (process {holder.pid})" in run("status", "--at", stage.socket)
        (lease,) = json.loads(run("status", "--at", stage.socket, "--json"))["leases"]
        assert lease["setting"] == {"kind": "power_limit", "values": [250.0]}
        holder.send_signal(signal.SIGTERM)
        assert holder.communicate(timeout=30)[1] == ""
        clock = MonotonicClock()
        for _ in range(500):
            if device.read_power_limit_w() == 400.0:
                break
            clock.sleep(0.01)
        assert device.read_power_limit_w() == 400.0
    finally:
        agent.send_signal(signal.SIGTERM)
        _, complaint = agent.communicate(timeout=30)
    assert (agent.returncode, complaint) == (0, "")
    assert not stage.socket.exists()


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (["--socket", "{}/s", "--state", "{}/state", "--device", "sim:no-such"], "no such simulated device"),
        (["--policy", "{}/none.toml", "--device", "sim:a100"], "cannot be read as TOML"),
        (["--tcp", "nowhere", "--device", "sim:a100"], "this is no address"),
        (
            ["--socket", "{}/s", "--state", "{}/t", "--device", "sim:a100", "--tcp", "localhost:9000"],
            "no TLS or no tokens",
        ),
        (["--period-s", "0", "--device", "sim:a100"], "--period-s is no period"),
        (["--certificate", "{}/none", "--device", "sim:a100"], "the certificate cannot be used"),
        (["--socket-group", "no-such-group-here", "--device", "sim:a100"], "this machine has no such group"),
        (["--device", "agent:{}/none"], "there is no agent"),
    ],
)
def test_agent_that_cannot_begin_says_why(stage, words, seen):
    with pytest.raises(UsageError, match=seen):
        main([word.format(stage.folder) for word in words])


def test_policy_check(stage):
    policy = stage.folder / "agent.toml"
    policy.write_text(
        'schema = "joulewise.agent-policy/1"\n[[allow]]\nwho = ["uid:1000"]\ndevices = ["sim:*"]\nread = true\n'
        "set = { power_limit = [200, 300], core_clock = [1, 5] }\n"
    )
    policy.chmod(0o644)
    said = run("policy-check", policy, "--who", "uid:1000", "--device", "sim:a100")
    assert "1 rules; what none of them allows is denied" in said
    assert "may read" in said
    assert "power limit: may set 200 to 300 W in steps of 1" in said
    assert "core clock: may not set: 1 to 5 MHz is outside of what the device takes" in said
    said = run("policy-check", policy, "--who", "gid:1000", "--device", "sim:a100")
    assert "may not read" in said
    assert "power limit: may not set" in said
    with pytest.raises(UsageError, match="this is nobody"):
        run("policy-check", policy, "--who", "alice", "--device", "sim:a100")


def test_token(stage):
    file = stage.folder / "tokens.json"
    first = run("token", "ci", "--tokens", file, "--scope", "read", "--scope", "set", "--days", "1").strip()
    run("token", "monitoring", "--tokens", file)
    second = run("token", "ci", "--tokens", file).strip()
    assert first.startswith("ci.")
    assert first != second
    kept = json.loads(file.read_text())["tokens"]
    assert [(one["name"], one["scopes"]) for one in kept] == [("monitoring", ["read"]), ("ci", ["read"])]


def test_settings_as_people_write_them():
    assert parse_setting("power_limit=250") == PowerLimit(250.0)
    assert parse_setting("core_clock=900") == CoreClock(900, 900)
    assert parse_setting("cpu_frequency=900,1200") == make(Kind.CPU_FREQUENCY, 900, 1200)
    for text in ("", "power_limit", "power_limit=", "power_limit=1,2", "energy_counter=1", "core_clock=1,2,3", "x=1"):
        with pytest.raises(UsageError):
            parse_setting(text)
