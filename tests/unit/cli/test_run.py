"""``joulewise run -- CMD`` is transparent, and says what devices used in lines that are true."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from run_command import BUSY, JOULEWISE, WAITING, run, started

from joulewise.cli.run_once import watch
from joulewise.cli.run_output import Summary, document, lines
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.measure.document import measurement_from_dict
from joulewise.measure.meter import Meter
from joulewise.testing.fake import FakeDevice


def test_streams_and_exit_code_are_those_of_the_program(bare_machine):
    done = run(bare_machine, "sh", "-c", "cat; echo there >&2; exit 7", input="here\n")
    assert (done.stdout, done.returncode) == ("here\n", 7)
    first, *rest = done.stderr.splitlines()
    assert first == "there"
    assert rest[0].startswith("joulewise: sh: ")
    assert rest[0].endswith(" s, exit code 7")
    assert rest[-1] == "joulewise: cost and carbon are not told: --price and --country or --intensity add them"
    assert rest[1:-1]
    assert all(line.startswith("joulewise: ") and line.endswith("[simulated]") for line in rest[1:-1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signals_reach_the_program_and_its_end_shows(bare_machine, number):
    with started(bare_machine, "--device", "sim:v100", "--", sys.executable, "-c", WAITING) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == -number
    assert f"ended by signal {number:d}" in said


def test_without_devices_the_program_runs_and_one_line_says_so(bare_machine, tmp_path):
    files = [arg for name in ("json", "html", "perfetto") for arg in (f"--{name}", str(tmp_path / name))]
    done = run(bare_machine, "sh", "-c", "exit 3", options=files)
    assert done.returncode == 3
    assert done.stderr.splitlines()[1:] == [
        "joulewise: no device that tells energy was found; joulewise doctor says why"
    ]
    assert json.loads((tmp_path / "json").read_text())["total"] is None
    page = (tmp_path / "html").read_text()
    assert "No device told its energy" in page
    assert "No device was found: joulewise doctor says why." in page


def test_prices_that_are_not_known_for_now_are_not_asked_for_again(bare_machine, tmp_path):
    past = tmp_path / "past.csv"
    past.write_text("# currency: EUR\nfrom,to,price_per_kwh\n2025-03-01T12:00Z,2025-03-01T13:00Z,0.08\n")
    done = run(bare_machine, "true", options=("--device", "sim:v100", "--price", str(past)))
    assert done.returncode == 0
    assert "is not known; the table has" in done.stderr
    assert "--price" not in done.stderr


def test_a_device_that_is_not_there_is_refused_before_the_program_runs(bare_machine, tmp_path):
    done = run(bare_machine, "touch", str(tmp_path / "ran"), options=("--device", "nvidia:7"))
    assert done.returncode == 2
    assert not (tmp_path / "ran").exists()


def test_program_that_is_not_there(bare_machine, tmp_path):
    done = run(bare_machine, "no-such-program", options=("--device", "sim:v100", "--json", str(tmp_path / "file")))
    assert done.returncode == 127
    assert done.stderr.startswith("error: cannot run no-such-program")
    assert not (tmp_path / "file").exists()


def test_program_that_cannot_be_executed(bare_machine, tmp_path):
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    assert run(bare_machine, str(tmp_path / "text")).returncode == 126


def test_a_file_that_cannot_be_written_is_refused_before_the_program_runs(bare_machine, tmp_path):
    options = ("--json", str(tmp_path / "good"), "--html", str(tmp_path / "no" / "file"))
    done = run(bare_machine, "touch", str(tmp_path / "ran"), options=options)
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_that_goes_away_meanwhile_leaves_the_exit_code(bare_machine, tmp_path):
    folder = tmp_path / "soon-gone"
    folder.mkdir()
    options = ("--device", "sim:v100", "--json", str(folder / "file"), "--html", str(tmp_path / "page"))
    done = run(bare_machine, "sh", "-c", f"rmdir {folder}; exit 5", options=options)
    assert done.returncode == 5
    assert "cannot write" in done.stderr
    assert (tmp_path / "page").exists()


@pytest.mark.slow
def test_twins_follow_the_program_and_its_children(bare_machine, tmp_path):
    file = tmp_path / "run.json"
    means_w = {}
    for name, code in {"idle": "import time; time.sleep(0.7)", "busy": BUSY}.items():
        options = ("--device", "sim:v100,sim:epyc", "--json", str(file))
        run(bare_machine, "sh", "-c", '"$0" -c "$1"; true', sys.executable, code, options=options)
        said = json.loads(file.read_text())
        measurement = measurement_from_dict(said["measurement"])
        energies = [one.energy for one in measurement.devices]
        means_w[name] = energies[0].energy_j / measurement.duration_s
        assert said["schema"] == "joulewise.run/2"
        assert len(energies) == 3  # GPU, package, DRAM
        assert all(0 <= one.lo_j <= one.energy_j <= one.hi_j for one in energies)
        assert {one.provenance for one in energies} == {said["total"]["provenance"]} == {"simulated"}
        assert said["total"]["energy_j"] == pytest.approx(sum(one.energy_j for one in energies))
    assert means_w["busy"] > 1.5 * means_w["idle"]


@pytest.mark.slow
def test_files_cost_and_carbon_are_written_and_marked(bare_machine, tmp_path):
    pytest.importorskip("pyarrow", reason="pip install 'joulewise[parquet]'")
    names = ("json", "html", "parquet", "perfetto")
    options = [arg for name in names for arg in (f"--{name}", str(tmp_path / name))]
    options += ["--device", "sim:a100", "--price", "0.30 EUR/kWh", "--country", "DE"]
    done = run(bare_machine, sys.executable, "-c", BUSY, options=options)
    assert done.returncode == 0
    said = json.loads((tmp_path / "json").read_text())
    assert said["footprint"]["cost"]["amount"] == pytest.approx(said["total"]["energy_j"] / 3.6e6 * 0.30)
    assert said["footprint"]["carbon"]["region"] == "Germany"
    costs = [line for line in done.stderr.splitlines() if line.startswith(("joulewise: cost", "joulewise: carbon"))]
    assert len(costs) == 2
    assert all(line.endswith("[simulated]") for line in costs)
    page = (tmp_path / "html").read_text()
    for words in ("nothing here was measured", "SIMULATED", "EUR", "g CO2e", "limit 400 W"):
        assert words in page
    from joulewise.export.parquet import read_parquet  # noqa: PLC0415

    (track,) = read_parquet(tmp_path / "parquet").tracks
    assert len(track.power_w) > 3
    assert json.loads((tmp_path / "perfetto").read_text())["traceEvents"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--repeat", "3"), "--compare"),
        (("--seed", "0"), "--seed needs a program to compare with"),
        (("--cool-down-s", "5"), "--cool-down-s needs a program to compare with"),
        (("--fail-above", "1.05x", "no-such-file"), "no-such-file"),
        (("--fail-above", "1.05x", "no-such-file", "--compare", "true"), "one thing at a time"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_program_runs(bare_machine, tmp_path, options, words):
    done = run(bare_machine, "touch", str(tmp_path / "ran"), options=("--device", "sim:v100", *options))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ran").exists()


def summary_of(*devices, clock, duration_s=4.0, meanwhile=None):
    """What is said of devices in a window; something happens half a second into it."""
    found = watch(devices, lambda telling: Meter(telling, clock=clock))
    window = found.meter.begin("train", synchronise=False)
    for step in range(round(duration_s * 100)):
        if step == 50 and meanwhile is not None:
            meanwhile()
        found.meter.tick()
        clock.sleep(0.01)
    return Summary(("train",), 0, window.end().result(), silent=found.silent)


def test_nested_devices_are_not_summed_twice():
    clock = VirtualClock()
    module = FakeDevice(clock, uid="module", load_w=240.0)
    board = FakeDevice(clock, uid="board", load_w=200.0, parent="module")
    summary = summary_of(module, board, clock=clock)
    assert summary.measurement.energy_j == pytest.approx(960.0, rel=0.02)
    said = lines(summary)
    assert any("within module" in line for line in said)
    assert any("total of 1 device: " in line for line in said)
    assert "simulated" not in document(summary)


def test_a_device_that_is_lost_leaves_the_others_alone():
    clock = VirtualClock()
    lost, kept = FakeDevice(clock, uid="lost", load_w=100.0), FakeDevice(clock, uid="kept", load_w=100.0)
    summary = summary_of(lost, kept, clock=clock, meanwhile=lambda: setattr(lost, "lost", True))
    assert any("lost is lost" in line for line in lines(summary))
    assert summary.measurement.by_device["kept"].energy.energy_j == pytest.approx(400.0, rel=0.02)


def test_devices_that_tell_no_energy_are_named_with_the_reason():
    clock = VirtualClock()
    mute = FakeDevice(clock, uid="mute", kinds=(Kind.TEMPERATURE,))
    locked = FakeDevice(clock, uid="locked", kinds=(Kind.ENERGY_COUNTER,))
    locked.capabilities = locked.capabilities.with_(Kind.ENERGY_COUNTER, permitted=False, privilege="root")
    summary = summary_of(mute, locked, clock=clock)
    said = lines(summary)
    assert "joulewise: not measured: Fake device (board, mute): it has neither energy counter nor power gauge" in said
    assert "joulewise: not measured: Fake device (board, locked): reading it takes root" in said
    assert said[-1].endswith("joulewise doctor says why")
    assert json.loads(document(summary))["not_measured"] == list(summary.silent)


def test_bounds_that_are_not_finite_are_written_as_text():
    clock = VirtualClock()
    summary = summary_of(FakeDevice(clock), clock=clock)
    (told,) = summary.measurement.devices
    endless = replace(told, energy=replace(told.energy, hi_j=float("inf")))
    summary = replace(summary, measurement=replace(summary.measurement, devices=(endless,)))
    assert json.loads(document(summary))["total"]["hi_j"] == "inf"


def test_help_says_what_exit_codes_mean(bare_machine):
    done = subprocess.run([*JOULEWISE, "--help"], env=bare_machine, capture_output=True, text=True, check=True)
    for words in ("--fail-above", "110", "111", "--compare", "--price", "--country"):
        assert words in done.stdout
