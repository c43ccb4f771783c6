"""The pages on metrics say what the code says, and their examples are understood by those whom they are for.

``python tests/docs/test_metrics_page.py`` writes the tables anew.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from joulewise.export.job import KUBERNETES, SLURM
from joulewise.export.names import INFO, METRICS, SEMCONV, attributes, facts, labels
from joulewise.export.observation import Observation
from joulewise.export.prometheus import PORT
from joulewise.testing.fake import FakeDevice

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "reference" / "metrics.md"
HOW_TO = (DOCS / "how-to" / "watch-with-prometheus.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- made: (\w+) -->\n(.*?)<!-- end: \1 -->", re.DOTALL)
TYPES = {"": "other", "host": "whole node"}
PROMTOOL = shutil.which("promtool")


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def otel(metric):
    named = [name + (f" ({TYPES.get(kind, kind)})" if kind else "") for kind, name in metric.otel.items()]
    return ", ".join(named)


def metrics():
    rows = [[f"`{one.prometheus}{'_total' if one.counter else ''}`", otel(one), one.unit, one.text] for one in METRICS]
    return table(["Prometheus", "OpenTelemetry", "unit", "meaning"], rows)


def version():
    return f"OpenTelemetry's names follow version {SEMCONV} of its semantic conventions, whose status is Development.\n"


def job():
    rows = [
        [f"`{variable}`", f"`{name.replace('.', '_')}`", name]
        for variable, name in [*SLURM.items(), *KUBERNETES.items()]
    ]
    return table(["variable", "Prometheus", "OpenTelemetry"], rows)


MAKERS = {"metrics": metrics, "version": version, "job": job}


def made(text):
    return BLOCK.sub(lambda found: f"<!-- made: {found[1]} -->\n{MAKERS[found[1]]()}<!-- end: {found[1]} -->", text)


def test_tables_are_those_of_the_code():
    text = PAGE.read_text(encoding="utf-8")
    assert {found[1] for found in BLOCK.finditer(text)} == set(MAKERS)
    assert made(text) == text, "run python tests/docs/test_metrics_page.py"


def test_labels_are_those_of_the_code(virtual_clock):
    device = FakeDevice(virtual_clock, parent="other")
    seen = Observation(device.identity, "fake:0", "other", energy_source="x")
    section = PAGE.read_text(encoding="utf-8").partition("## Labels")[2]
    rows = re.findall(r"^\| `(\w+)` \| ([\w.]+) \|", section.partition("<!--")[0], re.MULTILINE)
    assert [one for one, _ in rows] == list(labels(seen, METRICS[0]))
    told = set(attributes(seen, METRICS[0]))
    assert {other for _, other in rows} <= told
    assert told - {other for _, other in rows} <= {"hw.type", "hw.model", "hw.driver_version"}
    assert set(labels(seen, METRICS[0])) - {"source", "method"} <= set(facts(seen))


def test_how_to_names_what_there_is():
    exported = {f"{one.prometheus}_total" if one.counter else one.prometheus for one in METRICS} | {f"{INFO}_info"}
    assert set(re.findall(r"\bjoulewise_\w+", HOW_TO)) <= exported
    assert str(PORT) in HOW_TO
    assert set(re.findall(r"name: ([A-Z_]+)$", HOW_TO, re.MULTILINE)) <= set(KUBERNETES)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus")
@pytest.mark.parametrize("kind", ["config", "rules"])
def test_prometheus_understands_what_the_page_gives_it(tmp_path, kind):
    blocks = re.findall(r"```yaml\n(.*?)```", HOW_TO, re.DOTALL)
    begin = {"config": "scrape_configs:", "rules": "groups:"}[kind]
    (block,) = [one for one in blocks if one.startswith(begin)]
    (tmp_path / "file.yml").write_text(block, encoding="utf-8")
    done = subprocess.run(
        [PROMTOOL, "check", kind, str(tmp_path / "file.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: apt-get install prometheus")
def test_prometheus_understands_the_queries_of_the_page(tmp_path):
    queries = re.findall(r"```promql\n(.*?)```", HOW_TO, re.DOTALL)
    assert len(queries) >= 3
    rules = "".join(
        f"      - record: query{number}\n        expr: '{one.strip()}'\n" for number, one in enumerate(queries)
    )
    (tmp_path / "file.yml").write_text(f"groups:\n  - name: page\n    rules:\n{rules}", encoding="utf-8")
    done = subprocess.run(
        [PROMTOOL, "check", "rules", str(tmp_path / "file.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    PAGE.write_text(made(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
