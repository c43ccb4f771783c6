"""Looks for jobs that want plans, and has them planned by a process of their own, one after the other.

A job is claimed for a few seconds, again and again while it is planned; so when a hub is killed another one, or the
same one started again, takes over soon. A process that takes too long is killed, and the job told so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from joulewise.errors import JoulewiseError
from joulewise.pipelines.hub import PipelineHub

TIMEOUT_S = 120.0
LOOK_EVERY_S = 0.2
RENEW_EVERY_S = 1.0
WORKER = [sys.executable, "-m", "joulewise.services.hub.planner_worker"]


class Planner:
    """A thread that has jobs planned.

    Args:
        hub: Whose jobs.
        timeout_s: After which time a job is given up [s].
    """

    def __init__(self, hub: PipelineHub, timeout_s: float = TIMEOUT_S) -> None:
        """Not yet."""
        self._hub, self._timeout_s = hub, timeout_s
        self._name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="joulewise-planner", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End, and the process with it."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            with suppress(Exception):  # the database may be back the next time
                self._hub.tick()
                self._plan_one()

    def _plan_one(self) -> None:
        claimed = self._hub.claim(self._name)
        if claimed is None:
            return
        state, job, profile = claimed
        try:
            answer = self._planned(state.id, {"job": job, "profile": profile, "timeout_s": self._timeout_s})
        except OSError as error:
            answer = {"failure": f"the planner does not start: {error}"}
        if answer is None:
            return  # we end; whoever comes next plans it
        try:
            self._hub.end_planning(state, self._name, answer.get("plans"), str(answer.get("failure", "")))
        except JoulewiseError as error:
            self._hub.end_planning(state, self._name, None, str(error))

    def _planned(self, job_id: str, question: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The answer of a process; None if we end before it."""
        child = subprocess.Popen(WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        answers: list[str] = []
        reader = threading.Thread(target=lambda: answers.append(child.stdout.read()), daemon=True)  # type: ignore[union-attr]
        reader.start()
        try:
            with suppress(BrokenPipeError):  # then it has ended already, and its answer says nothing
                child.stdin.write(json.dumps(question) + "\n")  # type: ignore[union-attr]
                child.stdin.flush()  # type: ignore[union-attr]
            waited_s = 0.0
            while reader.is_alive():
                reader.join(0.05)
                waited_s += 0.05
                if self._ended.is_set():
                    return None
                if waited_s > self._timeout_s:
                    return {"failure": f"planning took longer than {self._timeout_s:g} s"}
                if waited_s % RENEW_EVERY_S < 0.05:
                    self._hub.keep_claim(job_id, self._name)
                    self._hub.tick()
        finally:
            child.kill()
            reader.join()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
        try:
            found: Mapping[str, Any] = json.loads(answers[0])
            return found
        except (IndexError, ValueError):
            return {"failure": f"the planner ended with {child.returncode} and said nothing"}
