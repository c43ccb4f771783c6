"""A document in place of what was probed; fixtures for other people's tests."""

from __future__ import annotations

import json

import pytest

from joulewise.devices.apply import apply
from joulewise.devices.capabilities import PROTOCOLS, Kind
from joulewise.devices.described import as_documented, described, read_capabilities, read_documents
from joulewise.devices.device import Busy, Host
from joulewise.devices.selection import find_devices
from joulewise.devices.settings import PowerLimit
from joulewise.errors import CapabilityError, InputFileError, UsageError
from joulewise.testing import FakeDevice, check_device


@pytest.fixture
def written(fake_device, tmp_path):
    def write(**changes):
        path = tmp_path / "capabilities.json"
        edited = fake_device.capabilities.with_(Kind.POWER_LIMIT, **changes)
        path.write_text(json.dumps(edited.to_dict()))
        return read_capabilities(path)

    return write


def test_edited_document_decides_what_can_be_told(fake_device, virtual_clock, journal, written):
    other = described(fake_device, written(maximum=200.0))
    with pytest.raises(CapabilityError, match="nearest that it takes is 200 W"):
        apply(other, PowerLimit(300.0), journal=journal, clock=virtual_clock)
    with apply(other, PowerLimit(150.0), journal=journal, clock=virtual_clock):
        assert fake_device.read_power_limit_w() == 150.0
    assert other.identity == fake_device.identity
    assert all(isinstance(other, protocol) for protocol in PROTOCOLS.values())


def test_described_device_still_conforms(fake_device, virtual_clock, written):
    check_device(described(fake_device, written(switch_latency_s=0.02)), virtual_clock, advance=virtual_clock.sleep)


def test_document_cannot_give_a_device_what_it_has_not(fake_device):
    class Gauge:
        identity, capabilities = fake_device.identity, fake_device.capabilities

        def read_power_w(self):
            return 1.0

    with pytest.raises(UsageError, match=r"nothing to read or tell for energy_counter, .*; it has power_instant;"):
        described(Gauge(), fake_device.capabilities)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "joulewise.capabilities/1", "capabilities": [{}]}'])
def test_file_that_is_no_document_is_named(tmp_path, text):
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(InputFileError, match=r"wrong\.json"):
        read_capabilities(path)
    with pytest.raises(InputFileError, match=r"none.json: cannot be read"):
        read_capabilities(tmp_path / "none.json")


@pytest.fixture
def a100_documents(virtual_clock, tmp_path):
    """A file of what `joulewise devices --json` prints, edited; and the environment that names it."""
    host = Host(environ={}, clock=virtual_clock)
    twins = find_devices("sim:a100x2", host)
    path = tmp_path / "edited.json"
    edited = [one.capabilities.with_(Kind.POWER_LIMIT, maximum=200.0 + 50 * i) for i, one in enumerate(twins)]
    entries = [
        {"uid": one.identity.uid, "name": "x", **caps.to_dict()} for one, caps in zip(twins, edited, strict=True)
    ]
    path.write_text(json.dumps(entries))
    return path, Host(environ={"JOULEWISE_CAPABILITIES": str(path)}, clock=virtual_clock)


def test_file_named_by_the_environment_describes_whatever_is_selected(a100_documents):
    _, host = a100_documents
    limits = [one.capabilities[Kind.POWER_LIMIT].maximum for one in find_devices("sim:a100x3", host)]
    assert limits == [200.0, 250.0, 500.0]
    assert all(isinstance(one, Busy) for one in find_devices("sim:a100x3", host))


def test_a_file_may_hold_one_entry_alone(a100_documents):
    path, host = a100_documents
    first, _ = json.loads(path.read_text())
    path.write_text(json.dumps(first))
    assert list(read_documents(path)) == [first["uid"]]
    assert find_devices("sim:a100", host)[0].capabilities[Kind.POWER_LIMIT].maximum == 200.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda entries: [{**entries[0], "uid": None}], "an entry without uid"),
        (lambda entries: [entries[0], entries[0]], "twice"),
        (lambda entries: [3], "an entry without uid"),
        (lambda entries: [{"uid": "GPU-1"}], "not a capabilities document"),
        (lambda entries: "text", "an entry without uid"),
    ],
)
def test_file_that_does_not_say_whose_it_is_is_refused(a100_documents, change, said):
    path, host = a100_documents
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(InputFileError, match=said):
        find_devices("sim:a100", host)


def test_without_the_variable_devices_are_as_probed(fake_device):
    assert as_documented([fake_device], {"JOULEWISE_CAPABILITIES": ""}) == [fake_device]


def test_fixtures_belong_together(fake_device, virtual_clock, empty_host):
    assert find_devices(host=empty_host) == []
    virtual_clock.sleep(2.0)
    assert fake_device.true_energy_j() == 500.0
    assert isinstance(fake_device, FakeDevice)
    assert empty_host.clock is virtual_clock
