"""What stands before the verb, and what is said where an extra is missing."""

from __future__ import annotations

import subprocess
import sys

HIDDEN = "import sys; sys.modules['{}'] = None; from joulewise.cli import main; main()"


def ask(*arguments, code="from joulewise.cli import main; main()", env=None):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


def test_version_is_one_line(bare_machine):
    done = ask("--version", env=bare_machine)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("joulewise ")
    assert done.stdout.count("\n") == 1


def test_without_a_verb_there_is_help(bare_machine):
    assert "Measure and cut the energy" in ask(env=bare_machine).stdout + ask("--help", env=bare_machine).stdout


def test_a_missing_extra_is_named_with_the_command_that_installs_it(bare_machine):
    done = ask(
        "export",
        "prometheus",
        "--device",
        "sim:a100",
        "--port",
        "0",
        code=HIDDEN.format("prometheus_client"),
        env=bare_machine,
    )
    assert done.returncode == 2
    assert done.stderr == "error: the extra prometheus is not installed\n  pip install 'joulewise[prometheus]'\n"
