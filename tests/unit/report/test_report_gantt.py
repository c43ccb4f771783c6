from __future__ import annotations

import json

import numpy as np
import pytest
from example_report import example_report
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.report.content import Timeline
from joulewise.report.gantt import critical_runs, gantt_figure, waits


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Any iteration whose ranks do one thing at a time; lengths and pauses in whole milliseconds."""
    ranks = draw(st.integers(1, 4))
    rank, start_s, duration_s, critical = [], [], [], []
    for each in range(ranks):
        now = 0.0
        for pause, length, on_path in draw(
            st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.booleans()), max_size=12)
        ):
            start = now + pause / 1000
            now = start + length / 1000
            rank.append(each)
            start_s.append(start)
            duration_s.append(length / 1000)
            critical.append(on_path)
    order = np.array(draw(st.permutations(range(len(rank)))), dtype=int)
    count, end_s = len(rank), max((s + d for s, d in zip(start_s, duration_s, strict=True)), default=0.0)
    return Timeline(
        title="any",
        ranks=ranks,
        rank=np.array(rank, dtype=int)[order],
        start_s=np.array(start_s, dtype=float)[order],
        duration_s=np.array(duration_s, dtype=float)[order],
        clock_mhz=np.full(count, np.nan),
        power_w=np.full(count, np.nan),
        label=("F0",) * count,
        kind=("forward",) * count,
        stage=np.zeros(count, dtype=int),
        microbatch=np.zeros(count, dtype=int),
        critical=np.array(critical, dtype=bool)[order],
        makespan_s=end_s + draw(st.integers(0, 5)) / 1000,
    )


@given(timelines())
@settings(deadline=None)
def test_work_and_waits_fill_every_rank(timeline: Timeline) -> None:
    rank, _, wait_s = waits(timeline)
    for each in range(timeline.ranks):
        busy_s = timeline.duration_s[timeline.rank == each].sum()
        assert busy_s + wait_s[rank == each].sum() == pytest.approx(timeline.makespan_s, abs=1e-6)


@given(timelines())
@settings(deadline=None)
def test_frames_cover_the_critical_operations_and_nothing_else(timeline: Timeline) -> None:
    rank, start_s, end_s = critical_runs(timeline)
    for each in range(timeline.ranks):
        critical_s = timeline.duration_s[(timeline.rank == each) & timeline.critical].sum()
        assert (end_s - start_s)[rank == each].sum() == pytest.approx(critical_s, abs=1e-6)
    touching = (rank[1:] == rank[:-1]) & (start_s[1:] - end_s[:-1] < 1e-9)
    assert not touching.any()


@given(timelines(), timelines())
@settings(deadline=None, max_examples=30)
def test_any_two_timelines_make_a_figure_without_nan(before: Timeline, after: Timeline) -> None:
    figure = gantt_figure(before, after)
    json.dumps(figure, allow_nan=False)
    assert figure["layout"]["xaxis"]["range"][1] >= figure["end"]


def test_the_number_of_traces_does_not_grow_with_the_iteration() -> None:
    small, large = example_report(4, 8), example_report(8, 128)
    figures = [gantt_figure(report.before, report.after) for report in (small, large)]
    assert len(figures[0]["data"]) == len(figures[1]["data"]) == 8
    assert len(figures[1]["data"][1]["x"]) == 8 * 128 * 2 + 8
