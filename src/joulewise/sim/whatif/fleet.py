"""Joules of an iteration as energy, money and emissions of a year, for a fleet that is stated.

The sum: a workload of g GPUs that draws d joules less in each iteration of T seconds draws d/(g T) watts less on each
GPU while it runs. A fleet of N GPUs that runs such work for the fraction b of the year, in buildings that draw u times
what computers do (PUE), thus saves N b u d/(g T) x 8766 h. Time is priced as GPU hours: iterations that take s seconds
less at the same energy free the fraction s/T of those of the year.
"""

from __future__ import annotations

from dataclasses import dataclass

from joulewise.errors import UsageError

HOURS_PER_YEAR = 8766.0
"""365.25 days."""
J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who asks.

    Attributes:
        gpus: How many GPUs.
        busy_frac: Which part of the year they run such work.
        price_per_kwh: Of electricity.
        currency: What the price is in.
        pue: Power of the building over that of computers.
        g_per_kwh: Emissions of electricity [g CO2e/kWh], or None if not said.
        price_source, carbon_source: Where these are from.
    """

    gpus: int = 1024
    busy_frac: float = 0.6
    price_per_kwh: float = 0.10
    currency: str = "USD"
    pue: float = 1.0
    g_per_kwh: float | None = None
    price_source: str = "assumed"
    carbon_source: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.gpus < 1 or not 0 < self.busy_frac <= 1 or not 1 <= self.pue < float("inf"):
            seen = f"{self.gpus} GPUs, busy {self.busy_frac}, PUE {self.pue}"
            fix = "give 1 GPU or more, a fraction above 0 up to 1, and a PUE of at least 1"
            raise UsageError("this fleet is not usable", seen, fix)

    def kwh_per_year(self, saved_j: float, until_s: float, gpus: float) -> float:
        """Energy of a year [kWh].

        Args:
            saved_j: What an iteration draws less [J].
            until_s: How long it takes [s].
            gpus: GPUs of the workload.
        """
        saved_w = saved_j / (gpus * until_s)
        return self.gpus * self.busy_frac * self.pue * saved_w * HOURS_PER_YEAR / 1e3

    def money_per_year(self, kwh: float) -> float:
        """What so much energy costs."""
        return kwh * self.price_per_kwh

    def tonnes_per_year(self, kwh: float) -> float | None:
        """What it emits [t CO2e], if that was said."""
        return None if self.g_per_kwh is None else kwh * self.g_per_kwh / 1e6

    def gpu_hours_per_year(self, saved_frac: float) -> float:
        """GPU hours that iterations shorter by a fraction free."""
        return self.gpus * self.busy_frac * HOURS_PER_YEAR * saved_frac

    @property
    def formula(self) -> str:
        """How figures of a year are made, for people."""
        building = f" x PUE {self.pue:g}" if self.pue != 1 else ""
        return (
            f"{self.gpus:,} GPUs x {self.busy_frac:g} of the year busy{building} x (joules less per GPU and iteration "
            f"/ seconds of an iteration) x {HOURS_PER_YEAR:g} h x {self.price_per_kwh:g} {self.currency}/kWh"
        )
