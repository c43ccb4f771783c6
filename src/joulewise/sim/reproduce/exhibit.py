"""A table, a drawing or printed text, each number with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from joulewise.errors import UsageError


class Origin(StrEnum):
    """Where a number comes from."""

    MEASURED = "measured"
    RECOMPUTED = "recomputed"
    MODELLED = "modelled"
    SIMULATED = "simulated"
    PUBLISHED = "published"

    @property
    def meaning(self) -> str:
        """For people."""
        return _MEANINGS[self]


_MEANINGS = {
    Origin.MEASURED: "read off a measured table, as it stands there",
    Origin.RECOMPUTED: "computed here from what others measured on hardware; no chance in it",
    Origin.MODELLED: "from a law fitted to measurements",
    Origin.SIMULATED: "from simulated devices, or from a replay of measured tables with drawn noise or order",
    Origin.PUBLISHED: "stated by the authors of the paper, or by their own program; not ours",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its head, with the unit in brackets.
        origin: Where its numbers come from; None if it is given, and says which row it is.
    """

    name: str
    origin: Origin | None = None


@dataclass(frozen=True)
class Exhibit:
    """One table, drawing or printed text.

    Attributes:
        name: As its file is called; one of its kind over all studies.
        title: Heading.
        shows: What it shows, and how to read it.
        source: The paper (key of docs/papers.md, and where in it) or data that it rests on.
        columns: Of the table, if it is one.
        rows: Cells as they are shown.
        svg: The drawing, if it is one.
        text: Markdown, if it is something printed.
        origin: Of the numbers of a drawing or text.
    """

    name: str
    title: str
    shows: str
    source: str
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    svg: str = ""
    text: str = ""
    origin: Origin | None = None

    def __post_init__(self) -> None:
        """Refuse numbers of unknown origin.

        Raises:
            UsageError: If a row is of another length than the columns, or it is not said where something comes from.
        """
        if any(len(row) != len(self.columns) for row in self.rows):
            raise UsageError(f"exhibit {self.name}: a row does not fit its columns", f"{len(self.columns)} columns", "")
        if (self.svg or self.text) and self.origin is None:
            raise UsageError(f"exhibit {self.name} does not say where it comes from", "no origin", "name one")
        if self.columns and not any(column.origin for column in self.columns):
            raise UsageError(f"exhibit {self.name} has no column whose origin is known", "none", "name one")

    @property
    def origins(self) -> tuple[Origin, ...]:
        """All origins that occur."""
        found = [self.origin, *(column.origin for column in self.columns)]
        return tuple(dict.fromkeys(origin for origin in found if origin))

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Exhibit:
        """The exhibit that `to_dict` wrote."""
        columns = tuple(Column(one["name"], one["origin"] and Origin(one["origin"])) for one in data["columns"])
        rows = tuple(tuple(row) for row in data["rows"])
        origin = Origin(data["origin"]) if data["origin"] else None
        return cls(**{**data, "columns": columns, "rows": rows, "origin": origin})
