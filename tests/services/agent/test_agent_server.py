"""A living agent and its client: one more driver, with leases, rights and a memory."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from agent_stage import OWN, Stage, new_stage, serving
from file_device import file_device
from joulewise.clock import MonotonicClock, VirtualClock
from joulewise.devices.agent_client import driver
from joulewise.devices.agent_device import AgentDevice
from joulewise.devices.apply import apply
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Host
from joulewise.devices.journal import Journal
from joulewise.devices.process import Process
from joulewise.devices.selection import find_devices
from joulewise.devices.settings import CoreClock, PowerLimit, Unlocked
from joulewise.devices.simulated.driver import make_devices
from joulewise.errors import CapabilityError, DeviceLostError, PermissionDeniedError, UsageError
from joulewise.records import Provenance
from joulewise.services.agent.policy import Policy, Rule
from joulewise.testing import FakeDevice, check_driver

DEAD = replace(Process.this(), pid=2**22 + 1, started="1")
ME = frozenset({os.geteuid()})
ALL = frozenset({"*"})


@pytest.fixture
def stage():
    with new_stage() as made:
        yield made


@pytest.fixture
def device(stage):
    return file_device(stage.folder / "device.json")


def client_of(stage):
    (device,) = driver.find(stage.host)
    return device


def waits_until(condition):
    clock = MonotonicClock()
    for _ in range(500):
        if condition():
            return True
        clock.sleep(0.01)
    return False


def test_it_is_one_more_driver(stage):
    clock = stage.host.clock
    devices = [FakeDevice(clock, uid="fake-0"), FakeDevice(clock, uid="fake-1", kinds=[Kind.POWER_INSTANT])]
    with serving(stage, devices):
        check_driver(driver, stage.host, advance=clock.sleep, devices=2)


def test_twins_behind_it_conform_and_stay_simulated(stage):
    clock = VirtualClock()
    with serving(stage, make_devices("a100x2,epyc", clock)):
        host = Host(stage.folder, {}, clock)
        check_driver(driver, host, advance=clock.sleep)
        found = driver.find(host)
        assert {one.identity.provenance for one in found} == {Provenance.SIMULATED}
        assert {one.identity.driver for one in found} == {"agent"}


def test_what_was_found_comes_back_even_if_an_administrator_had_lowered_it(stage, device):
    device.set_power_limit_w(180.0)
    with serving(stage, [device]):
        with apply(client_of(stage), PowerLimit(150.0), settle_s=0.0) as handle:
            assert (handle.obeyed, handle.found, device.read_power_limit_w()) == (True, PowerLimit(180.0), 150.0)
            assert stage.left == 1
            handle.change(PowerLimit(300.0))
            assert device.read_power_limit_w() == 300.0
        assert (device.read_power_limit_w(), stage.left) == (180.0, 0)


def test_found_comes_back_though_it_is_outside_of_what_one_may_set(stage, device):
    policy = Policy((Rule(uids=ME, devices=ALL, read=True, bounds={Kind.POWER_LIMIT: (150.0, 250.0)}),))
    with serving(stage, [device], policy):
        client = client_of(stage)
        entry = client.capabilities[Kind.POWER_LIMIT]
        assert (entry.minimum, entry.maximum, entry.outlives_process) == (150.0, 250.0, False)
        with apply(client, PowerLimit(200.0), settle_s=0.0):
            with apply(client, PowerLimit(250.0), settle_s=0.0):
                assert device.read_power_limit_w() == 250.0
            assert device.read_power_limit_w() == 200.0
        assert device.read_power_limit_w() == 400.0
        with pytest.raises(CapabilityError, match="the nearest that it takes is 250 W"):
            apply(client, PowerLimit(251.0))
        with pytest.raises(CapabilityError, match="of 150 to 250 W"):
            client.set_power_limit_w(251.0)
        with pytest.raises(PermissionDeniedError, match="a rule in the agent's policy"):
            apply(client, CoreClock(900, 900))


def test_two_clients_cannot_fight_and_the_second_is_told_who(stage, device, journal):
    with serving(stage, [device]), closing(stage.connection()) as other:
        with apply(client_of(stage), PowerLimit(200.0), settle_s=0.0):
            seen = rf"uid {os.geteuid()} \(process {os.getpid()}\) has set power_limit 200 W"
            with pytest.raises(UsageError, match=seen):
                other.tell("file-0", PowerLimit(300.0))
            with pytest.raises(UsageError, match=seen):
                apply(AgentDevice(other, device.identity, device.capabilities), PowerLimit(300.0), journal=journal)
            other.tell("file-0", CoreClock(900, 900))  # another knob
            assert device.read_power_limit_w() == 200.0
        other.tell("file-0", PowerLimit(300.0))
        assert device.read_power_limit_w() == 300.0
        other.close()
        assert waits_until(lambda: device.read_power_limit_w() == 400.0 and device.read_core_clock_lock() is None)
        assert waits_until(lambda: stage.left == 0)


def test_client_that_is_not_heard_of_loses_its_lease(stage, device):
    with serving(stage, [device]), closing(stage.connection()) as silent:
        silent.ask("set", device="file-0", kind="power_limit", values=[200.0], ttl_s=0.5)
        assert device.read_power_limit_w() == 200.0
        assert waits_until(lambda: device.read_power_limit_w() == 400.0)
        assert waits_until(lambda: "it expired" in stage.audit)
        assert silent.ask("heartbeat") == {"held": []}


def test_heartbeat_keeps_a_lease(stage, device):
    with serving(stage, [device]), closing(stage.connection(ttl_s=0.6)) as client:
        client.tell("file-0", PowerLimit(200.0))
        MonotonicClock().sleep(1.5)
        assert device.read_power_limit_w() == 200.0


def test_agent_that_is_told_to_end_puts_everything_back(stage, device):
    with serving(stage, [device]):
        held = client_of(stage)
        held.set_power_limit_w(200.0)
        held.lock_core_clock(900, 1200)
    assert (device.read_power_limit_w(), device.read_core_clock_lock(), stage.left) == (400.0, None, 0)
    with pytest.raises(DeviceLostError, match=r"the agent at .* is gone"):
        held.read_power_limit_w()


def test_client_comes_back_after_the_agent_was_started_again(stage, device):
    with serving(stage, [device]):
        client = client_of(stage)
        handle = apply(client, PowerLimit(200.0), settle_s=0.0)
    with serving(stage, [device]):
        assert handle.look().obeyed is False
        handle.change(PowerLimit(250.0))
        assert device.read_power_limit_w() == 250.0
        handle.restore()
    assert device.read_power_limit_w() == 400.0


def test_restoring_after_the_agent_has_gone_and_come_back_needs_no_right_to_what_was_found(stage, device):
    policy = Policy((Rule(uids=ME, devices=ALL, read=True, bounds={Kind.POWER_LIMIT: (150.0, 250.0)}),))
    with serving(stage, [device], policy):
        handle = apply(client_of(stage), PowerLimit(200.0), settle_s=0.0)
    with serving(stage, [device], policy):
        handle.restore()
        assert device.read_power_limit_w() == 400.0


def test_what_a_killed_agent_left_behind_is_put_back_before_anybody_is_served(stage, device):
    Journal(stage.state, DEAD).begin(device, PowerLimit(200.0))
    device.set_power_limit_w(200.0)
    with serving(stage, [device]):
        assert (device.read_power_limit_w(), stage.left) == (400.0, 0)


def test_device_that_comes_back_is_put_back_then(stage, device):
    Journal(stage.state, DEAD).begin(device, PowerLimit(200.0))
    device.set_power_limit_w(200.0)
    device.lost = True
    with serving(stage, [device]), closing(stage.connection()) as client:
        (lease,) = client.ask("status")["leases"]
        assert (lease["stage"], lease["holder"]) == ("stuck", "an earlier agent")
        with pytest.raises(UsageError, match=r"is being put back.*its lease ended: left behind"):
            client.tell("file-0", PowerLimit(300.0))
        device.lost = False
    assert (device.read_power_limit_w(), stage.left) == (400.0, 0)


def test_who_has_no_rule_learns_nothing(stage, device):
    with serving(stage, [device], Policy()):
        assert list(driver.find(stage.host)) == []
        with closing(stage.connection()) as client:
            for question in (
                {"operation": "read", "device": "file-0", "what": "read_power_w"},
                {"operation": "history", "device": "file-0"},
                {"operation": "set", "device": "file-0", "kind": "power_limit", "values": [200.0]},
                {"operation": "check", "device": "file-0", "kind": "power_limit", "values": [200.0]},
                {"operation": "release", "device": "file-0", "kind": "power_limit"},
                {"operation": "read", "device": "no-such", "what": "read_power_w"},
                {"operation": "stream"},
            ):
                with pytest.raises(PermissionDeniedError) as caught:
                    client.ask(**question)
                assert "Fake" not in str(caught.value)
            assert client.ask("status")["leases"] == []
            assert client.ask("devices") == []
        assert scrape(stage.socket).startswith("HTTP/1.1 403 ")
    assert stage.audit.count('"denied"') == 7


def test_reading_and_setting_are_two_rights(stage, device):
    rules = (Rule(uids=ME, devices=ALL, bounds={Kind.POWER_LIMIT: (100.0, 400.0)}),)
    with serving(stage, [device], Policy(rules)), closing(stage.connection()) as client:
        client.tell("file-0", PowerLimit(200.0))
        assert device.read_power_limit_w() == 200.0
        with pytest.raises(PermissionDeniedError):
            client.ask("read", device="file-0", what="read_power_w")


def test_rehearsal_sets_nothing(stage, device):
    with serving(stage, [device], dry_run=True):
        with pytest.raises(UsageError, match="the agent only rehearses"):
            apply(client_of(stage), PowerLimit(200.0), settle_s=0.0)
        with closing(stage.connection()) as client:
            assert client.ask("check", device="file-0", kind="power_limit", values=[200.0]) == {"allowed": True}
            with pytest.raises(CapabilityError):
                client.ask("check", device="file-0", kind="power_limit", values=[2000.0])
        assert device.read_power_limit_w() == 400.0
    assert '"would set"' in stage.audit


def test_it_remembers_and_streams(stage):
    clock = MonotonicClock()
    with serving(stage, [FakeDevice(clock, load_w=200.0)]), closing(stage.connection()) as client:
        assert waits_until(lambda: len(client.ask("history", device="fake-0")) > 3)
        samples = client.ask("history", device="fake-0")
        energies = [sample["energy_j"] for sample in samples]
        assert energies == sorted(energies)
        assert {sample["power_w"] for sample in samples} == {200.0}
        assert client.ask("history", device="fake-0", since_ns=samples[-1]["at_ns"]) == []
        stream = client.stream()
        first, second = next(stream), next(stream)
        assert first["device"] == "fake-0"
        assert second["at_ns"] > first["at_ns"]


def scrape(path, head=b"GET /metrics HTTP/1.1\r\nHost: agent\r\n\r\n"):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(20)
        stream.connect(str(path))
        stream.sendall(head)
        return b"".join(iter(lambda: stream.recv(65536), b"")).decode()


def test_prometheus_reads_what_one_may_read(stage):
    devices = [FakeDevice(MonotonicClock(), uid='od"d\\'), FakeDevice(MonotonicClock(), uid="fake-1")]
    policy = Policy((Rule(uids=ME, devices=frozenset({'od"d\\'}), read=True, bounds=OWN.rules[0].bounds),))
    with serving(stage, devices, policy), closing(stage.connection()) as client:
        client.tell('od"d\\', PowerLimit(200.0))
        assert waits_until(lambda: "joulewise_energy_joules_total{" in scrape(stage.socket))
        head, _, body = scrape(stage.socket).partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
        line = re.compile(r'^(# (HELP|TYPE) \w+ .+|\w+\{(\w+="([^"\\\n]|\\["\\n])*",?)+\} [-+.e\d]+)$')
        assert [text for text in body.splitlines() if not line.match(text)] == []
        assert 'uuid="od\\"d\\\\"' in body
        assert "fake-1" not in body
        assert re.search(r"^joulewise_power_limit_watts\{.*\} 200.0$", body, re.MULTILINE)
        assert scrape(stage.socket, b"GET /other HTTP/1.1\r\n\r\n").startswith("HTTP/1.1 404 ")
        assert scrape(stage.socket, b"GET / / /\r\n\r\n").startswith("HTTP/1.1 400 ")


def test_socket_is_open_to_owner_and_group_only(stage, device):
    with serving(stage, [device]):
        assert stat.S_IMODE(stage.socket.stat().st_mode) == 0o660
        assert stat.S_IMODE(stage.state.stat().st_mode) == 0o700
        assert stat.S_IMODE(stage.audit_file.stat().st_mode) & 0o007 == 0
    assert not stage.socket.exists()


def test_one_socket_and_one_folder_have_one_agent(stage, device):
    refused = pytest.raises(UsageError, match="another agent keeps its journal here")
    with serving(stage, [device]), refused, serving(stage, [device]):
        pass
    with serving(stage, [device]):
        other = replace_state(stage)
        with pytest.raises(UsageError, match="another agent serves here"), serving(other, [device]):
            pass
        assert stage.socket.exists()


def replace_state(stage):
    other = Stage(stage.folder, stage.host.clock)
    other.state = stage.folder / "other"
    return other


def test_socket_of_a_dead_agent_is_taken_over(stage, device):
    stage.socket.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stage.socket))
    with serving(stage, [device]):
        assert len(driver.find(stage.host)) == 1


def test_selectors(stage):
    clock = stage.host.clock
    names = ("GPU-5f", "GPU-50", "0000:c1:00.0")
    devices = [FakeDevice(clock, uid=name) for name in names]
    devices[0].identity = replace(devices[0].identity, aliases=("MIG-7",))
    path = str(stage.socket)
    with serving(stage, devices):

        def uids(text, host=stage.host):
            return [device.identity.uid for device in find_devices(text, host)]

        for text in ("agent", "agent:", f"agent:{path}", f"agent:{path}#"):
            assert uids(text) == list(names)
        for text in ("agent:0", "agent:#0", f"agent:{path}#0", "agent:GPU-5f", f"agent:{path}#MIG-7", "agent:MIG"):
            assert uids(text) == ["GPU-5f"]
        assert uids("agent:0000:c1:00.0") == ["0000:c1:00.0"]
        assert uids("agent:0,1") == ["GPU-5f", "GPU-50"]
        assert uids("agent:", Host(stage.folder / "elsewhere", {"JOULEWISE_AGENT": path})) == list(names)
        assert [one.identity.uid for one in find_devices(None, Host(stage.folder, {"JOULEWISE_DEVICE": "agent:2"}))]
        for text, what in (("agent:3", "means 0 devices"), ("agent:GPU-", "means 2 devices"), ("agent:x#0", "no addr")):
            with pytest.raises(UsageError, match=what):
                uids(text)


def test_doctor_says_what_is_missing(stage, device):
    (finding,) = driver.examine(stage.host)
    assert (finding.found, finding.broken) == (False, False)
    with serving(stage, [device]):
        (finding,) = driver.examine(stage.host)
        assert (finding.found, finding.seen) == (True, "it serves us 1 devices")
    with serving(stage, [device], Policy()):
        (finding,) = driver.examine(stage.host)
        assert (finding.found, finding.fix) == (False, "ask the operator for a rule in the agent's policy")
    (finding,) = driver.examine(Host(stage.folder, {"JOULEWISE_AGENT": "nonsense"}))
    assert (finding.found, finding.broken) == (False, True)


def test_forked_child_asks_by_itself_and_ends_no_lease(stage, device):
    with serving(stage, [device]):
        code = f"""
import os, sys
from joulewise.devices.apply import apply
from joulewise.devices.journal import Journal
from joulewise.devices.process import Process
from joulewise.devices.selection import find_devices
from joulewise.devices.settings import PowerLimit
(device,) = find_devices("agent:{stage.socket}")
with apply(device, PowerLimit(200.0), settle_s=0.0) as handle:
    child = os.fork()
    if child == 0:
        assert device.read_power_limit_w() == 200.0
        handle.restore()
        sys.exit(0)
    os.waitpid(child, 0)
    print(device.read_power_limit_w(), device._connection._held)
print(device.read_power_limit_w())
"""
        done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split("\n")[0].startswith("200.0 {('file-0', ")
        assert (done.stdout.split("\n")[1], done.stderr) == ("400.0", "")


def test_signal_in_the_middle_of_a_question_restores(stage, device):
    with serving(stage, [device]):
        code = f"""
import os, signal, threading
from joulewise.devices.apply import apply
from joulewise.devices.journal import Journal
from joulewise.devices.process import Process
from joulewise.devices.selection import find_devices
from joulewise.devices.settings import PowerLimit
(device,) = find_devices("agent:{stage.socket}")
handle = apply(device, PowerLimit(200.0))
print("set", flush=True)
while True:
    device.read_power_w()
"""
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "set\n"
        assert device.read_power_limit_w() == 200.0
        child.terminate()
        _, complaint = child.communicate(timeout=20)
        assert (child.returncode, complaint) == (-15, "")
        assert waits_until(lambda: device.read_power_limit_w() == 400.0)


def test_many_clients_at_once_get_their_own_answers(stage):
    clock = VirtualClock()
    devices = [FakeDevice(clock, uid=f"fake-{index}", load_w=100.0 + index) for index in range(8)]
    seen = {}

    def ask(index):
        with closing(stage.connection()) as client:
            seen[index] = {client.ask("read", device=f"fake-{index}", what="read_power_w") for _ in range(50)}

    with serving(stage, devices):
        threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == {index: {100.0 + index} for index in range(8)}


def test_one_user_cannot_take_all_connections(stage, device):
    with serving(stage, [device]):
        crowd = [stage.connection() for _ in range(64)]
        for connection in crowd:
            connection.ask("heartbeat")
        with closing(stage.connection()) as late, pytest.raises(UsageError, match="the agent is busy"):
            late.ask("heartbeat")
        for connection in crowd:
            connection.close()


def test_audit_log_says_who_did_what(stage, device):
    with serving(stage, [device]), apply(client_of(stage), PowerLimit(200.0), settle_s=0.0):
        pass
    lines = [json.loads(line) for line in stage.audit.splitlines()]
    assert lines[0]["event"] == "started"
    (lent,) = [line for line in lines if line["event"] == "lent"]
    assert (lent["who"], lent["pid"], lent["found"]) == (f"uid {os.geteuid()}", os.getpid(), "power_limit 400 W")
    assert {"opened", "set", "put back", "closed"} <= {line["event"] for line in lines}
    assert lines[-1] == {**lines[-1], "event": "stopped", "not_put_back": []}


def test_free_clock_is_found_and_freed(stage, device):
    with serving(stage, [device]):
        with apply(client_of(stage), CoreClock(900, 1200), settle_s=0.0) as handle:
            assert handle.found == Unlocked(Kind.CORE_CLOCK)
            assert device.read_core_clock_lock() == (900, 1200)
        assert device.read_core_clock_lock() is None


def test_privileged_process_loads_nothing_but_the_standard_library():
    code = (
        "import sys, joulewise.services.agent.__main__\n"
        "loaded = {name.partition('.')[0] for name in sys.modules if not name.startswith('_')}\n"
        "print(loaded - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'joulewise'}"
