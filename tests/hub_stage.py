"""Real hubs for tests: server processes on a free port, and a private PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from joulewise.clock import MonotonicClock

COMMAND = [sys.executable, "-W", "error", "-c", "from joulewise.cli import main; main()", "hub"]
CLOCK = MonotonicClock()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server process, or several behind one port; it can be killed and started again."""

    def __init__(self, store, *options, port=None):
        self.store, self.options, self.port = str(store), options, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.child = None

    def start(self):
        words = ["serve", "--store", self.store, "--port", str(self.port), *map(str, self.options)]
        self.child = subprocess.Popen(
            [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        for _ in range(600):
            if self.child.poll() is not None:
                raise AssertionError(self.child.stdout.read())
            with suppress(OSError):
                if self.ask("GET", "/healthz")[0] == 200:
                    return self
            CLOCK.sleep(0.05)
        raise AssertionError("the server does not answer")

    def kill(self):
        """As an outage does: SIGKILL to it and its workers."""
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        self.child.stdout.close()

    def stop(self):
        if self.child is not None and self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGTERM)
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.child.pid, signal.SIGKILL)
                self.child.wait()
            self.child.stdout.close()

    def ask(self, method, path, body=None, *, token="", timeout_s=60.0, raw=None):
        """Status and answer: parsed if it is JSON, else text."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Content-Type", "application/json" if raw is None else "application/x-ndjson")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read().decode()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text


@contextmanager
def serving(store, *options) -> Iterator[Server]:
    server = Server(store, *options)
    try:
        yield server.start()
    finally:
        server.stop()


def describe(name="nightly", **fields):
    """The description of a job, as JSON."""
    return {
        "name": name,
        "batch_sizes": [8, 16, 32, 64],
        "default": 32,
        "targets": [{"metric": "accuracy", "value": 0.9}],
        "max_epochs": 10,
        "eta": 0.5,
        "max_power_w": 250.0,
        **fields,
    }


def report(number, epochs, *, accuracy=None, end=None, epoch_s=10.0, power_w=200.0):
    """A report of so many epochs, as JSON."""
    time_s = epochs * epoch_s
    return {
        "number": number,
        "epochs": epochs,
        "time_s": time_s,
        "energy_j": time_s * power_w,
        "metrics": {} if accuracy is None else {"accuracy": accuracy},
        "end": end,
    }


@contextmanager
def postgresql() -> Iterator[str]:
    """URL of a new, private PostgreSQL; skips with the reason where there is none."""
    found = [shutil.which(name) for name in ("initdb", "pg_ctl", "runuser")]
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = Path(found[0]).resolve() if found[0] else newest[-1] if newest else None
    if initdb is None:
        pytest.skip("PostgreSQL's server is not installed here: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'joulewise[postgresql]'")
    is_root = os.geteuid() == 0
    if is_root and found[2] is None:
        pytest.skip("PostgreSQL refuses to run as root, and there is no runuser here")
    user = ["runuser", "-u", "nobody", "--"] if is_root else []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o700)
        if is_root:
            shutil.chown(folder, "nobody")
        data, port = folder / "data", free_port()
        environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)}

        def run(*words):
            done = subprocess.run(
                [*user, *map(str, words)], check=False, capture_output=True, text=True, cwd="/", env=environ
            )
            if done.returncode:
                pytest.skip(f"PostgreSQL does not start here: {done.stderr[-300:] or done.stdout[-300:]}")

        run(initdb, "-D", data, "-U", "joulewise", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200"
        control = initdb.with_name("pg_ctl")
        subprocess.run(
            [*user, str(control), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environ,
        )
        stack.callback(run, control, "-D", data, "-m", "immediate", "-w", "stop")
        yield f"postgresql://joulewise@127.0.0.1:{port}/postgres"
