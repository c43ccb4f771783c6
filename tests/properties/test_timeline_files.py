"""Timelines survive Parquet, and measurements survive lines of JSON, whatever is in them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.errors import InputFileError, UsageError
from joulewise.export.jsonl import JsonLines, read_lines
from joulewise.export.parquet import UNITS, read_parquet, write_parquet
from joulewise.measure.measurement import Measurement
from joulewise.measure.timeline import Timeline
from measured_records import measurements, timelines

needs_pyarrow = pytest.mark.usefixtures("pyarrow")


@pytest.fixture(scope="session")
def pyarrow():
    return pytest.importorskip("pyarrow", reason="needs the extra parquet")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("timelines")


@needs_pyarrow
@settings(max_examples=40)
@given(timelines())
def test_a_timeline_survives_parquet(folder, timeline: Timeline) -> None:
    write_parquet(timeline, folder / "t.parquet")
    assert read_parquet(folder / "t.parquet") == timeline


@settings(max_examples=20)
@given(timelines())
def test_the_table_is_long_and_says_of_each_row_what_it_is(folder, pyarrow, timeline: Timeline) -> None:
    write_parquet(timeline, folder / "t.parquet")
    table = pytest.importorskip("pyarrow.parquet").read_table(folder / "t.parquet")
    assert table.num_rows == sum(len(getattr(track, kind)) for track in timeline.tracks for kind in UNITS)
    assert table.schema.field("at").type == pyarrow.timestamp("ns", tz="UTC")
    rows = table.to_pydict()
    assert set(zip(rows["kind"], rows["unit"], strict=True)) <= set(UNITS.items())
    of_device = {track.identity.uid: track.identity for track in timeline.tracks}
    for uid, vendor, provenance in zip(rows["device"], rows["vendor"], rows["provenance"], strict=True):
        assert (of_device[uid].vendor, of_device[uid].provenance) == (vendor, provenance)


@needs_pyarrow
def test_a_timeline_without_devices_survives(tmp_path):
    write_parquet(Timeline(0.0, 0, 1, ()), tmp_path / "t.parquet")
    assert read_parquet(tmp_path / "t.parquet") == Timeline(0.0, 0, 1, ())


@needs_pyarrow
def test_what_is_no_timeline_is_refused_by_name(tmp_path, pyarrow):
    (tmp_path / "text").write_text("no table")
    with pytest.raises(InputFileError, match="text: is no timeline"):
        read_parquet(tmp_path / "text")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputFileError, match=r"other\.parquet: is no timeline"):
        read_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputFileError, match="is no timeline"):
        read_parquet(tmp_path / "absent.parquet")


@needs_pyarrow
def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(UsageError, match="cannot write"):
        write_parquet(Timeline(0.0, 0, 1, ()), tmp_path / "absent" / "t.parquet")
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=40)
@given(st.lists(measurements(), max_size=4))
def test_measurements_survive_lines_of_json(folder, found) -> None:
    path = folder / "windows.jsonl"
    path.write_text("")
    keep = JsonLines(path)
    for one in found:
        keep(one)
    assert list(read_lines(path)) == found
    assert len(path.read_text(encoding="utf-8").split("\n")) == len(found) + 1


def test_a_line_that_is_no_measurement_is_named(tmp_path):
    (tmp_path / "windows.jsonl").write_text("\n" + json.dumps({"schema": "joulewise.plan/1"}) + "\n")
    with pytest.raises(InputFileError, match=r"windows\.jsonl, line 2: is no measurement"):
        list(read_lines(tmp_path / "windows.jsonl"))
    with pytest.raises(InputFileError, match="cannot be read"):
        list(read_lines(tmp_path / "absent"))
    with pytest.raises(UsageError, match="cannot write"):
        JsonLines(tmp_path / "absent" / "x")(Measurement("w", 0.0, 0, 1, ()))
