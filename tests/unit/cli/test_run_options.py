"""What options mean, and what is refused of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from joulewise.cli.compare import plan_of
from joulewise.cli.run_options import NO_CURRENCY, Outputs, parse_factors, parse_limit
from joulewise.errors import InputFileError, UsageError


@pytest.mark.parametrize(
    ("text", "price", "currency"),
    [
        ("0.30/kWh", 0.30, NO_CURRENCY),
        ("0.30 EUR/kWh", 0.30, "EUR"),
        (".3USD", 0.3, "USD"),
        ("25 ct / kwh", 25.0, "ct"),
        ("-0.01 €/kWh", -0.01, "€"),
    ],
)
def test_prices(text, price, currency):
    tariff = parse_factors(text, None, None).tariff
    assert (tariff.rate.per_kwh, tariff.currency) == (price, currency)


def test_prices_and_intensities_from_files(tmp_path):
    (tmp_path / "price.csv").write_text("# currency: EUR\nprice_per_kwh\n0.25\n")
    (tmp_path / "grid.csv").write_text("# region: here\ng_per_kwh\n380\n")
    factors = parse_factors(str(tmp_path / "price.csv"), None, str(tmp_path / "grid.csv"))
    assert factors.tariff.currency == "EUR"
    assert factors.intensity.region == "here"


def test_intensities():
    assert parse_factors(None, None, "380 g/kWh").intensity.rate.per_kwh == 380
    assert parse_factors(None, "de", None).intensity.region == "Germany"
    assert not parse_factors(None, None, None)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("cheap", None, None), InputFileError),
        (("0.3 EUR/MWh", None, None), InputFileError),
        ((None, "Atlantis", None), UsageError),
        ((None, None, "-3"), InputFileError),
        ((None, "DE", "380"), UsageError),
    ],
)
def test_factors_that_cannot_be_meant(options, error):
    with pytest.raises(error):
        parse_factors(*options)


def test_what_is_no_factor_is_told_how_one_is_written():
    with pytest.raises(InputFileError, match=r"as in '0.30 EUR/kWh'"):
        parse_factors("0,30 EUR/kWh", None, None)
    with pytest.raises(InputFileError, match=r"as in '380 g/kWh'"):
        parse_factors(None, None, "5kg/kWh")


def test_limits():
    assert [parse_limit(text) for text in ("1.05x", "1.05", "2x", ".9x")] == [1.05, 1.05, 2.0, 0.9]
    for text in ("", "x", "0x", "-1x", "nan", "inf", "5%", "1.05 x"):
        with pytest.raises(UsageError, match="no ratio"):
            parse_limit(text)


@pytest.mark.parametrize("kind", ["json", "html", "parquet", "perfetto"])
@pytest.mark.parametrize("place", ["no/file", "", "x" * 300, "nul\0"])
def test_files_that_cannot_be_written_are_found_out(tmp_path, kind, place):
    with pytest.raises(UsageError, match="cannot write"):
        Outputs(**{kind: tmp_path / place}).check()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [".", "..", "", "/"])
def test_folders_are_not_replaced_by_files(place):
    with pytest.raises(UsageError, match="cannot write"):
        Outputs(json=Path(place)).check()


def test_devices_are_not_replaced_by_files():
    with pytest.raises(UsageError, match="no file"):
        Outputs(json=Path(os.devnull)).check()


def test_files_that_can_be_written_are_not_touched(tmp_path):
    (tmp_path / "old").write_text("old")
    Outputs(json=tmp_path / "old", html=tmp_path / "new").check()
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"
    with pytest.raises(UsageError, match="one name"):
        Outputs(json=tmp_path / "new", html=tmp_path / "new").check()


def test_the_other_program_is_read_as_a_shell_reads_it():
    plan = plan_of(["new"], "old --name 'two words'", 2, 0, 1.0)
    assert plan.commands == (("new",), ("old", "--name", "two words"))
    for other in ("", "  ", "'"):
        with pytest.raises(UsageError, match="other program"):
            plan_of(["new"], other, 2, 0, 1.0)
    with pytest.raises(UsageError, match="too few"):
        plan_of(["new"], "old", 1, 0, 1.0)
