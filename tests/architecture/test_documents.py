"""What the documents name exists: files, modules, commands, sources."""

from __future__ import annotations

import importlib
import re
import shlex
from functools import cache
from itertools import takewhile

import pytest
from house import PACKAGE, ROOT, documents, name
from typer.testing import CliRunner

from joulewise.cli import make_app

DOTTED = re.compile(r"`(joulewise(?:\.\w+)+)(?:\([^`]*\))?`")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)")
BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
KEY = re.compile(r"\b[a-z]{3,}(?:19|20)\d\d\b")


def text_of(relative):
    return (ROOT / relative).read_text(encoding="utf-8")


def commands(word):
    """Command lines in code blocks and code spans that begin with a word, as (document, arguments)."""
    for path in documents():
        text = path.read_text(encoding="utf-8")
        code = [line for block in BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
        for line in [*code, *SPAN.findall(BLOCK.sub("", text))]:
            found = re.match(rf"\s*(?:\$ )?(?:\w+=\S+ )*(?:\.venv/bin/)?{word}( [^#;&|]+)", line)
            if found:
                yield name(path), shlex.split(found[1])


@cache
def help_of(*verbs):
    return CliRunner().invoke(make_app(), [*verbs, "--help"], env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def resolves(dotted):
    """Whether a dotted name is a module, or an attribute reached from one."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            if not hasattr(value, part):
                return part in getattr(value, "__annotations__", {})
            value = getattr(value, part)
        return True
    return False


@pytest.mark.parametrize(
    "relative",
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "docs/papers.md"],
)
def test_house_has_its_papers(relative):
    assert (ROOT / relative).is_file()


def test_architecture_can_be_read_in_one_sitting():
    assert len(text_of("ARCHITECTURE.md").splitlines()) < 250


@pytest.mark.parametrize("document", documents(), ids=name)
def test_every_dotted_name_resolves(document):
    named = DOTTED.findall(document.read_text(encoding="utf-8"))
    assert [dotted for dotted in dict.fromkeys(named) if not resolves(dotted)] == []


@pytest.mark.parametrize("document", documents(), ids=name)
def test_every_link_leads_somewhere(document):
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    named = [(where, word) for where, words in commands("make") for word in words if "=" not in word]
    assert [pair for pair in named if pair[1] not in targets] == []


def test_every_command_line_is_understood():
    wrong = []
    for where, words in commands("joulewise"):
        verbs = []
        for word in words:  # verbs come first, and are plain words
            if not re.fullmatch(r"[a-z-]+", word) or word.startswith("-") or help_of(*verbs, word).exit_code != 0:
                break
            verbs.append(word)
        known = re.findall(r"(?<![\w-])--?[a-z][\w-]*", help_of(*verbs).stdout)
        ours = list(takewhile(lambda word: word != "--", words))  # what follows is another program's
        options = [word.split("=")[0] for word in ours if re.match(r"--?[a-z]", word)]
        unknown = [option for option in options if option not in [*known, "--help"]]
        missing = [word for word in words if word.startswith("examples/") and not (ROOT / word).exists()]
        if unknown or missing or not (verbs or options):
            wrong.append((where, " ".join(words), unknown, missing))
    assert wrong == []


def test_every_source_key_has_its_reference():
    keys = {key for path in PACKAGE.rglob("*.py") for key in KEY.findall(path.read_text(encoding="utf-8"))}
    assert sorted(key for key in keys if f"`{key}`" not in text_of("docs/papers.md")) == []


@pytest.mark.parametrize("record", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=name)
def test_decision_is_short_and_complete(record):
    text = record.read_text(encoding="utf-8")
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", record.name)
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert len(text.splitlines()) < 40
