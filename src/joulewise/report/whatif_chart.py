"""Charts of priced asks, as plain Plotly dictionaries: a tornado, and matrices of two asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

GOOD, BAD = "#00897b", "#c2621c"
ROW_PX, HEAD_PX = 44, 90


@dataclass(frozen=True, slots=True)
class Bar:
    """One ask of the tornado.

    Attributes:
        name: Of the ask.
        ends: Value asked for, money a year, and provenance, for each value.
        present: Today's value.
    """

    name: str
    ends: tuple[tuple[str, float, str], ...]
    present: str

    @property
    def reach(self) -> float:
        """How far it goes, to either side."""
        return max((abs(money) for _, money, _ in self.ends), default=0.0)


@dataclass(frozen=True)
class Grid:
    """A matrix of two asks.

    Attributes:
        title: What the figures are.
        rows, columns: Values of the two asks; ``names`` are those of the asks.
        percent: The figures [%], None where there is none.
        signed: Whether zero is the middle.
    """

    title: str
    names: tuple[str, str]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    percent: tuple[tuple[float | None, ...], ...]
    signed: bool = False


def tornado_figure(bars: Sequence[Bar], currency: str) -> dict[str, Any]:
    """The tornado: the widest bar on top."""
    names = [_label(bar) for bar in bars]
    traces = []
    for gains in (True, False):
        rows = [
            (label, value, money, provenance)
            for bar, label in zip(bars, names, strict=True)
            for value, money, provenance in bar.ends
            if (money >= 0) is gains
        ]
        if not rows:
            continue
        stripes = ["" if provenance == "measured" else "/" for *_, provenance in rows]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "y": [row[0] for row in rows],
                "x": [round(row[2], 2) for row in rows],
                "text": [f"{escape(row[1], quote=False)}: {row[2]:+,.0f}".replace("-", "\u2212") for row in rows],
                "textposition": "outside",
                "cliponaxis": False,
                "marker": {
                    "color": GOOD if gains else BAD,
                    "pattern": {
                        "shape": stripes,
                        "fillmode": "overlay",
                        "fgcolor": "rgba(255,255,255,0.55)",
                        "size": 8,
                        "solidity": 0.2,
                    },
                },
                "customdata": [row[3] for row in rows],
                "hovertemplate": f"%{{text}} {escape(currency, quote=False)} a year<br>%{{customdata}}<extra></extra>",
            }
        )
    reach = max((bar.reach for bar in bars), default=1.0) or 1.0
    low = min((money for bar in bars for _, money, _ in bar.ends), default=0.0)
    high = max((money for bar in bars for _, money, _ in bar.ends), default=0.0)
    margin = 0.24 * max(high - min(low, 0.0), reach)
    layout = {
        "height": HEAD_PX + ROW_PX * len(bars),
        "barmode": "overlay",
        "bargap": 0.32,
        "showlegend": False,
        "margin": {"l": 10, "r": 20, "t": 10, "b": 46},
        "xaxis": {
            "title": {"text": f"{escape(currency, quote=False)} a year saved"},
            "range": [min(low, 0.0) - (margin if low < 0 else 0.02 * reach), max(high, 0.0) + margin],
            "zeroline": True,
            "zerolinewidth": 2,
            "tickformat": ",.2~s",
        },
        "yaxis": {"automargin": True, "autorange": "reversed", "categoryorder": "array", "categoryarray": names},
    }
    return {"data": traces, "layout": layout}


def _label(bar: Bar) -> str:
    return f"<b>{escape(bar.name, quote=False)}</b><br>today {escape(bar.present, quote=False)}"


def grid_figure(grid: Grid) -> dict[str, Any]:
    """A matrix as a heat map that says its figures."""
    flat = [value for row in grid.percent for value in row if value is not None]
    most = max((abs(value) for value in flat), default=1.0) or 1.0
    form = "+.2f" if grid.signed else ".2f"
    texts = [["\u2013" if v is None else f"{v:{form}} %".replace("-", "\u2212") for v in row] for row in grid.percent]
    scale = (
        [[0.0, BAD], [0.5, "#f4f5f7"], [1.0, GOOD]] if grid.signed else [[0.0, "#eef3f6"], [1.0, "#00796b"]]
    )  # fmt: skip
    trace = {
        "type": "heatmap",
        "x": list(grid.columns),
        "y": list(grid.rows),
        "z": [list(row) for row in grid.percent],
        "text": texts,
        "texttemplate": "%{text}",
        "zmin": -most if grid.signed else 0.0,
        "zmax": most,
        "colorscale": scale,
        "showscale": False,
        "xgap": 3,
        "ygap": 3,
        "hovertemplate": "%{y}, %{x}: %{text}<extra></extra>",
    }
    layout = {
        "height": 110 + 38 * len(grid.rows),
        "margin": {"l": 10, "r": 10, "t": 10, "b": 50},
        "xaxis": {"type": "category", "title": {"text": escape(grid.names[1], quote=False)}, "showgrid": False},
        "yaxis": {
            "type": "category", "automargin": True, "autorange": "reversed", "showgrid": False,
            "title": {"text": escape(grid.names[0], quote=False)},
        },
    }  # fmt: skip
    return {"data": [trace], "layout": layout}
