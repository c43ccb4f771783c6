"""One program, measured: devices that tell energy, what they used meanwhile, and the files about it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from joulewise.cli.child import Ended, run_forwarding
from joulewise.cli.run_options import Outputs
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device, can
from joulewise.devices.simulated.shadow import following
from joulewise.measure.measurement import Measurement
from joulewise.measure.meter import Meter
from joulewise.measure.trace import READERS, gauge_of

if TYPE_CHECKING:
    from joulewise.cli.run_output import Summary
    from joulewise.measure.footprint import Footprint
    from joulewise.measure.timeline import Span, Timeline
    from joulewise.report.run_report import Figure, RunReport

AFTER_NS = 2_000_000_000
Beside = Callable[[int], AbstractContextManager[object]]


@dataclass(frozen=True)
class Watch:
    """A meter on the devices that tell energy, and those that do not, each with the reason."""

    meter: Meter
    silent: tuple[str, ...]

    @property
    def beside(self) -> Beside:
        """What runs beside a program: devices that no hardware keeps busy follow it."""
        return partial(following, self.meter.devices, self.meter.clock)

    def run(self, command: Sequence[str], name: str, *, without_input: bool = False) -> tuple[Ended, Measurement]:
        """Run a program and measure meanwhile."""
        window = self.meter.begin(name, synchronise=False)
        try:
            ended = run_forwarding(command, os.environ, self.beside, without_input=without_input)
        finally:
            window.end()
        return ended, window.result(wait=ended.started)


def watch(devices: Iterable[Device], meter: Callable[[Sequence[Device]], Meter] = Meter) -> Watch:
    """Tell devices that can be measured from those that cannot."""
    there = list(devices)
    telling = [device for device in there if can(device, Kind.ENERGY_COUNTER) or gauge_of(device) is not None]
    silent = tuple(_reason(device) for device in there if device not in telling)
    return Watch(meter(telling), silent)


def _reason(device: Device) -> str:
    kinds = [kind for kind in (Kind.ENERGY_COUNTER, *READERS) if kind in device.capabilities]
    who = f"{device.identity.model} ({device.identity.scope}, {device.identity.uid})"
    needs = [device.capabilities[kind].privilege for kind in kinds]
    why = f"reading it takes {needs[0]}" if needs and needs[0] else "it has neither energy counter nor power gauge"
    return f"{who}: {why}"


def timeline_of(meter: Meter, measurement: Measurement, spans: Sequence[Span] = ()) -> Timeline:
    """What was read from the last reading before a window to the first ones after it."""
    kept = meter.timeline(measurement.begin_ns, measurement.end_ns + AFTER_NS)
    return replace(kept, began_at=measurement.began_at, end_ns=measurement.end_ns, spans=tuple(spans))


def report_of(summary: Summary, timeline: Timeline, notes: Sequence[str] = ()) -> RunReport:
    """What the HTML page shows."""
    from joulewise.report.run_report import RunReport  # noqa: PLC0415 (only --html draws)

    measurement = summary.measurement
    began = datetime.fromtimestamp(measurement.began_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    title = shlex.join(summary.command)
    nothing = () if measurement.devices or summary.silent else ("No device was found: joulewise doctor says why.",)
    return RunReport(
        title=title if len(title) <= 200 else f"{title[:199]}…",
        subtitle=f"{began}, {summary.ended}",
        measurement=measurement,
        timeline=timeline,
        figures=figures_of(summary.footprint),
        notes=(*notes, *(f"Not measured: {reason}." for reason in summary.silent), *nothing, *_READING),
    )


_READING = (
    "Bounds hold gain, edges and what the sensor did not see. The gain of a board is the same in every run on it, so"
    " two runs on one board compare better than their bounds suggest.",
    "Figures cover the devices that are listed, not the machine: fans, disks, power supplies and cooling are not in"
    " them, unless a device of scope node is.",
)


def figures_of(footprint: Footprint | None) -> tuple[Figure, ...]:
    """Cost and carbon as the page shows them."""
    from joulewise.cli.run_output import footprint_figures  # noqa: PLC0415
    from joulewise.report.run_report import Figure  # noqa: PLC0415

    known = [] if footprint is None else footprint_figures(footprint)
    return tuple(Figure(name, value, source, bounds) for name, value, bounds, source in known)


def write_outputs(outputs: Outputs, document: str, timeline: Timeline | None, report: RunReport | None) -> list[str]:
    """Write what was asked for.

    Returns:
        What could not be written after all, for people: the exit code stays the program's.
    """
    from joulewise.errors import JoulewiseError  # noqa: PLC0415
    from joulewise.export.parquet import write_parquet  # noqa: PLC0415
    from joulewise.export.perfetto import write_trace  # noqa: PLC0415
    from joulewise.report.run_report import write_run_report  # noqa: PLC0415
    from joulewise.wire.atomic import write_text_atomically  # noqa: PLC0415

    acts: list[Callable[[], None]] = []
    if outputs.json is not None:
        acts.append(partial(write_text_atomically, outputs.json, document))
    if outputs.html is not None and report is not None:
        acts.append(partial(write_run_report, outputs.html, report))
    if outputs.parquet is not None and timeline is not None:
        acts.append(partial(write_parquet, timeline, outputs.parquet))
    if outputs.perfetto is not None and timeline is not None:
        acts.append(partial(write_trace, timeline, outputs.perfetto))
    failed = []
    for act in acts:
        try:
            act()
        except JoulewiseError as error:
            failed.append(str(error))
    return failed
