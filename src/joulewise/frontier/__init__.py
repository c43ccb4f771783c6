"""The time–energy frontier: the narrow waist between what hardware offers and what deciders choose."""

from joulewise.frontier.bound import Bound
from joulewise.frontier.frontier import Frontier
from joulewise.frontier.objective import (
    Energy,
    EnergyDelayProduct,
    EnergyDelaySquaredProduct,
    Objective,
    Price,
    Time,
    ZeusCost,
)
from joulewise.frontier.point import Point

__all__ = [
    "Bound",
    "Energy",
    "EnergyDelayProduct",
    "EnergyDelaySquaredProduct",
    "Frontier",
    "Objective",
    "Point",
    "Price",
    "Time",
    "ZeusCost",
]
