"""What ``joulewise demo`` shows: a table with bounds, and a report."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from joulewise.cli.demo_job import DemoJob, TorchJob, real_devices
from joulewise.cli.demo_run import DemoResult
from joulewise.cli.step_settings import short_name, step_settings
from joulewise.errors import UsageError
from joulewise.measure.energy import Energy
from joulewise.measure.measurement import Measurement
from joulewise.records import Provenance
from joulewise.report import run_report

REPORT = "report.html"
COLUMNS = ("time", "slower", "energy", "bounds", "saved", "bounds")


def place(job: DemoJob) -> str:
    """Where the work is done, in a sentence."""
    if not isinstance(job, TorchJob):
        return "a simulated node trains: nothing here is measured on hardware"
    if job.is_elsewhere:
        return "PyTorch does not see this device: the work runs on CPU, while the device is measured and tuned"
    return f"PyTorch works on {', '.join(job.places)}"


def offers() -> list[str]:
    """On which real devices the demonstration could run."""
    return [
        f"this machine has {device.identity.model}: joulewise demo --device {text} runs on it instead"
        for text, device in real_devices().items()
    ]


def provenance_of(result: DemoResult) -> Provenance:
    """What the figures are worth."""
    told = result.whole.total
    devices = result.whole.devices
    return Provenance.weakest(one.identity.provenance for one in devices) if told is None else told.provenance


def heading(result: DemoResult) -> str:
    """On what it ran."""
    devices = result.tuner.tunable.devices
    models = sorted({device.identity.model for device in devices})
    return f"{len(devices)} x {', '.join(models)}, {provenance_of(result)}"


def saving(before: Energy, after: Energy) -> tuple[float, float, float]:
    """Which fraction of energy is saved, and between which it lies.

    Errors of gain are common to both, since the devices are the same; what remains is the resolution of each.
    """
    lo = 1 - (after.energy_j + after.resolution_j) / max(before.energy_j - before.resolution_j, 1e-9)
    hi = 1 - (after.energy_j - after.resolution_j) / (before.energy_j + before.resolution_j)
    return 1 - after.energy_j / max(before.energy_j, 1e-9), lo, hi


def result_rows(result: DemoResult) -> list[tuple[str, ...]]:
    """The two runs, and the part of the second in which the choice was in force."""
    rows = [
        ("settings found", *_cells(result.default, result.steps, result)),
        ("tuned, with search", *_cells(result.tuned, result.steps, result)),
    ]
    if result.held is not None:
        name = short_name(result.tuner, result.tuner.choice)
        rows.append((f"of it {result.held[1]} at {name}", *_cells(*result.held, result)))
    return rows


def result_table(result: DemoResult) -> Table:
    """The same for a terminal."""
    table = Table(
        title=escape(heading(result)),
        title_justify="left",
        title_style="bold",
        box=None,
        header_style="",
        pad_edge=False,
    )
    for column in ("", *COLUMNS):
        table.add_column(column, justify="right" if column else "left", no_wrap=bool(column))
    for row in result_rows(result):
        table.add_row(*map(escape, row))
    return table


def write_report(result: DemoResult, folder: Path) -> Path:
    """Write the report; its path.

    Raises:
        UsageError: If it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write into {folder}", str(error), "name one that you can write to") from error
    path = folder / REPORT
    worth = provenance_of(result)
    caption = f"Both runs did the same {result.steps} steps of the same job. Every figure is {worth}."
    table = run_report.Table("Untuned and tuned", caption, (("run", *COLUMNS), *result_rows(result)))
    notes = [
        place(result.job)[:1].upper() + place(result.job)[1:] + ".",
        "Savings are against the run at the settings found; bounds leave out errors of gain, which both runs share.",
        "The second run pays for its search: it tried every setting that the picture of a step shows.",
        "Settings were put back as they were found when the second run ended.",
    ]
    if result.tuner.failure:
        notes.insert(0, f"Tuning ended early: {result.tuner.failure}")
    report = run_report.RunReport(
        title="joulewise demo: the same training, untuned and tuned",
        subtitle=f"{heading(result)}; least energy in at most {result.max_slowdown:g} times the fastest time",
        measurement=result.whole,
        timeline=result.timeline,
        tables=(table,),
        notes=tuple(notes),
        headline=_headline(result),
        step=step_settings(result.tuner),
    )
    run_report.write_run_report(path, report)
    return path


def _headline(result: DemoResult) -> tuple[tuple[str, str], ...]:
    worth, name = provenance_of(result), short_name(result.tuner, result.tuner.choice)
    parts = [(result.tuned, result.steps, "with search"), *([(*result.held, f"at {name}")] if result.held else [])]
    cards = []
    for measured, steps, what in parts:
        before, after = _same_steps(result, steps), measured.total
        if before is not None and after is not None:
            saved, lo, hi = saving(before, after)
            cards.append((f"{saved:.1%}", f"energy saved {what}, {worth}: {100 * lo:.1f} to {hi:.1%}"))
    measured, steps, what = parts[-1]
    return (*cards, (f"{_slower(measured, steps, result):+.1%}", f"time of a step {what}")) if cards else ()


def _cells(measured: Measurement, steps: int, result: DemoResult) -> list[str]:
    energy, before = measured.total, _same_steps(result, steps)
    time = f"{measured.duration_s:,.1f} s"
    if energy is None or before is None:
        return [time, "", "not told", "", "", ""]
    largest_j = result.whole.energy_j
    factor, unit, places = (1e-3, "kJ", 1) if largest_j >= 2e4 else (1.0, "J", 0)
    fewer = 0 if largest_j >= 2e5 else places
    cells = [
        f"{energy.energy_j * factor:,.{places}f} {unit}",
        f"{energy.lo_j * factor:,.{fewer}f} to {energy.hi_j * factor:,.{fewer}f}",
    ]
    if measured is result.default:
        return [time, "", *cells, "", ""]
    saved, least, most = saving(before, energy)
    slower = f"{_slower(measured, steps, result):.1%}"
    return [time, slower, *cells, f"{saved:.1%}", f"{100 * least:.1f} to {most:.1%}"]


def _slower(measured: Measurement, steps: int, result: DemoResult) -> float:
    """How much longer a step took than at the settings found."""
    return measured.duration_s / (result.default.duration_s * steps / result.steps) - 1


def _same_steps(result: DemoResult, steps: int) -> Energy | None:
    """What so many steps used at the settings found, if they are like those of the whole run."""
    whole, share = result.default.total, steps / result.steps
    if whole is None:
        return None
    resolution_j = whole.resolution_j * share
    return Energy(whole.energy_j * share, whole.lo_j * share, whole.hi_j * share, resolution_j, whole.method)
