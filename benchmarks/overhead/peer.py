"""What windows of Zeus 0.16 cost, on whatever NVML shows; one JSON line. See README.md."""

from __future__ import annotations

import sys
import time
import warnings

begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
warnings.simplefilter("ignore")  # it warns of each window without energy, which tight ones are

if __name__ == "__main__":
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor()
    monitor.begin_window("first", sync_execution=False)
    monitor.end_window("first", sync_execution=False)
    first = {"first_wall_s": time.perf_counter() - begin_s, "first_cpu_s": time.process_time() - begin_cpu_s}

    from child import costs, memory_mb, report, slow_down

    found = {**first, "gpus": len(monitor.gpu_indices), "first_memory_mb": memory_mb()}

    def window() -> None:
        """One window."""
        monitor.begin_window("window", sync_execution=False)
        monitor.end_window("window", sync_execution=False)

    time.sleep(1.0)
    found |= costs(window)
    found["memory_mb"] = memory_mb()
    if "--slow" in sys.argv:
        slow_down()
        late_s = []
        for _ in range(20):
            time.sleep(0.03)
            since_s = time.perf_counter()
            window()
            late_s.append(time.perf_counter() - since_s)
        found["slow_us"] = 1e6 * sorted(late_s)[len(late_s) // 2]
        found["slow_all_read_ms"] = found["slow_us"] / 2e3  # two edges, each reads all
    report(found)
