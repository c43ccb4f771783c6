"""Rows of numbers by rising instant, packed, that grow coarser as they grow old.

Theory of operation. Rows are appended for months, so the older half is thinned whenever the log is full: of two
neighbours one remains, and so the log holds all of its history, the older the coarser, in bounded memory. Who thins
says how two rows become one (`Join`), and around which instants nothing may be lost: the edges of windows whose result
is still to come.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

KEPT = 32_768
GUARD_NS = 3_000_000_000
Row = tuple[float, ...]
"""An instant [ns] and values."""
Join = Callable[[Row, Row, int], Row | None]
"""Two neighbours and the instant of the row after them [ns] become one row; None if both must stay."""


class Log:
    """Rows of an instant [ns] and values; any thread may append and ask.

    Attributes:
        thinned_ns: Before this instant rows may have been thinned [ns].

    Args:
        codes: Type codes of the values, as of `array.array`.
        join: How rows are thinned.
        kept: More rows than this are thinned.
    """

    def __init__(self, codes: str, join: Join, kept: int = KEPT) -> None:
        """Begin empty."""
        self._columns: list[array[float]] = [array(code) for code in "q" + codes]
        self._join, self._kept, self._full = join, kept, kept
        self.thinned_ns = 0
        self.lock = threading.Lock()

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._columns[0])

    def append(self, row: Row) -> bool:
        """Add a row; one that is not after the last is left out."""
        with self.lock:
            at_ns = self._columns[0]
            if at_ns and row[0] <= at_ns[-1]:
                return False
            for column, value in zip(self._columns, row, strict=True):
                column.append(value)
            return True

    def extend(self, rows: Sequence[Row]) -> None:
        """Add rows in the order of time, all after the last; nothing is checked."""
        with self.lock:
            for column, values in zip(self._columns, zip(*rows, strict=True), strict=False):
                column.extend(values)

    @property
    def first_ns(self) -> int | None:
        """The instant of the first row [ns]."""
        at_ns = self._columns[0]
        return int(at_ns[0]) if at_ns else None

    @property
    def last_ns(self) -> int | None:
        """The instant of the last row [ns]."""
        at_ns = self._columns[0]
        return int(at_ns[-1]) if at_ns else None

    def rows(self, begin_ns: int, end_ns: int, *, before: int = 1) -> list[Row]:
        """Rows within two instants, and the ``before`` rows before them."""
        with self.lock:
            at_ns = self._columns[0]
            first = max(0, bisect_right(at_ns, begin_ns) - before)
            last = bisect_right(at_ns, end_ns)
            parts = [column[first:last] for column in self._columns]
        return list(zip(*parts, strict=True))

    def from_ns(self, edge_ns: int) -> list[Row]:
        """Rows at or after an instant."""
        with self.lock:
            first = bisect_left(self._columns[0], edge_ns)
            parts = [column[first:] for column in self._columns]
        return list(zip(*parts, strict=True))

    def nearest(self, at_ns: int, within_ns: int) -> Row | None:
        """The row nearest to an instant, if one is that near."""
        rows = self.rows(at_ns, at_ns + within_ns)
        return min(
            (row for row in rows if abs(row[0] - at_ns) <= within_ns), key=lambda row: abs(row[0] - at_ns), default=None
        )

    @property
    def full(self) -> bool:
        """Whether it is time to thin."""
        return len(self) >= self._full

    def thin(self, guarded_ns: Sequence[int]) -> None:
        """Thin the older half, except around guarded instants [ns], given in order."""
        with self.lock:
            half = len(self) // 2
            old = list(zip(*(column[: half + 1] for column in self._columns), strict=True))
            kept: list[Row] = []
            index = 0
            while index < half:
                one, two, after_ns = old[index], old[index + 1], int(old[min(index + 2, half)][0])
                joined = None
                if index + 2 <= half and not _guarded(one[0], after_ns, guarded_ns):
                    joined = self._join(one, two, after_ns)
                kept.append(one if joined is None else joined)
                index += 1 if joined is None else 2
            self.thinned_ns = int(old[half][0])
            for number, column in enumerate(self._columns):
                column[:half] = array(column.typecode, [row[number] for row in kept])
            self._full = max(self._kept, len(self) + self._kept // 4)


def _guarded(begin_ns: float, end_ns: float, guarded_ns: Sequence[int]) -> bool:
    """Whether an instant lies between two others, or near."""
    first = bisect_left(guarded_ns, begin_ns - GUARD_NS)
    return first < len(guarded_ns) and guarded_ns[first] <= end_ns + GUARD_NS


def earlier(one: Row, two: Row, after_ns: int) -> Row:
    """Of two rows the earlier one: for values that hold, or rise, where nothing is lost but detail."""
    del two, after_ns
    return one


def same_epoch(one: Row, two: Row, after_ns: int) -> Row | None:
    """As `earlier`, unless a counter (instant, energy, epoch, ...) begins anew between them."""
    del after_ns
    return one if one[2] == two[2] else None


def power_row(last: Row | None, at_ns: int, power_w: float) -> Row:
    """A reading of power with its sums: instant, power, energy shown, error of ticks and its square, peak."""
    if last is None:
        return (at_ns, power_w, 0.0, 0.0, 0.0, power_w)
    elapsed_s = (at_ns - last[0]) * 1e-9
    error_j = abs(power_w - last[1]) * elapsed_s
    shown_j = (power_w + last[1]) / 2 * elapsed_s
    return (at_ns, power_w, last[2] + shown_j, last[3] + error_j, last[4] + error_j * error_j, power_w)


def keep_first(one: Row, two: Row, after_ns: int) -> Row:
    """Of two rows of power the first, with the larger peak."""
    del after_ns
    return (*one[:5], max(one[5], two[5]))
