"""Kernel sequences as files: what is written is read, what is wrong is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from joulewise.cli import make_app
from joulewise.errors import InputFileError, UsageError
from joulewise.optimize.kernels import KernelSequence
from joulewise.sim.transformer_kernels import Shape, transformer_kernels
from joulewise.wire.kernels import read_kernels, write_kernels

EXAMPLE = Path(__file__).parents[3] / "examples" / "kernels" / "sim-a100-gpt3-layers.csv"
HEAD = "# schema: joulewise.kernels/1\nphase,block,repeats,kernel,clock_mhz,time_s,energy_j\n"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    made = transformer_kernels("h100", Shape(layers=2), clocks=3)
    write_kernels(tmp_path / "kernels.csv", made)
    assert read_kernels(tmp_path / "kernels.csv") == made


def test_the_shipped_example_is_what_the_command_makes() -> None:
    shipped = read_kernels(EXAMPLE)
    assert replace(shipped, notes=shipped.notes[:-1]) == transformer_kernels()


def test_layers_are_unrolled() -> None:
    made = transformer_kernels(clocks=2, shape=Shape(layers=3))
    sequence = KernelSequence.from_file(made)
    assert {kernel.layer for kernel in sequence.kernels if kernel.phase == "backward"} == {3, 4, 5}
    forward = [kernel.name for kernel in sequence.kernels if kernel.phase == "forward"]
    assert forward == forward[: len(forward) // 3] * 3
    assert sequence.settings == (1410, 210)
    assert sequence.grouped("layer").kernels[-1].phase == "optimizer"
    assert [kernel.name for kernel in sequence.grouped("pass").kernels] == ["forward", "backward", "optimizer"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "empty"),
        ("phase,block\n", "unknown schema"),
        ("# schema: joulewise.kernels/2\nphase\n", "unknown schema"),
        ("# schema: joulewise.kernels/1\nphase,block\n", "unknown columns"),
        (HEAD, "no kernels"),
        (HEAD + "forward,layer,1,gemm,1410,0.1\n", "a row is not usable"),
        (HEAD + "forward,layer,1,gemm,1410,-0.1,2\n", "a row is not usable"),
        (HEAD + "forward,layer,0,gemm,1410,0.1,2\n", "a row is not usable"),
        ("# provenance: guessed\n" + HEAD + "forward,layer,1,gemm,1410,0.1,2\n", "unknown provenance"),
        ("# wait_power_w: much\n" + HEAD + "forward,layer,1,gemm,1410,0.1,2\n", "waiting power"),
    ],
)
def test_what_is_wrong_is_refused_by_name(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "kernels.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputFileError, match=match) as refused:
        read_kernels(path)
    assert str(path) in str(refused.value)
    with pytest.raises(InputFileError, match="cannot read"):
        read_kernels(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ("forward,layer,1,gemm,1410,0.1,2\nforward,layer,2,copy,1410,0.1,2\n", "repeated differently"),
        ("forward,layer,1,gemm,1410,0.1,2\nforward,layer,1,gemm,1410,0.1,2\n", "described twice"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, rows: str, match: str) -> None:
    (tmp_path / "kernels.csv").write_text(HEAD + rows, encoding="utf-8")
    with pytest.raises(UsageError, match=match):
        KernelSequence.from_file(read_kernels(tmp_path / "kernels.csv"))


def test_too_few_clocks_are_refused() -> None:
    with pytest.raises(UsageError, match="clocks"):
        transformer_kernels(clocks=1)


def test_the_verb_shows_every_granularity_and_writes_a_plan(tmp_path: Path) -> None:
    runner, plan, made = CliRunner(), tmp_path / "plan.json", tmp_path / "kernels.csv"
    simulated = runner.invoke(make_app(), ["sim", "kernels", "-o", str(made), "--layers", "1", "--clocks", "4"])
    assert simulated.exit_code == 0, simulated.output
    options = ["--max-slowdown", "1.01", "--switch-latency", "1e-5", "--switch-latency", "0.5", "-o", str(plan)]
    shown = runner.invoke(make_app(), ["plan-kernels", str(made), *options])
    assert shown.exit_code == 0, shown.output
    for word in ("kernel", "layer", "pass", "iteration", "10 us", "500 ms", "simulated"):
        assert word in shown.output
    document = json.loads(plan.read_text(encoding="utf-8"))
    assert document["schema"] == "joulewise.kernel_plan/1"
    assert document["realised"]["time_s"] <= document["deadline_s"]
    assert len(document["steps"]) == len(KernelSequence.from_file(read_kernels(made)))
