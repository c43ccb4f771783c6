"""The reference: public modules from their docstrings; what is undocumented, or refers to nothing, is a warning."""

from __future__ import annotations

import pkgutil
from collections import namedtuple
from enum import EnumType
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from types import FunctionType
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.transforms import SphinxTransform
from sphinx.util.logging import getLogger
from sphinx.util.nodes import make_refnode

import joulewise

LOGGER = getLogger(__name__)
FACADE = {id(getattr(joulewise, name)): name for name in joulewise.__all__}
HOMES = sorted({getattr(joulewise, name).__module__ for name in joulewise.__all__})
LEFT_OUT = {
    "joulewise.cli",
    "joulewise.compat",
    "joulewise.jobs.migrations",
    "joulewise.pipelines",
    "joulewise.report",
    "joulewise.services",
    "joulewise.sim",
}
MADE = "docs/reference/api"
SOURCES = Path(__file__).parents[1].joinpath("papers.md").read_text(encoding="utf-8")
Field = type(vars(namedtuple("Row", "a"))["a"])  # a field of a named tuple: its class tells what it is
HIDDEN = "\ue000"
SPOKEN = {"module", "class", "exception", "function", "method", "property"}


def submodules(package: str) -> tuple[list[str], list[str]]:
    """Packages and modules directly in a package, but private ones."""
    found = pkgutil.iter_modules(import_module(package).__path__, f"{package}.")
    public = [one for one in found if not one.name.rpartition(".")[2].startswith("_") and one.name not in LEFT_OUT]
    return [one.name for one in public if one.ispkg], [one.name for one in public if not one.ispkg]


def pages(package: str) -> dict[str, str]:
    """Text of the page of a package and of those within, by name."""
    packages, modules = submodules(package)
    lines = [package, "=" * len(package), "", f".. automodule:: {package}", "   :members:", ""]
    if packages:
        lines += [".. toctree::", "   :maxdepth: 1", "", *(f"   {one}" for one in packages), ""]
    for module in modules:
        title = module.removeprefix(f"{package}.")
        lines += [title, "-" * len(title), "", f".. automodule:: {module}", "   :members:", ""]
    made = {package: "\n".join(lines)}
    for one in packages:
        made |= pages(one)
    return made


def write_pages(app: Sphinx) -> None:
    """Bring the folder of made pages up to date."""
    folder = Path(app.srcdir, MADE)
    folder.mkdir(exist_ok=True)
    made = pages("joulewise")
    for old in folder.glob("*.rst"):
        if old.stem not in made:
            old.unlink()
    for name, text in made.items():
        page = folder / f"{name}.rst"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def expand_facade(app: Sphinx, docname: str, source: list[str]) -> None:
    """Write a directive for each name of the façade where a page says ``.. facade::``."""
    lines = [", ".join(f"`joulewise.{name}`" for name in joulewise.__all__), ""]
    for name in joulewise.__all__:
        value = getattr(joulewise, name)
        if not isinstance(value, type):
            lines += [f".. autofunction:: joulewise.{name}", ""]
        else:
            kind = "autoexception" if issubclass(value, Exception) else "autoclass"
            lines += [f".. {kind}:: joulewise.{name}", "   :members:", ""]
    source[0] = source[0].replace(".. facade::\n", "\n".join(lines))


def skip(app: Sphinx, what: str, name: str, obj: object, skipped: bool, options: Any) -> bool | None:
    """Leave out of its home what the façade documents."""
    return True if (what == "module" and id(obj) in FACADE) or isinstance(obj, Field) else None


def judge(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Warn of what has no docstring; lead from a module to what of it is in the façade."""
    ours = str(getattr(obj, "__module__", "joulewise")).startswith("joulewise")
    if what in SPOKEN and ours and not any(lines) and not isinstance(obj, EnumType):
        LOGGER.warning("%s %s has no docstring", what, name, location=name, type="reference")
    if what == "module":
        shown = [one for one in joulewise.__all__ if getattr(joulewise, one).__module__ == name]
        if shown:
            lines += ["", f"In the façade: {', '.join(f'`joulewise.{one}`' for one in shown)}.", ""]


def reached(dotted: str) -> tuple[Any, str] | None:
    """What a dotted name leads to, and the name under which the reference has it; None if it leads nowhere."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value: Any = import_module(".".join(parts[:cut]))
        except Exception:  # a vendor's binding without its library raises what it likes
            continue
        known = dotted
        for at, part in enumerate(parts[cut:], cut + 1):
            if not hasattr(value, part):
                said = part in getattr(value, "__annotations__", {}) and at == len(parts)
                return (value, known) if said else None
            value = getattr(value, part)
            if isinstance(value, type) or callable(value):
                home = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
                home = f"joulewise.{FACADE[id(value)]}" if id(value) in FACADE else home
                known = ".".join([home, *parts[at:]])
        return value, known
    return None


def resolve(app: Sphinx, env: Any, node: pending_xref, content: nodes.Element) -> nodes.Node | None:
    """Follow a reference by importing it, as far as Sphinx did not: to its home; if it is not ours, to text."""
    if node.get("refdomain") != "py":
        return None
    target, module, owner = node["reftarget"], node.get("py:module"), node.get("py:class")
    if target.startswith("joulewise "):  # a command
        return content
    if f"`{target}`" in SOURCES:
        return make_refnode(app.builder, node["refdoc"], "docs/papers", None, content)
    ways = [target, f"builtins.{target}", f"{module}.{target}", f"{module}.{owner}.{target}"]
    if module == "joulewise":
        ways += [f"{home}.{target}" for home in HOMES]
    found = next(filter(None, map(reached, ways)), None)
    if found is None:
        near = env.domains.python_domain.find_obj(env, module, owner, target, None, 1)
        if not near:
            return None
        ((name, entry),) = near
    else:
        name = found[1]
        entry = env.domains.python_domain.objects.get(name)
    if entry is None:
        return content
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, name)


def hide_colon(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Keep Napoleon from taking what stands before a colon for a type."""
    if what in {"attribute", "property", "data"}:
        lines[0] = lines[0].replace(":", HIDDEN)


def show_once(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Put colons back; drop attributes of a class that are listed once more as its members."""
    kept, dropping = [], False
    for line in lines:
        told = line.removeprefix(".. attribute:: ")
        if not line.startswith(" ") and line:
            own = vars(obj).get(told) if told != line and isinstance(obj, type) else None
            dropping = isinstance(own, property | FunctionType)
        if not dropping:
            kept.append(line.replace(HIDDEN, ":"))
    lines[:] = kept


class LinkDottedNames(SphinxTransform):
    """Makes references of code spans in Markdown that are dotted names; one that the reference lacks stays as it is."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Wrap each in what Sphinx resolves later."""
        if not self.env.docname.startswith(MADE):
            for literal in list(self.document.findall(nodes.literal)):
                name = literal.astext().removesuffix("()")
                if name.startswith("joulewise.") and name.replace(".", "").isidentifier():
                    if isinstance(literal.parent, nodes.title | nodes.reference | pending_xref):
                        continue
                    link = pending_xref("", literal.deepcopy(), refdomain="py", reftype="obj", reftarget=name)
                    literal.replace_self(link)


def shared(one: str, other: str) -> int:
    """How many names two dotted names begin with alike."""
    return sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one.split("."), other.split("."), strict=False))
    )


class NearDomain(PythonDomain):
    """Sphinx's own, but of names that end alike it takes the nearest, and it does not look for what no name ends in."""

    _ends: frozenset[str] = frozenset()

    def find_obj(self, env: Any, modname: Any, classname: Any, name: str, type: Any, searchmode: int = 0) -> Any:
        """Names and entries that a reference may mean."""
        self._ends = self._ends or frozenset(one.rpartition(".")[2] for one in self.objects)
        if name.removesuffix("()").rpartition(".")[2] not in self._ends:
            return []
        found = super().find_obj(env, modname, classname, name, type, searchmode)
        return [max(found, key=lambda one: shared(one[0], modname or ""))] if found else []


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", expand_facade)
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-docstring", judge)
    app.connect("autodoc-process-docstring", hide_colon, priority=400)
    app.connect("autodoc-process-docstring", show_once, priority=600)
    app.connect("missing-reference", resolve)
    app.add_domain(NearDomain, override=True)
    app.add_transform(LinkDottedNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
