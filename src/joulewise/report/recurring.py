"""The report of policies for recurring jobs side by side: regret, cost and savings, world by world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulewise.report.page import render_page
from joulewise.report.quantities import numbers
from joulewise.wire.atomic import write_text_atomically

COLORS = {"ours": "#00796b", "zeus": "#c2410c", "default": "#7b8794", "grid": "#7a5195", "oracle": "#111827"}
DASHES = {"ours": "solid", "zeus": "dash", "default": "dot", "grid": "dashdot", "oracle": "longdash"}
BORDERS = {"solid": "solid", "dash": "dashed", "dot": "dotted", "dashdot": "dashed", "longdash": "dashed"}
MOST_POINTS = 200
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PolicyCurves:
    """One policy in one world.

    Attributes:
        policy: Its name.
        regret: Cost above the oracle's after every recurrence, for every seed [oracle runs].
        last_saved: Energy saved in the last recurrences [%]; NaN if not known.

    Shapes:
        regret: (seeds, recurrences).
    """

    policy: str
    regret: Array
    last_saved: float


@dataclass(frozen=True)
class RecurringReport:
    """Everything that the page shows.

    Attributes:
        title: Heading.
        subtitle: What was replayed.
        worlds: Names of worlds, and what each policy made of it.
        table: Heads, then rows, formatted.
        notes: What to know to read it.
    """

    title: str
    subtitle: str
    worlds: tuple[tuple[str, tuple[PolicyCurves, ...]], ...]
    table: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def write_recurring_report(path: str | Path, report: RecurringReport) -> None:
    """Write ``report`` as one HTML file that opens without a network.

    Args:
        path: Where to; an existing file is replaced in one step.
        report: What to show.

    Raises:
        UsageError: If the file cannot be written.
    """
    write_text_atomically(path, render_page(report.title, _body(report), recurring_figures(report), "recurring.js"))


def recurring_figures(report: RecurringReport) -> dict[str, Any]:
    """``charts``: one plain Plotly dictionary for each chart of the page, by the number of its element."""
    charts = []
    for name, curves in report.worlds:
        charts.append(_chart([_lines(one, one.regret) for one in curves], name, "regret [oracle runs]"))
    for name, curves in report.worlds:
        counted = 1.0 + np.arange(curves[0].regret.shape[1])
        drawn = [_lines(one, one.regret + counted) for one in curves]
        charts.append(_chart(drawn, name, "cumulative cost [oracle runs]"))
    return {"charts": [*charts, _bars(report)]}


def _chart(traces: Sequence[list[dict[str, Any]]], name: str, quantity: str) -> dict[str, Any]:
    layout = {
        "height": 270,
        "margin": {"l": 56, "r": 10, "t": 34, "b": 40},
        "title": {"text": f"<b>{escape(name, quote=False)}</b>", "font": {"size": 13.5}, "x": 0.02, "xanchor": "left"},
        "showlegend": False,
        "hovermode": "x unified",
        "xaxis": {"title": {"text": "recurrence", "standoff": 4}, "gridcolor": "#e8ebef", "zeroline": False},
        "yaxis": {"title": {"text": quantity, "standoff": 4}, "gridcolor": "#e8ebef", "zerolinecolor": "#b9c1cc"},
    }
    return {"data": [trace for pair in traces for trace in pair], "layout": layout}


def _lines(one: PolicyCurves, values: Array) -> list[dict[str, Any]]:
    """The mean over seeds, and a band from the lowest to the highest seed."""
    recurrences = values.shape[1]
    kept = np.unique(np.linspace(0, recurrences - 1, min(recurrences, MOST_POINTS)).round().astype(np.int_))
    at, color = kept + 1, COLORS[one.policy]
    low, high = values[:, kept].min(axis=0), values[:, kept].max(axis=0)
    band = {
        "type": "scatter",
        "mode": "lines",
        "x": numbers(np.concatenate([at, at[::-1]]).astype(np.float64)),
        "y": numbers(np.concatenate([high, low[::-1]])),
        "fill": "toself",
        "fillcolor": color,
        "opacity": 0.14,
        "line": {"width": 0},
        "hoverinfo": "skip",
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": one.policy,
        "x": numbers(at.astype(np.float64)),
        "y": numbers(values[:, kept].mean(axis=0)),
        "line": {"color": color, "width": 2, "dash": DASHES[one.policy]},
        "hovertemplate": "%{y:.1f}",
    }
    return [band, line] if len(values) > 1 else [line]


def _bars(report: RecurringReport) -> dict[str, Any]:
    names = [escape(name, quote=False) for name, _ in report.worlds]
    data = []
    for number, one in enumerate(report.worlds[0][1]):
        saved = np.array([curves[number].last_saved for _, curves in report.worlds])
        data.append(
            {
                "type": "bar",
                "name": one.policy,
                "x": names,
                "y": numbers(saved),
                "marker": {"color": COLORS[one.policy]},
                "hovertemplate": "%{x}: %{y:.1f} %",
            }
        )
    layout = {
        "height": 330,
        "margin": {"l": 56, "r": 10, "t": 16, "b": 40},
        "showlegend": False,
        "bargap": 0.25,
        "xaxis": {"automargin": True},
        "yaxis": {"title": {"text": "energy saved [%]", "standoff": 4}, "gridcolor": "#e8ebef"},
    }
    return {"data": data, "layout": layout}


def _body(report: RecurringReport) -> str:
    count = len(report.worlds)
    heads = "".join(f'<th scope="col"{_numeric(i)}>{escape(text)}</th>' for i, text in enumerate(report.table[0]))
    rows = "".join(_row(row, report.table[0]) for row in report.table[1:])
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return f"""<main>
<header><h1>{escape(report.title)}</h1><p class="subtitle">{escape(report.subtitle)}</p>
<p class="provenance simulated" role="note"><strong>Replayed, not run</strong>
<span>Epochs, times and powers are those of the traces; which runs came when was drawn by chance.</span></p></header>
<section><h2>Regret</h2><p class="caption">What was paid above what an oracle would have, which knows every batch
size's expected cost. Lower is better; flat means that nothing more is wasted. Bands reach over all seeds.</p>
{_keys(report)}{_charts(range(count))}</section>
<section><h2>Cumulative cost</h2><p class="caption">All that was paid so far, in runs of the oracle.</p>
{_keys(report)}{_charts(range(count, 2 * count))}</section>
<section><h2>Energy saved at the end</h2><p class="caption">In the last five recurrences, against the default batch
size at the highest power limit. What costs least need not use the least energy: time counts, too.</p>
{_keys(report)}<div class="chart" data-chart="{2 * count}" role="img" aria-label="Energy saved by policy"></div>
</section>
<section><h2>In figures</h2><div class="scroll" tabindex="0" role="region" aria-label="In figures">
<table class="devices"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>
<section><h2>How to read this</h2><ul class="notes">{notes}</ul></section>
<noscript><p class="caption">The charts are drawn by a script in this file; allow it to see them.</p></noscript>
</main>
<footer>joulewise report. One file, no network: what you see is all in it.</footer>"""


def _charts(numbers_of: range) -> str:
    style = "display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:6px 14px"
    one = '<div class="chart" data-chart="{}" role="img" aria-label="Curves by policy; the table has the ends"></div>'
    return f'<div style="{style}">{"".join(one.format(number) for number in numbers_of)}</div>'


def _keys(report: RecurringReport) -> str:
    items = "".join(
        '<span style="display:inline-flex;align-items:center;gap:7px;margin-right:18px">'
        f'<i style="width:26px;border-top:3px {BORDERS[DASHES[one.policy]]} {COLORS[one.policy]}"></i>'
        f"{escape(one.policy)}</span>"
        for one in report.worlds[0][1]
    )
    return f'<div style="margin:4px 0 8px">{items}</div>'


def _row(row: tuple[str, ...], heads: tuple[str, ...]) -> str:
    cells = "".join(
        f'<td{_numeric(i)} data-label="{escape(heads[i])}">{escape(text)}</td>' for i, text in enumerate(row) if i
    )
    return f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>'


def _numeric(index: int) -> str:
    return ' class="number"' if index > 1 else ""
