"""``joulewise sim nvml -- CMD`` is transparent: exit code, signals and streams are those of the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from nvml_stage import needs_binding, needs_compiler

pytestmark = needs_compiler
JOULEWISE = [sys.executable, "-c", "from joulewise.cli import main; main()", "sim", "nvml", "--quiet"]
WAITING = "import signal; print('ready', flush=True); signal.pause()"


@pytest.fixture(scope="module")
def environ(tmp_path_factory):
    return {**os.environ, "XDG_CACHE_HOME": str(tmp_path_factory.getbasetemp() / "cache")}


def run(environ, *command, options=("--device", "sim:v100"), **more):
    arguments = [*JOULEWISE, *options, "--", *command]
    return subprocess.run(arguments, env=environ, capture_output=True, text=True, timeout=60, check=False, **more)


def test_streams_and_exit_code_are_those_of_the_program(environ):
    done = run(environ, "sh", "-c", "cat; echo there >&2; exit 7", input="here\n")
    assert (done.stdout, done.stderr, done.returncode) == ("here\n", "there\n", 7)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_reach_the_program_and_its_end_shows(environ, tmp_path, number):
    arguments = [*JOULEWISE, "--device", "sim:v100", "--", sys.executable, "-c", WAITING]
    environ = {**environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        arguments, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        expected = 1 if number == signal.SIGINT else -number  # Python turns ^C into KeyboardInterrupt
        assert process.wait(30) in (expected, -number)
    assert not list(tmp_path.iterdir())


def test_program_that_crashes(environ, tmp_path):
    done = run({**environ, "TMPDIR": str(tmp_path)}, "sh", "-c", "kill -SEGV $$")
    assert done.returncode == -signal.SIGSEGV
    assert not list(tmp_path.iterdir())


def test_program_that_is_not_there(environ):
    done = run(environ, "no-such-program")
    assert done.returncode == 127
    assert "cannot run no-such-program" in done.stderr


def test_gpu_of_another_vendor_is_refused(environ):
    done = run(environ, "true", options=("--device", "sim:mi300x"))
    assert done.returncode == 2
    assert "use sim:v100" in done.stderr


def test_it_is_said_that_gpus_are_simulated(environ):
    arguments = [*JOULEWISE[:-1], "--device", "sim:v100", "true"]
    done = subprocess.run(arguments, env=environ, capture_output=True, text=True, check=True)
    assert "simulated" in done.stderr


@needs_binding
def test_load_is_as_told(environ):
    code = "import pynvml as n; n.nvmlInit(); h = n.nvmlDeviceGetHandleByIndex(0); print(n.nvmlDeviceGetPowerUsage(h))"
    idle, busy = (
        int(run(environ, sys.executable, "-c", code, options=("--device", "sim:v100", "--busy", load)).stdout)
        for load in ("0", "1")
    )
    assert 0 < 2 * idle < busy
