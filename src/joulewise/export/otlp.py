"""Send what devices are seen to be to an OpenTelemetry collector, over OTLP/HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from joulewise.clock import Clock
from joulewise.errors import MissingExtraError, UsageError
from joulewise.export.names import METRICS, SCHEMA_URL, Metric, attributes, hardware_type, otel_name
from joulewise.export.observation import Observation

PERIOD_S, TIMEOUT_S = 15.0, 5.0
PATH = "/v1/metrics"


class OtlpSender:
    """Sends metrics each period while it is entered, and once more when it is left.

    Args:
        observe: What devices are seen to be, such as a `joulewise.export.watch.Watch`.
        clock: That of the observations.
        endpoint: Address of the collector, such as ``http://localhost:4318``; the path for metrics is added if there
            is none.
        period_s: How often [s].
        resource: Attributes of the whole, such as those of `joulewise.export.job.job_attributes`.
        headers: Sent with every request, such as a token.

    Raises:
        MissingExtraError: If OpenTelemetry's SDK is not installed.
        UsageError: If the endpoint is no http(s) address, or the period not positive.

    Effects:
        A thread of the SDK. A collector that does not answer is tried again, and stops nothing; leaving waits
        `TIMEOUT_S` for it at most.
    """

    def __init__(
        self,
        observe: Callable[[], Sequence[Observation]],
        clock: Clock,
        endpoint: str,
        *,
        period_s: float = PERIOD_S,
        resource: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Begin to send."""
        if not 0 < period_s < float("inf"):
            raise UsageError("metrics cannot be sent this often", f"{period_s!r} s", "give seconds above 0")
        self._observe, self._clock = observe, clock
        url = _address(endpoint)
        try:
            sdk, http = import_module("opentelemetry.sdk.metrics"), import_module(_EXPORTER)
            readers, resources = import_module(f"{_SDK}.metrics.export"), import_module(f"{_SDK}.resources")
            self._observation = import_module("opentelemetry.metrics").Observation
        except ImportError:
            raise MissingExtraError("otlp") from None
        exporter = http.OTLPMetricExporter(endpoint=url, headers=dict(headers or {}), timeout=TIMEOUT_S)
        reader = readers.PeriodicExportingMetricReader(exporter, period_s * 1000, TIMEOUT_S * 1000)
        described = resources.Resource.create({"service.name": "joulewise", **(resource or {})}, SCHEMA_URL)
        self._provider = sdk.MeterProvider([reader], described, shutdown_on_exit=False)
        meter = self._provider.get_meter("joulewise", schema_url=SCHEMA_URL)
        for metric in METRICS:
            create = meter.create_observable_counter if metric.counter else meter.create_observable_gauge
            for name in dict.fromkeys(metric.otel.values()):
                create(name, [self._callback(metric, name)], metric.unit, metric.text)

    def _callback(self, metric: Metric, name: str) -> Callable[[Any], Iterable[Any]]:
        def observed(options: Any) -> Iterable[Any]:
            del options
            now_ns = self._clock.now_ns()
            for one in self._observe():
                value = metric.value(one, now_ns)
                if value is not None and otel_name(metric, hardware_type(one.identity, one.within)) == name:
                    yield self._observation(value, attributes(one, metric))

        return observed

    def __enter__(self) -> Self:
        """It sends already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is there, and stop."""
        self._provider.shutdown(TIMEOUT_S * 1000)


_SDK, _EXPORTER = "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http.metric_exporter"


def _address(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise UsageError("this is no OTLP/HTTP endpoint", repr(endpoint), "give one such as http://localhost:4318")
    return endpoint if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}{PATH}"
