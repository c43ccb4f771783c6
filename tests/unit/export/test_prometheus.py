"""What Prometheus is told: in memory, and by a real Prometheus that scrapes a real exporter."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from importlib.resources import files

import numpy as np
import pytest

from joulewise.clock import MonotonicClock
from joulewise.devices.simulated.driver import make_chips
from joulewise.errors import UsageError
from joulewise.export.names import METRICS
from joulewise.export.prometheus import Collector, PrometheusServer
from joulewise.export.watch import Watch
from joulewise.testing.fake import FakeDevice

client = pytest.importorskip("prometheus_client", reason="needs the extra prometheus")
ENERGY = "joulewise_energy_joules_total"
PROMETHEUS = shutil.which("prometheus")
JOULEWISE = [sys.executable, "-W", "error", "-c", "from joulewise.cli import main; main()"]
CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs: [{{job_name: joulewise, static_configs: [{{targets: ["{target}"]}}]}}]
"""


def told(watch, clock, job=None):
    """Families by name, of what a collector tells in the text format."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    registry = client.CollectorRegistry()
    registry.register(Collector(watch, clock, job))
    text = client.generate_latest(registry).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_names_labels_and_values(virtual_clock):
    module = FakeDevice(virtual_clock, uid="module", load_w=240.0)
    board = FakeDevice(virtual_clock, uid="board", load_w=200.0, parent="module")
    watch = Watch([module, board], virtual_clock, {"board": "fake:1"})
    watch.read()
    virtual_clock.sleep(2.0)
    watch.read()
    families = told(watch, virtual_clock, {"slurm_job_id": "42"})
    assert set(families) == {metric.prometheus for metric in METRICS} | {"joulewise_device_info"}
    energy = families["joulewise_energy_joules"]
    assert energy.type == "counter"
    assert [sample.name for sample in energy.samples] == ["joulewise_energy_joules_total"] * 2
    assert [sample.value for sample in energy.samples] == pytest.approx([480.0, 400.0], abs=0.01)
    assert energy.samples[1].labels == {
        "device": "fake:1",
        "uuid": "board",
        "vendor": "fake",
        "scope": "board",
        "parent": "module",
        "source": "fake energy_counter",
        "method": "counter",
        "provenance": "measured",
        "slurm_job_id": "42",
    }
    values = {name: family.samples[1].value for name, family in families.items()}
    assert values["joulewise_clock_hertz"] == 1.41e9
    assert values["joulewise_power_watts"] == 200.0
    assert families["joulewise_device_info"].samples[1].labels["model"] == "Fake device"


def test_a_lost_device_goes_stale_and_not_to_zero(virtual_clock):
    lost, kept = FakeDevice(virtual_clock, uid="lost"), FakeDevice(virtual_clock, uid="kept")
    watch = Watch([lost, kept], virtual_clock)
    watch.read()
    virtual_clock.sleep(1.0)
    watch.read()
    lost.lost = True
    virtual_clock.sleep(7.0)
    watch.read()
    families = told(watch, virtual_clock)

    def of(name, uid):
        return [sample.value for sample in families[name].samples if sample.labels["uuid"] == uid]

    assert of("joulewise_energy_joules", "lost") == pytest.approx([250.0], abs=0.01)
    assert of("joulewise_sample_age_seconds", "lost") == [7.0]
    assert of("joulewise_power_watts", "lost") == []
    assert of("joulewise_energy_joules", "kept") == pytest.approx([2000.0], abs=0.01)
    assert of("joulewise_sample_age_seconds", "kept") == [0.0]


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_there_is_not_is_refused(virtual_clock, port):
    with pytest.raises(UsageError, match="no such port"):
        PrometheusServer(Collector(list, virtual_clock), port)


def test_a_port_that_is_taken_is_named(virtual_clock):
    collector = Collector(list, virtual_clock)
    with PrometheusServer(collector, 0) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
            PrometheusServer(collector, port)


@contextmanager
def running(arguments, environ, **more):
    """A process that is ended, whatever happens."""
    with subprocess.Popen(arguments, env=environ, text=True, start_new_session=True, **more) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_end(tmp_path, number):
    environ = os.environ | {"JOULEWISE_STATE_DIR": str(tmp_path), "SLURM_JOB_ID": "7"}
    arguments = [*JOULEWISE, "export", "prometheus", "--device", "sim:v100", "--port", "0"]
    with running(arguments, environ, stderr=subprocess.PIPE) as process:
        line = process.stderr.readline()
        assert line.endswith("1 device, 1 of them simulated\n")
        url = line.split("serves ")[1].split(";")[0]
        text = urllib.request.urlopen(url, timeout=10).read().decode()
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
    assert 'slurm_job_id="7"' in text
    assert text.count('provenance="simulated"') >= len(METRICS) - 1  # nothing simulated goes unmarked
    assert "measured" not in text


class Prometheus:
    """A real one, that scrapes a target."""

    def __init__(self, folder, target):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        (folder / "prometheus.yml").write_text(CONFIG.format(target=target))
        self.arguments = [
            PROMETHEUS,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--log.level=error",
        ]

    def ask(self, query):
        url = f"http://{self.address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:  # it is still starting
            return []


@pytest.fixture(scope="module")
def scraped(tmp_path_factory):
    """A real Prometheus that has scraped a twin for seconds, and what the twin had used at which time (UTC) [s, J]."""
    if PROMETHEUS is None:
        pytest.skip("Prometheus is not installed: apt-get install prometheus")
    clock, true_j = MonotonicClock(), []
    (chip,) = make_chips("a100", clock)
    chip.set_activity(0.7, 0.2)
    with Watch([chip], clock) as watch, PrometheusServer(Collector(watch, clock), 0) as server:
        prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), server.url.split("/")[2])
        with running(prometheus.arguments, os.environ, stderr=subprocess.DEVNULL):
            end = time.monotonic() + 60
            while len(raw := prometheus.ask(f"{ENERGY}[1m]")) == 0 or len(raw[0]["values"]) < 20:
                assert time.monotonic() < end, "Prometheus has scraped nothing"
                true_j.append((time.time(), chip.true_energy_j()))
                time.sleep(0.02)
                if len(true_j) % 50 == 25:
                    chip.set_activity(0.1)
            true_j.append((time.time(), chip.true_energy_j()))
            yield prometheus, chip, true_j


@pytest.mark.slow
def test_a_real_prometheus_knows_the_energy_that_a_twin_spent(scraped):
    prometheus, chip, true_j = scraped
    before_s = true_j[-1][0]
    at = f"[1m] @ {before_s:.3f}"
    (spent,) = prometheus.ask(f"max_over_time({ENERGY}{at}) - min_over_time({ENERGY}{at})")
    (raw,) = prometheus.ask(f"{ENERGY}{at}")
    (resolution,) = prometheus.ask(f"max_over_time(joulewise_energy_resolution_joules{at})")
    resolution_j = float(resolution["value"][1])
    (begin_s, _), *_, (end_s, _) = raw["values"]
    at_s, joules = zip(*true_j, strict=True)
    assert at_s[0] - 0.2 <= begin_s < end_s <= at_s[-1]
    used_j = np.interp(end_s, at_s, joules) - np.interp(begin_s, at_s, joules)
    assert used_j > 5 * resolution_j
    assert float(spent["value"][1]) / chip.board.counter_gain == pytest.approx(used_j, abs=resolution_j)
    assert spent["metric"]["provenance"] == "simulated"


@pytest.mark.slow
def test_a_real_prometheus_answers_every_query_of_the_dashboard(scraped):
    prometheus, *_ = scraped
    dashboard = json.loads(files("joulewise.export").joinpath("dashboards", "grafana.json").read_text())
    values = {"$instance": ".*", "$device": ".*", "$__range": "1m", "$__rate_interval": "5s"}
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            for name, value in values.items():
                query = query.replace(name, value)
            assert prometheus.ask(query) or "nodes" in panel["title"], query
