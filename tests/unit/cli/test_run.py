"""``joulewise run -- CMD`` is transparent, and says what devices used in lines that are true."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from joulewise.cli.run_output import document, lines, summary_of
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.measure.trace import Trace
from joulewise.testing.fake import FakeDevice

JOULEWISE = [sys.executable, "-W", "error", "-c", "from joulewise.cli import main; main()", "run"]
BUSY = "import time\nend = time.monotonic() + 0.7\nwhile time.monotonic() < end: pass"
WAITING = "import signal; print('ready', flush=True); signal.pause()"
POWER_ONLY = (Kind.POWER_INSTANT,)


@pytest.fixture
def environ(tmp_path):
    """A machine without any hardware."""
    folders = {"JOULEWISE_ROOT": str(tmp_path / "root"), "JOULEWISE_STATE_DIR": str(tmp_path / "state")}
    return {name: value for name, value in os.environ.items() if name != "JOULEWISE_DEVICE"} | folders


def run(environ, *command, options=("--device", "sim:v100"), **more):
    arguments = [*JOULEWISE, *options, "--", *command]
    return subprocess.run(arguments, env=environ, capture_output=True, text=True, timeout=60, check=False, **more)


def test_streams_and_exit_code_are_those_of_the_program(environ):
    done = run(environ, "sh", "-c", "cat; echo there >&2; exit 7", input="here\n")
    assert (done.stdout, done.returncode) == ("here\n", 7)
    first, *rest = done.stderr.splitlines()
    assert first == "there"
    assert rest[0].startswith("joulewise: sh: ")
    assert rest[0].endswith(" s, exit code 7")
    assert rest[1:]
    assert all(line.startswith("joulewise: ") and line.endswith("[simulated]") for line in rest[1:])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signals_reach_the_program_and_its_end_shows(environ, number):
    arguments = [*JOULEWISE, "--device", "sim:v100", "--", sys.executable, "-c", WAITING]
    with subprocess.Popen(
        arguments, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == -number
    assert f"ended by signal {number:d}" in said


def test_without_devices_the_program_runs_and_one_line_says_so(environ):
    done = run(environ, "sh", "-c", "exit 3", options=())
    assert done.returncode == 3
    assert done.stderr == "joulewise: no device that tells energy was found; joulewise doctor says why\n"


def test_a_device_that_is_not_there_is_refused_before_the_program_runs(environ, tmp_path):
    done = run(environ, "touch", str(tmp_path / "ran"), options=("--device", "nvidia:7"))
    assert done.returncode == 2
    assert not (tmp_path / "ran").exists()


def test_program_that_is_not_there(environ):
    done = run(environ, "no-such-program")
    assert done.returncode == 127
    assert "cannot run no-such-program" in done.stderr


def test_a_file_that_cannot_be_written_leaves_the_exit_code(environ, tmp_path):
    done = run(environ, "sh", "-c", "exit 5", options=("--device", "sim:v100", "--json", str(tmp_path / "no" / "file")))
    assert done.returncode == 5
    assert "cannot write" in done.stderr


def test_twins_follow_the_program_and_its_children(environ, tmp_path):
    file = tmp_path / "run.json"
    means_w = {}
    for name, code in {"idle": "import time; time.sleep(0.7)", "busy": BUSY}.items():
        options = ("--device", "sim:v100,sim:epyc", "--json", str(file))
        run(environ, "sh", "-c", '"$0" -c "$1"; true', sys.executable, code, options=options)
        said = json.loads(file.read_text())
        means_w[name] = [one["mean_power_w"] for one in said["devices"]]
        energies = [one["energy"] for one in said["devices"]]
        assert said["schema"] == "joulewise.run/1"
        assert len(energies) == 3  # GPU, package, DRAM
        assert all(0 <= one["lo_j"] <= one["energy_j"] <= one["hi_j"] for one in energies)
        assert {one["provenance"] for one in [*energies, said["total"]]} == {"simulated"}
        assert said["total"]["energy_j"] == pytest.approx(sum(one["energy_j"] for one in energies))
    assert means_w["busy"][0] > 1.5 * means_w["idle"][0]


def watched(*devices, clock, duration_s=2.0, meanwhile=None):
    """What is said of devices that were read each 10 ms."""
    traces = [Trace(device, clock) for device in devices]
    clock.sleep(0.05)
    begin_ns = clock.now_ns()
    for step in range(round((duration_s + 1.2) * 100)):
        for trace in traces:
            trace.read()
        if step == 50 and meanwhile is not None:
            meanwhile()
        clock.sleep(0.01)
    return summary_of(["train"], 0, traces, begin_ns, begin_ns + round(duration_s * 1e9))


def test_nested_devices_are_not_summed_twice():
    clock = VirtualClock()
    module = FakeDevice(clock, uid="module", load_w=240.0)
    board = FakeDevice(clock, uid="board", load_w=200.0, parent="module")
    summary = watched(module, board, clock=clock)
    assert summary.total.energy_j == pytest.approx(480.0, rel=0.02)
    assert [row.summed for row in summary.rows] == [True, False]
    assert any(line.endswith("within module") for line in lines(summary))
    assert "simulated" not in document(summary)


def test_a_child_is_summed_where_its_parent_tells_nothing():
    clock = VirtualClock()
    module = FakeDevice(clock, uid="module", kinds=(Kind.ENERGY_COUNTER,))
    module.lost = True
    board = FakeDevice(clock, uid="board", load_w=200.0, parent="module")
    summary = watched(module, board, clock=clock)
    assert summary.total.energy_j == pytest.approx(400.0, rel=0.02)
    assert any("module is lost" in line for line in lines(summary))


def test_power_is_integrated_where_there_is_no_counter():
    clock = VirtualClock()
    device = FakeDevice(clock, load_w=100.0, kinds=POWER_ONLY)
    summary = watched(device, clock=clock, meanwhile=lambda: device.draw(400.0))
    (row,) = summary.rows
    assert row.energy.method == "integrated"
    assert row.energy.energy_j == pytest.approx(100 * 0.5 + 400 * 1.5, rel=0.02)
    assert row.peak_w == 400.0


def test_peak_is_that_of_the_counter_where_there_is_no_gauge():
    clock = VirtualClock()
    device = FakeDevice(clock, load_w=100.0, kinds=(Kind.ENERGY_COUNTER,))
    (row,) = watched(device, clock=clock, meanwhile=lambda: device.draw(300.0)).rows
    assert row.energy.method == "counter"
    assert row.peak_w == pytest.approx(300.0, rel=0.01)


def test_a_device_that_is_lost_meanwhile_leaves_the_others_alone():
    clock = VirtualClock()
    lost, kept = FakeDevice(clock, uid="lost", load_w=100.0), FakeDevice(clock, uid="kept", load_w=100.0)

    def lose():
        lost.lost = True

    summary = watched(lost, kept, clock=clock, meanwhile=lose)
    assert any("not read to the end: lost is lost" in line for line in lines(summary))
    assert summary.rows[1].energy.energy_j == pytest.approx(200.0, rel=0.02)
