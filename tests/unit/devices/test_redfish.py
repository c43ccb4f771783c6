"""Node power from a management controller on this machine."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from joulewise.clock import MonotonicClock, VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Host, Scope, top_level
from joulewise.devices.redfish import RedfishDriver
from joulewise.devices.redfish_client import RedfishClient
from joulewise.errors import CapabilityError, DeviceLostError, JoulewiseError, PermissionDeniedError, UsageError
from joulewise.testing import check_driver
from joulewise.testing.fake_bmc import CHASSIS, ROOT, FakeBmc

METRICS = f"{CHASSIS}/Node/EnvironmentMetrics"
PASSWORD = "very-secret-1"


@pytest.fixture
def clock():
    return VirtualClock(1_000_000_000_000)


def host_of(bmc, **environ):
    settings = {f"JOULEWISE_REDFISH_{name}": value for name, value in ({"URL": bmc.url} | environ).items()}
    return Host(environ=settings, clock=bmc.clock)


@pytest.mark.parametrize("generation", ["metrics", "subsystem", "power"])
def test_conforms_in_every_generation_of_the_standard(clock, generation):
    with FakeBmc(clock, generation=generation) as bmc:
        check_driver(RedfishDriver(), host_of(bmc), advance=clock.sleep, devices=1)
        (node,) = RedfishDriver().find(host_of(bmc))
        assert (node.read_average_power_w(), node.identity.scope, node.identity.model) == (500, Scope.NODE, "Fake R1")


def test_timing_is_what_the_sensor_says_and_unknown_where_it_does_not(clock):
    with FakeBmc(clock) as new, FakeBmc(clock, generation="power") as old:
        told, untold = (RedfishDriver().find(host_of(bmc))[0].capabilities[Kind.POWER_AVERAGE] for bmc in (new, old))
    assert (told.update_period_s, told.averaging_window_s) == (1, 5)
    assert (untold.update_period_s, untold.averaging_window_s) == (None, None)
    assert "1 to 60 s" in untold.note


@pytest.mark.parametrize(("digits", "resolution_j"), [(6, 3.6), (4, 360), (3, 3600)])
def test_resolution_of_kwh_is_what_its_digits_show(clock, digits, resolution_j):
    clock.sleep(1248.888)  # 0.312346 kWh: no digit is a zero that would not be written
    with FakeBmc(clock, kwh_digits=digits) as bmc:
        (node,) = RedfishDriver().find(host_of(bmc))
        assert node.capabilities[Kind.ENERGY_COUNTER].resolution == pytest.approx(resolution_j)
        assert node.read_energy_j() == pytest.approx(500 * clock.now_ns() * 1e-9, abs=resolution_j)


def test_counter_that_steps_once_in_an_hour_is_left_out(clock):
    with FakeBmc(clock, kwh_digits=1) as bmc:
        (node,) = RedfishDriver().find(host_of(bmc))
        assert set(node.capabilities) == {Kind.POWER_AVERAGE}
        with pytest.raises(CapabilityError):
            node.read_energy_j()


def test_chassis_in_a_chassis_counts_once(clock):
    board = f"{CHASSIS}/Board"
    more = {
        CHASSIS: {"Members": [{"@odata.id": board}, {"@odata.id": f"{CHASSIS}/Node"}]},
        board: {
            "Links": {"ContainedBy": {"@odata.id": f"{CHASSIS}/Node/"}},
            "Power": {"@odata.id": f"{board}/Power"},
        },
        f"{board}/Power": {"PowerControl": [{"PowerConsumedWatts": 300}]},
    }
    with FakeBmc(clock, more=more) as bmc:
        inner, outer = found = RedfishDriver().find(host_of(bmc))
    assert (inner.identity.parent, inner.identity.scope) == (outer.identity.uid, Scope.MODULE)
    assert top_level(found) == [outer]


def test_supply_that_does_not_tell_makes_no_smaller_sum(clock):
    supply = f"{CHASSIS}/Node/PowerSubsystem/PowerSupplies/2/Metrics"
    with FakeBmc(clock, generation="subsystem") as bmc:
        (node,) = RedfishDriver().find(host_of(bmc))
        bmc.more = {supply: {"InputPowerWatts": {"Reading": None}}}
        with pytest.raises(CapabilityError):
            node.read_average_power_w()


@pytest.mark.parametrize("way", ["stalls", "drips"])
def test_nothing_stalls_longer_than_the_time_out(clock, way):
    with FakeBmc(clock) as bmc:
        (node,) = RedfishDriver().find(host_of(bmc, TIMEOUT_S="0.2"))
        getattr(bmc, way).add(METRICS)
        real = MonotonicClock()
        begun_ns = real.now_ns()
        with pytest.raises(DeviceLostError, match="TIMEOUT_S"):
            node.read_average_power_w()
        assert (real.now_ns() - begun_ns) * 1e-9 < 2
        assert RedfishDriver().find(host_of(bmc, TIMEOUT_S="0.2")) == []


def test_login_is_asked_for_and_never_told(clock):
    with FakeBmc(clock, login=("reader", PASSWORD)) as bmc:
        assert RedfishDriver().find(host_of(bmc, USER="reader", PASSWORD=PASSWORD))
        refused = host_of(bmc, USER="reader", PASSWORD=f"{PASSWORD}2")
        (finding,) = RedfishDriver().examine(refused)
        assert (finding.looked_for, "ReadOnly" in finding.fix) == ("access to the controller", True)
        client = RedfishClient(refused.environ)
        with pytest.raises(PermissionDeniedError) as raised:
            client.get(CHASSIS)
        assert PASSWORD not in f"{finding}{raised.value}{client!r}"


@pytest.mark.parametrize(
    "environ",
    [
        {"URL": "ftp://bmc"},
        {"URL": "bmc"},
        {"URL": "https://bmc:port"},
        {"URL": "https://root:calvin@bmc"},
        {"URL": "http://bmc.example", "USER": "root", "PASSWORD": "calvin"},
        {"URL": "https://bmc", "TIMEOUT_S": "soon"},
        {"URL": "https://bmc", "CA": "no-such.pem"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused_without_telling_the_password(environ):
    with pytest.raises(UsageError) as raised:
        RedfishClient({f"JOULEWISE_REDFISH_{name}": value for name, value in environ.items()})
    assert "calvin" not in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b'{"Members": 3}',
        b'{"Members": [null, 7, {}]}',
        b'{"Members": [{"@odata.id": "https://elsewhere/redfish/v1/"}]}',
        b'{"Members": [{"@odata.id": "/redfish/v1/\\r\\nHost: elsewhere"}]}',
        b"[" * 100_000,
        b'{"Members": ' + b"9" * 10_000 + b"}",
    ],
)
def test_garbage_is_a_finding(clock, body):
    with FakeBmc(clock, body={CHASSIS: body}) as bmc:
        driver, host = RedfishDriver(), host_of(bmc)
        assert driver.find(host) == []
        (finding,) = driver.examine(host)
        assert (finding.found, bool(finding.fix)) == (False, True)


@pytest.mark.parametrize("reading", [b"1e999", b"-5", b'"500"', b"true", b"NaN", b"null", b"1" + b"0" * 400])
def test_reading_that_cannot_be_is_no_power(clock, reading):
    with FakeBmc(clock, body={METRICS: b'{"PowerWatts": {"Reading": %s}}' % reading}) as bmc:
        assert RedfishDriver().find(host_of(bmc)) == []


def test_not_configured_and_not_there_are_findings(clock):
    with FakeBmc(clock, status={ROOT: 503}) as bmc:
        sick, gone = host_of(bmc), host_of(bmc)
        assert "503" in RedfishDriver().examine(sick)[0].seen
    assert "no controller answers" in RedfishDriver().examine(gone)[0].seen
    (finding,) = RedfishDriver().examine(Host(environ={}, clock=clock))
    assert (finding.found, "export JOULEWISE_REDFISH_URL" in finding.fix) == (False, True)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_certificates_are_verified(clock, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=bmc", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    with FakeBmc(clock, certificate=(certificate, key)) as bmc:
        with pytest.raises(JoulewiseError, match="JOULEWISE_REDFISH_CA"):
            RedfishClient(host_of(bmc).environ).get(ROOT)
        assert RedfishDriver().find(host_of(bmc, CA=str(certificate)))
        assert RedfishDriver().find(host_of(bmc, INSECURE="1"))
