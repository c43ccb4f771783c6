"""Measurements and timelines as JSON documents, and back: for files, other processes and other machines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from joulewise.devices.device import Identity, Scope
from joulewise.errors import UsageError
from joulewise.measure.energy import Energy, Method
from joulewise.measure.measurement import DeviceEnergy, Measurement, SelfCost
from joulewise.measure.timeline import Series, Span, Timeline, Track
from joulewise.records import Provenance
from joulewise.wire.envelope import open_envelope, schema_tag

MEASUREMENT, TIMELINE, VERSION = "measurement", "timeline", 1
T = TypeVar("T")
_SERIES = ("power_w", "energy_j", "temperature_c", "core_mhz")


def measurement_to_dict(measurement: Measurement) -> dict[str, Any]:
    """A measurement as a JSON document; every figure that is not finite is written as text, as JSON has none."""
    return {"schema": schema_tag(MEASUREMENT, VERSION), **_plain(asdict(measurement))}


def measurement_from_dict(document: object) -> Measurement:
    """The measurement of a document.

    Raises:
        UsageError: If it is of another schema or version, or a field is missing or of another type.
    """
    return _parsed(_measurement, open_envelope(document, MEASUREMENT, VERSION), MEASUREMENT)


def timeline_to_dict(timeline: Timeline) -> dict[str, Any]:
    """A timeline as a JSON document; kinds that a device does not have are left out."""
    return {
        "schema": schema_tag(TIMELINE, VERSION),
        "began_at": timeline.began_at,
        "begin_ns": timeline.begin_ns,
        "end_ns": timeline.end_ns,
        "tracks": [_track_to_dict(track) for track in timeline.tracks],
        "spans": [asdict(span) for span in timeline.spans],
    }


def timeline_from_dict(document: object) -> Timeline:
    """The timeline of a document.

    Raises:
        UsageError: If it is of another schema or version, or a field is missing or of another type.
    """
    return _parsed(_timeline, open_envelope(document, TIMELINE, VERSION), TIMELINE)


def _measurement(entry: Mapping[str, Any]) -> Measurement:
    cost = entry["self_cost"]
    return Measurement(
        name=str(entry["name"]),
        began_at=_number(entry["began_at"]),
        begin_ns=int(entry["begin_ns"]),
        end_ns=int(entry["end_ns"]),
        devices=tuple(_device(one) for one in entry["devices"]),
        synchronised=entry["synchronised"],
        self_cost=SelfCost(_number(cost["cpu_s"]), _optional(cost["energy_j"])),
        warnings=_texts(entry["warnings"]),
    )


def _device(entry: Mapping[str, Any]) -> DeviceEnergy:
    return DeviceEnergy(
        identity=_identity(entry["identity"]),
        energy=None if entry["energy"] is None else _energy(entry["energy"]),
        in_total=bool(entry["in_total"]),
        **{name: _optional(entry[name]) for name in ("peak_w", "idle_w", "begin_c", "end_c")},
        failure=str(entry["failure"]),
    )


def _identity(entry: Mapping[str, Any]) -> Identity:
    return Identity(**{**entry, "scope": Scope(entry["scope"]), "aliases": _texts(entry["aliases"])})


def _energy(entry: Mapping[str, Any]) -> Energy:
    return Energy(
        **{name: _number(entry[name]) for name in ("energy_j", "lo_j", "hi_j", "resolution_j")},
        method=Method(entry["method"]),
        provenance=Provenance(entry["provenance"]),
        warnings=_texts(entry["warnings"]),
    )


def _timeline(entry: Mapping[str, Any]) -> Timeline:
    return Timeline(
        began_at=_number(entry["began_at"]),
        begin_ns=int(entry["begin_ns"]),
        end_ns=int(entry["end_ns"]),
        tracks=tuple(_track(one) for one in entry["tracks"]),
        spans=tuple(Span(str(one["name"]), int(one["begin_ns"]), int(one["end_ns"])) for one in entry["spans"]),
    )


def _track_to_dict(track: Track) -> dict[str, Any]:
    document: dict[str, Any] = {"identity": _plain(asdict(track.identity)), "in_total": track.in_total}
    for name in _SERIES:
        series: Series = getattr(track, name)
        if len(series):
            values = [_plain(float(value)) for value in series.values]
            document[name] = {"at_ns": [int(at_ns) for at_ns in series.at_ns], "values": values}
    return document | {"epochs": [int(at_ns) for at_ns in track.epochs], "limit_w": _plain(track.limit_w)}


def _track(entry: Mapping[str, Any]) -> Track:
    return Track(
        identity=_identity(entry["identity"]),
        **{name: _series(entry[name]) for name in _SERIES if name in entry},
        epochs=tuple(map(int, entry["epochs"])),
        in_total=bool(entry["in_total"]),
        limit_w=_optional(entry["limit_w"]),
    )


def _series(entry: Mapping[str, Any]) -> Series:
    at_ns, values = tuple(map(int, entry["at_ns"])), tuple(map(_number, entry["values"]))
    if len(at_ns) != len(values):
        raise ValueError(f"{len(at_ns)} instants of {len(values)} values")
    return Series(at_ns, values)


def _plain(value: Any) -> Any:
    """Only what JSON has: figures that are not finite as text, tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(f"{value} is no number")
    return float(value)


def _optional(value: Any) -> float | None:
    return None if value is None else _number(value)


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(map(str, values))


def _parsed(parse: Callable[[Mapping[str, Any]], T], document: Mapping[str, Any], name: str) -> T:
    try:
        return parse(document)
    except KeyError as error:
        raise UsageError(f"this {name} document is not whole", f"no field {error}", "write it again") from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"this {name} document is not usable", str(error), "write it again") from error
