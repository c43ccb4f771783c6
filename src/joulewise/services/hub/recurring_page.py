"""A recurring job as a page: what it costs, what it may cost, why its sizes were chosen, what runs now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from joulewise.jobs.rows import TrialRow
from joulewise.optimize.batch.protocol import cost_of
from joulewise.services.hub.page_shell import energy_text, page_text
from joulewise.services.hub.recurring_chart import both_widths, cost_svg, cost_text, frontier_svg, time_unit
from joulewise.services.hub.recurring_view import LAST, WINDOW, JobLine, RecurringView

ROWS = 20
"""Trials whose reasons one page tells."""
STYLE = """
.narrow{display:none}@media(max-width:56rem){.wide{display:none}.narrow{display:block}}
.reached{fill:var(--plan)}.missed{fill:var(--paper);stroke:var(--top);stroke-width:1.6}
.open{fill:var(--paper);stroke:var(--now);stroke-width:2}.mean{fill:none;stroke:var(--now);stroke-width:2.5}
.default{stroke:var(--top);stroke-width:1.5;stroke-dasharray:6 4}.point{fill:var(--plan)}.cheapest{fill:var(--now)}
.mark{display:inline-block;width:.7em;height:.7em;border-radius:50%;border:2px solid transparent;margin:0 .25em 0 .7em}
.mark.reached{background:var(--plan)}.mark.missed{border-color:var(--top)}.mark.open{border-color:var(--now)}
.mark.line{height:0;width:1.4em;border-radius:0;border-width:2px 0 0;vertical-align:middle}
.mark.mean{border-color:var(--now)}.mark.default{border-color:var(--top);border-top-style:dashed}
th,td{vertical-align:top;white-space:nowrap}td.text{white-space:normal;min-width:14rem}h1,td.text,p{overflow-wrap:anywhere}
a{color:var(--plan)}.warn{margin:.6rem 0}
"""
Cells = Sequence[str]


def recurring_page(view: RecurringView, *, is_latest: bool) -> str:
    """The page of a job.

    Args:
        view: What to show.
        is_latest: Whether it shows the latest trials; such a page keeps itself up to date.
    """
    job = view.job
    parts = [
        '<p><a href="../recurring">All recurring jobs</a></p>',
        f"<h1>{escape(job.description.name)}</h1>",
        _what_it_is(view),
        _tiles(view),
        "<h2>Running now</h2>",
        _live(view),
        "<h2>Cost per recurrence</h2>",
        _costs(view),
        "<h2>Frontier</h2>",
        _frontier(view),
        "<h2>What is known of each batch size</h2>",
        _sizes(view),
        "<h2>Why each trial had its batch size</h2>",
        _decisions(view, is_latest=is_latest),
    ]
    return page_text(job.description.name, "".join(parts), script=is_latest, style=STYLE)


def recurring_list_page(lines: Sequence[JobLine], more: str | None, now: float) -> str:
    """The page of all jobs.

    Args:
        lines: The jobs.
        more: Id behind which there are more, or None.
        now: The time [s since 1970, UTC].
    """
    rows = [
        [
            f'<a href="recurring/{quote(line.job.id, safe="")}">{escape(line.job.description.name)}</a><br>'
            f"<small>{escape(line.job.id)}{_besides(line.job.description.device)}</small>",
            _number(line.best),
            _number(line.job.trials),
            _number(line.live),
            "-" if line.latest is None else escape(line.latest.reason),
            escape(_ago(now - line.job.updated_at)),
        ]
        for line in lines
    ]
    head = ["~job", "#best size", "#trials", "#running", "~why the last size", "last change"]
    body = _table(head, rows) if rows else "<p>No recurring job is known here.</p>"
    if more is not None:
        body += f'<p><a href="?after={quote(more, safe="")}">More jobs</a></p>'
    title = "Recurring jobs"
    links = '<p><a href="pipelines">Pipelines</a></p>'
    return page_text(title, f"<h1>{title}</h1>{body}{links}", script=True, style=STYLE)


def _what_it_is(view: RecurringView) -> str:
    job, known = view.job, view.job.description
    targets = " and ".join(
        f"{one.metric} {'≥' if one.higher_is_better else '≤'} {one.value:g}" for one in known.targets
    )
    facts = [
        f"job {job.id}",
        f"until {targets}, within {known.max_epochs} epochs",
        f"cost: {known.eta:g} x energy + {1 - known.eta:g} x {known.max_power_w:g} W x time"
        if known.eta
        else "cost: time",
        *(f"{name} {text}" for name in ("model", "data", "optimizer") if (text := getattr(known, name))),
        *([f"on {known.device_count} x {known.device}"] if known.device else []),
        f"policy {known.policy}",
    ]
    text = f'<p class="dim">{escape("; ".join(facts))}</p>'
    if job.parent is not None:
        link = f'<a href="{quote(job.parent, safe="")}">{escape(job.parent)}</a>'
        text += f'<p class="dim">It began with what job {link} knew.</p>'
    if view.provenance is not None and view.provenance != "measured":
        text += f'<p class="warn">Some or all figures of trials are {escape(str(view.provenance))}, not measured.</p>'
    return text


def _tiles(view: RecurringView) -> str:
    origin = "" if view.provenance is None else str(view.provenance)
    tiles = [
        ("best batch size", str(view.best), f"default {view.job.description.default}"),
        ("trials", str(view.job.trials), ""),
        ("running", str(len(view.live)), ""),
    ]
    if view.last_cost is not None:
        tiles.append((f"cost, last {LAST}", cost_text(view.objective, view.last_cost), origin))
        if view.default_cost:
            saved = f"{100 * (1 - view.last_cost / view.default_cost):.1f} %"
            tiles.append(("less than at the default", saved, origin))
    cells = (f'<div class="tile">{n}<b>{escape(v)}</b><small>{escape(p)}</small></div>' for n, v, p in tiles)
    return f'<div class="tiles">{"".join(cells)}</div>'


def _live(view: RecurringView) -> str:
    rows = [
        [
            _number(row.number),
            _number(row.batch_size),
            escape(row.kind),
            _number(f"{row.epochs:g}"),
            escape(_metrics(row.metrics)),
            f"{_cost(view, row)}{_bound(view, row)}",
            escape(_ago(view.now - row.updated_at)),
            escape(_span(row.lease_until - view.now)),
            escape(row.client) or "-",
        ]
        for row in view.live
    ]
    heads = ["#trial", "#batch size", "kind", "#epochs", "metrics", "cost so far", "heard", "lease", "client"]
    return _table(heads, rows) if rows else "<p>Nothing runs.</p>"


def _costs(view: RecurringView) -> str:
    if not view.recurrences:
        return "<p>No trial yet.</p>"
    marks = [
        ("reached", "reached"),
        ("missed", "not reached yet"),
        ("open", "running"),
        ("line mean", f"mean of the last {LAST} that reached"),
        ("line default", "mean of trials at the default size"),
    ]
    keys = "".join(f'<span class="mark {kind}"></span>{text}' for kind, text in marks)
    return (
        f"{both_widths(lambda width: cost_svg(view, width))}<p><small>{keys}</small></p>"
        f"<p><small>A recurrence is a trial with its retries, and costs what all of them do, trying out power limits "
        f"included. Shown: those that began in trials {view.trials[0].number} to {view.trials[-1].number} (at most "
        f"{WINDOW} trials).</small></p>"
    )


def _frontier(view: RecurringView) -> str:
    frontier = view.frontier
    if frontier is None:
        return f"<p>{escape(view.note[:1].upper() + view.note[1:])}.</p>"
    best = frontier.minimizing(view.objective)
    scale, unit = time_unit(max(point.time_s for point in frontier))
    rows = []
    for point in frontier:
        size, limit_w = point.setting if isinstance(point.setting, tuple) else (point.setting, None)
        costs = cost_of(point.time_s, point.energy_j, view.objective)
        rows.append(
            [
                _number(str(size)),
                _number("-" if limit_w is None else f"{limit_w:g} W"),
                _number(f"{point.time_s / scale:.4g} {unit}"),
                _number(energy_text(point.energy_j) if point.energy_j else "-"),
                _number(cost_text(view.objective, costs)),
                "cheapest" if point == best else "",
            ]
        )
    heads = ["#batch size", "#power limit", "#time to target", "#energy to target", "#cost", ""]
    said = (
        f"Epochs to target by what the policy believes, times what an epoch took at each limit: {frontier.provenance}."
        " Settings that take longer and more energy than another are left out."
    )
    drawn = "<p>No device has told energy, so there is only time to compare.</p>"
    if any(point.energy_j for point in frontier):
        drawn = both_widths(lambda width: frontier_svg(view, frontier, width))
    return f"{drawn}<p><small>{escape(said)}</small></p>{_table(heads, rows)}"


def _sizes(view: RecurringView) -> str:
    rows = [
        [
            _number(f"{one.batch_size}{' (default)' if one.batch_size == view.job.description.default else ''}"),
            _number(one.trials),
            _number(one.reached),
            _number("-" if one.epochs is None else f"{one.epochs:.3g}"),
            _number("-" if one.cost is None else cost_text(view.objective, one.cost)),
            "best known" if one.batch_size == view.best else "",
        ]
        for one in view.sizes
    ]
    heads = ["#batch size", "#trials", "#reached", "#epochs to target", "#cost to target", ""]
    return _table(heads, rows)


def _decisions(view: RecurringView, *, is_latest: bool) -> str:
    shown = view.trials[-ROWS:][::-1]
    if not shown:
        return "<p>No trial yet.</p>"
    rows = [
        [
            _number(row.number),
            _number(row.batch_size),
            f"{escape(row.kind)}: {escape(row.reason)}"
            f"{'' if row.retry_of is None else f' (again for trial {row.retry_of})'}"
            f"{f'<br><small>{escape(row.note)}</small>' if row.note else ''}",
            escape(row.end or "running"),
            _number(f"{row.epochs:g}"),
            f"{_cost(view, row)}{_bound(view, row)}",
            escape(row.provenance) if row.reports else "-",
            escape(f"{datetime.fromtimestamp(row.started_at, UTC):%Y-%m-%d %H:%M}"),
        ]
        for row in shown
    ]
    heads = ["#trial", "#batch size", "~why", "end", "#epochs", "cost", "figures", "began (UTC)"]
    links = []
    if shown[-1].number > 1:
        links.append(f'<a href="?before={shown[-1].number}">Earlier trials</a>')
    if not is_latest:
        links.append(f'<a href="{quote(view.job.id, safe="")}">The latest</a>')
    return f"{_table(heads, rows)}<p>{' · '.join(links)}</p>"


def _cost(view: RecurringView, row: TrialRow) -> str:
    return escape(cost_text(view.objective, view.cost(row))) if row.reports else "-"


def _bound(view: RecurringView, row: TrialRow) -> str:
    return (
        ""
        if row.stop_at_cost is None
        else f"<br><small>stops at {escape(cost_text(view.objective, row.stop_at_cost))}</small>"
    )


def _metrics(metrics: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'?' if value is None else f'{value:.4g}'}" for name, value in metrics.items()) or "-"


def _ago(age_s: float) -> str:
    return f"{_span(max(0.0, age_s))} ago"


def _span(span_s: float) -> str:
    if span_s <= 0:
        return "over"
    scale, unit = time_unit(span_s)
    return f"{span_s / scale:.0f} {unit}"


def _besides(text: str) -> str:
    return f" on {escape(text)}" if text else ""


def _number(value: object) -> str:
    return escape(str(value))


def _table(heads: Cells, rows: Iterable[Cells]) -> str:
    """A table of cells that are HTML; heads that begin with # are those of numbers, with ~ those of long texts."""
    kinds = [{"#": ' class="number"', "~": ' class="text"'}.get(text[:1], "") for text in heads]

    def line(tag: str, cells: Cells) -> str:
        return "".join(f"<{tag}{kind}>{text}</{tag}>" for kind, text in zip(kinds, cells, strict=True))

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    head = line("th", [text.lstrip("#~") for text in heads])
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
