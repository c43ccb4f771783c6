"""Serve what devices are seen to be to Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from types import TracebackType
from typing import Any, Self

from joulewise.clock import Clock
from joulewise.errors import MissingExtraError, UsageError
from joulewise.export.names import INFO, METRICS, facts, labels
from joulewise.export.observation import Observation

PORT, ADDRESS = 9842, "127.0.0.1"
LARGEST_PORT = 65535


class Collector:
    """Turns observations into metrics whenever Prometheus asks; a collector of ``prometheus_client``.

    Args:
        observe: What devices are seen to be, such as a `joulewise.export.watch.Watch`.
        clock: That of the observations.
        job: Labels of every figure, such as those of `joulewise.export.job.job_labels`.

    Raises:
        MissingExtraError: If prometheus-client is not installed.
    """

    def __init__(
        self, observe: Callable[[], Sequence[Observation]], clock: Clock, job: Mapping[str, str] | None = None
    ) -> None:
        """Collect nothing yet."""
        self._observe, self._clock, self._job = observe, clock, dict(job or {})
        try:
            self._core = import_module("prometheus_client.core")
        except ImportError:
            raise MissingExtraError("prometheus") from None

    def collect(self) -> Iterator[Any]:
        """All families with what there is to tell."""
        seen, now_ns = self._observe(), self._clock.now_ns()
        core = self._core
        for metric in METRICS:
            kind = core.CounterMetricFamily if metric.counter else core.GaugeMetricFamily
            family = kind(metric.prometheus, metric.text)
            for one in seen:
                value = metric.value(one, now_ns)
                if value is not None:
                    name = f"{metric.prometheus}_total" if metric.counter else metric.prometheus
                    family.add_sample(name, {**self._job, **labels(one, metric)}, value)
            yield family
        family = core.InfoMetricFamily(INFO, "What a device is.")
        for one in seen:
            family.add_sample(f"{INFO}_info", {**self._job, **facts(one)}, 1)
        yield family


class PrometheusServer:
    """Answers Prometheus at ``/metrics`` while it is entered.

    Args:
        collector: What to tell.
        port: Where; 0 for any free one.
        address: On which address of this machine. Power readings can tell secrets of what is computed, so that by
            default only this machine may ask.

    Raises:
        UsageError: If it cannot listen there.
    """

    def __init__(self, collector: Collector, port: int = PORT, address: str = ADDRESS) -> None:
        """Listen."""
        if not 0 <= port <= LARGEST_PORT:
            raise UsageError("there is no such port", str(port), f"give 0 to {LARGEST_PORT}")
        client = import_module("prometheus_client")
        registry = client.CollectorRegistry()
        registry.register(collector)
        try:
            self._server, self._thread = client.start_http_server(port, address, registry)
        except OSError as error:
            fix = "give another --port, or --address"
            raise UsageError(f"cannot listen on {address}:{port}", str(error), fix) from error

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self._server.server_address[:2]
        return f"http://{f'[{host}]' if ':' in str(host) else host}:{port}/metrics"

    def __enter__(self) -> Self:
        """It answers already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
