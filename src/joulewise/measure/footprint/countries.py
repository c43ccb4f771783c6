"""Yearly average carbon intensities of countries, shipped: for use without a network, and never chosen for the user."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from joulewise.errors import UsageError
from joulewise.measure.footprint.intensity import Intensity, Scope
from joulewise.measure.footprint.rate import Flat
from joulewise.measure.footprint.table import Table, read_table

DATA = "carbon_intensity.csv"
COLUMNS = ("alpha2", "alpha3", "country", "year", "g_per_kwh")
KEYS = ("source", "licence", "scope", "obtained", "note")


@dataclass(frozen=True, slots=True)
class CountryFactor:
    """One row of the table.

    Attributes:
        alpha2, alpha3: ISO 3166 codes.
        country: Name.
        year: That the figure is of.
        g_per_kwh: Grams of CO2 equivalent per kWh.
    """

    alpha2: str
    alpha3: str
    country: str
    year: int
    g_per_kwh: float


def country_intensity(country: str, file: str | Path | None = None) -> Intensity:
    """The yearly average of a country.

    Args:
        country: ISO 3166 code of two or three letters, such as DE or DEU.
        file: A table of the same columns to use in place of the shipped one.

    Raises:
        UsageError: If there is no such country in the table.
        InputFileError: If the file is not usable.
    """
    table, factors = read_factors(file)
    wanted = country.strip().upper()
    for one in factors:
        if wanted in (one.alpha2, one.alpha3):
            return Intensity(
                Flat(one.g_per_kwh),
                table.keys.get("source", table.file),
                scope=Scope(table.keys.get("scope", Scope.UNKNOWN)),
                region=one.country,
                year=one.year,
                licence=table.keys.get("licence", ""),
                notes=("a yearly average: it does not follow the hour",),
            )
    near = ", ".join(f"{one.alpha2} ({one.country})" for one in factors if wanted and wanted in one.country.upper())
    fix = f"did you mean {near}?" if near else "give an ISO 3166 code such as DE, or your own figure or table"
    raise UsageError(f"no carbon intensity is known for {country!r}", f"{len(factors)} countries", fix)


def read_factors(file: str | Path | None = None) -> tuple[Table, tuple[CountryFactor, ...]]:
    """The table of countries, shipped or one's own.

    Raises:
        InputFileError: If the file is not usable.
    """
    if file is None:
        with as_file(files("joulewise.measure.footprint") / DATA) as path:
            table = read_table(path, KEYS)
    else:
        table = read_table(file, KEYS)
    if table.columns != COLUMNS:
        seen = ",".join(table.columns)
        raise table.refuse(None, "the columns are not those of a table of countries", seen, f"give {','.join(COLUMNS)}")
    if table.keys.get("scope", Scope.UNKNOWN) not in list(Scope):
        raise table.refuse(None, "unknown scope", repr(table.keys["scope"]), f"use {', '.join(Scope)}")
    factors = []
    for line, row in table.rows:
        try:
            year, g_per_kwh = int(row["year"]), float(row["g_per_kwh"])
        except ValueError:
            year, g_per_kwh = 0, -1.0
        if not (1900 < year < 3000 and 0 <= g_per_kwh < float("inf")):
            seen = f"{row['year']!r} and {row['g_per_kwh']!r}"
            raise table.refuse(line, "year or g_per_kwh is not usable", seen, "give a year and a number")
        codes = row["alpha2"].upper(), row["alpha3"].upper()
        factors.append(CountryFactor(*codes, row["country"], year, g_per_kwh))
    return table, tuple(factors)
