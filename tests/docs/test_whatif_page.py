"""The page on what-if shows what its commands print; ``python tests/docs/test_whatif_page.py`` writes them anew."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from joulewise.sim.whatif.asks import ASKS
from joulewise.sim.whatif.contract import DOMAINS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanations" / "whatif.md"
HOW_TO = ROOT / "docs" / "how-to" / "price-a-hardware-feature.md"
DATA = ROOT.parent / "shared" / "data" / "perseus"
KERNEL = "joulewise.optimize.pipeline._kernel"
BLOCK = re.compile(r"<!-- whatif: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?")
PROFILES = {"gpt3": ("gpt3-175b+a100_sxm_bf16.csv", "83.64"), "bloom": ("bloom+a40_bf16.csv", "70.38")}
LATENCIES = "10us,100us,1ms,10ms,100ms,500ms"


def command(name: str) -> str:
    file, wait_w = PROFILES[name]
    return (
        f"whatif ../shared/data/perseus/{file} --scale 10 --tensor-parallel 8 --wait-power {wait_w} "
        f"--vary switch-latency={LATENCIES} --vary domains=device,partition,compute+memory"
    )


def block(name: str) -> str:
    """What the command prints."""
    shows = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    run = subprocess.run(
        [sys.executable, "-c", "from joulewise.cli import main; main()", *command(name).split(), "--processes", "1"],
        cwd=ROOT,
        env={**os.environ, **shows},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.rstrip() for line in run.stdout.splitlines()]
    text = re.sub(r"\n\n+", "\n\n", "\n".join(lines)).strip()
    return f"```console\n$ joulewise {command(name)}\n{text}\n```\n"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no measured profiles in {DATA}")
@pytest.mark.skipif(importlib.util.find_spec(KERNEL) is None, reason="the page shows plans of the compiled kernel")
@pytest.mark.parametrize("name", PROFILES)
def test_tables_are_those_of_their_commands(name: str) -> None:
    """Words exactly; numbers with room for another linear program's vertex."""
    shown, made = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))[name], block(name)
    assert NUMBER.sub("#", shown) == NUMBER.sub("#", made)
    figures = [[float(n.replace(",", "")) for n in NUMBER.findall(text)] for text in (shown, made)]
    assert figures[0] == pytest.approx(figures[1], rel=0.02, abs=0.05), "run: python tests/docs/test_whatif_page.py"


def test_the_page_shows_both_profiles_and_the_command_that_makes_each_table() -> None:
    shown = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    assert set(shown) == set(PROFILES)
    for name, text in shown.items():
        assert f"$ joulewise {command(name)}\n" in text
        assert "Interaction" in text


def test_the_how_to_lists_every_ask_and_domain() -> None:
    text = HOW_TO.read_text(encoding="utf-8")
    assert [ask.name for ask in ASKS if f"`{ask.name}`" not in text] == []
    assert [name for name in DOMAINS if f"`{name}`" not in text] == []


def written(text: str) -> str:
    return BLOCK.sub(lambda found: f"<!-- whatif: {found[1]} -->\n{block(found[1])}<!-- end -->", text)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
