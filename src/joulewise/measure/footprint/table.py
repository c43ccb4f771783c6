"""Tables of rates as CSV: header lines ``# key: value``, then rows by time of the week, or as it was.

By time of the week: ``days,from,to,<rate>``, such as ``mon-fri,06:00,22:00,0.31``; rows must cover the week once, and
``22:00,06:00`` goes on into the next day. As it was: ``from,to,<rate>`` with instants such as ``2025-03-01T13:00Z``.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from joulewise.errors import InputFileError
from joulewise.measure.footprint.rate import DAY_MINUTES, WEEK_MINUTES, Flat, History, Rate, Step, Weekly

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Table:
    """A parsed file.

    Attributes:
        file: Path as the user gave it.
        keys: Of its header.
        columns: Their names.
        rows: Line number and fields of each row.
    """

    file: str
    keys: Mapping[str, str]
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]

    def refuse(self, line: int | None, what: str, seen: str, fix: str) -> InputFileError:
        """The error for one of its lines."""
        return InputFileError(self.file, line, what, seen, fix)

    def whole_number(self, key: str) -> int | None:
        """The value of a key of the header as a number, or None if it has none.

        Raises:
            InputFileError: If it is no whole number.
        """
        text = self.keys.get(key)
        if text is not None and not text.isdecimal():
            raise self.refuse(None, f"{key} is not a whole number", repr(text), "correct it")
        return None if text is None else int(text)


def read_table(file: str | Path, keys: Sequence[str]) -> Table:
    """Read a CSV file with header lines.

    Args:
        file: The file.
        keys: Keys that its header may have.

    Raises:
        InputFileError: If it cannot be read, a key is unknown, or a row has another number of fields than the columns.
    """
    name = str(file)
    try:
        lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError(name, None, "cannot be read", str(error), "give a CSV file in UTF-8") from error
    header: dict[str, str] = {}
    columns: tuple[str, ...] = ()
    rows: list[tuple[int, Mapping[str, str]]] = []
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        if text.startswith("#"):
            key, _, value = (part.strip() for part in text[1:].partition(":"))
            if key not in keys or not value or columns:
                fix = f"above the columns, write '# key: value' with {', '.join(keys)}"
                raise InputFileError(name, line, "unknown header line", repr(text), fix)
            header[key] = f"{header[key]}; {value}" if key in header else value
            continue
        fields = [field.strip() for field in next(csv.reader([text]))]
        if not columns:
            columns = tuple(fields)
        elif len(fields) != len(columns):
            raise InputFileError(name, line, "wrong number of fields", repr(text), f"give {', '.join(columns)}")
        else:
            rows.append((line, dict(zip(columns, fields, strict=True))))
    if not rows:
        raise InputFileError(name, None, "the table has no rows", f"{len(lines)} lines", "give at least one row")
    return Table(name, header, columns, tuple(rows))


def rate_of(table: Table, column: str, *, negative: bool = False) -> Rate:
    """The rate in a column of a table.

    Args:
        table: With the columns ``days,from,to`` and this one, or ``from,to`` and this one, or only this one.
        column: Its name.
        negative: Whether it may be below zero, as prices may.

    Raises:
        InputFileError: If a row cannot be meant, or rows overlap, or do not cover the week.
    """
    other = set(table.columns) - {column}
    if column in table.columns and not other and len(table.rows) == 1:
        return Flat(_number(table, *table.rows[0], column, negative))
    if column in table.columns and other == {"from", "to"}:
        return _history(table, column, negative)
    if column in table.columns and other == {"days", "from", "to"}:
        return _weekly(table, column, negative)
    fix = f"give days,from,to,{column} or from,to,{column}"
    raise table.refuse(None, "the columns are not those of a rate", ",".join(table.columns), fix)


def _history(table: Table, column: str, negative: bool) -> History:
    steps: list[Step] = []
    for line, row in table.rows:
        begin_s, end_s = _instant(table, line, row["from"]), _instant(table, line, row["to"])
        if end_s <= begin_s or (steps and begin_s < steps[-1].end_s):
            fix = "give rows in the order of time, each ending after it begins"
            raise table.refuse(line, "rows go back in time", f"{row['from']} to {row['to']}", fix)
        steps.append(Step(begin_s, end_s, _number(table, line, row, column, negative)))
    return History(tuple(steps))


def _weekly(table: Table, column: str, negative: bool) -> Weekly:
    if "timezone" not in table.keys:
        fix = "add '# timezone: Europe/Berlin', or '# timezone: UTC'"
        raise table.refuse(None, "hours of the day need a time zone", "no header line timezone", fix)
    try:
        zone = ZoneInfo(table.keys["timezone"])
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        fix = "give a name such as Europe/Berlin; if this machine has no zones: pip install tzdata"
        raise table.refuse(None, "the time zone is not known", repr(table.keys["timezone"]), fix) from error
    week: list[float | None] = [None] * WEEK_MINUTES
    for line, row in table.rows:
        value = _number(table, line, row, column, negative)
        begin, end = _minute(table, line, row["from"]), _minute(table, line, row["to"])
        length = (end - begin) % DAY_MINUTES or DAY_MINUTES
        for day in _days(table, line, row["days"]):
            for minute in range(day * DAY_MINUTES + begin, day * DAY_MINUTES + begin + length):
                if week[minute % WEEK_MINUTES] is not None:
                    seen = f"{_name(minute % WEEK_MINUTES)} stands twice"
                    raise table.refuse(line, "two rows for one time of the week", seen, "keep one of them")
                week[minute % WEEK_MINUTES] = value
    known = tuple(value for value in week if value is not None)
    if len(known) < WEEK_MINUTES:
        seen = f"none for {_name(week.index(None))}"
        raise table.refuse(None, "rows do not cover the week", seen, "give rows for all hours of all days")
    return Weekly(known, zone)


def _days(table: Table, line: int, text: str) -> range | list[int]:
    first, _, last = text.lower().partition("-")
    if text.lower() == "all":
        return range(7)
    if first not in DAYS or (last or first) not in DAYS:
        raise table.refuse(line, "not days of the week", repr(text), "write mon, mon-fri or all")
    begin = DAYS.index(first)
    return [(begin + n) % 7 for n in range((DAYS.index(last or first) - begin) % 7 + 1)]


def _minute(table: Table, line: int, text: str) -> int:
    hour, _, minute = text.partition(":")
    if hour.isdecimal() and minute.isdecimal() and len(minute) == 2:
        found = int(hour) * 60 + int(minute)
        if int(minute) < 60 and found <= DAY_MINUTES:
            return found % DAY_MINUTES
    raise table.refuse(line, "not a time of day", repr(text), "write hours and minutes, as 06:30 or 24:00")


def _instant(table: Table, line: int, text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise table.refuse(line, "not an instant", repr(text), "write 2025-03-01T13:00Z, or with +01:00 in place of Z")
    return at.timestamp()


def _number(table: Table, line: int, row: Mapping[str, str], column: str, negative: bool) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (value < 0 and not negative):
        raise table.refuse(line, f"{column} is not usable", repr(row[column]), "give a number")
    return value


def _name(minute: int) -> str:
    return f"{DAYS[minute // DAY_MINUTES]} {minute % DAY_MINUTES // 60:02}:{minute % 60:02}"
