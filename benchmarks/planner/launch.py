"""Run a command and add one JSON line: its wall and CPU time and peak memory.

A process of its own, and a small one: on Linux a process begins with the peak memory of whoever started it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

begin = time.perf_counter()
code = subprocess.run(sys.argv[1:], check=False).returncode
wall_s = time.perf_counter() - begin
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
peak_mb = usage.ru_maxrss * 1024 / 1e6  # kilobytes on Linux
sys.stdout.write("\n" + json.dumps({"wall_s": wall_s, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": peak_mb}))
sys.exit(code)
