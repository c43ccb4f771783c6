"""The reference of the command line: every verb with its arguments and options, from what makes the command itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from typer.main import get_command

from joulewise.cli import make_app


def rows(command: Any, context: Any, kind: str) -> list[tuple[str, str]]:
    """What is said of arguments or of options, as name and meaning."""
    records = [one.get_help_record(context) for one in command.get_params(context) if one.param_type_name == kind]
    return [record for record in records if record and record[0] != "--help"]


def table(heads: str, found: list[tuple[str, str]]) -> Iterator[str]:
    """A table of two columns."""
    if found:
        yield f"| {heads} | meaning |"
        yield "| --- | --- |"
        for name, text in found:
            said = (text or "").replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
            yield f"| `{name.replace('|', ' or ')}` | {said} |"
        yield ""


def describe(name: str, command: Any, above: Any, level: int) -> Iterator[str]:
    """A section for a verb, and below it one for each verb of its own."""
    context = command.make_context(name, [], parent=above, resilient_parsing=True)
    if above is not None:
        yield f"{'#' * level} {context.command_path}"
        yield ""
        text = command.help.replace("\b\n", "").replace("\n\n\n", "\n\n")
        yield text
        yield ""
        if not getattr(command, "commands", {}):
            usage = " ".join(command.collect_usage_pieces(context)).translate({ord("{"): None, ord("}"): None})
            yield f"```text\n{context.command_path} {usage}\n```\n"
    yield from table("argument", rows(command, context, "argument"))
    yield from table("option", rows(command, context, "option"))
    for verb, inner in sorted(getattr(command, "commands", {}).items()):
        if not inner.hidden:
            yield from describe(verb, inner, context, min(level + 1, 4) if above is not None else level)


class CommandLine(SphinxDirective):
    """The whole command line, where a page says ``{command-line}``."""

    def run(self) -> list[Any]:
        """Sections."""
        return self.parse_text_to_nodes(
            "\n".join(describe("joulewise", get_command(make_app()), None, 2)), allow_section_headings=True
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
