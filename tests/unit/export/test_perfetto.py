"""A trace has counters and slices where they belong, alone and beside what the PyTorch profiler wrote."""

from __future__ import annotations

import gzip
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.devices.device import Identity, Scope
from joulewise.errors import InputFileError
from joulewise.export.perfetto import BASE, FIRST_PID, counted_j, mean_w, rows_of, trace_events, write_trace
from joulewise.measure.timeline import Series, Span, Timeline, Track

SECOND = 10**9
BEGIN_NS = 5 * SECOND
GPU = Identity("GPU-0", "nvidia", "A100", Scope.BOARD)
TWIN = Identity("SIM-0", "sim", "simulated A100", Scope.BOARD)


def instants(*seconds):
    return tuple(BEGIN_NS + round(one * SECOND) for one in seconds)


GAUGED = Track(GPU, power_w=Series(instants(0, 1), (100.0, 300.0)), limit_w=400.0)
COUNTED = Track(TWIN, energy_j=Series(instants(0, 0.5, 1, 1.5, 2), (10.0, 10.0, 110.0, 5.0, 55.0)))
TIMELINE = Timeline(1.7e9, BEGIN_NS, BEGIN_NS + 2 * SECOND, (GAUGED, COUNTED), (Span("epoch", *instants(0.5, 1.5)),))


def counters(events, name):
    """What a counter shows, by seconds since the base of the trace."""
    return {event["ts"] / 1e6: next(iter(event["args"].values())) for event in events if event["name"] == name}


def test_alone_a_trace_counts_from_the_begin_of_the_timeline(tmp_path):
    write_trace(TIMELINE, tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert trace[BASE] == 1_700_000_000 * SECOND
    assert counters(trace["traceEvents"], "power [W]") == {0: 100.0, 1: 300.0}
    assert counters(trace["traceEvents"], "energy, integrated power [J]") == {0: 0.0, 1: 100.0, 2: 400.0}
    assert counters(trace["traceEvents"], "power limit [W]") == {0: 400.0}
    (window,) = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert (window["name"], window["ts"], window["dur"]) == ("epoch", 0.5e6, 1e6)


def test_processes_say_who_and_whether_it_is_real():
    names = [event["args"]["name"] for event in trace_events(TIMELINE, 0) if event["name"] == "process_name"]
    assert names == ["A100 (board, GPU-0)", "simulated A100 (board, SIM-0) [simulated]", "joulewise windows"]


def test_power_of_a_counter_is_the_mean_between_its_changes():
    joules = Series(instants(0, 1, 2, 3), (0.0, 0.0, 100.0, 150.0))
    assert mean_w(joules) == Series(instants(0, 2), (50.0, 50.0))


def test_nothing_is_added_where_a_counter_begins_anew():
    track = Track(GPU, energy_j=COUNTED.energy_j, epochs=instants(1.5))
    assert list(counted_j(track).values) == [0.0, 0.0, 100.0, 100.0, 150.0]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted), max_size=20))
def test_spans_of_a_row_nest_or_lie_apart(edges):
    spans = [Span(str(number), *edge) for number, edge in enumerate(edges)]
    rows = rows_of(spans)
    assert sorted(span.name for row in rows for span in row) == sorted(span.name for span in spans)
    for row in rows:
        for number, one in enumerate(row):
            for other in row[number + 1 :]:
                apart = one.end_ns <= other.begin_ns or other.end_ns <= one.begin_ns
                nested = one.begin_ns <= other.begin_ns and other.end_ns <= one.end_ns
                assert apart or nested


@pytest.mark.parametrize("packed", [False, True])
def test_beside_another_trace_ours_counts_from_its_base(tmp_path, packed):
    theirs = {
        "schemaVersion": 1,
        BASE: (1_700_000_000 - 60) * SECOND,
        "traceEvents": [{"ph": "i", "name": "mark", "ts": 60e6}],
    }
    content = json.dumps(theirs).encode()
    (tmp_path / "theirs").write_bytes(gzip.compress(content) if packed else content)
    write_trace(TIMELINE, tmp_path / "both.json.gz", beside=tmp_path / "theirs")
    both = json.loads(gzip.decompress((tmp_path / "both.json.gz").read_bytes()))
    assert {key: both[key] for key in theirs if key != "traceEvents"} == {"schemaVersion": 1, BASE: theirs[BASE]}
    assert both["traceEvents"][0] == theirs["traceEvents"][0]
    assert counters(both["traceEvents"], "power [W]") == {60: 100.0, 61: 300.0}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"traceEvents": 1}'])
def test_what_is_no_trace_is_refused_by_name(tmp_path, content):
    (tmp_path / "theirs.json").write_text(content)
    with pytest.raises(InputFileError, match=r"theirs\.json: is no trace"):
        write_trace(TIMELINE, tmp_path / "both.json", beside=tmp_path / "theirs.json")
    assert not (tmp_path / "both.json").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_window_lies_where_the_pytorch_profiler_saw_it(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        with torch.profiler.record_function("first, which is slow"):
            torch.ones(8) + 1
        began_at, begin_ns = time.time(), time.monotonic_ns()
        with torch.profiler.record_function("step"):
            time.sleep(0.2)
        end_ns = time.monotonic_ns()
    profile.export_chrome_trace(str(tmp_path / "torch.json"))
    timeline = Timeline(began_at, begin_ns, end_ns, (), (Span("ours", begin_ns, end_ns),))
    write_trace(timeline, tmp_path / "both.json", beside=tmp_path / "torch.json")
    events = json.loads((tmp_path / "both.json").read_text())["traceEvents"]
    theirs, ours = (next(one for one in events if one["name"] == name) for name in ("step", "ours"))
    assert ours["ts"] == pytest.approx(theirs["ts"], abs=20e3)  # a busy machine may look elsewhere for a while
    assert ours["dur"] == pytest.approx(theirs["dur"], abs=20e3)
    assert theirs["pid"] < FIRST_PID
