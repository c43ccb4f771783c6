"""The text of a profile, line by line: header lines, columns with their units, one reading a row."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from joulewise.errors import InputFileError
from joulewise.records import Instruction, Reading

SCHEMA = "joulewise.profile/1"
HEADER_KEYS = ("schema", "provenance", "source", "wait_power_w", "note")
COLUMNS = ("stage", "instruction", "clock_mhz", "time_s", "energy_j")

# What a column holds, and by what its numbers are divided to get MHz, s or J.
_COLUMN_MEANINGS: dict[str, tuple[str, float]] = {
    "stage": ("stage", 1),
    "instruction": ("instruction", 1),
    "frequency": ("clock", 1),
    "clock_mhz": ("clock", 1),
    "time": ("time", 1),
    "time_s": ("time", 1),
    "time_ms": ("time", 1e3),
    "time_us": ("time", 1e6),
    "time_ns": ("time", 1e9),
    "energy": ("energy", 1),
    "energy_j": ("energy", 1),
    "energy_mj": ("energy", 1e3),
    "energy_uj": ("energy", 1e6),
    "repetition": ("repetition", 1),
    "rank": ("rank", 1),
    "dp_rank": ("dp_rank", 1),
    "pp_rank": ("pp_rank", 1),
    "tp_rank": ("tp_rank", 1),
}
_REQUIRED = {
    "stage": "stage",
    "instruction": "instruction",
    "clock": "clock_mhz",
    "time": "time_s",
    "energy": "energy_j",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One reading and the line of the file it stands on."""

    line: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class Header:
    """A ``# key: value`` line and the line of the file it stands on."""

    line: int
    key: str
    value: str


def split_header(file: str, lines: list[str]) -> tuple[list[Header], int]:
    """Read the ``# key: value`` lines at the top of a profile.

    Args:
        file: Path as the user gave it, for messages.
        lines: Lines of the file.

    Returns:
        The header lines, and the index of the line of column names.

    Raises:
        InputFileError: If a header line has no key or value, an unknown key, or a key (other than note) twice.
    """
    headers: list[Header] = []
    for index, text in enumerate(lines):
        line, stripped = index + 1, text.strip()
        if not stripped or stripped == "#":
            continue
        if not stripped.startswith("#"):
            return headers, index
        key, _, value = (part.strip() for part in stripped[1:].partition(":"))
        known = f"write '# key: value' with one of {', '.join(HEADER_KEYS)}; free text is '# note: ...'"
        if key not in HEADER_KEYS:
            raise InputFileError(file, line, "unknown header line", repr(stripped), known)
        if not value:
            raise InputFileError(file, line, f"header '{key}' has no value", repr(stripped), known)
        if key != "note" and any(header.key == key for header in headers):
            raise InputFileError(file, line, f"header '{key}' stands twice", repr(stripped), "keep one of them")
        headers.append(Header(line, key, value))
    raise InputFileError(
        file, None, "the profile is empty", "no line of column names", f"start with the columns {','.join(COLUMNS)}"
    )


def read_rows(file: str, lines: Iterable[str], first_line: int) -> Iterator[Row]:
    """Read the line of column names and then one reading a row; blank lines are skipped.

    Args:
        file: Path as the user gave it, for messages.
        lines: The line of column names and those after it.
        first_line: Line number of the column names.

    Raises:
        InputFileError: If a column or a field is unusable.
    """
    columns: dict[str, tuple[int, str, float]] = {}
    width = 0
    for line, text in enumerate(lines, start=first_line):
        if not text.strip():
            continue
        try:
            fields = [field.strip() for field in next(csv.reader([text], strict=True))]
        except csv.Error as error:
            raise InputFileError(
                file, line, f"not a line of comma-separated values: {error}", _short(text), "correct the line"
            ) from error
        if not columns:
            columns, width = _read_columns(file, line, fields), len(fields)
            continue
        if len(fields) != width:
            raise InputFileError(
                file,
                line,
                f"expected {width} fields, as in the line of column names",
                f"{len(fields)} in {_short(text)}",
                "correct the line; leave a field empty only for the clock",
            )
        yield Row(line, _read_reading(file, line, fields, columns))


def _read_columns(file: str, line: int, names: list[str]) -> dict[str, tuple[int, str, float]]:
    """Where each quantity stands: quantity -> (position, column name, divisor)."""
    columns: dict[str, tuple[int, str, float]] = {}
    for position, name in enumerate(names):
        if name not in _COLUMN_MEANINGS:
            raise InputFileError(
                file,
                line,
                "unknown column",
                _short(name),
                f"name the columns {','.join(COLUMNS)} (or stage,instruction,frequency,time,energy in MHz, s and J), "
                "separated by commas",
            )
        meaning, divisor = _COLUMN_MEANINGS[name]
        if meaning in columns:
            raise InputFileError(
                file, line, f"two columns for the {meaning}", f"{columns[meaning][1]} and {name}", "keep one of them"
            )
        columns[meaning] = (position, name, divisor)
    for meaning, name in _REQUIRED.items():
        if meaning not in columns:
            raise InputFileError(file, line, f"missing column '{name}'", ",".join(names), f"add a column {name}")
    return columns


def _read_reading(file: str, line: int, fields: list[str], columns: dict[str, tuple[int, str, float]]) -> Reading:
    def number(meaning: str) -> float:
        position, name, divisor = columns[meaning]
        return _read_number(file, line, name, fields[position]) / divisor

    def whole(meaning: str) -> int:
        value = number(meaning)
        if not value.is_integer():
            name = columns[meaning][1]
            raise InputFileError(
                file, line, f"{name} must be a whole number", fields[columns[meaning][0]], "correct it"
            )
        return int(value)

    for meaning in columns.keys() & {"repetition", "rank", "dp_rank", "pp_rank", "tp_rank"}:
        whole(meaning)
    text = fields[columns["instruction"][0]]
    try:
        instruction = Instruction(text.lower())
    except ValueError:
        known = ", ".join(Instruction)
        raise InputFileError(file, line, "unknown instruction", _short(text), f"use one of {known}") from None
    clock_mhz = None
    if fields[columns["clock"][0]]:
        clock = number("clock")
        if not 50 <= clock <= 10_000:
            unit = "GHz" if clock < 50 else "kHz" if clock < 1e7 else "Hz"
            raise InputFileError(
                file,
                line,
                "the clock is not one of a GPU in MHz",
                f"{fields[columns['clock'][0]]} in column {columns['clock'][1]}; is it in {unit}?",
                "give the core clock in MHz, or leave it empty for an operation that has none",
            )
        clock_mhz = whole("clock")
    time_s = number("time")
    if time_s == 0:
        raise InputFileError(file, line, "an operation takes no time", fields[columns["time"][0]], "remove the row")
    return Reading(whole("stage"), instruction, clock_mhz, time_s, number("energy"))


def _read_number(file: str, line: int, name: str, text: str) -> float:
    """A finite number, not below zero."""
    try:
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise InputFileError(
            file,
            line,
            f"{name} must be a finite number, zero or more",
            _short(text) if text else "an empty field",
            "correct or remove the row" if name != "stage" else "count stages from 0",
        )
    return value


def _short(text: str) -> str:
    """``text`` quoted, cut to what fits a message."""
    stripped = text.strip()
    return repr(stripped if len(stripped) <= 60 else stripped[:57] + "...")
