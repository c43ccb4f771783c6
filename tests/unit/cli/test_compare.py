"""Two programs run in turn; nobody is ranked whose interval does not say so, and nothing is half compared."""

from __future__ import annotations

import json
import signal
import sys

import pytest
from run_command import run, started

from joulewise.cli.compare_cooling import NEAR_C, Cooling
from joulewise.cli.compare_output import Trial, Trials, Wait, document, lines, progress, report_of
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.simulated.driver import make_chips
from joulewise.measure.comparison import compare
from joulewise.measure.timeline import Timeline
from joulewise.testing.fake import FakeDevice
from runs import run_of

GAIN = {"gpu": 0.05}
LOAD = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass"


def trials_of(first_j, second_j, warm=()):
    trials = Trials((("python", "new.py"), ("python", "old one.py")), 7, 60.0)
    for a, b in zip(first_j, second_j, strict=True):
        trials.add(Trial(1, run_of(gpu=b), Wait(0.0)))
        trials.add(Trial(0, run_of(gpu=a), Wait(1.5, warm)))
    return trials, compare(trials.of(1), trials.of(0), GAIN)


def test_the_winner_is_named_with_its_interval():
    trials, comparison = trials_of((80.0, 80.5, 79.8), (100.0, 101.0, 99.0))
    said = "\n".join(lines(trials, comparison))
    assert "A: python new.py: mean 80.1 J" in said
    assert "B: python 'old one.py': mean 100 J" in said
    assert "energy of A over B: 0.801" in said
    assert "95% confidence: A uses less" in said
    entry = json.loads(document(trials, comparison, trials.all[0].measurement))
    assert entry["energy_ratio"]["verdict"] == "less"
    assert entry["time_ratio"]["verdict"] == "undecided"
    assert [one["program"] for one in entry["runs"]] == list("BABABA")


def test_nobody_is_ranked_where_1_lies_in_the_interval():
    trials, comparison = trials_of((95.0, 105.0), (100.0, 98.0), warm=("gpu is at 60 C, began at 35 C",))
    said = "\n".join(lines(trials, comparison))
    assert "not ranked" in said
    assert "--repeat" in said
    assert "2 of 4 runs began warmer" in said
    assert any("gave up waiting" in line for line in progress(trials, 4))
    page = report_of(trials, comparison, trials.all[0].measurement, Timeline(1.7e9, 0, 10**9, ()), None)
    assert page.headline[0] == ("not ranked", "1 lies within the interval")
    assert len(page.tables[1].rows) == 5


def test_a_warm_chip_is_waited_for_until_it_is_cool():
    clock = VirtualClock()
    (chip,) = make_chips("a100", clock)
    clock.sleep(600.0)
    cooling = Cooling([chip], clock, patience_s=3600.0)
    assert cooling.wait().waited_s == 0
    chip.set_activity(1.0)
    clock.sleep(120.0)
    chip.set_activity(0.0)
    wait = cooling.wait()
    assert 1.0 < wait.waited_s < 3600.0
    assert wait.warm == ()
    (start_c,) = cooling.start_c.values()
    assert chip.read_temperature_c() <= start_c + NEAR_C


def test_waiting_gives_up_and_says_who_is_warm():
    clock = VirtualClock()
    device = FakeDevice(clock, load_w=100.0)
    cooling = Cooling([device], clock, patience_s=10.0)
    device.draw(240.0)
    wait = cooling.wait()
    assert wait.waited_s == pytest.approx(10.0)
    assert wait.warm == ("fake-0 is at 54 C, began at 40 C",)
    device.lost = True
    assert cooling.wait().waited_s == 0


def test_without_thermometers_nothing_is_waited_for():
    clock = VirtualClock()
    cooling = Cooling([FakeDevice(clock, kinds=(Kind.ENERGY_COUNTER,))], clock, patience_s=10.0)
    assert cooling.start_c == {}
    assert cooling.wait() == Wait(0.0)


@pytest.mark.slow
def test_two_programs_are_compared(bare_machine, tmp_path):
    other = f"{sys.executable} -c '{LOAD.format(0.1)}'"
    options = ("--device", "sim:epyc", "--compare", other, "--repeat", "2", "--seed", "3", "--cool-down-s", "0")
    files = ("--json", str(tmp_path / "json"), "--html", str(tmp_path / "html"))
    done = run(bare_machine, sys.executable, "-c", LOAD.format(0.6), options=(*options, *files))
    assert done.returncode == 0, done.stderr
    assert "energy of A over B: " in done.stderr
    entry = json.loads((tmp_path / "json").read_text())
    assert entry["schema"] == "joulewise.comparison/1"
    assert entry["seed"] == 3
    assert sorted(one["program"] for one in entry["runs"]) == list("AABB")
    assert entry["energy_ratio"]["ratio"] > 1
    assert "A or B: energy of two programs" in (tmp_path / "html").read_text()


def test_a_program_that_fails_ends_the_comparison_with_its_code(bare_machine, tmp_path):
    options = ("--device", "sim:epyc", "--compare", "false", "--cool-down-s", "0", "--json", str(tmp_path / "json"))
    done = run(bare_machine, "false", options=options)
    assert done.returncode == 1
    assert "failed with exit code 1 in run 1 of 10: nothing is compared" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_devices_nothing_runs(bare_machine, tmp_path):
    done = run(bare_machine, "touch", str(tmp_path / "ran"), options=("--compare", "true"))
    assert done.returncode == 2
    assert "no energy to compare" in done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_loop_even_if_the_program_does_not_mind(bare_machine, tmp_path, number):
    patient = (
        "import signal, sys; [signal.signal(n, lambda *_: sys.exit(0)) for n in (2, 15)]; print('ready', flush=True)"
    )
    arguments = ["--device", "sim:epyc", "--compare", "true", "--seed", "1", "--cool-down-s", "0"]
    arguments += ["--json", str(tmp_path / "json"), "--", sys.executable, "-c", f"{patient}; signal.pause()"]
    with started(bare_machine, *arguments) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == -number
    assert f"stopped by signal {number:d}" in said
    assert list(tmp_path.iterdir()) == []
