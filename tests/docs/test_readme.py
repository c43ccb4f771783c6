"""The README shows true output: every generated block equals what its command prints now.

``python tests/docs/test_readme.py`` writes the blocks anew.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- generated: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)
KERNEL = "joulewise.optimize.pipeline._kernel"


def console(block: str) -> str:
    """Run the command of a console block; the output folder is real, the one shown is the one in the text."""
    command = re.search(r"^\$ joulewise (.*)$", block, re.MULTILINE)[1]
    words, shown = command.split(), command.split()[-1]
    with tempfile.TemporaryDirectory() as folder:
        shows = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
        environment = {**os.environ, **shows, "JOULEWISE_ROOT": folder}  # no hardware, which the demo would offer
        code = "from joulewise.cli import main; main()"
        run = subprocess.run(
            [sys.executable, "-c", code, *words[:-1], folder],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        lines = [line.rstrip() for line in run.stdout.replace(folder, shown).splitlines()]
    text = re.sub(r"\n\n+", "\n\n", "\n".join(lines)).strip()
    return f"```console\n$ joulewise {command}\n{text}\n```\n"


def python(block: str) -> str:
    """Run the code of a Python block in the root of the project."""
    code = re.search(r"```python\n(.*?)```", block, re.DOTALL)[1]
    printed = io.StringIO()
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(printed):
        exec(code, {})  # the README's own code
    return f"```python\n{code}```\n```text\n{printed.getvalue()}```\n"


MAKERS = {"console": console, "python": python}


def regenerated(text: str) -> str:
    return BLOCK.sub(lambda found: f"<!-- generated: {found[1]} -->\n{MAKERS[found[1]](found[2])}<!-- end -->", text)


@pytest.mark.skipif(importlib.util.find_spec(KERNEL) is None, reason="the README shows plans of the compiled kernel")
def test_readme_shows_what_commands_print():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert regenerated(text) == text


def test_python_example_has_at_most_ten_lines():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(regenerated(path.read_text(encoding="utf-8")), encoding="utf-8")
