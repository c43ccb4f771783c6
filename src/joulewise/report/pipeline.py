"""The report of a pipeline plan: what was saved, where the plan stands on the frontier, and the iteration itself."""

from __future__ import annotations

from pathlib import Path

from joulewise.report.content import Mark, PipelineReport, Timeline
from joulewise.report.frontier_chart import frontier_figure
from joulewise.report.gantt import gantt_figure
from joulewise.report.page import render_page
from joulewise.report.sections import pipeline_body
from joulewise.wire.atomic import write_text_atomically

__all__ = ["Mark", "PipelineReport", "Timeline", "write_report"]


def write_report(path: str | Path, report: PipelineReport) -> None:
    """Write ``report`` as one HTML file that opens without a network.

    Args:
        path: Where to; an existing file is replaced in one step.
        report: What to show.

    Raises:
        UsageError: If the file cannot be written.
    """
    data = {"frontier": frontier_figure(report), "gantt": gantt_figure(report.before, report.after)}
    write_text_atomically(path, render_page(report.title, pipeline_body(report), data))
