"""A running job as a page: made here, without a build step, and it asks for nothing but itself, again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from joulewise.pipelines.state import JobState
from joulewise.services.hub.live_chart import frontier_svg
from joulewise.services.hub.page_shell import energy_text, page_text

_PHASES = {
    "profiling": "profiling: it tries clocks, and has not told what it found",
    "planning": "planning",
    "planned": "following a plan",
    "failed": "not planned: it runs at the clocks that were found",
}


def live_page(view: Mapping[str, Any]) -> str:
    """The page of a job.

    Args:
        view: A document of `joulewise.pipelines.view`.
    """
    title = view["name"] or view["job"]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="dim">job {escape(view["job"])}: {view["replicas"]} replicas of {view["ranks"]} ranks; '
        f"{view['heard']} of {view['replicas']} replicas heard in the last minute; "
        f"profile {view['planned_round'] or view['round']}, topology {view['generation']}</p>",
    ]
    if view["note"]:
        parts.append(f'<p class="warn">The last profile has no plan: {escape(view["note"])}</p>')
    if view["drift"] != 1.0:
        parts.append(
            f'<p class="warn">Healthy replicas take {view["drift"]:.3g} times as long as planned: '
            "the profile does not hold any more.</p>"
        )
    parts += [_tiles(view)]
    if view["frontier"] is not None:
        parts += [f"<h2>Frontier</h2>{frontier_svg(view)}", f"<p><small>{_said(view['current'])}</small></p>"]
    parts += ["<h2>Stragglers</h2>", _stragglers(view["stragglers"]), "<h2>Savings so far</h2>", _savings(view)]
    return page_text(title, "".join(parts), script=True)


def list_page(states: Sequence[JobState]) -> str:
    """The page of all jobs."""
    rows = [
        f'<tr><td><a href="pipelines/{quote(one.id)}">{escape(one.job.name or one.id)}</a></td>'
        f"<td>{escape(one.id)}</td><td>{escape(_PHASES[one.phase])}</td></tr>"
        for one in states
    ]
    table = f"<table><tr><th>name</th><th>job</th><th>phase</th></tr>{''.join(rows)}</table>"
    return page_text(
        "Pipelines", f"<h1>Pipelines</h1>{table if rows else '<p>No job is known here.</p>'}", script=False
    )


def _tiles(view: Mapping[str, Any]) -> str:
    current, savings = view["current"], view["savings"]
    tiles = [("phase", view["phase"], "")]
    if current is not None:
        seen = current["seen_time_s"]
        tiles.append(("iteration, planned", f"{current['time_s']:.4g} s", current["provenance"]))
        tiles.append(("iteration, seen", "-" if seen is None else f"{seen:.4g} s", "" if seen is None else "as told"))
    if savings is not None and savings["unplanned"]["energy_j"] > 0:
        frac = savings["saved"]["energy_j"] / savings["unplanned"]["energy_j"]
        tiles.append(("saved so far", f"{100 * frac:.1f} %", savings["saved"]["provenance"]))
    tiles.append(("stragglers", str(len({one["replica"] for one in view["stragglers"]})), ""))
    cells = (f'<div class="tile">{n}<b>{escape(v)}</b><small>{escape(p)}</small></div>' for n, v, p in tiles)
    return f'<div class="tiles">{"".join(cells)}</div>'


def _said(current: Mapping[str, Any]) -> str:
    text = (
        f"Healthy replicas follow plan {escape(current['plan'])}: {current['time_s']:.5g} s and "
        f"{current['energy_j']:.5g} J per iteration and replica ({current['provenance']})."
    )
    if current["plan"] != current["own_plan"]:
        text += f" Alone they would follow plan {escape(current['own_plan'])}."
    return text


def _stragglers(stragglers: Sequence[Mapping[str, Any]]) -> str:
    if not stragglers:
        return "<p>None.</p>"
    rows = [
        f'<tr><td>{one["replica"]}</td><td class="number">{one["factor"]:.3f}</td><td>{one["origin"]}</td>'
        f'<td>{escape(one["reason"]) or "-"}</td><td class="number">{one["since_s"]:.0f} s</td>'
        f"<td>{escape(one['plan']) or '-'}</td></tr>"
        for one in stragglers
    ]
    head = (
        '<tr><th>replica</th><th class="number">times as long</th><th>how we know</th><th>reason</th>'
        '<th class="number">for</th><th>its plan</th></tr>'
    )
    return f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _savings(view: Mapping[str, Any]) -> str:
    savings = view["savings"]
    if savings is None:
        return "<p>No planned iteration was heard of yet.</p>"
    names = {"used": "used", "unplanned": "at the highest clocks", "saved": "saved"}
    rows = [
        f'<tr><td>{text}</td><td class="number">{energy_text(savings[name]["energy_j"])}</td>'
        f"<td>{savings[name]['provenance']}</td></tr>"
        for name, text in names.items()
    ]
    head = '<tr><th></th><th class="number">energy</th><th>provenance</th></tr>'
    return (
        f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'
        f"<p><small>Over {savings['rank_iterations']} planned iterations of single processes. What they would "
        "have used at the highest clocks is taken from the profile, and nobody measures it; waiting for "
        "stragglers is counted on both sides, as modelled. Stragglers themselves are left out.</small></p>"
    )
