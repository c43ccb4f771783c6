"""What ``joulewise tune`` says: where steps came from, what was chosen, and what that saves, as far as it is known."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from joulewise.cli.step_settings import step_settings
from joulewise.cli.tune_program import TunedRun
from joulewise.devices.capabilities import Kind
from joulewise.errors import UsageError
from joulewise.frontier.point import Point
from joulewise.optimize.power.goal import Goal
from joulewise.optimize.protocol import Apart
from joulewise.records import Provenance
from joulewise.runtime.knob import Tunable
from joulewise.runtime.observe.watch import Watch
from joulewise.runtime.session import DEFAULT_SLOWDOWN, JobTuner
from joulewise.runtime.tune_line import describe_choice
from joulewise.wire.envelope import schema_tag

if TYPE_CHECKING:
    from joulewise.report.run_content import RunReport

DOCUMENT, VERSION = "tune", 1


def goal_of(name: str | None, eta: float, max_slowdown: float | None, tunable: Tunable) -> Goal:
    """The goal that options name.

    Raises:
        UsageError: If they name none, or two.
    """
    if name is not None and max_slowdown is not None:
        raise UsageError("a slowdown is a goal of its own", f"--goal {name} --max-slowdown {max_slowdown}", "give one")
    if name is None:
        return Goal.max_slowdown(DEFAULT_SLOWDOWN if max_slowdown is None else max_slowdown)
    if name == "energy":
        return Goal.least_energy()
    if name == "time":
        return Goal.least_time()
    if name == "zeus":
        return Goal.zeus(eta, _most_power_w(tunable))
    raise UsageError("there is no such goal", repr(name), "use energy, time or zeus, or give --max-slowdown")


def lines(command: Sequence[str], code: int, tuner: JobTuner, watch: Watch) -> list[str]:
    """For people."""
    ended = f"exit code {code}" if code >= 0 else f"ended by signal {-code}"
    said = [f"{command[0]}: {ended}"]
    if watch.source is None:
        said.append(f"nothing was tuned: {watch.refusal or 'the program told no steps'}")
        return said
    said.append(f"{watch.steps} steps, by {watch.source}")
    if tuner.failure:
        said.append(f"tuning ended early: {tuner.failure}")
    said += [tuner.note] if tuner.note else []
    said += describe_choice(tuner)
    if any(one.identity.provenance is Provenance.SIMULATED for one in tuner.tunable.devices):
        said.append("simulated devices do not slow the program that they follow: these figures say nothing about it")
    return said


def report_of(command: Sequence[str], said: Sequence[str], run: TunedRun, tuner: JobTuner) -> RunReport | None:
    """What the HTML page shows; nothing if nothing was measured.

    Args:
        command: What ran.
        said: What people are told.
        run: What came of the program.
        tuner: What tuned it.
    """
    from joulewise.report.run_report import RunReport  # noqa: PLC0415 (only --html draws)

    if run.measurement is None or run.timeline is None:
        return None
    title = f"joulewise tune -- {shlex.join(command)}"
    began = datetime.fromtimestamp(run.measurement.began_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return RunReport(
        title=title if len(title) <= 200 else f"{title[:199]}…",
        subtitle=f"{began}, {said[0]}",
        measurement=run.measurement,
        timeline=run.timeline,
        notes=tuple(said[1:]),
        step=step_settings(tuner),
    )


def document(command: Sequence[str], code: int, tuner: JobTuner, watch: Watch) -> str:
    """The same as JSON."""
    frontier = tuner.frontier
    default, chosen = _ends(tuner)
    entry: dict[str, Any] = {
        "schema": schema_tag(DOCUMENT, VERSION),
        "command": list(command),
        "exit_code": code,
        "devices": [device.identity.uid for device in tuner.tunable.devices],
        "knob": tuner.tunable.knob,
        "steps_from": watch.source,
        "refusal": watch.refusal or None,
        "steps": watch.steps,
        "decided": tuner.is_decided,
        "failure": tuner.failure or None,
        "chosen": _entry(chosen),
        "default": _entry(default),
        "frontier": None if frontier is None else frontier.to_dict(),
    }
    return json.dumps(entry, indent=2) + "\n"


def _ends(tuner: JobTuner) -> tuple[Point | None, Point | None]:
    """What was measured of a step when nothing is held back, and at the choice."""
    points = {point.setting: point for point in tuner.tuner.points()}
    return points.get(tuner.tunable.candidates[-1]), points.get(tuner.choice)


def _entry(point: Point | None) -> dict[str, Any] | None:
    if point is None:
        return None
    return {
        "setting": list(point.setting.settings) if isinstance(point.setting, Apart) else point.setting,
        "step_s": point.time_s,
        "step_j": point.energy_j,
        "steps": point.samples,
        "provenance": point.provenance,
    }


def _most_power_w(tunable: Tunable) -> float:
    """The largest power limits of the devices together [W]."""
    kinds = (Kind.POWER_LIMIT, Kind.CPU_POWER_CAP)
    most = [
        next((d.capabilities[kind].maximum for kind in kinds if kind in d.capabilities), None) for d in tunable.devices
    ]
    if not all(most):
        seen = ", ".join(device.identity.uid for device in tunable.devices)
        raise UsageError("Zeus's cost needs the largest power limit", f"not known of {seen}", "use --max-slowdown")
    return sum(one for one in most if one)
