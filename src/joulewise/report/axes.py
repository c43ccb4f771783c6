"""Axes that charts share: how far they reach, and how they look."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def padded(values: NDArray[np.float64], share_frac: float = 0.06) -> list[float]:
    """Lowest and highest of ``values`` with room beyond, or 0 and 1 if there are none."""
    if not len(values):
        return [0.0, 1.0]
    low, high = float(values.min()), float(values.max())
    pad = share_frac * (high - low) or 0.05 * high or 1.0
    return [low - pad, high + pad]


def axis(title: str, span: list[float], **more: Any) -> dict[str, Any]:
    """Plotly's dictionary of an axis from ``span[0]`` to ``span[1]``."""
    return {
        "title": {"text": title, "standoff": 10},
        "range": span,
        "gridcolor": "#e8ebef",
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": "#9aa4b2",
        "linecolor": "#9aa4b2",
        "showline": True,
        **more,
    }
