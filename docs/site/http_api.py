"""The reference of the hub's HTTP API: calls and records, from the OpenAPI document that a hub serves."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from joulewise.jobs.hub import Hub
from joulewise.services.hub.server import make_app


def openapi() -> dict[str, Any]:
    """The document."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    hub = Hub(":memory:")
    try:
        return make_app(hub, asks_for_tokens=True).openapi()
    finally:
        hub.close()


def kind(schema: dict[str, Any]) -> str:
    """What a schema allows, in a few words; records are linked."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map to {kind(schema['additionalProperties'])}"
    return {"null": "nothing", "object": "object"}.get(schema.get("type", ""), schema.get("type", "anything"))


def plain(text: str) -> str:
    """The prose of a docstring on one line, as Markdown."""
    prose = re.split(r"\n\s*(?:Attributes|Args|Returns|Raises):", text)[0]
    return re.sub(r"\s+", " ", prose.replace("``", "`")).strip()


def content(part: dict[str, Any]) -> str:
    """What a body holds."""
    return " or ".join(kind(one.get("schema", {})) for one in part.get("content", {}).values()) or "nothing"


def calls(document: dict[str, Any]) -> Iterator[str]:
    """A section for each call."""
    for path, methods in sorted(document["paths"].items()):
        for method, call in methods.items():
            yield f"### `{method.upper()} {path}`\n"
            yield plain(call.get("description", call.get("summary", ""))) + "\n"
            if call.get("parameters"):
                yield "| parameter | in | type | meaning |\n| --- | --- | --- | --- |"
                for one in call["parameters"]:
                    said = one.get("description", "") + ("" if one.get("required") else " (may be left out)")
                    yield f"| `{one['name']}` | {one['in']} | {kind(one.get('schema', {}))} | {said.strip()} |"
                yield ""
            if "requestBody" in call:
                yield f"Body: {content(call['requestBody'])}.\n"
            answers = [f"{code}: {content(answer)}" for code, answer in call.get("responses", {}).items()]
            yield f"Answers: {'; '.join(answers)}.\n"


def records(document: dict[str, Any]) -> Iterator[str]:
    """A section for each record."""
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield f"### {name}\n"
        yield plain(schema.get("description", "")) + "\n"
        if "enum" in schema:
            yield f"One of {', '.join(f'`{one}`' for one in schema['enum'])}.\n"
        elif schema.get("properties"):
            told = dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", schema.get("description", ""), re.MULTILINE))
            yield "| field | type | meaning |\n| --- | --- | --- |"
            for field, inner in schema["properties"].items():
                needed = "" if field in schema.get("required", []) else " (may be left out)"
                yield f"| `{field}` | {kind(inner)} | {plain(told.get(field, ''))}{needed} |"
            yield ""


class HttpApi(SphinxDirective):
    """All calls and records, where a page says ``{http-api}``."""

    def run(self) -> list[Any]:
        """Sections."""
        document = openapi()
        lines = ["## Calls\n", *calls(document), "## Records\n", *records(document)]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect."""
    app.add_directive("http-api", HttpApi)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
