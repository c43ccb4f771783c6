"""The journal survives what its process does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from file_device import file_device
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.journal import Journal, end, left_behind, open_entries, state_folder
from joulewise.devices.left_behind import forget, list_left_behind, restore_left_behind, warning
from joulewise.devices.process import Process
from joulewise.devices.settings import CoreClock, PowerLimit, Unlocked, tell
from joulewise.errors import DeviceLostError, UsageError
from joulewise.testing import FakeDevice

TESTS = Path(__file__).parents[2]
THIS = Process.this()
DEAD = replace(THIS, pid=2**22 + 1, started="1")
DEAD_TOO = replace(THIS, pid=2**22 + 2, started="2")


def died(folder, device, setting, process=DEAD):
    """What a process leaves that dies after setting something."""
    entry = Journal(folder, process).begin(device, setting)
    tell(device, setting)
    return entry


@pytest.fixture
def device(tmp_path):
    return file_device(tmp_path / "device.json")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state"


def test_left_behind_is_restored_and_then_forgotten(folder, device):
    died(folder, device, PowerLimit(200.0))
    (item,) = list_left_behind(folder)
    assert (item.found, item.left) == (PowerLimit(400.0), PowerLimit(200.0))
    assert "Fake device (file-0): power_limit 200 W, found power_limit 400 W" in str(item)
    assert "joulewise restore" in warning(folder)
    assert restore_left_behind(item, [device], VirtualClock()) == "power_limit 400 W restored"
    assert device.read_power_limit_w() == 400.0
    assert (list_left_behind(folder), warning(folder)) == ([], "")
    assert list(folder.glob("*.jsonl")) == []


def test_oldest_finding_wins_over_one_made_of_hardware_already_changed(folder, device):
    died(folder, device, PowerLimit(200.0))
    died(folder, device, PowerLimit(150.0), DEAD_TOO)
    (item,) = list_left_behind(folder)
    assert [entry.found for entry in item.entries] == [PowerLimit(400.0), PowerLimit(200.0)]
    assert item.found == PowerLimit(400.0)
    restore_left_behind(item, [device], VirtualClock())
    assert device.read_power_limit_w() == 400.0


def test_clock_that_was_free_is_freed_even_if_the_hardware_cannot_say(folder, tmp_path):
    class Silent(FakeDevice):
        def read_core_clock_lock(self):
            return None

    state = {}
    silent = Silent(VirtualClock(), state=state)
    died(folder, silent, CoreClock(600, 600))
    (item,) = list_left_behind(folder)
    assert item.found == Unlocked(Kind.CORE_CLOCK)
    restore_left_behind(item, [silent], VirtualClock())
    assert state["core_clock"] is None


def test_living_process_keeps_its_knob(folder, device):
    entry = died(folder, device, PowerLimit(200.0), THIS)
    assert left_behind(folder) == []
    with pytest.raises(UsageError, match=f"in another process's hands; process {os.getpid()} has set"):
        Journal(folder, DEAD).begin(device, PowerLimit(150.0))
    Journal(folder, DEAD).begin(device, CoreClock(600, 600))  # another knob
    end(entry)
    Journal(folder, DEAD).begin(device, PowerLimit(150.0))


def test_left_behind_waits_while_a_living_process_holds_the_knob(folder, device):
    died(folder, device, PowerLimit(200.0))
    entry = died(folder, device, PowerLimit(150.0), THIS)
    (item,) = list_left_behind(folder)
    with pytest.raises(UsageError, match="restore when that has ended"):
        restore_left_behind(item, [device], VirtualClock())
    end(entry)
    restore_left_behind(item, [device], VirtualClock())
    assert device.read_power_limit_w() == 400.0


def test_pid_that_is_used_again_is_another_process(folder, device):
    died(folder, device, PowerLimit(200.0), replace(THIS, started="0"))
    assert len(left_behind(folder)) == 1


def test_other_machines_are_left_alone(folder, device):
    died(folder, device, PowerLimit(200.0), replace(DEAD, machine="elsewhere"))
    assert left_behind(folder) == []
    Journal(folder).begin(device, CoreClock(600, 600))  # sweeps
    assert len(open_entries(folder)) == 2


def test_after_the_machine_started_again_only_what_is_still_ours_is_touched(folder, device):
    earlier = replace(DEAD, boot="earlier")
    died(folder, device, PowerLimit(200.0), earlier)
    device.set_power_limit_w(350.0)
    (item,) = list_left_behind(folder)
    done = restore_left_behind(item, [device], VirtualClock())
    assert done == "left at power_limit 350 W: the machine has started again since"
    assert (device.read_power_limit_w(), list_left_behind(folder)) == (350.0, [])
    died(folder, device, PowerLimit(200.0), earlier)
    (item,) = list_left_behind(folder)
    restore_left_behind(item, [device], VirtualClock())
    assert device.read_power_limit_w() == 350.0


def test_change_that_ends_with_its_process_needs_no_journal(folder):
    end(died(folder, FakeDevice(VirtualClock()), PowerLimit(200.0)))
    assert not folder.exists()


def test_journals_of_the_dead_in_which_all_has_ended_are_swept(folder, device):
    entry = died(folder, device, PowerLimit(200.0))
    entry.file.write_bytes(entry.file.read_bytes() + b'{"event": "end", "number": 1}\n')
    Journal(folder).begin(device, CoreClock(600, 600))
    assert not entry.file.exists()


def test_device_that_is_gone_and_hardware_that_refuses_keep_the_entry(folder, device):
    died(folder, device, PowerLimit(200.0))
    (item,) = list_left_behind(folder)
    with pytest.raises(UsageError, match="file-0 is not there to be restored"):
        restore_left_behind(item, [], VirtualClock())
    device.lost = True
    with pytest.raises(DeviceLostError):
        restore_left_behind(item, [device], VirtualClock())
    assert list_left_behind(folder) == [item]
    forget(item)
    assert list_left_behind(folder) == []


@pytest.mark.slow
def test_journal_torn_at_any_byte_is_read_up_to_there(folder, device):
    entry = died(folder, device, PowerLimit(200.0))
    died(folder, device, CoreClock(600, 600))
    whole = entry.file.read_bytes()
    first = whole.index(b"\n")
    for length in range(len(whole) + 1):
        entry.file.write_bytes(whole[:length])
        expected = 0 if length < first else 1 if length < len(whole) - 1 else 2
        assert len(left_behind(folder)) == expected
        for found in left_behind(folder):
            end(found)  # appended after a torn line, it still counts
        assert left_behind(folder) == []


def test_rubbish_in_the_folder_is_not_a_journal(folder, device):
    died(folder, device, PowerLimit(200.0))
    (folder / "changes-rubbish.jsonl").write_text('{"event": "begin"}\n[]\nnull\n{"event": "end", "number": 1}\n')
    (folder / "changes-folder.jsonl").mkdir()
    assert len(left_behind(folder)) == 1


def test_state_folder_is_where_the_environment_says():
    home = {"HOME": "/h"}
    assert state_folder(home) == Path("/h/.local/state/joulewise")
    assert state_folder({**home, "XDG_STATE_HOME": "/x"}) == Path("/x/joulewise")
    assert state_folder({**home, "XDG_STATE_HOME": "/x", "JOULEWISE_STATE_DIR": "/s"}) == Path("/s")


def crash(mode, stride, folder):
    path = os.pathsep.join([str(TESTS), str(TESTS.parent / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(TESTS / "crash_points.py"), mode, str(stride), str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path})
    result = json.loads(answer.stdout)
    assert result["wrong"] == []
    assert result["undisturbed"]
    assert result["changed"] > result["points"] / 3 > 10
    return result


@pytest.mark.parametrize(("mode", "stride"), [("apply", 29), ("restore", 17)])
def test_killed_anywhere_what_was_found_comes_back(tmp_path, mode, stride):
    crash(mode, stride, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["apply", "restore"])
def test_killed_at_every_line_what_was_found_comes_back(tmp_path, mode):
    assert crash(mode, 1, tmp_path)["points"] > 500
