"""The page that prices asks of hardware: headline, tornado, grids, tables, and the models behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

from joulewise.report.page import render_page
from joulewise.report.whatif_chart import Bar, Grid, grid_figure, tornado_figure
from joulewise.wire.atomic import write_text_atomically

_BADGES = {
    "measured": ("Measured profile", "planned anew on times and energies that were measured on hardware"),
    "modelled": (
        "Modelled in part",
        "the workload was measured, what other hardware does to it is modelled; every figure says which",
    ),
    "simulated": (
        "Simulated in part",
        "some figures come from a simulated device, profiler or tuner; every figure says which",
    ),
}


@dataclass(frozen=True)
class WhatifReport:
    """Everything that the page shows.

    Attributes:
        title, subtitle: Heading.
        provenance: Of the least trustworthy figure on the page.
        cards: Large figures, each with what it says.
        currency: What money is in.
        bars: Of the tornado, the widest first; may be empty.
        grids: Matrices of two asks; may be empty.
        tables: Title, heads and rows, formatted.
        facts: Today's contract and what was assumed.
        formula: How figures of a year are made.
        models: Ask, and the model behind its price.
        without: Asks that do not apply, and why.
    """

    title: str
    subtitle: str
    provenance: str
    cards: tuple[tuple[str, str], ...]
    currency: str
    bars: tuple[Bar, ...]
    grids: tuple[Grid, ...]
    tables: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]], ...]
    facts: tuple[tuple[str, str], ...]
    formula: str
    models: tuple[tuple[str, str], ...]
    without: tuple[tuple[str, str], ...]


def write_whatif_report(path: str | Path, report: WhatifReport) -> None:
    """Write ``report`` as one HTML file that opens without a network.

    Raises:
        UsageError: If the file cannot be written.
    """
    charts = ([tornado_figure(report.bars, report.currency)] if report.bars else []) + [
        grid_figure(one) for one in report.grids
    ]
    page = render_page(report.title, whatif_body(report), {"charts": charts}, "whatif.js")
    write_text_atomically(path, page)


def whatif_body(report: WhatifReport) -> str:
    """Everything between ``<body>`` and the scripts; every text of the caller is escaped here."""
    style = files("joulewise.report").joinpath("assets", "whatif.css").read_text(encoding="utf-8")
    parts = [f"<style>{style}</style>", "<main>", _header(report), _cards(report), *_charts(report)]
    parts += [_table(*table) for table in report.tables]
    parts += [_facts(report), _models(report), "</main>"]
    parts.append("<footer>joulewise report. One file, no network: what you see is all in it.</footer>")
    return "\n".join(part for part in parts if part)


def _header(report: WhatifReport) -> str:
    badge, meaning = _BADGES[report.provenance]
    return f"""<header>
<h1>{escape(report.title)}</h1>
<p class="subtitle">{escape(report.subtitle)}</p>
<p class="provenance {escape(report.provenance)}" role="note"><strong>{badge}</strong> <span>{meaning}</span></p>
</header>"""


def _cards(report: WhatifReport) -> str:
    items = "".join(
        f'<li class="{"lead" if number == 0 else ""}"><b>{escape(big)}</b> <span>{escape(small)}</span></li>'
        for number, (big, small) in enumerate(report.cards)
    )
    return f'<section class="headline" aria-label="Result"><ul class="cards">{items}</ul></section>' if items else ""


def _charts(report: WhatifReport) -> list[str]:
    found, number = [], 0
    if report.bars:
        found.append(f"""<section><h2>What each ask is worth</h2>
<p class="caption">{escape(report.currency)} a year against today's hardware, everything planned anew, one ask at a
time. Right of the line saves, left of it costs; striped bars are modelled or simulated, plain ones planned anew
on measured figures.</p>
<div class="chart" data-chart="0" role="img" aria-label="Money a year for each ask; the table gives the figures."></div>
<p class="formula">{escape(report.formula)}</p></section>""")
        number = 1
    grids = "".join(
        f'<section><h2>{escape(one.title)}</h2><div class="chart" data-chart="{number + at}" role="img" '
        f'aria-label="{escape(one.title)}; the tables give the figures."></div></section>'
        for at, one in enumerate(report.grids)
    )
    if grids:
        found.append(f'<div class="grids">{grids}</div>')
    return found


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    texts = [index for index in range(len(heads)) if index == 0 or heads[index] in ("from", "to", "and", "figures")]

    def cell(tag: str, index: int, text: str, extra: str = "") -> str:
        kind = "" if index in texts else ' class="number"'
        return f"<{tag}{kind}{extra}>{escape(text)}</{tag}>"

    head = "".join(cell("th", index, text, ' scope="col"') for index, text in enumerate(heads))
    body = "".join(
        "<tr>"
        + "".join(
            cell("td" if index else "th", index, text, "" if index else ' scope="row"')
            for index, text in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f"""<section><h2>{escape(title)}</h2>
<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}"><table>
<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"""


def _facts(report: WhatifReport) -> str:
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in report.facts)
    formula = "" if report.bars else f'<p class="formula">{escape(report.formula)}</p>'
    return f'<section><h2>Today, and what is assumed</h2><dl class="facts">{items}</dl>{formula}</section>'


def _models(report: WhatifReport) -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in report.models)
    absent = "".join(f"<li><b>{escape(name)}</b>: {escape(why)}</li>" for name, why in report.without)
    tail = f'<h2>What does not apply</h2><ul class="notes">{absent}</ul>' if absent else ""
    return f'<section><h2>The model behind each price</h2><dl class="models">{items}</dl>{tail}</section>'
