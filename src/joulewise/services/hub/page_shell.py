"""What all pages of the hub share: a document without a build step, which asks for nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from html import escape

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
    const here = location.origin + location.pathname + location.search; // without name and password
    const answer = await fetch(here, {{signal: AbortSignal.timeout(10000), credentials: "same-origin"}});
    if (!answer.ok) throw new Error("HTTP " + answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (getSelection().isCollapsed) {{ // nobody is about to copy something
      const held = [...document.querySelectorAll(".scroll")].map(box => box.scrollLeft);
      document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
      document.querySelectorAll(".scroll").forEach((box, place) => {{ box.scrollLeft = held[place] ?? 0; }});
    }}
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


def page_text(title: str, body: str, *, script: bool, style: str = "") -> str:
    """A whole document.

    Args:
        title: Its title, as text.
        body: What it shows, as HTML.
        script: Whether it keeps itself up to date.
        style: Rules of its own.
    """
    code = f'<noscript><meta http-equiv="refresh" content="5"></noscript><script>{SCRIPT}</script>' if script else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · joulewise hub</title><style>{STYLE}{style}</style></head>"
        f'<body><p id="stale" role="status"></p><main>{body}</main>{code}</body></html>'
    )


def energy_text(energy_j: float) -> str:
    """Energy in a unit that suits it."""
    scale, unit = energy_unit(energy_j)
    return f"{energy_j / scale:.4g} {unit}"


def energy_unit(most_j: float) -> tuple[float, str]:
    """Joules in the unit that suits an energy, and its name."""
    units = ((1e9, "GJ"), (1e6, "MJ"), (1e3, "kJ"))
    return next(((scale, unit) for scale, unit in units if abs(most_j) >= scale), (1.0, "J"))
