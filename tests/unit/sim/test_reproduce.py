"""Reproducing: data is found by what is in it, studies fail alone, and every number says where it comes from."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from joulewise.devices.simulated.power_model import load_device_law
from joulewise.errors import InputFileError, UsageError
from joulewise.sim.profile import simulate_profile
from joulewise.sim.reproduce.data import Data, find_data
from joulewise.sim.reproduce.exhibit import Column, Exhibit, Origin
from joulewise.sim.reproduce.html import render
from joulewise.sim.reproduce.jobs import assumed, jobs_of
from joulewise.sim.reproduce.markdown import page, quoted
from joulewise.sim.reproduce.quotes import put
from joulewise.sim.reproduce.studies import tuner, zeus
from joulewise.sim.reproduce.study import STUDIES, Outcome, Study, chosen, reproduce
from joulewise.wire.profile import write_profile
from joulewise.wire.trace_table import JobKey, TrainingRow

HEAD_TRAIN = "dataset,network,batch_size,optimizer,learning_rate,run,target_metric,target_epoch"
HEAD_POWER = "dataset,network,batch_size,optimizer,power_limit,time_per_epoch,average_power"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A GPU, a job and a model that nobody has published."""
    (tmp_path / "deep").mkdir()
    train, power = [HEAD_TRAIN], [HEAD_POWER]
    for size, epochs in ((16, 4), (32, 5), (64, 8)):
        train += [f"novel,net,{size},sgd,0.1,{run},0.9,{epochs + run}" for run in range(2)]
        train.append(f"novel,net,{size},sgd,0.1,2,0.9,{'' if size == 64 else epochs}")
        power += [f"novel,net,{size},sgd,{w},{1000 / size + 20000 / w / size},{0.8 * w}" for w in (100, 200, 300)]
    (tmp_path / "deep" / "summary_train.csv").write_text("\n".join(train) + "\n")
    (tmp_path / "deep" / "summary_power_x9000.csv").write_text("\n".join(power) + "\n")
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    write_profile(tmp_path / "tiny.csv", simulate_profile(load_device_law("a100"), 2, layers=4))
    return tmp_path


def test_data_is_found_by_what_is_in_the_files(folder: Path) -> None:
    assert find_data(folder) == Data((folder / "tiny.csv",), (folder / "deep",))
    assert find_data(None) == Data()
    with pytest.raises(InputFileError, match="no such folder"):
        find_data(folder / "nowhere")


def test_another_gpu_and_job_are_more_rows(folder: Path) -> None:
    data = find_data(folder)
    oracle, settled = zeus.exhibits(data)
    assert [row[:2] for row in oracle.rows] == [("novel *", "x9000")]
    assert "A star marks" in oracle.shows
    assert settled.rows[0][-1] == zeus.NONE
    gpus, limits = tuner.exhibits(data)
    assert [row[:2] for row in gpus.rows] == [("x9000", "3"), ("**all**", "3")]
    assert [row[:3] for row in limits.rows] == [("novel/net/sgd", size, "x9000") for size in ("16", "32", "64")]


@pytest.mark.slow
def test_another_profile_is_more_rows_and_its_numbers_stay_simulated(folder: Path) -> None:
    pytest.importorskip("joulewise.optimize.pipeline._kernel", reason="without the kernel this takes minutes")
    (outcome,) = reproduce([STUDIES["perseus"]], find_data(folder))
    assert outcome.error is None
    assert [row[0] for row in outcome.exhibits[0].rows] == ["tiny"] * 4
    assert {column.origin for column in outcome.exhibits[0].columns} == {None, Origin.SIMULATED, Origin.PUBLISHED}
    ET.fromstring(outcome.exhibits[-1].svg)


def test_what_is_assumed_of_a_job() -> None:
    job = JobKey("novel", "net", "sgd")

    def row(size: int, target: float, epoch: float) -> TrainingRow:
        return TrainingRow(job, size, 0.1, 0, target, epoch)

    never = float("inf")
    rows = [row(8, 0.5, 2), row(8, 0.9, 6), row(16, 0.5, 3), row(16, 0.9, 9), row(32, 0.9, never)]
    paper = assumed(rows)
    assert paper is not None
    assert (paper.target, paper.max_epochs, paper.default) == (0.9, 18, 16)
    assert assumed([row(8, 0.5, never)]) is None


def test_jobs_without_any_run_that_arrived_are_left_out(folder: Path) -> None:
    train = folder / "deep" / "summary_train.csv"
    train.write_text(train.read_text() + "lost,net,16,sgd,0.1,0,0.9,\n")
    assert [job.name for job in jobs_of([folder / "deep"])] == ["novel"]


def test_studies_fail_alone_and_are_not_run_without_data() -> None:
    broken = Study("nothing_here", "Broken")
    first, second, third = reproduce([STUDIES["zeus"], broken, STUDIES["schedules"]], Data())
    assert not first.was_run
    assert second.error
    assert len(third.exhibits) == 7
    said = render([first, second, third])
    assert "Not run: needs --data with traces" in said
    assert "Failed." in said
    assert "<script" not in said
    assert "Not run: needs --data" in page(first)


def test_studies_are_chosen_by_name() -> None:
    assert chosen([]) == chosen(["all"]) == list(STUDIES.values())
    with pytest.raises(UsageError, match="no such study"):
        chosen(["zeuss"])


EXHIBIT = Exhibit(
    "little", "Little", "It shows.", "nobody", (Column("who"), Column("W", Origin.MEASURED)), (("a", "1.5"), ("b", "2"))
)


def test_an_exhibit_says_where_its_numbers_come_from() -> None:
    assert quoted(EXHIBIT) == "| who | W |\n|---|---|\n| a | 1.5 |\n| b | 2 |\n\n*Measured*"
    assert "| who | W (measured) |" in page(Outcome(STUDIES["zeus"], (EXHIBIT,)))
    assert Exhibit.from_dict(EXHIBIT.to_dict()) == EXHIBIT
    with pytest.raises(UsageError, match="no column whose origin"):
        Exhibit("x", "X", "", "", (Column("who"),), (("a",),))
    with pytest.raises(UsageError, match="does not say where"):
        Exhibit("x", "X", "", "", svg="<svg/>")
    with pytest.raises(UsageError, match="does not fit"):
        Exhibit("x", "X", "", "", (Column("W", Origin.MEASURED),), (("a", "b"),))


def test_quotes_are_put_where_documents_have_their_marks(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("before\n<!-- made: little -->\nold\n<!-- end: little -->\nafter\n")
    assert put(tmp_path, "zeus", [EXHIBIT]) == [tmp_path / "README.md"]
    assert quoted(EXHIBIT) in (tmp_path / "README.md").read_text()
    assert put(tmp_path, "zeus", [EXHIBIT]) == []
    with pytest.raises(UsageError, match="no checkout"):
        put(tmp_path / "docs", "zeus", [EXHIBIT])


def test_the_command_writes_pages_and_lists(tmp_path: Path) -> None:
    import typer  # noqa: PLC0415

    from joulewise.cli.reproduce import reproduce as verb  # noqa: PLC0415

    app = typer.Typer()
    app.command()(verb)
    listed = CliRunner().invoke(app, ["--list"])
    assert re.search(r"^zeus .*needs --data", listed.output, re.MULTILINE)
    done = CliRunner().invoke(app, ["schedules", "zeus", "--processes", "1", "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert {"index.html", "schedules.md", "zeus.md", "gpipe.svg"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
