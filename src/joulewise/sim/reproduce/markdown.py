"""Exhibits as Markdown: for a page of their own, and as they are quoted in documents."""

from __future__ import annotations

from collections.abc import Sequence

from joulewise.sim.reproduce.exhibit import Column, Exhibit, Origin
from joulewise.sim.reproduce.study import Outcome


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    head = "| " + " | ".join(columns) + " |"
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(columns), *lines])


def quoted(exhibit: Exhibit) -> str:
    """What stands in a document: the exhibit, and for a table where its numbers come from."""
    if exhibit.text:
        return exhibit.text
    said = table([column.name for column in exhibit.columns], exhibit.rows)
    return f"{said}\n\n*{_origins(exhibit)}*"


def _origins(exhibit: Exhibit) -> str:
    """Where the numbers come from: in one word, or column by column if they differ."""
    if len(exhibit.origins) == 1:
        return exhibit.origins[0].capitalize()
    parts = []
    for origin in exhibit.origins:
        names = ", ".join(column.name for column in exhibit.columns if column.origin is origin)
        parts.append(f"{origin}: {names}")
    return "; ".join(parts)


def page(outcome: Outcome) -> str:
    """The page of a study."""
    study = outcome.study
    parts = [f"# {study.title}", f"`{command(outcome)}`"]
    if not outcome.was_run:
        parts.append(not_run(outcome))
    if outcome.error:
        parts.append(f"**Failed**: {outcome.error}")
    for exhibit in outcome.exhibits:
        parts += [f"## {exhibit.title}", exhibit.shows, _body(exhibit), f"Source: {exhibit.source}."]
    used = {origin for exhibit in outcome.exhibits for origin in exhibit.origins}
    if used:
        parts += ["## Where numbers come from", legend([origin for origin in Origin if origin in used])]
    return "\n\n".join(parts) + "\n"


def legend(origins: Sequence[Origin]) -> str:
    """What the words mean."""
    return "\n".join(f"- *{origin}*: {origin.meaning}" for origin in origins)


def command(outcome: Outcome) -> str:
    """What makes the study's exhibits."""
    return f"joulewise reproduce {outcome.study.name}{' --data DIR' if outcome.study.needs else ''}"


def not_run(outcome: Outcome) -> str:
    """Why there is nothing."""
    return f"Not run: needs --data with {outcome.study.needs}."


def _body(exhibit: Exhibit) -> str:
    if exhibit.text:
        return f"{exhibit.text}\n\n*{exhibit.origins[0].capitalize()}*"
    if exhibit.svg:
        return f"![{exhibit.title}]({exhibit.name}.svg)\n\n*{exhibit.origins[0].capitalize()}*"
    return table([_head(column) for column in exhibit.columns], exhibit.rows)


def _head(column: Column) -> str:
    return f"{column.name} ({column.origin})" if column.origin else column.name
