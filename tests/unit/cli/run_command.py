"""The real command as a process of its own."""

from __future__ import annotations

import subprocess
import sys

JOULEWISE = [sys.executable, "-W", "error", "-c", "from joulewise.cli import main; main()", "run"]
BUSY = "import time\nend = time.monotonic() + 0.7\nwhile time.monotonic() < end: pass"
WAITING = "import signal; print('ready', flush=True); signal.pause()"


def run(environ, *command, options=("--device", "sim:v100"), **more):
    """What it said and how it ended."""
    arguments = [*JOULEWISE, *options, "--", *command]
    return subprocess.run(arguments, env=environ, capture_output=True, text=True, timeout=60, check=False, **more)


def started(environ, *arguments):
    """The same while it runs, away from our terminal."""
    return subprocess.Popen(
        [*JOULEWISE, *arguments],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
