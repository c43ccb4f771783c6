"""``joulewise export``: tell other tools what devices use."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from joulewise.export.watch import Watch

PORT, ADDRESS, PERIOD_S = 9842, "127.0.0.1", 15.0
DEVICE_HELP = "Which, as in nvidia:0, cpu or sim:a100x8; may be given again."
Devices = Annotated[list[str] | None, typer.Option("--device", help=DEVICE_HELP)]

app = typer.Typer(help="Tell other tools what devices use.", no_args_is_help=True)


@app.command("prometheus")
def prometheus(
    *,
    device: Devices = None,
    port: Annotated[int, typer.Option(help="Where to answer; 0 for any free port.")] = PORT,
    address: Annotated[
        str, typer.Option(help="On which address; 0.0.0.0 lets other machines ask, which tells them what runs here.")
    ] = ADDRESS,
) -> None:
    """Answer a Prometheus server that scrapes /metrics, until SIGTERM or Ctrl-C.

    A simulated device is as busy as this machine's CPUs.
    """
    from joulewise.export.job import job_labels  # noqa: PLC0415 (--help needs none of this)
    from joulewise.export.prometheus import Collector, PrometheusServer  # noqa: PLC0415

    ended = _told_to_end()
    with _watching(device) as watch:
        collector = Collector(watch, watch.clock, job_labels(os.environ))
        with PrometheusServer(collector, port, address) as server:
            _say(watch, f"serves {server.url}")
            _wait_until(ended)


@app.command("otlp")
def otlp(
    *,
    endpoint: Annotated[
        str, typer.Option(help="Address of the collector.", envvar="OTEL_EXPORTER_OTLP_ENDPOINT")
    ] = "http://localhost:4318",
    device: Devices = None,
    period: Annotated[float, typer.Option(help="How often to send, in seconds.")] = PERIOD_S,
) -> None:
    """Send metrics to an OpenTelemetry collector over OTLP/HTTP, until SIGTERM or Ctrl-C.

    A simulated device is as busy as this machine's CPUs.
    """
    from joulewise.export.job import job_attributes  # noqa: PLC0415 (--help needs none of this)
    from joulewise.export.otlp import OtlpSender  # noqa: PLC0415

    ended, resource = _told_to_end(), job_attributes(os.environ)
    with (
        _watching(device) as watch,
        OtlpSender(watch, watch.clock, endpoint, period_s=period, resource=resource),
    ):
        _say(watch, f"sends to {endpoint} each {period:g} s")
        _wait_until(ended)


@app.command("dashboard")
def dashboard() -> None:
    """Print the dashboard for Grafana, to be imported there."""
    from importlib.resources import files  # noqa: PLC0415

    sys.stdout.write(files("joulewise.export").joinpath("dashboards", "grafana.json").read_text(encoding="utf-8"))


@app.command("perfetto")
def perfetto(
    timeline: Annotated[Path, typer.Argument(help="What joulewise run --parquet wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Trace to write, such as trace.json.gz.")],
    *,
    beside: Annotated[
        Path | None, typer.Option(help="Trace that torch.profiler exported, to be drawn on the same axis.")
    ] = None,
) -> None:
    """Turn a timeline into a trace for Perfetto or Chrome, alone or beside one of PyTorch."""
    from joulewise.export.parquet import read_parquet  # noqa: PLC0415 (--help needs none of this)
    from joulewise.export.perfetto import write_trace  # noqa: PLC0415

    write_trace(read_parquet(timeline), output, beside)
    typer.echo(f"{output}: open it at https://ui.perfetto.dev, or in chrome://tracing")


@contextmanager
def _watching(selection: list[str] | None) -> Iterator[Watch]:
    from joulewise.cli.device_names import device_names  # noqa: PLC0415
    from joulewise.cli.left_behind import report_left_behind  # noqa: PLC0415
    from joulewise.cli.machine_load import following_machine  # noqa: PLC0415
    from joulewise.clock import MonotonicClock  # noqa: PLC0415
    from joulewise.devices.device import Host  # noqa: PLC0415
    from joulewise.devices.selection import find_devices  # noqa: PLC0415
    from joulewise.errors import UsageError  # noqa: PLC0415
    from joulewise.export.watch import Watch  # noqa: PLC0415

    report_left_behind()
    clock = MonotonicClock()
    host = Host(clock=clock)
    devices = find_devices(selection, host)
    if not devices:
        raise UsageError("there is nothing to export", "no device was found", "joulewise doctor says why")
    with following_machine(devices, clock), Watch(devices, clock, device_names(devices, host)) as watch:
        yield watch


def _say(watch: Watch, what: str) -> None:
    seen = watch()
    simulated = sum(one.identity.provenance == "simulated" for one in seen)
    mark = f", {simulated} of them simulated" if simulated else ""
    typer.echo(f"joulewise: {what}; {len(seen)} device{'' if len(seen) == 1 else 's'}{mark}", err=True)


def _told_to_end() -> threading.Event:
    """Set by SIGTERM and Ctrl-C from now on."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    return told


def _wait_until(told: threading.Event) -> None:
    while not told.wait(3600):  # a wait without end would not let signals through everywhere
        pass
