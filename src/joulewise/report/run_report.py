"""The report of a run: what devices used with bounds, how power went over time, and what measuring cost."""

from __future__ import annotations

from pathlib import Path

from joulewise.report.page import render_page
from joulewise.report.run_content import Figure, RunReport, StepSettings, Table
from joulewise.report.run_sections import run_body
from joulewise.report.step_chart import step_figure
from joulewise.report.timeline_chart import timeline_figure
from joulewise.wire.atomic import write_text_atomically

__all__ = ["Figure", "RunReport", "StepSettings", "Table", "write_run_report"]


def write_run_report(path: str | Path, report: RunReport) -> None:
    """Write ``report`` as one HTML file that opens without a network.

    Args:
        path: Where to; an existing file is replaced in one step.
        report: What to show.

    Raises:
        UsageError: If the file cannot be written.
    """
    figure = timeline_figure(report.measurement, report.timeline)
    if report.step is not None and report.step.points:
        figure["step"] = step_figure(report.step)
    body = run_body(report, bool(figure["data"]))
    write_text_atomically(path, render_page(report.title, body, figure, "run.js"))
