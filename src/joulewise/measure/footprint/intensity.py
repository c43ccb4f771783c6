"""What a kWh of electricity emits: never a bare figure, since two that mean different things must not be compared."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from joulewise.errors import InputFileError, UsageError
from joulewise.measure.footprint.rate import Flat, Rate
from joulewise.measure.footprint.table import Table, rate_of, read_table

KEYS = ("kind", "basis", "scope", "region", "timezone", "source", "year", "licence", "note")


class IntensityKind(StrEnum):
    """Of which kWh: the mean of all, or the one that is made because one more is used."""

    AVERAGE = "average"
    MARGINAL = "marginal"


class Basis(StrEnum):
    """Of whose kWh: those of the grid that one is connected to, or those that one has a contract for."""

    LOCATION = "location"
    MARKET = "market"


class Scope(StrEnum):
    """Of which emissions: of building and fuelling power stations as well, or of running them only."""

    LIFECYCLE = "lifecycle"
    DIRECT = "direct"
    UNKNOWN = "not stated"


@dataclass(frozen=True)
class Intensity:
    """Emissions per kWh, with all that tells what they mean.

    Attributes:
        rate: Grams of CO2 equivalent per kWh.
        source: Where the figures are from.
        kind: Average or marginal.
        basis: Location-based or market-based.
        scope: Over the life cycle, or direct.
        region: Of which grid.
        year: That the figures are of, or None if they carry their own times.
        licence: Under which the figures are given.
        notes: What else the reader must know, such as that some are estimates.
    """

    rate: Rate
    source: str
    kind: IntensityKind = IntensityKind.AVERAGE
    basis: Basis = Basis.LOCATION
    scope: Scope = Scope.UNKNOWN
    region: str = ""
    year: int | None = None
    licence: str = ""
    notes: tuple[str, ...] = ()


def flat_intensity(g_per_kwh: float, source: str, *, kind: IntensityKind = IntensityKind.AVERAGE) -> Intensity:
    """One figure at all times.

    Raises:
        UsageError: If it is negative or no finite number, or has no source.
    """
    if not 0 <= g_per_kwh < float("inf"):
        raise UsageError("not a carbon intensity", f"{g_per_kwh!r} g/kWh", "give grams per kWh, zero or more")
    if not source.strip():
        raise UsageError("a carbon intensity needs a source", "none", "say where the figure is from")
    return Intensity(Flat(g_per_kwh), source, kind)


def read_intensity(file: str | Path) -> Intensity:
    """Carbon intensities from CSV: one figure, by time of the week, or as they were.

    Args:
        file: Its header may tell ``kind``, ``basis``, ``scope``, ``region``, ``source``, ``year`` and ``licence``; its
            column is ``g_per_kwh`` (see `joulewise.measure.footprint.table`).

    Raises:
        InputFileError: If it is not usable.
    """
    table = read_table(file, KEYS)
    return Intensity(
        rate_of(table, "g_per_kwh"),
        table.keys.get("source", table.file),
        IntensityKind(_word(table, "kind", IntensityKind, IntensityKind.AVERAGE)),
        Basis(_word(table, "basis", Basis, Basis.LOCATION)),
        Scope(_word(table, "scope", Scope, Scope.UNKNOWN)),
        table.keys.get("region", ""),
        table.whole_number("year"),
        table.keys.get("licence", ""),
        (table.keys["note"],) if "note" in table.keys else (),
    )


def _word(table: Table, key: str, words: type[StrEnum], default: StrEnum) -> str:
    text = table.keys.get(key, default)
    if text not in list(words):
        raise InputFileError(table.file, None, f"unknown {key}", repr(text), f"use {', '.join(words)}")
    return text
