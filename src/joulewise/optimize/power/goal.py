"""What a tuner is for: what to make small, and what must not be exceeded meanwhile.

Every goal has one form: minimise a cost of time and energy, subject to at most one limit. Whether the limit is a
slowdown, a deadline, or a budget of energy, money or carbon, choosing is a question to a `Frontier`, of which times and
energies are those of one step. Budgets and deadlines for all that remains are therefore divided by the steps that
remain; whoever runs the tuner states them anew when the remainder has changed (`PowerTuner.retarget`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from joulewise.errors import InfeasibleError, UsageError
from joulewise.frontier import Energy, Frontier, Objective, Point, Price, Time, ZeusCost
from joulewise.frontier.objective import Floats

_OBJECTIVES: Mapping[str, type[Objective]] = {"energy": Energy, "time": Time, "zeus": ZeusCost, "price": Price}


@dataclass(frozen=True, slots=True)
class Limit:
    """What must not be exceeded.

    Attributes:
        quantity: What is limited: time, energy, or a price of both.
        most: Its largest value for one step, or, ``of_fastest``, as a multiple of the time of the fastest setting.
        of_fastest: Whether ``most`` counts in times of the fastest setting.
    """

    quantity: Objective
    most: float
    of_fastest: bool = False


@dataclass(frozen=True, slots=True)
class Goal:
    """What to minimise within which limit; make one with the class methods.

    Attributes:
        cost: What to minimise.
        limit: What must not be exceeded, or None.
    """

    cost: Objective
    limit: Limit | None = None

    @classmethod
    def least_energy(cls) -> Goal:
        """As few joules as possible."""
        return cls(Energy())

    @classmethod
    def least_time(cls) -> Goal:
        """As fast as possible; of equally fast settings the one that draws least."""
        return cls(Time())

    @classmethod
    def max_slowdown(cls, factor: float) -> Goal:
        """Least energy in at most ``factor`` times the time of the fastest setting; 1.05 allows 5 % more.

        Raises:
            UsageError: If the factor is below 1 or not finite.
        """
        if not 1.0 <= factor < float("inf"):
            raise UsageError("a slowdown is not usable", f"{factor!r}", "give a finite factor of at least 1, as 1.05")
        return cls(Energy(), Limit(Time(), factor, of_fastest=True))

    @classmethod
    def zeus(cls, eta: float, max_power_w: float) -> Goal:
        """Zeus's cost, a blend of energy (``eta`` = 1) and time (0); see `joulewise.frontier.ZeusCost`."""
        return cls(ZeusCost(eta, max_power_w))

    @classmethod
    def energy_budget(cls, energy_j: float, steps: float = 1) -> Goal:
        """As fast as possible with at most ``energy_j`` [J] for ``steps`` steps."""
        return cls(Time(), Limit(Energy(), _share(energy_j, steps)))

    @classmethod
    def cost_budget(cls, price: Price, budget: float, steps: float = 1) -> Goal:
        """As fast as possible for at most ``budget``, in the currency of ``price``, for ``steps`` steps."""
        return cls(Time(), Limit(price, _share(budget, steps)))

    @classmethod
    def deadline(cls, time_s: float, steps: float = 1) -> Goal:
        """Least energy such that ``steps`` steps are done within ``time_s`` [s]."""
        return cls(Energy(), Limit(Time(), _share(time_s, steps)))

    @classmethod
    def least_price(cls, price: Price) -> Goal:
        """As cheap as possible at the present price: of money, or of carbon dioxide."""
        return cls(price)

    def choose(self, frontier: Frontier) -> Point:
        """The point of a frontier that the goal asks for.

        Raises:
            InfeasibleError: If no point is within the limit; carries the tightest value that can be met.
        """
        if self.limit is None:
            if isinstance(self.cost, Energy):
                return frontier.least_energy()
            return frontier.minimizing(self.cost)
        quantity, most = self.limit.quantity, self.limit.most
        if isinstance(self.cost, Energy) and isinstance(quantity, Time):
            return frontier.within_slowdown(most) if self.limit.of_fastest else frontier.at_deadline(most)
        if isinstance(self.cost, Time) and isinstance(quantity, Energy):
            return frontier.within_energy(most)
        spent = quantity(frontier.time_s, frontier.energy_j)
        allowed = np.flatnonzero(spent <= most)
        if not len(allowed):
            raise InfeasibleError(f"no point costs at most {most:.9g}", float(spent.min()), "of the price")
        return frontier.take(allowed).minimizing(self.cost)

    def choose_or_nearest(self, frontier: Frontier) -> Point:
        """As `choose`; where no point is within the limit, the one that exceeds it least."""
        try:
            return self.choose(frontier)
        except InfeasibleError:
            if self.limit is None:
                raise
            return Goal(self.limit.quantity).choose(frontier)

    def excess(self, time_s: Floats, energy_j: Floats, fastest_s: Floats | float) -> Floats:
        """By which fraction points exceed the limit; 0 within it.

        Args:
            time_s, energy_j: Of one step [s], [J].
            fastest_s: Time of the fastest setting [s].
        """
        if self.limit is None:
            return np.zeros_like(time_s)
        most = self.limit.most * (fastest_s if self.limit.of_fastest else 1.0)
        spent = self.limit.quantity(time_s, energy_j)
        return np.asarray(np.maximum(0.0, spent / np.maximum(most, 1e-300) - 1.0))

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        limit = self.limit
        return {
            "cost": _dump(self.cost),
            "limit": None if limit is None else [_dump(limit.quantity), limit.most, limit.of_fastest],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Goal:
        """The goal of which `to_dict` made ``document``.

        Raises:
            UsageError: If it is none.
        """
        try:
            limit = document["limit"]
            return cls(
                _load(document["cost"]),
                None if limit is None else Limit(_load(limit[0]), float(limit[1]), bool(limit[2])),
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UsageError("this is not a goal", f"{type(error).__name__}: {error}", "write it again") from error


def _share(total: float, steps: float) -> float:
    if not (0 <= total < float("inf") and 0 < steps < float("inf")):
        seen = f"{total!r} for {steps!r} steps"
        raise UsageError("a budget is not usable", seen, "give a finite budget, not negative, and steps above 0")
    return total / steps


def _dump(objective: Objective) -> list[Any]:
    for name, kind in _OBJECTIVES.items():
        if type(objective) is kind:
            return [name, asdict(objective)]  # type: ignore[call-overload]
    seen = type(objective).__name__
    raise UsageError("this objective cannot be written to JSON", seen, f"use one of {', '.join(_OBJECTIVES)}")


def _load(value: Any) -> Objective:
    name, numbers = value
    return _OBJECTIVES[name](**numbers)
