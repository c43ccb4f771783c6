"""The iteration before and after as Gantt charts on one time axis, as plain Plotly dictionaries.

Theory of operation: a browser draws a few traces with long arrays fast and thousands of traces slowly. Each timeline is
four traces: the waits (light bars), the operations (one bar trace), the frames of the critical path (one line broken
by gaps) and the labels. Neighbours on the critical path share one frame, so that a long run stays legible when its
bars are a few pixels wide. Colours, labels and hover text depend on what the reader chooses and on the zoom; the
page's script fills them in from ``columns``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulewise.report.content import Timeline
from joulewise.report.quantities import Unit, numbers, show, show_percent, time_unit

_TOUCHING_FRAC = 1e-6
"""Two operations closer than this share of the makespan are neighbours: what lies between is rounding."""

_FRAME_HEIGHT = 0.90
_HEIGHT = {"forward": 0.56, "backward": 0.80, "backward_input": 0.80, "backward_weight": 0.66}
_OTHER_HEIGHT = 0.40

_TOP_PX, _BOTTOM_PX, _BETWEEN_PX = 34, 52, 46


def waits(timeline: Timeline) -> tuple[NDArray[np.int_], NDArray[np.float64], NDArray[np.float64]]:
    """The spans in which a rank runs nothing.

    Returns:
        Rank, start [s] and duration [s] of every wait between 0 and the makespan, by rank and time.
    """
    spans: list[tuple[int, float, float]] = []
    for rank in range(timeline.ranks):
        mine = np.flatnonzero(timeline.rank == rank)
        order = mine[np.argsort(timeline.start_s[mine], kind="stable")]
        ends = np.maximum.accumulate(np.r_[0.0, timeline.start_s[order] + timeline.duration_s[order]])
        starts = np.r_[timeline.start_s[order], timeline.makespan_s]
        for gap in np.flatnonzero(starts - ends > _TOUCHING_FRAC * timeline.makespan_s):
            spans.append((rank, float(ends[gap]), float(starts[gap] - ends[gap])))
    table = np.array(spans, dtype=np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int_), table[:, 1], table[:, 2]


def critical_runs(timeline: Timeline) -> tuple[NDArray[np.int_], NDArray[np.float64], NDArray[np.float64]]:
    """Maximal runs of touching critical operations.

    Returns:
        Rank, start [s] and end [s] of every run, by rank and time.
    """
    runs: list[list[float]] = []
    on_path = np.flatnonzero(timeline.critical & (timeline.duration_s > 0))
    for index in on_path[np.lexsort((timeline.start_s[on_path], timeline.rank[on_path]))]:
        rank, start = int(timeline.rank[index]), float(timeline.start_s[index])
        end = start + float(timeline.duration_s[index])
        if runs and runs[-1][0] == rank and start - runs[-1][2] <= _TOUCHING_FRAC * timeline.makespan_s:
            runs[-1][2] = max(runs[-1][2], end)
        else:
            runs.append([rank, start, end])
    table = np.array(runs, dtype=np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int_), table[:, 1], table[:, 2]


def gantt_figure(before: Timeline, after: Timeline) -> dict[str, Any]:
    """Figure and columns of the two timelines.

    Returns:
        ``data`` and ``layout`` for Plotly; ``columns``, what the script needs to colour, label and explain each bar;
        ``unit``, symbol and factor of the times; ``window``, a zoom width at which labels can be read.
    """
    timelines = (before, after)
    longest_s = max(before.makespan_s, after.makespan_s)
    unit = time_unit(longest_s)
    kinds = sorted({kind for timeline in timelines for kind in timeline.kind})
    durations = np.concatenate([timeline.duration_s for timeline in timelines])
    typical_s = float(np.median(durations[durations > 0])) if (durations > 0).any() else longest_s
    return {
        "data": [trace for row, timeline in enumerate(timelines) for trace in _traces(timeline, "y" + "2" * row, unit)],
        "layout": _layout(timelines, unit, longest_s * unit.factor),
        "columns": [_columns(timeline, kinds) for timeline in timelines],
        "kinds": kinds,
        "unit": {"symbol": unit.symbol, "factor": unit.factor},
        "window": min(longest_s, 26 * typical_s) * unit.factor,
        "end": longest_s * unit.factor,
    }


def _columns(timeline: Timeline, kinds: list[str]) -> dict[str, Any]:
    index = {kind: number for number, kind in enumerate(kinds)}
    return {
        "clock": numbers(timeline.clock_mhz),
        "power": numbers(timeline.power_w, digits=5),
        "label": list(timeline.label),
        "kind": [index[kind] for kind in timeline.kind],
        "stage": timeline.stage.tolist(),
        "microbatch": timeline.microbatch.tolist(),
        "critical": timeline.critical.astype(int).tolist(),
    }


def _traces(timeline: Timeline, axis: str, unit: Unit) -> list[dict[str, Any]]:
    wait_rank, wait_start_s, wait_s = waits(timeline)
    bar = {"type": "bar", "orientation": "h", "yaxis": axis, "hovertemplate": "%{customdata}<extra></extra>"}
    return [
        {
            **bar,
            "y": wait_rank.tolist(),
            "base": numbers(wait_start_s, unit.factor),
            "x": numbers(wait_s, unit.factor),
            "width": _FRAME_HEIGHT,
            "marker": {"color": "#e9edf1", "line": {"width": 0}},
        },
        {
            **bar,
            "y": timeline.rank.tolist(),
            "base": numbers(timeline.start_s, unit.factor),
            "x": numbers(timeline.duration_s, unit.factor),
            "width": [_HEIGHT.get(kind, _OTHER_HEIGHT) for kind in timeline.kind],
            "marker": {"line": {"width": 0.5, "color": "#ffffff"}},
        },
        {**_frames(timeline, unit), "yaxis": axis},
        {"type": "scatter", "mode": "text", "x": [], "y": [], "text": [], "yaxis": axis, "hoverinfo": "skip"},
    ]


def _frames(timeline: Timeline, unit: Unit) -> dict[str, Any]:
    rank, start_s, end_s = critical_runs(timeline)
    low, high = rank - _FRAME_HEIGHT / 2, rank + _FRAME_HEIGHT / 2
    gap = np.full(len(rank), np.nan)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": numbers(np.column_stack([start_s, end_s, end_s, start_s, start_s, gap]).ravel(), unit.factor),
        "y": numbers(np.column_stack([low, low, high, high, low, gap]).ravel()),
        "line": {"color": "#111827", "width": 1.25, "simplify": False},
        "hoverinfo": "skip",
    }


def _layout(timelines: tuple[Timeline, Timeline], unit: Unit, end: float) -> dict[str, Any]:
    heights_px = [timeline.ranks * _row_px(timeline.ranks) for timeline in timelines]
    inner_px = sum(heights_px) + _BETWEEN_PX
    domains = [[1 - heights_px[0] / inner_px, 1], [0, heights_px[1] / inner_px]]
    layout: dict[str, Any] = {
        "barmode": "overlay",
        "dragmode": "zoom",
        "hovermode": "closest",
        "height": inner_px + _TOP_PX + _BOTTOM_PX,
        "margin": {"l": 62, "r": 16, "t": _TOP_PX, "b": _BOTTOM_PX},
        "xaxis": {
            "anchor": "y2",
            "range": [-0.004 * end, 1.012 * end],
            "minallowed": -0.02 * end,
            "maxallowed": 1.03 * end,
            "title": {"text": f"time since the start of the iteration [{unit.symbol}]", "standoff": 8},
            "gridcolor": "#e2e6eb",
            "zeroline": False,
            "ticks": "outside",
            "tickcolor": "#9aa4b2",
        },
        "annotations": [],
        "shapes": [],
    }
    for row, (timeline, domain) in enumerate(zip(timelines, domains, strict=True)):
        suffix = "2" * row
        step = max(1, -(-timeline.ranks // 32))
        layout[f"yaxis{suffix}"] = {
            "domain": domain,
            "range": [timeline.ranks - 0.5, -0.5],
            "fixedrange": True,
            "tickvals": list(range(0, timeline.ranks, step)),
            "ticktext": [f"rank {rank}" for rank in range(0, timeline.ranks, step)],
            "showgrid": False,
            "zeroline": False,
        }
        layout["annotations"].append(_heading(timeline, domain[1], unit))
        layout["shapes"].append(
            {
                "type": "line",
                "xref": "x",
                "yref": f"y{suffix} domain",
                "x0": timeline.makespan_s * unit.factor,
                "x1": timeline.makespan_s * unit.factor,
                "y0": 0,
                "y1": 1,
                "line": {"color": "#b42318", "width": 1.5, "dash": "dot"},
            }
        )
    return layout


def _heading(timeline: Timeline, top: float, unit: Unit) -> dict[str, Any]:
    capacity_s = timeline.ranks * timeline.makespan_s
    busy_frac = float(timeline.duration_s.sum()) / capacity_s if capacity_s else 0.0
    title = timeline.title.replace("&", "&amp;").replace("<", "&lt;")
    text = f"<b>{title}</b>   {show(timeline.makespan_s, unit)}, ranks busy {show_percent(busy_frac)} of it"
    return {
        "text": text,
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": top,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 5,
        "showarrow": False,
        "font": {"size": 13.5},
    }


def _row_px(ranks: int) -> int:
    return 30 if ranks <= 8 else 22 if ranks <= 16 else 15 if ranks <= 32 else 11
