"""``joulewise whatif`` from the outside: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from joulewise.cli import make_app
from joulewise.errors import InputFileError, UsageError

LIMITS = "dataset,network,batch_size,optimizer,power_limit,time_per_epoch,average_power\n" + "".join(
    f"imagenet,resnet50,256,adadelta,{limit},{1000 + 90_000 / limit},{0.95 * limit}\n" for limit in range(100, 275, 25)
)
SMALL = ("--stages", "2", "--microbatches", "3", "--today", "clock-step=120", "--processes", "1")


def run(*words: str) -> str:
    result = CliRunner().invoke(make_app(), ["whatif", *words], env={"COLUMNS": "80"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_grid_of_two_asks_shows_savings_interaction_and_money(tmp_path: Path) -> None:
    figures, page = tmp_path / "figures.json", tmp_path / "page.html"
    said = run(
        "sim:a100", *SMALL, "--vary", "switch-latency=0,1ms", "--vary", "domains=device,partition", "--json",
        str(figures), "--html", str(page),
    )  # fmt: skip
    assert "Saved of all at the highest clock, straggler 1.2x" in said
    assert "Interaction" in said
    assert "USD a year against today" in said
    document = json.loads(figures.read_text(encoding="utf-8"))
    assert document["schema"] == "joulewise.whatif/1"
    assert len(document["grid"]) == 4
    assert {cell["provenance"] for cell in document["grid"]} == {"simulated"}
    assert "8766 h" in document["fleet"]["formula"]
    text = page.read_text(encoding="utf-8")
    assert 'data-chart="3"' in text
    assert "http" not in text.partition("<body>")[2].partition("<script")[0]


def test_asks_are_sorted_by_money_and_pairs_follow(tmp_path: Path) -> None:
    table = tmp_path / "limits.csv"
    table.write_text(LIMITS, encoding="utf-8")
    figures, page = tmp_path / "figures.json", tmp_path / "page.html"
    said = run(str(table), "--json", str(figures), "--html", str(page), "--processes", "1", "--intensity", "400")
    document = json.loads(figures.read_text(encoding="utf-8"))
    money = [line["money"]["1x"] for line in document["asks"]]
    assert money == sorted(money, reverse=True)
    assert {line["ask"] for line in document["asks"]} == {"counter-period", "control", "cap-response"}
    assert "does not apply: domains" in said
    assert "t/year" in said
    assert 'data-chart="0"' in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_finished_points_are_kept_and_found_again(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="keeping points needs pyarrow")
    kept = tmp_path / "points.parquet"
    words = ("sim:a100", *SMALL, "--vary", "wait-power=0.5x,0.25x", "--resume", str(kept))
    first = run(*words)
    assert kept.is_file()
    assert run(*words) == first


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (("sim:a100", "--vary", "speed=1"), "no such ask"),
        (("sim:a100", "--vary", "domains=core"), "no such value"),
        (("sim:nothing",), "no simulated chip"),
        (("sim:a100", "--busy", "2"), "fleet is not usable"),
        (("sim:a100", "--imbalance", "a,b"), "--imbalance"),
        (("sim:a100", "--straggler", "0.5"), "slowdowns are not usable"),
        (("sim:a100", "--vary", "domains", "--vary", "domains=job"), "varied twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], seen: str) -> None:
    with pytest.raises(UsageError, match=seen):
        run(*words)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(InputFileError, match="absent"):
        run("absent.csv")
