"""The text that Prometheus scrapes, in its exposition format 0.0.4."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP = {
    "joulewise_hub_jobs": ("gauge", "Recurring jobs that the hub knows."),
    "joulewise_hub_pipelines": ("gauge", "Pipelines that the hub knows."),
    "joulewise_hub_trials": ("gauge", "Trials by how they ended; open: those that go on."),
    "joulewise_hub_requests_total": ("counter", "Requests that this process has answered."),
    "joulewise_hub_request_seconds_total": ("counter", "Time that this process took to answer them."),
}


class Traffic:
    """What this process has answered."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._seconds: Counter[tuple[str, str]] = Counter()

    def add(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one answer."""
        with self._lock:
            self._counts[method, route, str(status)] += 1
            self._seconds[method, route] += duration_s  # type: ignore[assignment]  # Counter adds floats, too

    def lines(self) -> dict[str, list[str]]:
        """The samples of both counters."""
        with self._lock:
            counts, seconds = dict(self._counts), dict(self._seconds)
        requests = [
            _sample("joulewise_hub_requests_total", {"method": method, "route": route, "status": status}, count)
            for (method, route, status), count in sorted(counts.items())
        ]
        times = [
            _sample("joulewise_hub_request_seconds_total", {"method": method, "route": route}, total_s)
            for (method, route), total_s in sorted(seconds.items())
        ]
        return {"joulewise_hub_requests_total": requests, "joulewise_hub_request_seconds_total": times}


def render(counts: Mapping[str, int], pipelines: int, traffic: Traffic) -> str:
    """The metrics of a hub.

    Args:
        counts: Of recurring jobs, and of their trials by their end.
        pipelines: How many there are.
        traffic: What this process has answered.
    """
    ends = {end: count for end, count in counts.items() if end != "jobs"}
    samples = {
        "joulewise_hub_jobs": [_sample("joulewise_hub_jobs", {}, counts["jobs"])],
        "joulewise_hub_pipelines": [_sample("joulewise_hub_pipelines", {}, pipelines)],
        "joulewise_hub_trials": [_sample("joulewise_hub_trials", {"end": end}, n) for end, n in sorted(ends.items())],
        **traffic.lines(),
    }
    parts: list[str] = []
    for name, (kind, help_) in _HELP.items():
        if samples[name]:
            parts += [f"# HELP {name} {help_}", f"# TYPE {name} {kind}", *samples[name]]
    return "\n".join(parts) + "\n"


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    text = ",".join(f'{label}="{one.translate(_ESCAPES)}"' for label, one in labels.items())
    return f"{name}{{{text}}} {float(value)!r}" if text else f"{name} {float(value)!r}"
