"""``joulewise tune -- CMD``: says where steps came from, what was chosen and what it is worth; the exit code stays."""

from __future__ import annotations

import json
import subprocess
import sys
from html import unescape

import pytest

JOULEWISE = [sys.executable, "-W", "error", "-c", "from joulewise.cli import main; main()", "tune"]
STEP = "import time\nend = time.monotonic() + 0.004\nwhile time.monotonic() < end: pass\n"
INDENTED = STEP.replace("import time\n", "").replace("\n", "\n    ")
OWN_LOOP = f"import time, joulewise as jw\nfor _ in jw.tune(range(300)):\n    {INDENTED}"
PRINTED = f"import time\nfor i in range(300):\n    {INDENTED}print('step', i, flush=True)\n"


def tune(environ, code, *options):
    arguments = [*JOULEWISE, "--device", "sim:v100", *options, "--", sys.executable, "-c", code]
    return subprocess.run(arguments, env=environ, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "options", "source"),
    [(OWN_LOOP, (), "the program's own loop"), (PRINTED, ("--marker", r"^step \d+"), "the marker")],
)
def test_steps_are_found_and_the_page_shows_what_was_tried(bare_machine, tmp_path, code, options, source):
    files = ("--json", str(tmp_path / "t.json"), "--html", str(tmp_path / "t.html"))
    ran = tune(bare_machine, code, *options, *files)
    assert ran.returncode == 0, ran.stderr
    assert source in ran.stderr
    assert "[simulated]" in ran.stderr
    assert "simulated devices do not slow the program that they follow" in ran.stderr
    said = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert 250 <= said["steps"] <= 300
    assert said["chosen"]["provenance"] == "simulated"
    page = (tmp_path / "t.html").read_text(encoding="utf-8")
    assert "Simulated: nothing here was measured" in page
    assert 'id="step"' in page
    assert f"{said['steps']} steps, by {source}" in unescape(page)


@pytest.mark.slow
def test_a_program_that_tells_nothing_is_left_alone(bare_machine, tmp_path):
    html = tmp_path / "t.html"
    ran = tune(bare_machine, "import sys; sys.exit(7)", "--patience", "0.1", "--html", str(html))
    assert ran.returncode == 7
    assert "nothing was tuned" in ran.stderr
    assert 'id="step"' not in html.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--html", "/no/such/folder/t.html"), "cannot write"),
        (("--marker", "("), "marker"),
        (("--goal", "fame"), "no such goal"),
        (("--knob", "voltage"), "no such knob"),
    ],
)
def test_what_cannot_be_meant_ends_before_the_program_runs(bare_machine, options, said):
    ran = tune(bare_machine, "print('ran')", *options)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
