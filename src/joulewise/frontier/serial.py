"""Frontiers as plain JSON values, and back, bit for bit."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from joulewise.errors import UsageError
from joulewise.frontier.columns import TRUST, Columns
from joulewise.frontier.settings import Setting
from joulewise.records import Provenance
from joulewise.wire.envelope import open_envelope, schema_tag

SCHEMA, VERSION = "frontier", 1
_PLAIN = {int, str, bool, type(None)}
NUMBERS = ("time_s", "energy_j", "time_sd_s", "energy_sd_j")


def _listed(setting: Setting) -> Any:
    """A setting as a JSON value: tuples as lists."""
    if isinstance(setting, tuple):
        plain = set(map(type, setting)) <= _PLAIN  # long tuples of clocks are the usual case
        return list(setting) if plain else [_listed(item) for item in setting]
    finite = not isinstance(setting, float) or np.isfinite(setting)
    if setting is None or (isinstance(setting, bool | int | float | str) and finite):
        return setting
    raise UsageError(
        "a setting cannot be written to JSON",
        f"{setting!r} of type {type(setting).__name__}",
        "use None, bool, int, finite float, str, or nested tuples of these",
    )


def _setting(value: Any) -> Setting:
    """A setting from a JSON value: lists as tuples."""
    if isinstance(value, list | tuple):
        return tuple(_setting(item) for item in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UsageError("a setting cannot be read", repr(value), "use null, true, false, numbers, strings and lists")


def dump(columns: Columns) -> dict[str, Any]:
    """Columns as a document with its schema, settings left out."""
    return {
        "schema": schema_tag(SCHEMA, VERSION),
        **{name: getattr(columns, name).tolist() for name in NUMBERS},
        "samples": columns.samples.tolist(),
        "provenance": [str(TRUST[doubt]) for doubt in columns.doubt],
    }


def dump_settings(columns: Columns) -> Iterator[Any]:
    """The settings of columns as JSON values, one after the other."""
    return map(_listed, columns.settings)


def load(document: object) -> tuple[Columns, Mapping[str, Any]]:
    """Columns of a document, and the document.

    Raises:
        UsageError: If the document is of another schema or version, or lacks a field or has one that is unusable.
    """
    fields = open_envelope(document, SCHEMA, VERSION)
    try:
        columns = Columns(
            settings=[_setting(value) for value in fields["settings"]],
            doubt=np.array([TRUST.index(Provenance(name)) for name in fields["provenance"]], dtype=np.int64),
            samples=np.array([operator.index(count) for count in fields["samples"]], dtype=np.int64),
            **{name: np.array(fields[name], dtype=np.float64) for name in NUMBERS},
        )
        if columns.doubt.shape != columns.time_s.shape:
            raise ValueError(f"{len(columns.doubt)} provenances for {len(columns.time_s)} points")
    except UsageError:
        raise
    except KeyError as error:
        raise UsageError("a frontier document lacks a field", f"no {error}", "write it again") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError("a frontier document has an unusable field", str(error), "write it again") from error
    return columns, fields
