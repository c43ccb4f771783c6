"""What a tuner knows of a step, as reports show it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from joulewise.report.run_content import StepSettings
from joulewise.runtime.session import JobTuner


def step_settings(tuner: JobTuner) -> StepSettings | None:
    """Time and energy of a step at every setting that was tried; None if there was none."""
    points = tuner.tuner.points()
    if not points:
        return None
    knob, count = tuner.tunable.knob, len(tuner.tunable.devices)
    whose = f"{count} device{'s' if count > 1 else ''}"
    state = "" if tuner.is_decided else " The search had not ended."
    return StepSettings(
        tuple(replace(point, setting=short_name(tuner, point.setting)) for point in points),
        short_name(tuner, tuner.choice),
        short_name(tuner, tuner.tunable.candidates[-1]),
        f"Mean time and energy of a step by {knob} of {whose}, {tuner.steps} steps in all.{state}",
    )


def short_name(tuner: JobTuner, setting: Hashable) -> str:
    """A setting without its knob, as in ``250 W``."""
    return tuner.name(setting).removeprefix(tuner.tunable.knob).strip()
