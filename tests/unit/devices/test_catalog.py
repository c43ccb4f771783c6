"""Drivers of other packages, through entry points: found, selected, checked; broken ones stop nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[3] / "src"
ACME = """
from joulewise.clock import VirtualClock
from joulewise.testing import FakeDevice, FakeDriver
driver = FakeDriver([FakeDevice(VirtualClock(), uid="acme-card-7")], name="acme")
"""
PROGRAM = """
import json
from joulewise.devices import catalog
from joulewise.devices.device import Host
from joulewise.devices.selection import find_devices
host = Host()
print(json.dumps({
    "names": catalog.driver_names()[len(catalog.IN_TREE):],
    "chosen": [device.identity.uid for device in find_devices("acme:0", host)],
    "all": [device.identity.uid for device in catalog.find_all(host)],
    "broken": [finding.driver for name in catalog.driver_names() for finding in catalog.examine(name, host)
               if finding.broken],
    "says": [finding.fix for finding in catalog.examine("rusty", host)],
    "own": type(catalog.load_driver("cpu")).__module__,
}))
"""


@pytest.fixture
def installed(tmp_path):
    """A place with a package that brings two drivers, one of which cannot be imported, and one that poses as ours."""
    (tmp_path / "acme_driver.py").write_text(ACME)
    (tmp_path / "rusty_driver.py").write_text("raise RuntimeError('rusted through')")
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    points = ["acme = acme_driver:driver", "rusty = rusty_driver:driver", "cpu = acme_driver:driver"]
    (info / "entry_points.txt").write_text("\n".join(["[joulewise.drivers]", *points, ""]))
    return tmp_path


def test_whether_a_package_may_offer_something_is_seen_without_reading_all_of_them(installed, tmp_path):
    path = os.pathsep.join([str(installed), str(SRC)])
    program = """
import sys
from joulewise.devices.catalog import GROUP, third_party
from joulewise.devices.installed import may_be_there
print(may_be_there(GROUP), may_be_there("joulewise.nobody"), sorted(third_party()))
sys.path.append(sys.argv[1])
print(may_be_there("joulewise.nobody"))
"""
    archive = tmp_path / "packages.zip"
    archive.write_bytes(b"")
    command = [sys.executable, "-S", "-c", program, str(archive)]
    answer = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": path}, check=True)
    assert answer.stdout.splitlines() == ["True False ['acme', 'rusty']", "True"]


def test_third_parties(installed):
    path = os.pathsep.join([str(installed), str(SRC), os.environ.get("PYTHONPATH", "")])
    environ = {**os.environ, "PYTHONPATH": path, "JOULEWISE_ROOT": str(installed)}
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environ, check=True)
    seen = json.loads(answer.stdout)
    assert seen["names"] == ["acme", "rusty"]
    assert seen["chosen"] == ["acme-card-7"]
    assert "acme-card-7" in seen["all"]
    assert seen["broken"] == ["rusty"]
    assert seen["says"] == ["repair or remove rusty_driver:driver"]
    assert seen["own"] == "joulewise.devices.rapl"


WARY = """
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.testing import FakeDevice, FakeDriver

def device(permitted):
    made = FakeDevice(VirtualClock(), uid="card-7")
    made.capabilities = made.capabilities.with_(Kind.POWER_LIMIT, permitted=permitted)
    return made

denied = FakeDriver([device(False)], name="aaa")
allowed = FakeDriver([device(True)], name="bbb")
again = FakeDriver([device(True)], name="ccc")
"""


@pytest.mark.parametrize(("drivers", "kept"), [("denied allowed again", "allowed"), ("allowed denied", "allowed")])
def test_whoever_may_do_more_with_a_device_has_it(tmp_path, drivers, kept):
    (tmp_path / "wary_driver.py").write_text(WARY)
    info = tmp_path / "wary-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wary\nVersion: 1.0\n")
    points = [f"{letter} = wary_driver:{name}" for letter, name in zip("xyz", drivers.split(), strict=False)]
    (info / "entry_points.txt").write_text("\n".join(["[joulewise.drivers]", *points, ""]))
    program = f"""
import wary_driver
from joulewise.devices import catalog
from joulewise.devices.device import Host
(found,) = [one for one in catalog.find_all(Host()) if one.identity.uid == "card-7"]
assert found is wary_driver.{kept}.find(Host())[0], found
"""
    path = os.pathsep.join([str(tmp_path), str(SRC), os.environ.get("PYTHONPATH", "")])
    environ = {**os.environ, "PYTHONPATH": path, "JOULEWISE_ROOT": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=environ, check=True)
