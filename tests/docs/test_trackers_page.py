"""What the page on experiment trackers shows, works, and the names that it gives are those that are logged."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

from joulewise.export.jsonl import JsonLines
from joulewise.export.mlflow import MlflowLogger
from joulewise.export.wandb import WandbLogger

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "log-to-experiment-trackers.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_names_are_those_of_the_code():
    named = re.findall(r"log = (\w+)\(.*# from (joulewise[\w.]+)", TEXT)
    homes = [(one.__name__, one.__module__) for one in (WandbLogger, MlflowLogger, JsonLines)]
    assert named == homes


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_python_of_the_page_logs_to_tensorboard(tmp_path):
    pytest.importorskip("torch.utils.tensorboard", reason="torch or tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415

    (code,) = re.findall(r"<!-- tested -->\n```python\n(.*?)```", TEXT, re.DOTALL)
    space = {}
    with contextlib.chdir(tmp_path):
        exec(code, space)  # the page's own code
        space["log"]._writer.close()
    seen = EventAccumulator(str(tmp_path / "runs" / "first"))
    seen.Reload()
    logged = seen.Tags()["scalars"]
    assert [event.step for event in seen.Scalars("simulated/energy/epoch/energy_j")] == [0, 1, 2]
    assert {name.rpartition("/")[2] for name in logged} | {"net_j"} == set(
        re.findall(r"`(?:[\w/]*/)?(\w+_[a-z])`", TEXT)
    )
