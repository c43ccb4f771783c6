"""The demonstration as a process: a table and a report that say everywhere that nothing was measured."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from joulewise.cli.demo_output import saving
from joulewise.measure.energy import Energy, Method

COMMAND = "from joulewise.cli import main; main()"
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def demo(environ, *options, before=(), **more):
    arguments = [*before, sys.executable, "-W", "error", "-c", COMMAND, "demo", *options]
    return subprocess.run(
        arguments, env={**environ, "COLUMNS": "100"}, capture_output=True, text=True, timeout=120, check=False, **more
    )


@pytest.mark.parametrize(
    "node",
    [
        "sim:a100x2",
        pytest.param("sim:mi300x", marks=pytest.mark.slow),
        pytest.param("sim:epyc", marks=pytest.mark.slow),
    ],
)
def test_a_simulated_node_is_tuned_and_says_that_it_is_simulated(bare_machine, tmp_path, node):
    ran = demo(bare_machine, "--device", node, "--steps", "600", "-o", str(tmp_path / "a" / "b"))
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert ran.stdout.startswith("a simulated node trains: nothing here is measured on hardware\n")
    assert any(line[-1:] == ["simulated"] for line in lines)
    assert len([line for line in lines if line[:1] in (["settings"], ["tuned,"], ["of"])]) == 3
    page = (tmp_path / "a" / "b" / "report.html").read_text(encoding="utf-8")
    assert "Simulated: nothing here was measured" in page
    assert 'id="step"' in page
    assert 'id="timeline"' in page
    assert "choice in force" in page


def test_a_run_that_is_too_short_to_choose_says_what_it_knows(bare_machine, tmp_path):
    ran = demo(bare_machine, "--device", "sim:v100", "--steps", "20", "-o", str(tmp_path))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "of it" not in ran.stdout
    assert "The search had not ended." in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--steps", "0"), "needs steps"),
        (("--device", "sim:nothing"), "nothing"),
        (("--max-slowdown", "0.5"), "slowdown"),
        (("--device", "nvidia:0"), "no device"),
    ],
)
def test_what_cannot_be_meant_ends_before_anything_runs(bare_machine, tmp_path, options, said):
    ran = demo(bare_machine, *options, "-o", str(tmp_path / "out"))
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: ")
    assert said in ran.stderr
    assert not (tmp_path / "out").exists()


def test_where_it_cannot_be_written_is_said(bare_machine, tmp_path):
    (tmp_path / "file").touch()
    ran = demo(bare_machine, "--device", "sim:v100", "--steps", "5", "-o", str(tmp_path / "file"))
    assert ran.returncode == 2
    assert "cannot write into" in ran.stderr


@pytest.fixture
def machine_with_nvml(bare_machine):
    """The same where NVML is found."""
    return {name: value for name, value in bare_machine.items() if name != "JOULEWISE_ROOT"}


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="the fake NVML library takes a C compiler")
def test_a_real_device_is_offered(machine_with_nvml, tmp_path):
    pytest.importorskip("pynvml")
    fake = (sys.executable, "-c", COMMAND, "sim", "nvml", "--quiet", "--device", "sim:a100", "--")
    ran = demo(machine_with_nvml, "--device", "sim:v100", "--steps", "5", "-o", str(tmp_path), before=fake)
    assert ran.returncode == 0, ran.stderr
    offer = "this machine has NVIDIA A100-SXM4-80GB (simulated): joulewise demo --device nvidia:0 runs on it instead"
    assert offer in ran.stdout


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="the fake NVML library takes a C compiler")
def test_a_real_device_is_measured_while_pytorch_works(machine_with_nvml, tmp_path):
    pytest.importorskip("pynvml")
    pytest.importorskip("torch")
    fake = (sys.executable, "-c", COMMAND, "sim", "nvml", "--quiet", "--device", "sim:a100x2", "--")
    ran = demo(machine_with_nvml, "--device", "nvidia:0", "--steps", "12", "-o", str(tmp_path), before=fake)
    assert ran.returncode == 0, ran.stderr
    assert "the work runs on CPU, while the device is measured and tuned" in ran.stdout
    assert "1 x NVIDIA A100-SXM4-80GB (simulated), simulated" in ran.stdout
    assert "the work runs on CPU" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_bounds_of_a_saving_hold_its_resolution():
    def energy(energy_j, resolution_j):
        return Energy(energy_j, energy_j * 0.9, energy_j * 1.1, resolution_j, Method.COUNTER)

    assert saving(energy(100.0, 0.0), energy(80.0, 0.0)) == (pytest.approx(0.2),) * 3
    saved, lo, hi = saving(energy(100.0, 5.0), energy(80.0, 5.0))
    assert lo == pytest.approx(1 - 85 / 95)
    assert hi == pytest.approx(1 - 75 / 105)
    assert lo < saved < hi
