"""Pages: links to folders lead to their lists, the site opens at its root, and nothing is loaded from elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments.lexers import TextLexer
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.logging import getLogger

LOGGER = getLogger(__name__)
LOADED = re.compile(
    r"""<(?:script|img|iframe|link|source|video|audio|object|embed)\b[^>]*?\b(?:src|href|data)=["']?
                        (?P<url>(?:https?:)?//[^"'\s>]+)""",
    re.VERBOSE,
)
IMPORTED = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])(?P<url>(?:https?:)?//[^"')\s]+)""")


class LinkFolders(SphinxTransform):
    """A link to a folder leads to the page that lists it, or else is the folder's name."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Put the list in place of the folder."""
        here = Path(self.env.doc2path(self.env.docname)).parent
        for link in list(self.document.findall(pending_xref)):
            folder = here / link["reftarget"]
            if link.get("reftype") == "myst" and folder.is_dir():
                if any((folder / f"index{suffix}").exists() for suffix in self.env.config.source_suffix):
                    target = Path(os.path.relpath(folder, self.env.srcdir), "index").as_posix()
                    link.update_all_atts(
                        {"refdomain": "std", "reftype": "doc", "reftarget": f"/{target}"}, replace=True
                    )
                    link["refexplicit"] = True
                else:
                    link.replace_self(nodes.inline("", "", *link.children))


def first_page(app: Sphinx) -> list[tuple[str, dict[str, Any], str]]:
    """The root of the site, which leads to its first page."""
    return [("index", {"to": f"{app.config.root_doc}.html"}, "first.html")]


def stay_here(app: Sphinx, failure: Exception | None) -> None:
    """Warn of every page and style that a browser would load something for from elsewhere."""
    if failure is None and app.builder.format == "html":
        for file in sorted(Path(app.outdir).rglob("*")):
            pattern = {".html": LOADED, ".css": IMPORTED}.get(file.suffix)
            if pattern is not None:
                for found in pattern.finditer(file.read_text(encoding="utf-8")):
                    LOGGER.warning("%s loads %s", file.relative_to(app.outdir), found["url"], type="pages")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect."""
    app.add_lexer("csv", TextLexer)
    app.add_lexer("promql", TextLexer)
    app.add_transform(LinkFolders)
    app.connect("html-collect-pages", first_page)
    app.connect("build-finished", stay_here)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
