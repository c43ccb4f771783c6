"""The process that plans: one question on its standard input, one answer on its standard output.

It ends when whoever asked is gone, for then its input ends; and when it has used more CPU time than it was given.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from joulewise.errors import JoulewiseError
from joulewise.pipelines.planning import plan_job
from joulewise.wire.pipeline_hub import PipelineJob, PipelineProfile, open_record

NICENESS = 5
"""Serving comes first."""


def main() -> None:
    """Read, plan, write."""
    os.nice(NICENESS)
    question = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    _limit_cpu(int(question["timeout_s"]) + 1)
    try:
        job, profile = open_record(PipelineJob, question["job"]), open_record(PipelineProfile, question["profile"])
        answer: dict[str, Any] = {"plans": plan_job(job, profile)}
    except JoulewiseError as error:
        answer = {"failure": str(error)}
    except Exception as error:  # whoever asked is to know
        answer = {"failure": f"{type(error).__name__}: {error}"}
    json.dump(answer, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # the thread above still reads


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(1)


def _limit_cpu(seconds: int) -> None:
    try:
        import resource  # noqa: PLC0415 (not everywhere)
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds * (os.cpu_count() or 1), resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
