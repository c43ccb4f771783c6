"""The page on the capabilities document says what the code says.

``python tests/docs/test_capabilities_page.py`` writes its tables anew.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path

import pytest

from joulewise.devices.capabilities import PROTOCOLS, Capabilities, Capability, Kind
from joulewise.devices.capability_checks import UNITS
from joulewise.devices.device import Identity, Scope

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "capabilities.md"
BLOCK = re.compile(r"<!-- made: (\w+) -->\n(.*?)<!-- end: \1 -->", re.DOTALL)
WORDS = {
    "float": "number",
    "str": "text",
    "bool": "true or false",
    "Kind": "kind, as above",
    "Scope": "scope, as below",
    "tuple[float, ...]": "list of numbers",
    "tuple[str, ...]": "list of texts",
    "tuple[tuple[float, float], ...]": "list of pairs of numbers",
}
EXAMPLES = {
    Scope.DIE: "one of the two dies of an MI250; a MIG slice",
    Scope.BOARD: "a GPU with its memory and regulators",
    Scope.MODULE: "GH200: GPU and CPU together",
    Scope.PACKAGE: "a CPU socket; an Apple chip",
    Scope.DRAM: "memory of a CPU socket",
    Scope.NODE: "what a management controller sees; psys",
}


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def attributes(record):
    """Name and text of each entry of a docstring's section Attributes."""
    section = inspect.getdoc(record).partition("Attributes:\n")[2]
    entries = re.findall(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for names, text in entries for name in names.split(", ")}


def fields(record):
    said = attributes(record)
    rows = []
    for field in dataclasses.fields(record):
        needed = field.default is dataclasses.MISSING
        default = "required" if needed else f"`{json.dumps(field.default)}`".replace("`null`", "not known")
        kind = str(field.type).removesuffix(" | None")
        rows.append([f"`{field.name}`", WORDS.get(kind, kind), default, said[field.name].replace("``", "`")])
    return table(["field", "type", "if left out", "meaning"], rows)


def kinds():
    rows = []
    for kind in Kind:
        own = [name for name, value in vars(PROTOCOLS[kind]).items() if inspect.isfunction(value) and name[0] != "_"]
        unit = UNITS[kind][0] or "none"
        rows.append([f"`{kind}`", unit, PROTOCOLS[kind].__name__, ", ".join(f"`{name}`" for name in own)])
    return table(["kind", "unit", "Protocol", "methods"], rows)


def scopes():
    return table(["scope", "example"], [[f"`{scope}`", EXAMPLES[scope]] for scope in Scope])


MAKERS = {
    "kinds": kinds,
    "Capability": lambda: fields(Capability),
    "Identity": lambda: fields(Identity),
    "scopes": scopes,
}


def made(text):
    return BLOCK.sub(lambda found: f"<!-- made: {found[1]} -->\n{MAKERS[found[1]]()}<!-- end: {found[1]} -->", text)


def test_tables_are_those_of_the_code():
    text = PAGE.read_text(encoding="utf-8")
    assert {found[1] for found in BLOCK.finditer(text)} == set(MAKERS)
    assert made(text) == text, "run python tests/docs/test_capabilities_page.py"


def test_example_is_a_document():
    (block,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    document = json.loads(block)
    assert Capabilities.from_dict(document).to_dict() == document


@pytest.mark.parametrize("record", [Capability, Identity])
def test_every_field_is_explained(record):
    assert set(attributes(record)) == {field.name for field in dataclasses.fields(record)}


if __name__ == "__main__":
    PAGE.write_text(made(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
