from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from example_report import example_report

from joulewise.errors import UsageError
from joulewise.report.page import embed_json
from joulewise.report.pipeline import Mark, PipelineReport, write_report

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \"quoted\" 'too' \u2028 <!--"


class Elements(HTMLParser):
    """Tags, attributes and text of a page, with the text of its scripts kept apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.data = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = "data" if ("id", "report-data") in attrs else tag

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self.data += data
        elif self._inside not in ("script", "style"):
            self.words.append(data)


def written(tmp_path: Path, report: PipelineReport) -> Elements:
    write_report(tmp_path / "report.html", report)
    return Elements((tmp_path / "report.html").read_text(encoding="utf-8"))


def hostile() -> PipelineReport:
    report = example_report(2, 3)
    count = len(report.before.rank)
    return replace(
        report,
        title=HOSTILE,
        subtitle=HOSTILE,
        facts=((HOSTILE, HOSTILE),),
        notes=(HOSTILE,),
        marks=(Mark(HOSTILE, 1.0, 9.0, "baseline"), Mark(HOSTILE, 1.0, 8.0, "chosen")),
        table_columns=(HOSTILE,),
        table_rows=((HOSTILE,),),
        before=replace(report.before, title=HOSTILE, label=(HOSTILE,) * count, kind=(HOSTILE,) * count),
    )


def test_text_of_others_stays_text(tmp_path: Path) -> None:
    page = written(tmp_path, hostile())
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert [tag for tag, _ in page.tags].count("script") == 3
    assert HOSTILE in "".join(page.words)
    assert json.loads(page.data)["gantt"]["columns"][0]["label"][0] == HOSTILE


def test_the_page_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    page = written(tmp_path, example_report(2, 3))
    references = [value for _, attrs in page.tags for name, value in attrs.items() if name in ("src", "href")]
    assert references == ["data:,"]
    policy = next(attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


@pytest.mark.parametrize(
    ("provenance", "words"),
    [("measured", "Measured"), ("modelled", "model"), ("simulated", "nothing here was measured")],
)
def test_the_badge_says_where_the_figures_come_from(tmp_path: Path, provenance: str, words: str) -> None:
    page = written(tmp_path, example_report(2, 3, provenance))
    assert words in "".join(page.words)
    assert [attrs for _, attrs in page.tags if attrs.get("class") == f"provenance {provenance}"]


def test_the_headline_compares_the_first_chosen_point_with_the_first_baseline(tmp_path: Path) -> None:
    text = re.sub(r"\s+", " ", " ".join(written(tmp_path, example_report(2, 3)).words))
    assert "15.94 %" in text
    assert "less energy" in text
    assert "energy \u221220.20 %, time +5.00 %" in text


def test_a_report_without_marks_facts_and_table_has_no_empty_sections(tmp_path: Path) -> None:
    bare = replace(example_report(2, 3), marks=(), facts=(), notes=(), table_columns=(), table_rows=())
    assert [tag for tag, _ in written(tmp_path, bare).tags].count("h2") == 2


def test_json_in_a_script_element_refuses_nan() -> None:
    assert json.loads(embed_json({"a": HOSTILE})) == {"a": HOSTILE}
    assert "<" not in embed_json(HOSTILE)
    with pytest.raises(ValueError, match="JSON"):
        embed_json([float("nan")])


def test_an_old_report_is_replaced_and_no_part_is_left(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    written(tmp_path, example_report(2, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing.report\.html"):
        write_report(tmp_path / "missing" / "report.html", example_report(2, 3))
