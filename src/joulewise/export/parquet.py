"""Timelines as Parquet: one long table, as pandas, polars, DuckDB and Spark read it.

A row is one reading. The timeline's own facts (edges, spans, identities, limits, epochs) stand in the metadata of the
file, so that it can be read back whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from joulewise.errors import InputFileError, MissingExtraError, UsageError
from joulewise.measure.document import timeline_from_dict, timeline_to_dict
from joulewise.measure.timeline import Series, Timeline, Track
from joulewise.wire.atomic import write_bytes_atomically

KEY = b"joulewise"
UNITS = {"power_w": "W", "energy_j": "J", "temperature_c": "C", "core_mhz": "MHz"}
"""The kinds of readings, as they are called in a `Track`, and their units."""
_WHO = ("device", "vendor", "model", "scope", "parent", "provenance")


def write_parquet(timeline: Timeline, path: str | Path) -> None:
    """Write a timeline as a table with a row for each reading.

    The columns are ``track`` (its number), ``device`` (uid), ``vendor``, ``model``, ``scope``, ``parent``,
    ``provenance``, ``in_total``, ``kind`` (such as power_w), ``unit``, ``at`` (UTC [ns]) and ``value``.

    Args:
        timeline: What to write.
        path: File; replaced whole or not at all.

    Raises:
        MissingExtraError: If pyarrow is not installed.
        UsageError: If the file cannot be written.
    """
    arrow, parquet = _libraries()
    parts = [_rows(arrow, timeline, number) for number in range(len(timeline.tracks))]
    table = arrow.concat_tables(parts) if parts else _schema(arrow).empty_table()
    bare = replace(timeline, tracks=tuple(_without_readings(track) for track in timeline.tracks))
    header = json.dumps(timeline_to_dict(bare), allow_nan=False).encode()
    sink = arrow.BufferOutputStream()
    parquet.write_table(table.replace_schema_metadata({KEY: header}), sink, compression="zstd")
    write_bytes_atomically(path, sink.getvalue().to_pybytes())


def read_parquet(path: str | Path) -> Timeline:
    """The timeline of a file that `write_parquet` wrote.

    Raises:
        MissingExtraError: If pyarrow is not installed.
        InputFileError: If the file cannot be read, or was written by something else.
    """
    arrow, parquet = _libraries()
    try:
        table = parquet.read_table(str(path))
        bare = timeline_from_dict(json.loads((table.schema.metadata or {})[KEY]))
        tracks = tuple(_with_readings(table, bare, number) for number in range(len(bare.tracks)))
        return replace(bare, tracks=tracks)
    except (OSError, KeyError, arrow.ArrowInvalid, json.JSONDecodeError, UsageError) as error:
        fix = "name a file that joulewise wrote"
        raise InputFileError(str(path), None, "is no timeline", f"{type(error).__name__}: {error}", fix) from error


def _libraries() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError("parquet") from None


def _schema(arrow: Any) -> Any:
    word = arrow.dictionary(arrow.int32(), arrow.string())
    before = [("track", arrow.int32()), *((name, word) for name in _WHO), ("in_total", arrow.bool_())]
    after = [("kind", word), ("unit", word), ("at", arrow.timestamp("ns", tz="UTC")), ("value", arrow.float64())]
    return arrow.schema([*before, *after])


def _rows(arrow: Any, timeline: Timeline, number: int) -> Any:
    track, since_ns = timeline.tracks[number], _since_ns(timeline)
    who = track.identity
    same = [number, who.uid, who.vendor, who.model, who.scope, who.parent, who.provenance, track.in_total]
    parts = []
    for kind, unit in UNITS.items():
        series: Series = getattr(track, kind)
        at = [at_ns + since_ns for at_ns in series.at_ns]
        values = [float(value) for value in series.values]
        columns = [[one] * len(series) for one in [*same, kind, unit]]
        parts.append(arrow.table([*columns, at, values], schema=_schema(arrow)))
    return arrow.concat_tables(parts)


def _with_readings(table: Any, timeline: Timeline, number: int) -> Track:
    compute, since_ns = import_module("pyarrow.compute"), _since_ns(timeline)
    own = table.filter(compute.equal(table["track"], number))

    def series(kind: str) -> Series:
        rows = own.filter(compute.equal(own["kind"].cast("string"), kind))
        at_ns = tuple(at - since_ns for at in rows["at"].cast("int64").to_pylist())
        return Series(at_ns, tuple(rows["value"].to_pylist()))

    return _with_series(timeline.tracks[number], series)


def _without_readings(track: Track) -> Track:
    return _with_series(track, lambda kind: Series())


def _with_series(track: Track, series: Callable[[str], Series]) -> Track:
    return replace(
        track,
        power_w=series("power_w"),
        energy_j=series("energy_j"),
        temperature_c=series("temperature_c"),
        core_mhz=series("core_mhz"),
    )


def _since_ns(timeline: Timeline) -> int:
    """From the monotonic clock to nanoseconds since 1970."""
    return round(timeline.began_at * 1e9) - timeline.begin_ns
