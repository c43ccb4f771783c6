"""A collector stand-in receives what OpenTelemetry's own protocol classes find valid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from joulewise.devices.device import Scope
from joulewise.errors import UsageError
from joulewise.export.names import METRICS, SCHEMA_URL, hardware_type
from joulewise.export.otlp import OtlpSender
from joulewise.export.watch import Watch
from joulewise.testing.fake import FakeDevice

service = pytest.importorskip(
    "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2", reason="needs the extra otlp"
)
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs the extra otlp")
CUMULATIVE = 2
JOULEWISE = [sys.executable, "-W", "error", "-c", "from joulewise.cli import main; main()"]


@pytest.fixture
def collector():
    """Its address, and the requests that it has parsed."""
    requests, arrived = [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/x-protobuf"
            assert self.path == "/v1/metrics"
            requests.append(service.ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(service.ExportMetricsServiceResponse().SerializeToString())
            arrived.set()

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", requests, arrived
    server.shutdown()
    server.server_close()


def attributes(entries):
    return {entry.key: entry.value.string_value for entry in entries}


def points(requests):
    """(name, unit, monotonic, point) of every metric of the last request; checks what must hold of any."""
    (resource,) = requests[-1].resource_metrics
    assert resource.schema_url == SCHEMA_URL
    (scope,) = resource.scope_metrics
    assert (scope.scope.name, scope.schema_url) == ("joulewise", SCHEMA_URL)
    found = []
    for metric in scope.metrics:
        kind = metric.WhichOneof("data")
        assert kind in ("sum", "gauge")
        if kind == "sum":
            assert metric.sum.is_monotonic
            assert metric.sum.aggregation_temporality == CUMULATIVE
        for point in getattr(metric, kind).data_points:
            assert point.time_unix_nano > 0
            if kind == "sum":
                assert 0 < point.start_time_unix_nano <= point.time_unix_nano
            assert attributes(point.attributes)["hw.id"]
            found.append((metric.name, metric.unit, kind == "sum", point))
    series = [(name, tuple(sorted(attributes(point.attributes).items()))) for name, _, _, point in found]
    assert len(set(series)) == len(series)
    return attributes(resource.resource.attributes), found


def test_what_arrives_is_valid_and_named_by_the_conventions(collector, virtual_clock):
    address, requests, _ = collector
    devices = [FakeDevice(virtual_clock, uid=uid, load_w=100.0) for uid in ("node", "gpu")]
    devices[0].identity = replace(devices[0].identity, scope=Scope.NODE)
    watch = Watch(devices, virtual_clock)
    watch.read()
    virtual_clock.sleep(3.0)
    watch.read()
    job = {"slurm.job.id": "42"}
    with OtlpSender(watch, virtual_clock, address, period_s=3600.0, resource=job):
        pass
    resource, found = points(requests)
    assert resource["service.name"] == "joulewise"
    assert resource["slurm.job.id"] == "42"
    energy = {
        (name, attributes(point.attributes)["hw.id"]): point.as_double for name, _, rises, point in found if rises
    }
    assert energy == {
        ("hw.energy", "gpu"): pytest.approx(300.0, abs=0.01),
        ("hw.host.energy", "node"): pytest.approx(300.0, abs=0.01),
    }
    gpu = {
        name: (unit, point.as_double)
        for name, unit, _, point in found
        if attributes(point.attributes)["hw.id"] == "gpu" and not name.startswith("joulewise.")
    }
    assert gpu == {
        "hw.energy": ("J", pytest.approx(300.0, abs=0.01)),
        "hw.power": ("W", 100.0),
        "hw.temperature": ("Cel", 40.0),
        "hw.gpu.utilization": ("1", 0.25),
    }
    said = [attributes(point.attributes) for name, *_, point in found if name == "hw.gpu.utilization"]
    assert [(one["hw.type"], one["hw.gpu.task"]) for one in said] == [("gpu", "general")]


def test_names_are_those_of_the_conventions_that_are_installed():
    hw = pytest.importorskip("opentelemetry.semconv._incubating.metrics.hw_metrics", reason="no semantic conventions")
    kinds = pytest.importorskip("opentelemetry.semconv._incubating.attributes.hw_attributes").HwTypeValues
    known = {value for name, value in vars(hw).items() if name.startswith("HW_")}
    ours = {name for metric in METRICS for name in metric.otel.values()}
    assert {name for name in ours if name.startswith("hw.")} <= known
    assert all(name.startswith(("hw.", "joulewise.")) for name in ours)
    identity = FakeDevice(_Still()).identity
    used = {hardware_type(replace(identity, scope=scope), within) for scope in Scope for within in ("", "x")}
    assert used - {"host", "module"} <= {kind.value for kind in kinds}


class _Still:
    def now_ns(self):
        return 0


@pytest.mark.slow
def test_a_collector_that_is_not_there_stops_nothing(virtual_clock):
    watch = Watch([FakeDevice(virtual_clock)], virtual_clock)
    watch.read()
    with OtlpSender(watch, virtual_clock, "http://127.0.0.1:9", period_s=3600.0):  # nobody listens there
        assert watch()[0].energy_j == 0.0


@pytest.mark.parametrize("endpoint", ["", "localhost:4317", "grpc://localhost:4317"])
def test_an_endpoint_that_is_none_is_refused(virtual_clock, endpoint):
    with pytest.raises(UsageError, match="no OTLP/HTTP endpoint"):
        OtlpSender(list, virtual_clock, endpoint)


@pytest.mark.slow
def test_the_command_sends_until_it_is_told_to_end(collector, tmp_path):
    address, requests, arrived = collector
    environ = os.environ | {"JOULEWISE_STATE_DIR": str(tmp_path), "KUBERNETES_SERVICE_HOST": "x", "POD_NAME": "train-0"}
    arguments = [*JOULEWISE, "export", "otlp", "--device", "sim:epyc", "--endpoint", address, "--period", "0.3"]
    with subprocess.Popen(arguments, env=environ, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert arrived.wait(60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert process.stderr.read().count("\n") == 1
        finally:
            process.kill()
    resource, found = points(requests)
    assert resource["k8s.pod.name"] == "train-0"
    kinds = {attributes(point.attributes)["hw.type"] for _, _, _, point in found}
    assert kinds == {"cpu", "memory"}
    assert {attributes(point.attributes)["joulewise.provenance"] for *_, point in found} == {"simulated"}
