"""Where to write the names of a few points so that they hide neither each other nor the curves.

Theory of operation: labels are placed one after the other. Each tries a fixed ring of offsets, near ones first, and
takes the one of least cost: overlap with earlier labels and with the border weighs most, covered points of curves
less, distance least. With a handful of labels this greedy choice is as good as anything and always the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DIRECTIONS = ((1, 0), (1, -1), (1, 1), (-1, 0), (-1, -1), (-1, 1), (0, -1), (0, 1))
_GAPS_PX = (16.0, 34.0, 56.0, 84.0, 120.0)

_OVERLAP_COST, _OUTSIDE_COST, _POINT_COST, _CURVE_COST = 1e6, 100.0, 400.0, 15.0


@dataclass(frozen=True, slots=True)
class Label:
    """A point and the size of its name, in pixels; y grows downwards."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name goes, relative to its point, in pixels.

    Attributes:
        across: Offset of the side that faces the point: its left edge if ``side`` is 1, its right edge if -1, its
            middle if 0.
        down: Offset of the name's middle line.
        side: Whether the name stands right of the point (1), left of it (-1), or above or below (0).
    """

    across: float
    down: float
    side: int


def place_labels(
    labels: Sequence[Label], curves: NDArray[np.float64], width_px: float, height_px: float
) -> list[Place]:
    """A place for each label.

    Args:
        labels: The labels, the most important first.
        curves: Points of curves that should stay visible, in pixels.
        width_px: Width of the drawing area.
        height_px: Height of the drawing area.

    Shapes:
        curves: (n, 2).
    """
    points = np.array([(label.x, label.y) for label in labels]).reshape(-1, 2)
    taken: list[NDArray[np.float64]] = []
    places: list[Place] = []
    for label in labels:
        best_cost, best_place, best_box = np.inf, Place(0, 0, 0), np.zeros(4)
        for gap in _GAPS_PX:
            for side, below in _DIRECTIONS:
                near = 0.5 if side and below else 1.0
                place = Place(side * gap * near, below * (label.height / 2 + gap * near), side)
                box = _box(label, place)
                cost = gap + _cost(box, taken, points=points, curves=curves, width_px=width_px, height_px=height_px)
                if cost < best_cost:
                    best_cost, best_place, best_box = cost, place, box
        places.append(best_place)
        taken.append(best_box)
    return places


def _box(label: Label, place: Place) -> NDArray[np.float64]:
    """Left, top, right and bottom."""
    left = label.x + place.across + (place.side - 1) * label.width / 2
    top = label.y + place.down - label.height / 2
    return np.array([left, top, left + label.width, top + label.height])


def _cost(
    box: NDArray[np.float64],
    taken: Sequence[NDArray[np.float64]],
    *,
    points: NDArray[np.float64],
    curves: NDArray[np.float64],
    width_px: float,
    height_px: float,
) -> float:
    left, top, right, bottom = box.tolist()
    outside = float(max(0.0, -left) + max(0.0, -top) + max(0.0, right - width_px) + max(0.0, bottom - height_px))
    overlaps = sum(bool(np.all(box[:2] < other[2:]) and np.all(other[:2] < box[2:])) for other in taken)
    return (
        _OVERLAP_COST * overlaps
        + _OUTSIDE_COST * outside
        + _POINT_COST * _covered(box, points, 9.0)
        + _CURVE_COST * min(_covered(box, curves, 4.0), 20)
    )


def _covered(box: NDArray[np.float64], points: NDArray[np.float64], margin_px: float) -> int:
    return int(np.count_nonzero(np.all((points > box[:2] - margin_px) & (points < box[2:] + margin_px), axis=1)))
