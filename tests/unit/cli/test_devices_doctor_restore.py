"""What users see of devices: on a machine with nothing, with packages, with twins, and after a process was killed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer import Typer
from typer.testing import CliRunner

from joulewise.cli import devices as devices_verb
from joulewise.cli import doctor as doctor_verb
from joulewise.cli import restore as restore_verb
from joulewise.devices.capabilities import Capabilities, Kind
from joulewise.devices.device import Host
from joulewise.devices.journal import Journal
from joulewise.devices.process import Process
from joulewise.devices.selection import find_devices
from joulewise.devices.settings import PowerCap, tell
from joulewise.errors import UsageError

DEAD = replace(Process.this(), pid=2**22 + 1, started="1")
app = Typer()
app.command("devices")(devices_verb.devices)
app.command("doctor")(doctor_verb.doctor)
app.command("restore")(restore_verb.restore)


class Machine:
    """A machine whose hardware lies under a folder."""

    def __init__(self, folder):
        self.root, self.state = folder / "root", folder / "state"
        self.root.mkdir()
        self.environ = {"JOULEWISE_ROOT": str(self.root), "JOULEWISE_STATE_DIR": str(self.state), "COLUMNS": "160"}

    def run(self, line, answer=None):
        return CliRunner().invoke(app, line.split(), input=answer, env=self.environ)

    def with_package(self):
        zone = self.root / "sys/class/powercap/intel-rapl:0"
        zone.mkdir(parents=True)
        facts = {
            "name": "package-0",
            "energy_uj": 1000,
            "max_energy_range_uj": 262143328850,
            "constraint_0_name": "long_term",
            "constraint_0_power_limit_uw": 205_000_000,
            "constraint_0_max_power_uw": 205_000_000,
            "constraint_0_time_window_us": 999_424,
        }
        for name, value in facts.items():
            (zone / name).write_text(f"{value}\n")

    def package(self):
        return find_devices("cpu:0", Host(self.root, {}))[0]

    def killed_after(self, cap_w):
        Journal(self.state, DEAD).begin(self.package(), PowerCap(cap_w))
        tell(self.package(), PowerCap(cap_w))


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_doctor_on_a_machine_with_nothing_is_one_screen_and_no_failure(machine):
    result = machine.run("doctor")
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) <= 24
    assert "fix: export JOULEWISE_REDFISH_URL" in result.output
    assert "broken" not in result.output
    for name in ("nvidia", "amd", "cpu", "jetson", "apple", "redfish"):
        assert name in result.output


def test_devices_on_a_machine_with_nothing_says_where_to_look(machine):
    result = machine.run("devices")
    assert (result.exit_code, result.stdout.split(";")[0]) == (0, "no device found")
    assert json.loads(machine.run("devices --json").stdout) == []


def test_restore_with_nothing_to_do(machine):
    result = machine.run("restore")
    assert (result.exit_code, result.stdout) == (0, "nothing was left behind\n")


def test_devices_lists_what_is_there(machine):
    machine.with_package()
    table = machine.run("devices").stdout
    assert "cpu:0" in table
    assert "package" in table
    (found,) = json.loads(machine.run("devices --json").stdout)
    assert (found["name"], found["scope"], found["top_level"], found["visible"]) == ("cpu:0", "package", True, True)
    assert Capabilities.from_dict(found)[Kind.ENERGY_COUNTER].maximum == pytest.approx(262143.32885)
    assert "1 device found" in machine.run("doctor").stdout


def test_devices_of_a_selection_say_that_they_are_simulated(machine):
    found = json.loads(machine.run("devices --json --device sim:a100x2").stdout)
    assert len(found) == 2
    assert {one["driver"] for one in found} == {"sim"}
    assert "a100" in machine.run("devices --device sim:a100x2").stdout.lower()


def test_doctor_fails_if_a_wanted_device_is_not_there(machine):
    result = machine.run("doctor --device nvidia:7")
    assert isinstance(result.exception, UsageError)  # main() makes exit code 2 of it
    assert machine.run("doctor --device sim:a100").exit_code == 0


def test_what_the_environment_selects_is_listed_and_wanted(machine):
    machine.environ["JOULEWISE_DEVICE"] = "sim:v100"
    (found,) = json.loads(machine.run("devices --json").stdout)
    assert found["model"] == "simulated V100-PCIE-32GB"
    assert "JOULEWISE_DEVICE chooses sim:v100" in machine.run("doctor").stdout
    machine.environ["JOULEWISE_DEVICE"] = "nvidia:7"
    assert isinstance(machine.run("doctor").exception, UsageError)


def test_document_in_place_of_what_was_probed(machine, tmp_path):
    machine.with_package()
    entries = json.loads(machine.run("devices --json").stdout)
    entries[0]["capabilities"][-1]["maximum"] = 100
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(entries))
    machine.environ["JOULEWISE_CAPABILITIES"] = str(path)
    assert json.loads(machine.run("devices --json").stdout) == entries
    assert "describes 1 device, 1 of which found here" in machine.run("doctor").stdout


@pytest.mark.parametrize("selector", ["agent", "agent:", "sim", "sim:"])
def test_a_driver_without_devices_of_its_own_says_what_it_takes(machine, selector):
    error = machine.run(f"devices --device {selector}").exception
    assert isinstance(error, UsageError)
    assert ("there is no agent" if selector.startswith("agent") else "give a model of a100") in str(error)


def test_uid_stays_in_one_piece_on_an_ordinary_terminal(machine):
    machine.environ["COLUMNS"] = "80"
    table = machine.run("devices --device sim:a100").stdout
    (found,) = json.loads(machine.run("devices --json --device sim:a100").stdout)
    assert found["uid"] in table


def test_killed_process_is_reported_listed_and_restored(machine):
    machine.with_package()
    machine.killed_after(100.0)
    assert "killed processes left 1 setting behind" in machine.run("devices").stderr
    assert machine.run("doctor").exit_code == 1
    listed = machine.run("restore --list")
    assert listed.exit_code == 1
    assert "cpu_power_cap 100 W, found cpu_power_cap 205 W" in listed.stdout
    assert machine.run("restore", "n\n").exit_code == 1
    assert machine.package().read_power_cap_w() == 100.0
    restored = machine.run("restore", "y\n")
    assert (restored.exit_code, machine.package().read_power_cap_w()) == (0, 205.0), restored.output
    assert machine.run("doctor").exit_code == 0


def test_restore_says_what_it_cannot_find(machine):
    machine.with_package()
    machine.killed_after(100.0)
    for path in sorted(machine.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    result = machine.run("restore --yes")
    assert result.exit_code == 1
    assert "is not there to be restored" in result.stderr
    assert machine.run("restore --forget --yes").exit_code == 0
    assert machine.run("restore").stdout == "nothing was left behind\n"
