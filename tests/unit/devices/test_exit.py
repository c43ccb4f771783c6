"""Restored at exit and on signals, with the handlers that were there before; never by a child."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from file_device import file_device
from joulewise.devices.journal import left_behind

TESTS = Path(__file__).parents[2]
BEGIN = """
import os, signal, sys
from pathlib import Path
from file_device import file_device
from joulewise.clock import VirtualClock
from joulewise.devices.apply import apply
from joulewise.devices.journal import Journal
from joulewise.devices.settings import PowerLimit
folder = Path(sys.argv[1])
def change():
    clock = VirtualClock()
    device = file_device(folder / "device.json", clock)
    return device, apply(device, PowerLimit(200.0), journal=Journal(folder / "state"), clock=clock)
"""


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(TESTS), str(TESTS.parent / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", BEGIN + program, str(folder)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}, timeout=60
    )


def found(folder: Path) -> float:
    return file_device(folder / "device.json").read_power_limit_w()


@pytest.mark.parametrize("ending", ["", "raise SystemExit(0)"])
def test_exit_restores(tmp_path, ending):
    result = run(tmp_path, f"device, applied = change(); print(device.read_power_limit_w())\n{ending}")
    assert (result.returncode, result.stdout, result.stderr) == (0, "200.0\n", "")
    assert found(tmp_path) == 400.0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signal_restores_and_ends_as_it_would_have(tmp_path, name):
    number = getattr(signal, name)
    result = run(tmp_path, f"change(); os.kill(os.getpid(), signal.{name}); print('not reached')")
    assert (result.returncode, result.stdout) == (-number, "")
    assert found(tmp_path) == 400.0
    assert left_behind(tmp_path / "state") == []


def test_handler_that_was_there_is_called_after_restoring(tmp_path):
    program = """
signal.signal(signal.SIGTERM, lambda *_: print("mine", device.read_power_limit_w()))
device, applied = change()
os.kill(os.getpid(), signal.SIGTERM)
print("lives on", applied.restored)
"""
    assert run(tmp_path, program).stdout == "mine 400.0\nlives on True\n"


def test_ignored_signal_stays_ignored(tmp_path):
    program = """
signal.signal(signal.SIGHUP, signal.SIG_IGN)
device, applied = change()
os.kill(os.getpid(), signal.SIGHUP)
print(device.read_power_limit_w())
"""
    assert run(tmp_path, program).stdout == "200.0\n"


def test_forked_child_restores_nothing(tmp_path):
    """As a worker of a data loader, which is ended by SIGTERM while its parent works on."""
    program = """
device, applied = change()
for ending in ("signal", "block", "exit"):
    child = os.fork()
    if child == 0:
        if ending == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        if ending == "block":
            applied.restore()
            os._exit(0)
        sys.exit(0)
    print(os.waitpid(child, 0)[1], device.read_power_limit_w())
"""
    assert run(tmp_path, program).stdout == f"{signal.SIGTERM.value} 200.0\n0 200.0\n0 200.0\n"
    assert found(tmp_path) == 400.0


def test_sigkill_leaves_it_to_the_journal(tmp_path):
    assert run(tmp_path, "change(); os.kill(os.getpid(), signal.SIGKILL)").returncode == -signal.SIGKILL
    assert found(tmp_path) == 200.0
    assert len(left_behind(tmp_path / "state")) == 1


def test_what_cannot_be_restored_at_exit_is_said(tmp_path):
    result = run(tmp_path, "device, applied = change(); device.lost = True")
    assert result.stderr.startswith("error: power_limit 400 W of file-0 could not be put back; DeviceLostError")
