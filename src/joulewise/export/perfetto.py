"""Timelines as a trace for Perfetto and chrome://tracing, alone or beside what the PyTorch profiler saw.

Theory of operation. A trace is a list of events at microseconds since a base that the file names. PyTorch writes it as
``baseTimeNanoseconds`` since 1970, and files of older releases, which name none, count from 1970 itself. A timeline
knows when it began in the same terms, so that both share an axis once our instants count from that base. How well they
agree is how well the two processes agree about the wall clock: on one machine, about a millisecond.

Each device becomes a process with one counter track per kind of reading, above all power, and energy since the begin of
the timeline. Where it has no gauge, its power is the mean between two changes of its counter; where it has no counter,
its energy is the integral of its power. The tracks say which. Windows become slices; those that overlap without one
lying in the other get rows of their own, since slices of one row must nest.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from joulewise.errors import InputFileError
from joulewise.measure.timeline import Series, Span, Timeline, Track
from joulewise.records import Provenance
from joulewise.wire.atomic import write_bytes_atomically
from joulewise.wire.envelope import schema_tag

FIRST_PID = 2**22 + 1  # above every process that Linux has
BASE = "baseTimeNanoseconds"
Event = dict[str, Any]


def write_trace(timeline: Timeline, path: str | Path, beside: str | Path | None = None) -> None:
    """Write a timeline as a trace in Chrome's JSON format.

    Args:
        timeline: What to write.
        path: File, such as ``trace.json`` or ``trace.json.gz``; replaced whole or not at all.
        beside: A trace that ``torch.profiler`` exported, to be kept and drawn on the same axis.

    Raises:
        InputFileError: If the file beside cannot be read, or is no trace.
        UsageError: If the file cannot be written.
    """
    base_ns = round(timeline.began_at * 1e9)
    document: dict[str, Any] = {"displayTimeUnit": "ms", BASE: base_ns, "traceEvents": []}
    if beside is not None:
        document = _read_trace(Path(beside))
        base_ns = int(document.get(BASE, 0))
    events = [*document["traceEvents"], *trace_events(timeline, base_ns)]
    text = json.dumps({**document, "joulewise": schema_tag("trace", 1), "traceEvents": events}).encode()
    write_bytes_atomically(path, gzip.compress(text, mtime=0) if Path(path).suffix == ".gz" else text)


def trace_events(timeline: Timeline, base_ns: int) -> list[Event]:
    """The events of a timeline.

    Args:
        timeline: What to draw.
        base_ns: Where the trace counts from, since 1970 [ns].
    """
    offset_ns = round(timeline.began_at * 1e9) - timeline.begin_ns - base_ns
    events = []
    for pid, track in enumerate(timeline.tracks, FIRST_PID + 1):
        events += [*_process(pid, _title(track)), *_counters(pid, track, timeline, offset_ns)]
    if timeline.spans:
        events += _process(FIRST_PID, "joulewise windows")
        for row, spans in enumerate(rows_of(timeline.spans)):
            events += [_slice(row, span, offset_ns) for span in spans]
    return events


def rows_of(spans: Iterable[Span]) -> list[list[Span]]:
    """Spans in as few rows as a greedy choice finds, so that any two of one row are apart or one lies in the other."""
    rows: list[tuple[list[Span], list[Span]]] = []  # what a row has, and what of it is open
    for span in sorted(spans, key=lambda one: (one.begin_ns, -one.end_ns)):
        for taken, open_ in rows:
            while open_ and open_[-1].end_ns <= span.begin_ns:
                open_.pop()
            if not open_ or span.end_ns <= open_[-1].end_ns:
                taken.append(span)
                open_.append(span)
                break
        else:
            rows.append(([span], [span]))
    return [taken for taken, _ in rows]


def _process(pid: int, name: str) -> list[Event]:
    shared = {"ph": "M", "ts": 0, "pid": pid, "tid": 0}
    sort = {"sort_index": pid - FIRST_PID - 1000}  # above what PyTorch shows
    return [
        {**shared, "name": "process_name", "args": {"name": name}},
        {**shared, "name": "process_sort_index", "args": sort},
    ]


def _title(track: Track) -> str:
    who = track.identity
    within = "" if track.in_total or who.parent is None else f", within {who.parent}"
    mark = "" if who.provenance is Provenance.MEASURED else f" [{who.provenance}]"
    return f"{who.model} ({who.scope}, {who.uid}{within}){mark}"


def _counters(pid: int, track: Track, timeline: Timeline, offset_ns: int) -> Iterator[Event]:
    counted = len(track.energy_j) > 1
    joules = counted_j(track) if counted else integrated_j(track.power_w, timeline.end_ns)
    watts = track.power_w if len(track.power_w) else mean_w(joules)
    limit = Series((timeline.begin_ns,), (track.limit_w,)) if track.limit_w is not None else Series()
    drawn = [
        ("power" if len(track.power_w) else "power, mean by its counter", "W", watts),
        ("energy" if counted else "energy, integrated power", "J", joules),
        ("power limit", "W", limit),
        ("clock", "MHz", track.core_mhz),
        ("temperature", "C", track.temperature_c),
    ]
    for name, unit, series in drawn:
        for at_ns, value in zip(series.at_ns, series.values, strict=True):
            shared = {"ph": "C", "pid": pid, "tid": 0, "ts": (at_ns + offset_ns) / 1000}
            yield {**shared, "name": f"{name} [{unit}]", "args": {unit: value}}


def _slice(row: int, span: Span, offset_ns: int) -> Event:
    place = {"pid": FIRST_PID, "tid": row, "ts": (span.begin_ns + offset_ns) / 1000}
    return {"ph": "X", "cat": "window", "name": span.name, **place, "dur": (span.end_ns - span.begin_ns) / 1000}


def counted_j(track: Track) -> Series:
    """Energy by the counter since its first reading [J]; nothing is added where it began to count anew."""
    sums, epochs = [0.0], track.epochs
    rows = list(zip(track.energy_j.at_ns, track.energy_j.values, strict=True))
    for (before_ns, before_j), (at_ns, energy_j) in pairwise(rows):
        anew = any(before_ns < epoch <= at_ns for epoch in epochs)
        sums.append(sums[-1] + (0.0 if anew else energy_j - before_j))
    return Series(track.energy_j.at_ns, sums)


def integrated_j(power: Series, end_ns: int) -> Series:
    """The integral of power since its first reading [J]; a reading holds until the next."""
    if not len(power):
        return power
    at_ns: Sequence[int] = [*power.at_ns, max(end_ns, power.at_ns[-1])]
    sums = [0.0]
    for (begin_ns, next_ns), power_w in zip(pairwise(at_ns), power.values, strict=True):
        sums.append(sums[-1] + power_w * (next_ns - begin_ns) * 1e-9)
    return Series(at_ns, sums)


def mean_w(joules: Series) -> Series:
    """Mean power between two changes of a counter, from the first of them on [W]."""
    changes = [
        (at_ns, value)
        for index, (at_ns, value) in enumerate(zip(joules.at_ns, joules.values, strict=True))
        if index == 0 or value != joules.values[index - 1]
    ]
    means = [(t0, (j1 - j0) / (t1 - t0) * 1e9) for (t0, j0), (t1, j1) in pairwise(changes)]
    return Series(tuple(at_ns for at_ns, _ in means), tuple(watts for _, watts in means))


def _read_trace(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
        document = json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    except (OSError, EOFError, ValueError) as error:
        raise InputFileError(str(path), None, "is no trace", str(error), "export it with torch.profiler") from error
    if not isinstance(document, dict) or not isinstance(document.get("traceEvents"), list):
        raise InputFileError(str(path), None, "is no trace", "no traceEvents", "export it with torch.profiler")
    return document
