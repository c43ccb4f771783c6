"""Settings as lazy sequences, so that a frontier of many plans holds indices rather than plans."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

Setting = Hashable
Rows = NDArray[np.intp]


class LazySettings(Sequence[Setting]):
    """A sequence whose items are made when asked for. Subclasses define ``__len__`` and ``at``."""

    @abstractmethod
    def at(self, index: int) -> Setting:
        """The setting at ``index``, 0 <= index < len."""

    @overload
    def __getitem__(self, index: int) -> Setting: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Setting, ...]: ...
    def __getitem__(self, index: int | slice) -> Setting | tuple[Setting, ...]:
        """One setting, or a tuple of them for a slice."""
        if isinstance(index, slice):
            return tuple(self.at(i) for i in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.at(int(index) % len(self))


@dataclass(frozen=True, eq=False)
class Selected(LazySettings):
    """The items ``rows`` of ``base``, in that order."""

    base: Sequence[Setting]
    rows: Rows

    @classmethod
    def of(cls, base: Sequence[Setting], rows: Rows) -> Selected:
        """Select from ``base``; a selection from a selection points to what is below it."""
        if isinstance(base, Selected):
            return cls(base.base, base.rows[rows])
        return cls(base, rows)

    def __len__(self) -> int:
        """Number of selected items."""
        return len(self.rows)

    def at(self, index: int) -> Setting:
        """The selected item at ``index``."""
        return self.base[int(self.rows[index])]


@dataclass(frozen=True, eq=False)
class Combined(LazySettings):
    """Tuples with one item of each part.

    Shapes:
        rows: (len(parts), n); item i is the tuple of ``parts[k][rows[k, i]]``.
    """

    parts: tuple[Sequence[Setting], ...]
    rows: Rows

    def __len__(self) -> int:
        """Number of tuples."""
        return int(self.rows.shape[1])

    def at(self, index: int) -> Setting:
        """The tuple at ``index``."""
        return tuple(part[int(row)] for part, row in zip(self.parts, self.rows[:, index], strict=True))


@dataclass(frozen=True, eq=False)
class Counted(LazySettings):
    """Tuples of (item of ``base``, how often), in the order of ``base``, items that never occur left out.

    Shapes:
        counts: (n, len(base)).
    """

    base: Sequence[Setting]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of tuples."""
        return len(self.counts)

    def at(self, index: int) -> Setting:
        """The (item, count) pairs at ``index``."""
        row = self.counts[index]
        return tuple((self.base[int(i)], int(row[i])) for i in np.flatnonzero(row))
