"""Exhibits as one HTML page that opens without a network."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape

from joulewise.report.page import render_still_page
from joulewise.sim.reproduce.exhibit import Column, Exhibit, Origin
from joulewise.sim.reproduce.markdown import command, not_run
from joulewise.sim.reproduce.study import Outcome

STYLE = """<style>
.origin { display: inline-block; padding: 0 7px; border: 1px solid; border-radius: 9px; font-size: 0.78rem;
  font-weight: 600; line-height: 1.45; }
th .origin { display: block; width: fit-content; margin-top: 3px; font-weight: 500; }
thead th { white-space: normal; vertical-align: bottom; min-width: 5.5em; }
.number .origin { margin-left: auto; }
.measured, .recomputed { background: #e9f6f2; border-color: #00796b; color: #064e45; }
.recomputed { border-style: dashed; }
.origin.simulated { border-left-width: 1px; }
.published { background: #eef1f5; border-color: #5b6675; color: #1a2230; }
table { width: auto; }
h2 { margin: 34px 0 0; font-size: 1.4rem; }
h3 { margin: 0 0 4px; font-size: 1.1rem; }
nav ul { columns: 2 22em; padding-left: 1.2em; margin: 8px 0 0; }
section img { max-width: 100%; height: auto; display: block; }
.source { margin: 10px 0 0; color: var(--soft); font-size: 0.86rem; max-width: 110ch; }
.missing { border-left: 6px solid #b7791f; }
pre { overflow-x: auto; font-size: 0.86rem; line-height: 1.35; }
dl.legend { display: grid; grid-template-columns: max-content 1fr; gap: 5px 14px; margin: 8px 0 0; }
dl.legend dd { margin: 0; }
</style>"""
_NUMBER = re.compile(r"^[+\-\u2212]?[\d.,]+( ?(%|s|J|W))?$")
_FENCE = re.compile(r"^```\w*\n|\n?^```$", re.MULTILINE)


def render(outcomes: Sequence[Outcome]) -> str:
    """The page of all studies."""
    body = [
        STYLE,
        "<main>",
        _header(),
        _contents(outcomes),
        *(_study(outcome) for outcome in outcomes),
        "</main>",
        "<footer>Made by joulewise reproduce. One file, no network: what you see is all in it.</footer>",
    ]
    return render_still_page("joulewise: every figure, reproduced", "\n".join(body))


def _header() -> str:
    words = "".join(f"<dt>{_badge(origin)}</dt><dd>{escape(origin.meaning)}</dd>" for origin in Origin)
    return f"""<header><h1>Every table and figure, reproduced</h1>
<p class="subtitle">What README and docs quote, made again by one command. Every number says where it comes from:</p>
<dl class="legend">{words}</dl></header>"""


def _contents(outcomes: Sequence[Outcome]) -> str:
    items = "".join(
        f'<li><a href="#{one.study.name}">{escape(one.study.title)}</a>{escape(_state(one))}</li>' for one in outcomes
    )
    return f"<nav><ul>{items}</ul></nav>"


def _state(outcome: Outcome) -> str:
    if not outcome.was_run:
        return " \u2013 not run"
    return " \u2013 failed" if outcome.error else ""


def _study(outcome: Outcome) -> str:
    parts = [f'<h2 id="{outcome.study.name}">{escape(outcome.study.title)}</h2>']
    parts.append(f'<p class="caption"><code>{escape(command(outcome))}</code></p>')
    if not outcome.was_run:
        parts.append(f'<section class="missing"><p>{escape(not_run(outcome))}</p></section>')
    if outcome.error:
        parts.append(f'<section class="missing"><p><b>Failed.</b> {escape(outcome.error)}</p></section>')
    return "\n".join([*parts, *(_exhibit(one) for one in outcome.exhibits)])


def _exhibit(exhibit: Exhibit) -> str:
    return f"""<section id="{exhibit.name}"><h3>{escape(exhibit.title)}</h3>
<p class="caption">{_words(exhibit.shows)}</p>
{_body(exhibit)}
<p class="source">Source: {_words(exhibit.source)}.</p></section>"""


def _body(exhibit: Exhibit) -> str:
    if exhibit.text:
        return f"{_badge(exhibit.origins[0])}<pre>{escape(_FENCE.sub('', exhibit.text))}</pre>"
    if exhibit.svg:
        data = base64.b64encode(exhibit.svg.encode()).decode()
        picture = f'<img alt="{escape(exhibit.title)}" src="data:image/svg+xml;base64,{data}">'
        return f"{_badge(exhibit.origins[0])}{picture}"
    number = [
        index > 0 and any(_NUMBER.match(row[index]) for row in exhibit.rows) for index in range(len(exhibit.columns))
    ]
    kinds = [' class="number"' if one else "" for one in number]
    head = "".join(_head(column, kind) for column, kind in zip(exhibit.columns, kinds, strict=True))
    rows = "".join(
        "<tr>" + "".join(f"<td{kind}>{_words(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in exhibit.rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(exhibit.title)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _head(column: Column, kind: str) -> str:
    return f'<th scope="col"{kind}>{escape(column.name)}{_badge(column.origin) if column.origin else ""}</th>'


def _badge(origin: Origin) -> str:
    return f'<span class="origin {origin}" title="{escape(origin.meaning)}">{origin}</span>'


def _words(text: str) -> str:
    """Text with the little Markdown that exhibits use."""
    said = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(text))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", said)
