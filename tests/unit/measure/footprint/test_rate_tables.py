"""Tables of prices and intensities: what they mean, summer time, and every way in which they are refused."""

from __future__ import annotations

import csv
import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from joulewise.errors import InputFileError, UsageError
from joulewise.measure.footprint import country_intensity, flat_intensity, flat_tariff, read_intensity, read_tariff
from joulewise.measure.footprint.countries import DATA, read_factors
from joulewise.measure.footprint.intensity import Basis, IntensityKind, Scope

TARIFF = """# currency: EUR
# timezone: UTC
# source: contract 4711
# year: 2025
days,from,to,price_per_kwh
mon-fri,06:00,22:00,0.30
mon-fri,22:00,06:00,0.20
sat-sun,00:00,24:00,0.10
"""


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def has_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return False
    return True


def test_a_week_with_nights(tmp_path: Path) -> None:
    # Friday night goes on until Saturday 6:00, so Saturday must begin there.
    text = TARIFF.replace("sat-sun,00:00,24:00,0.10", "sat,06:00,24:00,0.10\nsun,00:00,24:00,0.10\n")
    text = text.replace("mon-fri,22:00,06:00,0.20", "mon-fri,22:00,06:00,0.20\nmon,00:00,06:00,0.15")
    tariff = read_tariff(write(tmp_path, text))
    assert (tariff.currency, tariff.source, tariff.year) == ("EUR", "contract 4711", 2025)
    friday = tariff.rate.steps(at("2025-03-07T21:00Z"), at("2025-03-08T07:00Z"))
    assert [(step.per_kwh, (step.end_s - step.begin_s) / 3600) for step in friday] == [(0.3, 1), (0.2, 8), (0.1, 1)]
    monday = tariff.rate.steps(at("2025-03-09T23:00Z"), at("2025-03-10T07:00Z"))
    assert [(step.per_kwh, (step.end_s - step.begin_s) / 3600) for step in monday] == [(0.1, 1), (0.15, 6), (0.3, 1)]


def test_prices_change_on_the_minute_wherever_a_window_begins(tmp_path: Path) -> None:
    rows = "# currency: EUR\n# timezone: UTC\ndays,from,to,price_per_kwh\nall,00:00,12:00,1\nall,12:00,24:00,2\n"
    steps = read_tariff(write(tmp_path, rows)).rate.steps(at("2025-03-07T11:59:29Z") + 0.5, at("2025-03-07T12:00:01Z"))
    assert [step.end_s - step.begin_s for step in steps] == [30.5, 1.0]


@pytest.mark.skipif(not has_zone("Europe/Berlin"), reason="this machine has no time zones; pip install tzdata")
@pytest.mark.parametrize(("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25), ("2025-06-01", 24)])
def test_days_of_summer_time(tmp_path: Path, day: str, hours: int) -> None:
    rows = (
        "# currency: EUR\n# timezone: Europe/Berlin\ndays,from,to,price_per_kwh\nall,00:00,12:00,1\nall,12:00,24:00,2\n"
    )
    tariff = read_tariff(write(tmp_path, rows))
    zone = ZoneInfo("Europe/Berlin")
    begin = datetime.fromisoformat(day).replace(tzinfo=zone)
    begin_s = begin.timestamp()
    steps = tariff.rate.steps(begin_s, begin_s + hours * 3600)
    lengths = {step.per_kwh: (step.end_s - step.begin_s) / 3600 for step in steps}
    assert lengths == {1.0: hours - 12, 2.0: 12}


def test_intensities_as_they_were(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "# kind: marginal\n# basis: location\n# scope: direct\n# region: X\n"
        "# source: meter\n# licence: mine\n# note: hm\n"
        "from,to,g_per_kwh\n2025-03-01T12:00Z,2025-03-01T13:00Z,100\n2025-03-01T14:00+01:00,2025-03-01T15:00+01:00,300\n",
    )
    found = read_intensity(path)
    assert (found.kind, found.basis, found.scope) == (IntensityKind.MARGINAL, Basis.LOCATION, Scope.DIRECT)
    assert (found.region, found.source, found.licence, found.notes) == ("X", "meter", "mine", ("hm",))
    steps = found.rate.steps(at("2025-03-01T12:30Z"), at("2025-03-01T13:30Z"))
    assert [step.per_kwh for step in steps] == [100, 300]
    with pytest.raises(UsageError, match="2025-03-01T14:00:00Z is not known"):
        found.rate.steps(at("2025-03-01T13:00Z"), at("2025-03-01T15:00Z"))


def test_one_figure_is_a_table_too(tmp_path: Path) -> None:
    assert read_intensity(write(tmp_path, "g_per_kwh\n42\n")).rate.steps(0, 1)[0].per_kwh == 42
    assert read_tariff(write(tmp_path, "# currency: EUR\nprice_per_kwh\n-0.1\n")).rate.steps(0, 1)[0].per_kwh == -0.1


ROW = "# currency: EUR\n# timezone: UTC\ndays,from,to,price_per_kwh\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("price_per_kwh\n1\n", "needs a currency"),
        ("# colour: red\nprice_per_kwh\n1\n", "line 1: unknown header line"),
        ("# currency: EUR\n# year: soon\nprice_per_kwh\n1\n", "year is not a whole number"),
        ("# currency: EUR\nprice_per_kwh\nmuch\n", "line 3: price_per_kwh is not usable"),
        ("# currency: EUR\nprice_per_kwh\nnan\n", "price_per_kwh is not usable"),
        ("# currency: EUR\ndays,price_per_kwh\nall,1\n", "columns are not those of a rate"),
        ("# currency: EUR\ndays,from,to,price_per_kwh\nall,0:00,24:00,1\n", "need a time zone"),
        ("# currency: EUR\n# timezone: Mars/Olympus\ndays,from,to,price_per_kwh\nall,0:00,24:00,1\n", "is not known"),
        (f"{ROW}all,0:00,24:00\n", "line 4: wrong number of fields"),
        (f"{ROW}someday,0:00,24:00,1\n", "not days of the week"),
        (f"{ROW}all,0:00,24:01,1\n", "not a time of day"),
        (f"{ROW}all,0,24:00,1\n", "not a time of day"),
        (f"{ROW}all,0:00,23:00,1\n", "do not cover the week"),
        (f"{ROW}all,0:00,24:00,1\nsun,3:00,4:00,2\n", "line 5: two rows for one time"),
        ("# currency: EUR\nfrom,to,price_per_kwh\n2025-03-01T12:00,2025-03-01T13:00Z,1\n", "not an instant"),
        ("# currency: EUR\nfrom,to,price_per_kwh\n2025-03-01T14:00Z,2025-03-01T13:00Z,1\n", "go back in time"),
    ],
)
def test_tables_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        read_tariff(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# kind: typical\ng_per_kwh\n1\n", "unknown kind"),
        ("# scope: some\ng_per_kwh\n1\n", "unknown scope"),
        ("g_per_kwh\n-1\n", "not usable"),
    ],
)
def test_intensities_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        read_intensity(write(tmp_path, text))


def test_figures_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    for figure in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="not a carbon intensity"):
            flat_intensity(figure, "x")
    with pytest.raises(UsageError, match="needs a source"):
        flat_intensity(1.0, " ")
    with pytest.raises(UsageError, match="not a price"):
        flat_tariff(float("nan"), "EUR")
    with pytest.raises(UsageError, match="needs a currency"):
        flat_tariff(1.0, "")
    with pytest.raises(InputFileError, match="cannot be read"):
        read_tariff(tmp_path / "absent.csv")


def test_countries_are_plausible_and_say_what_they_are() -> None:
    table, factors = read_factors()
    assert len(factors) >= 200
    assert len({one.alpha2 for one in factors}) == len({one.alpha3 for one in factors}) == len(factors)
    assert all(re.fullmatch("[A-Z]{2}", one.alpha2) and re.fullmatch("[A-Z]{3}", one.alpha3) for one in factors)
    assert all(2020 <= one.year <= 2030 and 5 < one.g_per_kwh < 1500 for one in factors)
    assert table.keys["licence"] == "CC BY 4.0"
    assert country_intensity("de") == country_intensity("DEU")
    found = country_intensity("NO")
    assert (found.kind, found.basis, found.scope, found.region) == (
        IntensityKind.AVERAGE,
        Basis.LOCATION,
        Scope.LIFECYCLE,
        "Norway",
    )


def test_an_unknown_country_is_refused_with_what_is_near() -> None:
    with pytest.raises(UsageError, match=r"did you mean DE \(Germany\)"):
        country_intensity("Germany")
    with pytest.raises(UsageError, match="ISO 3166"):
        country_intensity("")


def test_a_table_of_ones_own_takes_its_place(tmp_path: Path) -> None:
    rows = "# source: us\n# licence: ours\nalpha2,alpha3,country,year,g_per_kwh\nXX,XXX,Nowhere,2030,7.5\n"
    found = country_intensity("xx", write(tmp_path, rows))
    assert (found.source, found.licence, found.year, found.rate.steps(0, 1)[0].per_kwh) == ("us", "ours", 2030, 7.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alpha2,country\nXX,Nowhere\n", "columns are not those"),
        ("# scope: some\nalpha2,alpha3,country,year,g_per_kwh\nXX,XXX,N,2030,7\n", "unknown scope"),
        ("alpha2,alpha3,country,year,g_per_kwh\nXX,XXX,N,soon,7\n", "year or g_per_kwh is not usable"),
        ("alpha2,alpha3,country,year,g_per_kwh\nXX,XXX,N,2030,-7\n", "year or g_per_kwh is not usable"),
    ],
)
def test_a_table_of_ones_own_is_checked(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        country_intensity("XX", write(tmp_path, text))


def test_the_page_shows_the_table() -> None:
    root = Path(__file__).parents[4]
    page = (root / "docs/reference/carbon-factors.md").read_text(encoding="utf-8")
    data = (root / "src/joulewise/measure/footprint" / DATA).read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in data.splitlines() if not line.startswith("#")))
    shown = [f"| {row['alpha2']} | {row['country']} | {row['year']} | {row['g_per_kwh']} |" for row in rows]
    assert [line for line in page.splitlines() if re.match(r"\| [A-Z]{2} \|", line)] == shown
