"""A running job as a page: made here, without a build step, and it asks for nothing but itself, again and again."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from joulewise.pipelines.state import JobState
from joulewise.services.hub.live_chart import frontier_svg

REFRESH_MS = 2000
STYLE = """
:root{color-scheme:light dark;--ink:#111827;--dim:#5b6472;--paper:#fff;--line:#d7dce3;--plan:#2f7fb8;--now:#00796b;
--top:#c2410c;--wall:#7a5195}
@media(prefers-color-scheme:dark){:root{--ink:#e7eaf0;--dim:#9aa4b2;--paper:#14181f;--line:#333b47;--plan:#6fb3e6;
--now:#3fc1ad;--top:#f08a5d;--wall:#b993d6}}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.4rem 0 .3rem}p{margin:.3rem 0}
.dim,small{color:var(--dim)}.tiles{display:flex;flex-wrap:wrap;gap:.7rem;margin:1rem 0}
.tile{border:1px solid var(--line);border-radius:.5rem;padding:.5rem .9rem;min-width:7rem}
.tile b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}
.warn{border-left:4px solid var(--top);padding-left:.7rem}
svg{width:100%;height:auto}svg text{fill:var(--ink);font-size:13px;
paint-order:stroke;stroke:var(--paper);stroke-width:4px}svg .tick{fill:var(--dim);font-size:12px}
.grid{stroke:var(--line)}.plans{fill:none;stroke:var(--plan);stroke-width:2.5}.current{fill:var(--now)}
.top{fill:var(--top)}.wall{stroke:var(--wall);stroke-width:2;stroke-dasharray:6 4}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line)}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
#stale{color:var(--top)}
"""
SCRIPT = f"""
"use strict";
const stale = document.getElementById("stale");
async function refresh() {{
  try {{
    const answer = await fetch(location.href, {{signal: AbortSignal.timeout(10000), credentials: "same-origin"}});
    if (!answer.ok) throw new Error("HTTP " + answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
    stale.textContent = "";
  }} catch (error) {{
    stale.textContent = "The hub does not answer (" + error.message + "); what is shown may be old.";
  }}
  setTimeout(refresh, {REFRESH_MS});
}}
setTimeout(refresh, {REFRESH_MS});
"""
SCRIPT_DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{SCRIPT_DIGEST}'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
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
    return _page(title, "".join(parts), script=True)


def list_page(states: Sequence[JobState]) -> str:
    """The page of all jobs."""
    rows = [
        f'<tr><td><a href="pipelines/{quote(one.id)}">{escape(one.job.name or one.id)}</a></td>'
        f"<td>{escape(one.id)}</td><td>{escape(_PHASES[one.phase])}</td></tr>"
        for one in states
    ]
    table = f"<table><tr><th>name</th><th>job</th><th>phase</th></tr>{''.join(rows)}</table>"
    return _page("Pipelines", f"<h1>Pipelines</h1>{table if rows else '<p>No job is known here.</p>'}", script=False)


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
        f'<tr><td>{text}</td><td class="number">{_energy(savings[name]["energy_j"])}</td>'
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


def _energy(energy_j: float) -> str:
    for unit, size in (("GJ", 1e9), ("MJ", 1e6), ("kJ", 1e3)):
        if abs(energy_j) >= size:
            return f"{energy_j / size:.4g} {unit}"
    return f"{energy_j:.4g} J"


def _page(title: str, body: str, *, script: bool) -> str:
    code = f'<noscript><meta http-equiv="refresh" content="5"></noscript><script>{SCRIPT}</script>' if script else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · joulewise hub</title><style>{STYLE}</style></head>"
        f'<body><p id="stale" role="status"></p><main>{body}</main>{code}</body></html>'
    )
