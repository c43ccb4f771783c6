"""The time–energy frontier: the narrow waist between what hardware offers and what deciders choose."""

from joulewise.frontier.bound import Bound
from joulewise.frontier.compose import parallel, repeat, scale, series
from joulewise.frontier.fit import ConvexFit, ExponentialFit, fit_convex, fit_exponential
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
    "ConvexFit",
    "Energy",
    "EnergyDelayProduct",
    "EnergyDelaySquaredProduct",
    "ExponentialFit",
    "Frontier",
    "Objective",
    "Point",
    "Price",
    "Time",
    "ZeusCost",
    "fit_convex",
    "fit_exponential",
    "parallel",
    "repeat",
    "scale",
    "series",
]
