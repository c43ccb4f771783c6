"""What the page on Perfetto shows, works."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from joulewise.export.parquet import UNITS, write_parquet
from joulewise.export.perfetto import BASE
from joulewise.measure.timeline import Timeline

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "trace-in-perfetto.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_python_of_the_page_makes_one_trace_of_both(tmp_path):
    pytest.importorskip("torch", reason="torch is not installed")
    (code,) = re.findall(r"<!-- tested -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    with contextlib.chdir(tmp_path):
        exec(code, {})  # the page's own code
    both, theirs = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("both", "torch"))
    assert both[BASE] == theirs[BASE]
    assert both["traceEvents"][: len(theirs["traceEvents"])] == theirs["traceEvents"]
    ours = both["traceEvents"][len(theirs["traceEvents"]) :]
    watts = [event["ts"] for event in ours if event["name"] == "power [W]"]
    steps = [event["ts"] for event in theirs["traceEvents"] if event.get("name") == "aten::linear"]
    assert len(steps) == 20
    assert min(watts) < max(steps) + 1e6
    assert max(watts) > min(steps) - 1e6
    assert any("[simulated]" in str(event.get("args")) for event in ours)


def test_columns_are_those_of_the_table(tmp_path):
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(Timeline(0.0, 0, 1, ()), tmp_path / "t.parquet")
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    named = [name for cell, _ in rows for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(parquet.read_schema(tmp_path / "t.parquet").names)
    assert set(re.findall(r"`(\w+_\w+)`", dict(rows)["`kind`, `unit`"])) == set(UNITS)


@pytest.mark.slow
def test_the_command_turns_files_into_one_trace(tmp_path):
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    write_parquet(Timeline(1.7e9, 0, 1, ()), tmp_path / "energy.parquet")
    (tmp_path / "torch.json").write_text(json.dumps({"traceEvents": [{"ph": "i", "name": "theirs", "ts": 0}]}))
    files = [str(tmp_path / name) for name in ("energy.parquet", "torch.json", "both.json")]
    words = ["export", "perfetto", files[0], "--beside", files[1], "--output", files[2]]
    command = [sys.executable, "-c", "from joulewise.cli import main; main()", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{files[2]}: ")
    assert json.loads((tmp_path / "both.json").read_text())["traceEvents"][0]["name"] == "theirs"
