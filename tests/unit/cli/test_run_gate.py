"""A build fails if it surely uses more than its baseline, and says so if that cannot be told."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from run_command import BUSY, run

from joulewise.cli.run_gate import ABOVE, UNDECIDED, Gate, gains_of, read_gate
from joulewise.cli.run_output import Summary, document
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.errors import InputFileError
from joulewise.testing.fake import FakeDevice
from runs import run_of

GAIN = {"gpu": 0.05}


def written(path, measurement, exit_code=0):
    path.write_text(document(Summary(("train",), exit_code, measurement)))
    return path


def device(uid="gpu"):
    """A device as `runs.run_of` names them."""
    made = FakeDevice(VirtualClock(), uid=uid)
    made.identity = replace(made.identity, model=f"Fake {uid}")
    return made


def judged(used_j, limit, resolution_j=0.5):
    gate = Gate(limit, "base.json", run_of(gpu=100.0, resolution_j=resolution_j), GAIN)
    return gate.judge(run_of(gpu=used_j, resolution_j=resolution_j))


def test_exit_codes_and_words():
    above, below, open_ = judged(120.0, 1.05), judged(100.0, 1.05), judged(105.0, 1.05)
    assert [one.exit_code for one in (above, below, open_)] == [ABOVE, 0, UNDECIDED]
    assert [one.word for one in (above, below, open_)] == ["above", "below", "undecided"]
    assert "above 1.05" in above.line()
    assert "not above 1.05" in below.line()
    assert "cannot tell" in open_.line()
    assert json.loads(json.dumps(above.to_dict()))["ratio"]["lo"] > 1.05


def test_a_device_that_told_nothing_leaves_it_undecided():
    gate = Gate(1.05, "base.json", run_of(gpu=100.0, cpu=20.0), GAIN)
    judgement = gate.judge(run_of(gpu=10.0))
    assert (judgement.exit_code, judgement.word) == (UNDECIDED, "undecided")
    assert "not all devices" in judgement.line()
    assert judgement.to_dict()["ratio"] is None


def test_a_document_is_a_baseline(tmp_path):
    gate = read_gate(1.05, written(tmp_path / "base.json", run_of(gpu=100.0)), [device()])
    assert gate.baseline == run_of(gpu=100.0)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"schema": "joulewise.run/1"}', '{"schema": "joulewise.run/2"}',
     '{"schema": "joulewise.run/2", "exit_code": 0, "measurement": {"schema": "joulewise.measurement/1"}}',
     '{"schema": "joulewise.comparison/1"}', "\udcff"],
)  # fmt: skip
def test_broken_baselines_are_refused_by_name(tmp_path, text):
    path = tmp_path / "base.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputFileError, match=r"base\.json"):
        read_gate(1.05, path, [device()])


def test_baselines_that_say_nothing_are_refused(tmp_path):
    nothing = replace(run_of(gpu=1.0), devices=())
    for measurement in (nothing, run_of(gpu=0.0)):
        with pytest.raises(InputFileError, match="no device told"):
            read_gate(1.05, written(tmp_path / "base.json", measurement), [device()])
    with pytest.raises(InputFileError, match="ended with 3"):
        read_gate(1.05, written(tmp_path / "base.json", run_of(gpu=1.0), exit_code=3), [device()])


def test_baselines_of_other_devices_are_refused(tmp_path):
    path = written(tmp_path / "base.json", run_of(gpu=100.0))
    for devices in ([], [device("cpu")], [device(), device("cpu")]):
        with pytest.raises(InputFileError, match="other devices"):
            read_gate(1.05, path, devices)
    simulated = device()
    simulated.identity = replace(simulated.identity, vendor="sim")
    with pytest.raises(InputFileError, match="other devices"):
        read_gate(1.05, path, [simulated])


def test_gains_are_those_of_the_sensors_or_the_usual_one():
    clock = VirtualClock()
    known, unknown = FakeDevice(clock, uid="known", kinds=(Kind.ENERGY_COUNTER,)), FakeDevice(clock, uid="unknown")
    known.capabilities = known.capabilities.with_(Kind.ENERGY_COUNTER, gain_error_frac=0.02)
    assert gains_of([known, unknown]) == {"known": 0.02, "unknown": 0.05}


@pytest.mark.slow
def test_a_build_that_uses_more_fails_with_a_code_of_its_own(bare_machine, tmp_path):
    base = str(tmp_path / "base.json")
    sim = ("--device", "sim:epyc")
    assert run(bare_machine, sys.executable, "-c", BUSY, options=(*sim, "--json", base)).returncode == 0
    gate = ("--fail-above", "1.5x", base)
    longer = BUSY.replace("0.7", "2.1")
    done = run(bare_machine, sys.executable, "-c", longer, options=(*sim, *gate))
    assert done.returncode == ABOVE, done.stderr
    assert "above 1.5 [simulated]" in done.stderr
    assert run(bare_machine, "true", options=(*sim, *gate)).returncode in (0, UNDECIDED)
    failed = run(bare_machine, "false", options=(*sim, *gate))
    assert failed.returncode == 1
    assert "not compared" in failed.stderr
