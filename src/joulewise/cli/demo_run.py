"""The two runs of the demonstration, with a progress bar that says what the tuner does."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from joulewise.cli.demo_job import DemoJob
from joulewise.measure.measurement import Measurement
from joulewise.measure.meter import Meter
from joulewise.measure.timeline import Span, Timeline
from joulewise.optimize.power.goal import Goal
from joulewise.runtime.session import JobTuner
from joulewise.runtime.tune import Tuned

COLUMNS = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration found.

    Attributes:
        job: What ran.
        whole: From the begin of the first run to the end of the second.
        default, tuned: The two runs; the search is part of the second.
        held: The part of the second in which the choice was in force, and its steps; None if there was none.
        steps: Of each run.
        timeline: Over both, with the search and what came before and after it as spans.
        tuner: What tuned.
        max_slowdown: What was asked for.
    """

    job: DemoJob
    whole: Measurement
    default: Measurement
    tuned: Measurement
    held: tuple[Measurement, int] | None
    steps: int
    timeline: Timeline
    tuner: JobTuner
    max_slowdown: float


def run_demo(job: DemoJob, max_slowdown: float, console: Console) -> DemoResult:
    """Run the job at the settings found, then tuned.

    Args:
        job: What runs.
        max_slowdown: How much slower a step may become.
        console: Where the progress bar is drawn.

    Raises:
        CapabilityError, PermissionDeniedError: If no device of the job can be tuned, or we may not; before anything
            ran.

    Effects:
        Changes settings of the job's devices during the second run, and puts them back.
    """
    tuner = JobTuner(Goal.max_slowdown(max_slowdown), devices=job.devices, clock=job.clock)
    with Meter(job.devices, clock=job.clock) as meter, Progress(*COLUMNS, console=console) as progress:
        job.meanwhile = lambda: _tick(meter)
        whole = meter.begin("both runs")
        bar = progress.add_task("at the settings found", total=len(job))
        with meter.window("settings found") as default:
            for _ in job:
                progress.advance(bar)
        bar = progress.add_task("tuned", total=len(job))
        held, begun = None, 0
        tuned, search = meter.begin("tuned"), meter.begin("search")
        for index, _ in enumerate(Tuned(job, tuner)):
            if held is None and tuner.is_decided:
                search.end()
                held, begun = meter.begin("choice in force"), index + 1
            progress.update(bar, advance=1, description=tuner.describe())
        for window in (held or search, tuned, whole):
            window.end()
        kept = (held.result(), len(job) - begun) if held is not None and begun < len(job) else None
        tuner.close()
        spans = tuple(
            Span(one.name, one.begin_ns, one.end_ns or one.begin_ns) for one in (default, search, held) if one
        )
        timeline = replace(meter.timeline(whole.begin_ns, whole.end_ns), spans=spans)
        return DemoResult(
            job, whole.result(), default.result(), tuned.result(), kept, len(job), timeline, tuner, max_slowdown
        )


def _tick(meter: Meter) -> None:
    if not meter.sampler.threaded:
        meter.tick()
