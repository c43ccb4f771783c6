"""A figure per kWh that changes with time: the common shape of prices and carbon intensities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Protocol

from joulewise.errors import UsageError

DAY_MINUTES, WEEK_MINUTES = 1440, 7 * 1440
_CAREFUL_S = 900  # offsets from UTC change on quarters of an hour


@dataclass(frozen=True, slots=True)
class Step:
    """A time over which a rate is constant.

    Attributes:
        begin_s, end_s: Its edges, in seconds since 1970 (UTC) [s].
        per_kwh: The rate.
    """

    begin_s: float
    end_s: float
    per_kwh: float


class Rate(Protocol):
    """A figure per kWh at every instant."""

    def steps(self, begin_s: float, end_s: float) -> Sequence[Step]:
        """The rate over a window, in order and without gaps; at least one step.

        Args:
            begin_s, end_s: Edges of the window, in seconds since 1970 (UTC) [s].

        Raises:
            UsageError: If the rate is not known over all of it.
        """


@dataclass(frozen=True, slots=True)
class Flat:
    """The same at all times."""

    per_kwh: float

    def steps(self, begin_s: float, end_s: float) -> Sequence[Step]:
        """One step."""
        return (Step(begin_s, end_s, self.per_kwh),)


@dataclass(frozen=True)
class Weekly:
    """By minute of the week, in a time zone.

    Attributes:
        per_kwh: The rate in each of the 10080 minutes from Monday 0:00 on.
        zone: The zone that days and hours are meant in; its summer time is followed.
    """

    per_kwh: tuple[float, ...]
    zone: tzinfo

    def steps(self, begin_s: float, end_s: float) -> Sequence[Step]:
        """One step per change."""
        return tuple(_merged(self._pieces(begin_s, end_s))) or (Step(begin_s, end_s, self._at(begin_s)[1]),)

    def _pieces(self, begin_s: float, end_s: float) -> Iterator[Step]:
        at_s = begin_s
        while at_s < end_s:
            minute, rate = self._at(at_s)
            same = next((n for n in range(1, WEEK_MINUTES) if self.per_kwh[(minute + n) % WEEK_MINUTES] != rate), 0)
            next_s = (at_s // 60 + (same or WEEK_MINUTES)) * 60
            if self._offset_s(next_s) != self._offset_s(at_s):
                next_s = min(next_s, (at_s // _CAREFUL_S + 1) * _CAREFUL_S)
            yield Step(at_s, min(next_s, end_s), rate)
            at_s = next_s

    def _at(self, at_s: float) -> tuple[int, float]:
        """Minute of the week, and the rate in it."""
        local = datetime.fromtimestamp(at_s // 60 * 60, self.zone)
        minute = local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute
        return minute, self.per_kwh[minute]

    def _offset_s(self, at_s: float) -> float:
        offset = datetime.fromtimestamp(at_s, self.zone).utcoffset()
        return offset.total_seconds() if offset else 0.0


@dataclass(frozen=True)
class History:
    """As it was, in rows of begin, end and rate."""

    rows: tuple[Step, ...]

    def steps(self, begin_s: float, end_s: float) -> Sequence[Step]:
        """The rows that meet the window, cut to it."""
        cut = [
            Step(max(row.begin_s, begin_s), min(row.end_s, end_s), row.per_kwh)
            for row in sorted(self.rows, key=lambda row: row.begin_s)
            if row.begin_s < max(end_s, begin_s + 1e-6) and row.end_s > begin_s
        ]
        known_s = begin_s
        for step in cut:
            if step.begin_s > known_s:
                break
            known_s = step.end_s
        if not cut or known_s < end_s:
            rows = f"{_utc(self.rows[0].begin_s)} to {_utc(self.rows[-1].end_s)}" if self.rows else "no rows"
            fix = "give rows for the time of the measurement"
            raise UsageError(f"the rate at {_utc(known_s)} is not known", f"the table has {rows}", fix)
        return tuple(cut)


def _merged(steps: Iterator[Step]) -> Iterator[Step]:
    """Neighbours of one rate as one step."""
    last: Step | None = None
    for step in steps:
        if last is not None and step.per_kwh == last.per_kwh:
            last = Step(last.begin_s, step.end_s, last.per_kwh)
            continue
        if last is not None:
            yield last
        last = step
    if last is not None:
        yield last


def _utc(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
