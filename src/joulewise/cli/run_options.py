"""What the options of ``joulewise run`` mean; everything that can be wrong is found out before the program runs."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from joulewise.errors import InputFileError, MissingExtraError, UsageError
from joulewise.wire.atomic import check_writable

if TYPE_CHECKING:
    from joulewise.measure.footprint import Footprint, Intensity, Tariff
    from joulewise.measure.measurement import Measurement
    from joulewise.measure.timeline import Timeline

NO_CURRENCY = "of your currency"
_PRICE = re.compile(r"^(-?\d+(?:\.\d*)?|-?\.\d+)\s*([^\d\s/.,-]{0,3})\s*(?:/\s*kwh)?$", re.IGNORECASE)
_INTENSITY = re.compile(r"^(\d+(?:\.\d*)?|\.\d+)\s*(?:g\s*/\s*kwh)?$", re.IGNORECASE)
_LIMIT = re.compile(r"^(\d+(?:\.\d*)?|\.\d+)x?$")


@dataclass(frozen=True)
class Factors:
    """What a kWh costs and emits, as far as it was said; nothing is guessed."""

    tariff: Tariff | None = None
    intensity: Intensity | None = None

    def __bool__(self) -> bool:
        """Whether anything was said."""
        return self.tariff is not None or self.intensity is not None

    def of(self, measurement: Measurement, timeline: Timeline | None = None) -> Footprint | None:
        """What a measurement cost and emitted; None without factors or energy.

        Raises:
            UsageError: If prices or intensities are not known for the time of the measurement.
        """
        if not self or measurement.total is None:
            return None
        from joulewise.measure.footprint import footprint  # noqa: PLC0415 (only who asks for it pays for it)

        return footprint(measurement, self.tariff, self.intensity, timeline=timeline)


def parse_factors(price: str | None, country: str | None, intensity: str | None) -> Factors:
    """Factors from the texts of the options.

    Args:
        price: As ``0.30/kWh``, ``0.30 EUR/kWh``, or a CSV file.
        country: ISO 3166 code.
        intensity: As ``380 g/kWh``, or a CSV file.

    Raises:
        UsageError: If one of them cannot be meant, or both country and intensity are given.
    """
    if country is not None and intensity is not None:
        raise UsageError("two carbon intensities are given", f"--country {country} --intensity {intensity}", "give one")
    if price is None and country is None and intensity is None:
        return Factors()
    from joulewise.measure.footprint import (  # noqa: PLC0415
        country_intensity,
        flat_intensity,
        flat_tariff,
        read_intensity,
        read_tariff,
    )

    tariff = carbon = None
    if price is not None:
        meant = _PRICE.match(price.strip())
        if meant is None:
            _check_file(price, "price", "as in '0.30 EUR/kWh'")
        tariff = flat_tariff(float(meant[1]), meant[2] or NO_CURRENCY) if meant else read_tariff(price)
    if country is not None:
        carbon = country_intensity(country)
    if intensity is not None:
        figure = _INTENSITY.match(intensity.strip())
        if figure is None:
            _check_file(intensity, "intensity", "as in '380 g/kWh'")
        carbon = flat_intensity(float(figure[1]), "given by the user") if figure else read_intensity(intensity)
    return Factors(tariff, carbon)


def _check_file(text: str, what: str, form: str) -> None:
    """Refuse what is neither a figure nor a file, and say how a figure is written."""
    if not Path(text).is_file():
        seen = "it is neither a figure per kWh nor a file"
        raise InputFileError(text, None, f"cannot be meant as {what}", seen, f"give a figure {form}, or a CSV file")


def parse_limit(text: str) -> float:
    """The ratio of ``--fail-above``, as in ``1.05x``.

    Raises:
        UsageError: If it is no ratio above 0.
    """
    meant = _LIMIT.match(text.strip())
    if meant is None or not 0 < float(meant[1]) < float("inf"):
        fix = "say by how much the energy of the baseline may be exceeded, as in --fail-above 1.05x baseline.json"
        raise UsageError("this is no ratio to a baseline", repr(text), fix)
    return float(meant[1])


@dataclass(frozen=True)
class Outputs:
    """Files to write, each if it was named."""

    json: Path | None = None
    html: Path | None = None
    parquet: Path | None = None
    perfetto: Path | None = None

    @property
    def drawn(self) -> bool:
        """Whether anything needs the timeline."""
        return any(path is not None for path in (self.html, self.parquet, self.perfetto))

    def check(self) -> None:
        """Find out whether they can be written, without touching what is there.

        Raises:
            UsageError: If one cannot, or two are the same.
            MissingExtraError: If Parquet is asked for and the library for it is not installed.

        Effects:
            Makes an empty file beside each, and removes it.
        """
        named = [path for path in (self.json, self.html, self.parquet, self.perfetto) if path is not None]
        places = [path.absolute() for path in named]
        for path in named:
            if places.count(path.absolute()) > 1:
                raise UsageError("two outputs have one name", str(path), "give each a file of its own")
            check_writable(path, "the program was not run")
        if self.parquet is not None and importlib.util.find_spec("pyarrow") is None:
            raise MissingExtraError("parquet")
