"""Prices of electricity, from a file or as one figure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from joulewise.errors import UsageError
from joulewise.measure.footprint.rate import Flat, Rate
from joulewise.measure.footprint.table import rate_of, read_table

KEYS = ("currency", "timezone", "source", "year", "note")


@dataclass(frozen=True)
class Tariff:
    """What a kWh costs.

    Attributes:
        rate: Price per kWh; may be below zero for a time.
        currency: What it is in.
        source: Where the price is from, for people.
        year: Of the price, or None if not stated.
    """

    rate: Rate
    currency: str
    source: str
    year: int | None = None


def flat_tariff(price_per_kwh: float, currency: str, source: str = "given by the user") -> Tariff:
    """One price at all times.

    Raises:
        UsageError: If the price is no finite number, or there is no currency.
    """
    if not abs(price_per_kwh) < float("inf"):
        raise UsageError("not a price", repr(price_per_kwh), "give a number per kWh")
    if not currency.strip():
        raise UsageError("a price needs a currency", repr(currency), "give one, such as EUR")
    return Tariff(Flat(price_per_kwh), currency, source)


def read_tariff(file: str | Path) -> Tariff:
    """A tariff from CSV: by time of the week, or as prices were.

    Args:
        file: Its header tells ``currency`` and, for times of the week, ``timezone``; its column is ``price_per_kwh``
            (see `joulewise.measure.footprint.table`).

    Raises:
        InputFileError: If it is not usable.
    """
    table = read_table(file, KEYS)
    if "currency" not in table.keys:
        raise table.refuse(None, "a price needs a currency", "no header line currency", "add '# currency: EUR'")
    rate = rate_of(table, "price_per_kwh", negative=True)
    return Tariff(rate, table.keys["currency"], table.keys.get("source", table.file), table.whole_number("year"))
