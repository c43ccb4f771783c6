"""The markup of a pipeline report, from its records; every text of the caller is escaped here."""

from __future__ import annotations

import re
from html import escape

from joulewise.records import Provenance
from joulewise.report.content import Mark, PipelineReport
from joulewise.report.quantities import energy_unit, show, show_percent, time_unit

_PROVENANCE = {
    Provenance.MEASURED: (
        "Measured profile",
        "Every operation was measured on hardware; times and energies of whole iterations are computed from that.",
    ),
    Provenance.MODELLED: (
        "Modelled profile",
        "Times and energies of the operations come from a model, not directly from a meter.",
    ),
    Provenance.SIMULATED: (
        "Simulated profile: nothing here was measured",
        "Times and energies come from a simulated device. Savings show how the planner works, not what hardware saves.",
    ),
}

_NUMBER = re.compile(r"^[\s+\-\u2212]*(\d[\d.,\s]*|\u2013|-|n/a)\s*(%|[kM]?[JWs]|ms|MHz|\u00d7|x)?$")


def pipeline_body(report: PipelineReport) -> str:
    """Everything between ``<body>`` and the scripts."""
    return "\n".join(
        [
            "<main>",
            _header(report),
            _headline(report),
            _table(report),
            _facts(report),
            _frontier(report),
            _gantt(),
            _notes(report),
            "</main>",
            "<footer>joulewise report. One file, no network: what you see is all in it.</footer>",
        ]
    )


def _header(report: PipelineReport) -> str:
    badge, meaning = _PROVENANCE[Provenance(report.provenance)]
    return f"""<header>
<h1>{escape(report.title)}</h1>
<p class="subtitle">{escape(report.subtitle)}</p>
<p class="provenance {escape(report.provenance)}" role="note"><strong>{badge}</strong> <span>{meaning}</span></p>
</header>"""


def _headline(report: PipelineReport) -> str:
    baseline = report.baseline
    if baseline is None or not report.chosen or not (baseline.time_s and baseline.energy_j):
        return ""
    first, *others = report.chosen
    time, energy = time_unit(baseline.time_s), energy_unit(baseline.energy_j)
    saving, slowdown = _saving(first, baseline), first.time_s / baseline.time_s - 1
    cards = [
        (show_percent(abs(saving)), "less energy" if saving >= 0 else "more energy", "lead"),
        (show_percent(abs(slowdown)), "more time" if slowdown >= 0 else "less time", "lead"),
        (show(first.energy_j, energy), f"per iteration, instead of {show(baseline.energy_j, energy)}", ""),
        (show(first.time_s, time), f"per iteration, instead of {show(baseline.time_s, time)}", ""),
    ]
    items = "\n".join(
        f'<li class="{kind}"><b>{escape(big)}</b> <span>{escape(small)}</span></li>' for big, small, kind in cards
    )
    more = "".join(
        f"<li><b>{escape(mark.name)}</b>: energy {show_percent(-_saving(mark, baseline), signed=True)}, "
        f"time {show_percent(mark.time_s / baseline.time_s - 1, signed=True)}</li>"
        for mark in others
    )
    also = f'<ul class="also">{more}</ul>' if more else ""
    return f"""<section class="headline" aria-label="Result">
<p><b>{escape(first.name)}</b> against <b>{escape(baseline.name)}</b></p>
<ul class="cards">{items}</ul>{also}
</section>"""


def _saving(mark: Mark, baseline: Mark) -> float:
    return 1 - mark.energy_j / (mark.reference_j or baseline.energy_j)


def _facts(report: PipelineReport) -> str:
    if not report.facts:
        return ""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in report.facts)
    return f'<section><h2>About this plan</h2><dl class="facts">{items}</dl></section>'


def _table(report: PipelineReport) -> str:
    if not report.table_columns:
        return ""
    numeric = [
        index > 0 and any(_NUMBER.match(row[index]) for row in report.table_rows)
        for index in range(len(report.table_columns))
    ]

    def cell(tag: str, index: int, text: str, extra: str = "") -> str:
        kind = ' class="number"' if numeric[index] else ""
        return f"<{tag}{kind}{extra}>{escape(text)}</{tag}>"

    head = "".join(cell("th", index, text, ' scope="col"') for index, text in enumerate(report.table_columns))
    chosen = {mark.name for mark in report.chosen}
    rows = "".join(
        ('<tr class="chosen">' if row and row[0] in chosen else "<tr>")
        + "".join(
            cell("td" if index else "th", index, text, "" if index else ' scope="row"')
            for index, text in enumerate(row)
        )
        + "</tr>"
        for row in report.table_rows
    )
    return f"""<section><h2>Results</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Result table"><table>
<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"""


def _frontier(report: PipelineReport) -> str:
    straggler = (
        " The dashed line is for iterations that must wait for a slower pipeline anyway: planning for that time costs"
        " this much, waiting included."
        if len(report.straggler_time_s)
        else ""
    )
    return f"""<section><h2>Time and energy of every plan</h2>
<p class="caption">Each blue dot is a plan with real clocks. The dark line is the least energy that any plan of this
schedule could use in that time, so the distance between dot and line is all that a better plan could still save.
{straggler}</p>
<div class="toolbar"><fieldset><legend>Show</legend>
<button type="button" data-range="all">everything</button>
<button type="button" data-range="plans">plans and bound only</button></fieldset></div>
<div id="frontier" class="chart" role="img" aria-label="Energy against time of the planned iterations; the result table
gives the named points."></div>
<noscript><p class="caption">The charts are drawn by a script in this file; allow it to see them.</p></noscript>
</section>"""


def _gantt() -> str:
    colours = "".join(
        f'<label><input type="radio" name="colour" value="{value}"{" checked" if value == "clock" else ""}>'
        f"<span>{name}</span></label>"
        for value, name in (("clock", "clock"), ("power", "power"), ("kind", "operation"))
    )
    views = "".join(
        f'<button type="button" data-view="{value}" title="{title}">{name}</button>'
        for value, name, title in (
            ("all", "whole iteration", "Show everything (0)"),
            ("start", "start", "The first operations"),
            ("middle", "middle", "Half-way through"),
            ("end", "end", "The last operations"),
            ("left", "←", "Earlier (left arrow)"),
            ("right", "→", "Later (right arrow)"),
            ("in", "+", "Closer (+)"),
            ("out", "\u2212", "Wider (\u2212)"),
        )
    )
    return f"""<section><h2>The iteration, before and after</h2>
<p class="caption">One row per rank, one bar per operation, tall bars for backward and short ones for forward. Light
spans are waits. Drag across the chart to zoom both timelines; bars get their names once there is room.</p>
<div class="toolbar">
<fieldset><legend>Colour by</legend>{colours}</fieldset>
<fieldset><legend>Show</legend>
<label><input type="checkbox" id="critical" checked><span>critical path</span></label></fieldset>
<fieldset><legend>Zoom</legend>{views}</fieldset>
</div>
<div id="scale" class="scale" aria-live="polite"></div>
<div id="gantt" class="chart" tabindex="0" role="img" aria-label="Timelines of every rank before and after planning.
Arrow keys move, plus and minus zoom, zero shows everything."></div></section>"""


def _notes(report: PipelineReport) -> str:
    if not report.notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return f'<section><h2>How to read this, and its limits</h2><ul class="notes">{items}</ul></section>'
