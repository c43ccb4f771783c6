"""What energy cost and emitted, with the bounds of the energy carried through.

Theory of operation. Price and intensity are step functions of the wall clock. A timeline says how much of the energy
fell into each step; the bounds of a measurement scale that sum from its lower to its upper end. Without a timeline,
nothing tells when within the window energy was used: the figure then supposes even use, and its bounds hold for any
(all of the lower energy at the cheapest rate to all of the upper at the dearest). Prices and intensities are taken to
be true: bounds are those of the energy. Energy is multiplied by PUE, which is 1 unless stated: a data centre's overhead
is never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from joulewise.errors import UsageError
from joulewise.measure.curve import EnergyCurve, curve_of_all
from joulewise.measure.footprint.intensity import Basis, Intensity, IntensityKind, Scope
from joulewise.measure.footprint.rate import Rate
from joulewise.measure.footprint.tariff import Tariff
from joulewise.measure.measurement import Measurement
from joulewise.measure.timeline import Timeline
from joulewise.records import Provenance

J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Cost:
    """What electricity cost.

    Attributes:
        amount: In ``currency``.
        lo, hi: Bounds, from those of the energy; None if that has none.
        currency: What it is in.
        price_per_kwh: Mean price of the energy used, per kWh.
        source, year: Of the prices.
    """

    amount: float
    lo: float | None
    hi: float | None
    currency: str
    price_per_kwh: float
    source: str
    year: int | None


@dataclass(frozen=True, slots=True)
class Carbon:
    """What electricity emitted: grams of CO2 equivalent.

    Attributes:
        carbon_g: Emitted [g].
        lo_g, hi_g: Bounds, from those of the energy; None if that has none [g].
        g_per_kwh: Mean intensity of the energy used [g/kWh].
        kind, basis, scope, region, year, source, licence, notes: What the intensity is, as in `Intensity`.
    """

    carbon_g: float
    lo_g: float | None
    hi_g: float | None
    g_per_kwh: float
    kind: IntensityKind
    basis: Basis
    scope: Scope
    region: str
    year: int | None
    source: str
    licence: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a window of time cost and emitted.

    Attributes:
        energy_j: Used by the devices [J].
        lo_j, hi_j: Its bounds, or None from a timeline alone, which has none [J].
        pue: By which cost and carbon include the data centre's overhead; 1 is none.
        provenance: Of the energy.
        cost: Or None without a tariff.
        carbon: Or None without an intensity.
        warnings: What else the reader must know.
    """

    energy_j: float
    lo_j: float | None
    hi_j: float | None
    pue: float
    provenance: Provenance
    cost: Cost | None = None
    carbon: Carbon | None = None
    warnings: tuple[str, ...] = ()


def footprint(
    measured: Measurement | Timeline,
    tariff: Tariff | None = None,
    intensity: Intensity | None = None,
    pue: float = 1.0,
    *,
    timeline: Timeline | None = None,
) -> Footprint:
    """What a measurement cost and emitted.

    Args:
        measured: A measurement, which has bounds; or a timeline, which knows when energy was used.
        tariff: Prices, or None for no cost.
        intensity: Carbon intensities, or None for no carbon.
        pue: Power usage effectiveness of the data centre: its energy over that of its computers, 1 or more.
        timeline: Of the same window as the measurement, so that prices by time of day meet the energy of that time.

    Raises:
        UsageError: If the PUE is below 1, or prices or intensities are not known for the time of the measurement, or
            the timeline begins more than a second away from it.
        CounterError: If no device could tell what it used.

    Accuracy:
        Linear in energy: bounds and resolution of the energy are those of the result.
    """
    if not 1 <= pue < math.inf:
        raise UsageError("not a PUE", repr(pue), "give 1 for none, or the ratio that the data centre states")
    use = _use(measured, timeline)
    return Footprint(
        use.energy_j,
        use.lo_j,
        use.hi_j,
        pue,
        use.provenance,
        None if tariff is None else _cost(use, tariff, pue),
        None if intensity is None else _carbon(use, intensity, pue),
        use.warnings,
    )


@dataclass(frozen=True)
class _Use:
    """Energy, and when it was used."""

    energy_j: float
    lo_j: float | None
    hi_j: float | None
    provenance: Provenance
    began_at: float
    begin_ns: int
    end_ns: int
    curve: EnergyCurve | None  # None if nothing tells when
    warnings: tuple[str, ...]

    def times(self, rate: Rate) -> tuple[float, float | None, float | None, float]:
        """Energy times rate, its bounds, and the mean rate."""
        steps = rate.steps(self.began_at, self.began_at + (self.end_ns - self.begin_ns) * 1e-9)
        per_kwh = np.array([step.per_kwh for step in steps])
        edges_s = np.array([*(step.begin_s for step in steps), steps[-1].end_s]) - self.began_at
        edges_ns = self.begin_ns + np.rint(edges_s * 1e9).astype(np.int64)
        weights = np.diff(edges_s) if self.curve is None else self.curve.between(edges_ns)
        if not weights.sum() > 0:  # nothing was used, or the window has no length
            weights = np.diff(edges_s) if edges_s[-1] > edges_s[0] else np.ones(len(steps))
        mean = float(np.clip(weights @ per_kwh / weights.sum(), per_kwh.min(), per_kwh.max()))
        lowest, highest = (mean, mean) if self.curve is not None else (float(per_kwh.min()), float(per_kwh.max()))
        if self.lo_j is None or self.hi_j is None:
            return self.energy_j * mean, None, None, mean
        figure = self.energy_j * mean
        corners = [figure, *(energy_j * r for energy_j in (self.lo_j, self.hi_j) for r in (lowest, highest))]
        return figure, min(corners), max(corners), mean


def _use(measured: Measurement | Timeline, timeline: Timeline | None) -> _Use:
    if isinstance(measured, Timeline):
        curve = curve_of_all(measured)
        edges = measured.began_at, measured.begin_ns, measured.end_ns
        parts = [track.identity.provenance for track in measured.tracks if track.in_total]
        warnings = (*curve.warnings, "a timeline alone has no bounds: give its measurement as well")
        energy_j = curve.energy_j(measured.begin_ns, measured.end_ns)
        return _Use(energy_j, None, None, Provenance.weakest(parts), *edges, curve, warnings)
    silent = [one.identity.uid for one in measured.devices if one.in_total and one.energy is None]
    warnings = (f"what {', '.join(silent)} used is not known and not included",) if silent else ()
    known = measured.energy_j, measured.lo_j, measured.hi_j, measured.provenance
    edges = measured.began_at, measured.begin_ns, measured.end_ns
    if timeline is None:
        return _Use(*known, *edges, None, warnings)
    curve = curve_of_all(timeline)
    if abs(timeline.at_s(timeline.begin_ns) - measured.began_at) > 1.0:
        apart = f"they begin at {timeline.began_at:.0f} and {measured.began_at:.0f} s"
        raise UsageError("the timeline is not of the window that was measured", apart, "give those of one window")
    shifted = EnergyCurve(curve.at_ns - timeline.begin_ns + measured.begin_ns, curve.used_j)
    return _Use(*known, *edges, shifted, (*warnings, *curve.warnings))


def _per_joule(figures: Sequence[float | None], pue: float) -> list[float | None]:
    """Joules times a rate per kWh, in what the rate is in."""
    return [None if figure is None else figure * pue / J_PER_KWH for figure in figures]


def _cost(use: _Use, tariff: Tariff, pue: float) -> Cost:
    amount, lo, hi, mean = use.times(tariff.rate)
    lo, hi = _per_joule((lo, hi), pue)
    return Cost(amount * pue / J_PER_KWH, lo, hi, tariff.currency, mean, tariff.source, tariff.year)


def _carbon(use: _Use, intensity: Intensity, pue: float) -> Carbon:
    amount_g, lo_g, hi_g, mean = use.times(intensity.rate)
    lo_g, hi_g = _per_joule((lo_g, hi_g), pue)
    return Carbon(
        amount_g * pue / J_PER_KWH,
        lo_g,
        hi_g,
        mean,
        intensity.kind,
        intensity.basis,
        intensity.scope,
        intensity.region,
        intensity.year,
        intensity.source,
        intensity.licence,
        intensity.notes,
    )
