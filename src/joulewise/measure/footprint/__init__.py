"""What energy cost and emitted, computed afterwards from what was measured.

A `footprint` takes a measurement or a timeline, a `Tariff` and an `Intensity`; nothing here guesses where it runs.
"""

from joulewise.measure.footprint.countries import country_intensity
from joulewise.measure.footprint.footprint import Carbon, Cost, Footprint, footprint
from joulewise.measure.footprint.intensity import Intensity, IntensityKind, flat_intensity, read_intensity
from joulewise.measure.footprint.live import Live, live_intensity, load_provider
from joulewise.measure.footprint.sci import Embodied, Sci, sci
from joulewise.measure.footprint.tariff import Tariff, flat_tariff, read_tariff

__all__ = [
    "Carbon",
    "Cost",
    "Embodied",
    "Footprint",
    "Intensity",
    "IntensityKind",
    "Live",
    "Sci",
    "Tariff",
    "country_intensity",
    "flat_intensity",
    "flat_tariff",
    "footprint",
    "live_intensity",
    "load_provider",
    "read_intensity",
    "read_tariff",
    "sci",
]
