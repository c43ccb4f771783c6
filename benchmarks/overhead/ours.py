"""What windows of joulewise cost, on whatever NVML shows; one JSON line. See README.md."""

from __future__ import annotations

import sys
import time

begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
import joulewise as jw  # noqa: E402 (importing is measured)

meter = jw.Meter()
with meter.window("first"):
    pass
first = {"first_wall_s": time.perf_counter() - begin_s, "first_cpu_s": time.process_time() - begin_cpu_s}

from child import costs, memory_mb, report, slow_down  # noqa: E402

found = {**first, "gpus": len(meter.devices), "first_memory_mb": memory_mb()}


def window() -> None:
    """One window."""
    meter.begin("window", synchronise=False).end()


time.sleep(1.0)
found |= costs(window)
time.sleep(3.0)
before_s, since_s = time.process_time(), time.perf_counter()
time.sleep(10.0)
found["sampling_cpu_percent"] = 100 * (time.process_time() - before_s) / (time.perf_counter() - since_s)
readings = [len(trace.counted.rows(time.monotonic_ns() - 10**10, 2**62, before=0)) for trace in meter.sampler.traces]
found["readings_per_s"] = sum(readings) / len(readings) / 10
with meter.window("result") as last:
    time.sleep(0.2)
since_s = time.perf_counter()
assert last.lo_j <= last.energy_j <= last.hi_j
found["result_wait_s"] = time.perf_counter() - since_s
found["memory_mb"] = memory_mb()
if "--slow" in sys.argv:
    slow_down()
    time.sleep(1.0)  # one round learns that readings have become slow
    late_s = []
    for _ in range(20):
        time.sleep(0.13)
        since_s, edge_ns = time.perf_counter(), time.monotonic_ns()
        window()
        late_s.append(time.perf_counter() - since_s)
    found["slow_us"] = 1e6 * sorted(late_s)[len(late_s) // 2]
    time.sleep(0.3)
    spans_s = []
    for _ in range(20):
        edge_ns = meter.sampler.edge()
        time.sleep(0.13)
        after_ns = [trace.counted.from_ns(edge_ns)[0] for trace in meter.sampler.traces]
        spans_s.append((max(row[0] + row[3] for row in after_ns) - min(row[0] for row in after_ns)) * 1e-9)
    found["slow_all_read_ms"] = 1e3 * sorted(spans_s)[len(spans_s) // 2]
report(found)
