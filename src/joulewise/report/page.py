"""The shell of a report: one HTML file that holds its styles, scripts and data and asks the network for nothing.

A content security policy inside the file forbids every request and every script but the two that it holds, which it
names by their digest. So text that slips through as markup still cannot run, and plotly.js cannot fetch anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib.resources import files
from typing import Any


def render_page(title: str, body: str, data: dict[str, Any], script: str = "report.js") -> str:
    """The whole HTML text.

    Args:
        title: Window title, as plain text.
        body: Markup of the page, already escaped.
        data: What the page's script draws; JSON values without NaN.
        script: Name of that script among the assets.
    """
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]  # noqa: PLC0415  five megabytes of text

    scripts = [_script_text(get_plotlyjs()), _script_text(_asset(script))]
    held = f'<script type="application/json" id="report-data">{embed_json(data)}</script>'
    return _shell(title, body, [held], scripts)


def render_still_page(title: str, body: str) -> str:
    """The whole HTML text of a page without scripts, and so without charts to move in.

    Args:
        title: Window title, as plain text.
        body: Markup of the page, already escaped; pictures as data.
    """
    return _shell(title, body, [], [])


def _shell(title: str, body: str, held: list[str], scripts: list[str]) -> str:
    policy = "; ".join(
        [
            "default-src 'none'",
            "script-src " + (" ".join(_digest(script) for script in scripts) or "'none'"),
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>",
            f"<style>{_asset('report.css')}</style>",
            "</head>",
            "<body>",
            body,
            *held,
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>",
            "",
        ]
    )


def embed_json(value: Any) -> str:
    """JSON that may stand inside a script element: it holds no ``<``, ``>`` or ``&``, so no tag can end early.

    Raises:
        ValueError: If a number is NaN or infinite.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(name: str) -> str:
    return files("joulewise.report").joinpath("assets", name).read_text(encoding="utf-8")


def _script_text(source: str) -> str:
    """Source in the form in which a browser's parser sees it, so that its digest is the one that is checked."""
    return source.replace("\r\n", "\n").replace("\r", "\n").replace("</script", "<\\/script").replace("\0", "\\0")


def _digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
