"""A point of a sweep and what was found there: flat records of JSON scalars, checked at the border."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from joulewise.errors import UsageError

Scalar = str | int | float | bool | None
Fields = dict[str, Scalar]
Key = frozenset[tuple[str, Scalar]]
"""What makes a point itself: its fields that are not None."""

EXACT = 2**53
"""Integers up to here are the same as numbers of any reader."""

FIX = "give a flat mapping of text, numbers, truth values and None"


@dataclass(frozen=True, slots=True)
class Row:
    """A point and its values, or why there are none.

    Attributes:
        point: The fields of the point.
        values: What was found there; empty if it failed.
        error: What went wrong there, or None.
    """

    point: Mapping[str, Scalar]
    values: Mapping[str, Scalar]
    error: str | None = None

    def __getitem__(self, name: str) -> Any:
        """A value, or a field of the point.

        Raises:
            UsageError: If the point failed, or there is nothing of that name.
        """
        if self.error is not None:
            raise UsageError(f"the sweep failed at {dict(self.point)}", self.error, "mend it, and run the sweep again")
        if name not in self.values and name not in self.point:
            known = ", ".join([*self.point, *self.values])
            raise UsageError("a row of the sweep has no such field", name, f"use one of {known}")
        return self.values[name] if name in self.values else self.point[name]

    def flat(self) -> Fields:
        """Point, values and ``error`` (if there is one) as one record."""
        return {**self.point, **self.values, **({"error": self.error} if self.error is not None else {})}


def fields_of(point: object) -> Fields:
    """The fields of a point.

    Raises:
        UsageError: If it is neither a dataclass nor a mapping of JSON scalars.
    """
    if is_dataclass(point) and not isinstance(point, type):
        return checked_fields(asdict(point), "a point")
    return checked_fields(point, "a point")


def checked_fields(record: object, what: str) -> Fields:
    """A record whose every field is a JSON scalar.

    Raises:
        UsageError: If it is anything else.
    """
    if not isinstance(record, Mapping):
        raise UsageError(f"{what} is no record", repr(record)[:200], FIX)
    for name, value in record.items():
        scalar = value is None or isinstance(value, str | int | float)
        exact = not isinstance(value, int) or abs(value) <= EXACT
        if not (isinstance(name, str) and scalar and exact):
            raise UsageError(f"{what} has a field that is no JSON scalar", f"{name!r}: {value!r}"[:200], FIX)
    return {name: float(value) if isinstance(value, float) else value for name, value in record.items()}


def key_of(fields: Fields) -> Key:
    """What makes a point itself.

    Raises:
        UsageError: If a field is not a number, so that the point would not equal itself.
    """
    if any(isinstance(value, float) and math.isnan(value) for value in fields.values()):
        raise UsageError("a point has a field that is not a number", repr(fields)[:200], "leave such points out")
    return frozenset((name, value) for name, value in fields.items() if value is not None)


class Columns:
    """The kind of every column, so that rows make a table: text, numbers or truth values, and None."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._kinds: dict[str, str] = {}

    def check(self, record: Fields, what: str) -> None:
        """See that a record agrees with those before.

        Raises:
            UsageError: If a field is of another kind than before.
        """
        for name, value in record.items():
            if value is None:
                continue
            kind = "text" if isinstance(value, str) else "a truth value" if isinstance(value, bool) else "a number"
            if self._kinds.setdefault(name, kind) != kind:
                seen = f"{name}: {value!r}, elsewhere {self._kinds[name]}"
                raise UsageError(f"{what} has a field of another kind than others", seen, "keep one kind for a field")
