"""``joulewise run --compare OTHER -- CMD``: two programs run in turn, and which of them uses less, if that is shown."""

from __future__ import annotations

import random
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from joulewise.cli.child import Ended, end_by_signal
from joulewise.cli.compare_cooling import Cooling
from joulewise.cli.compare_output import Trial, Trials, document, lines, progress, report_of
from joulewise.cli.run_gate import gains_of
from joulewise.cli.run_once import Watch, timeline_of, write_outputs
from joulewise.cli.run_output import NO_FACTORS, footprint_lines
from joulewise.errors import JoulewiseError, UsageError
from joulewise.measure.comparison import compare, turns
from joulewise.measure.timeline import Span

if TYPE_CHECKING:
    from joulewise.cli.run_options import Factors, Outputs

FAILED = 1


@dataclass(frozen=True)
class Plan:
    """What runs when.

    Attributes:
        commands: The two programs: A, after ``--``, and B, of ``--compare``.
        turns: 0 for A and 1 for B, in the order of runs.
        seed: That decided who begins.
        cool_down_s: Longest wait before a run [s].
    """

    commands: tuple[tuple[str, ...], tuple[str, ...]]
    turns: tuple[int, ...]
    seed: int
    cool_down_s: float


def plan_of(command: list[str], other: str, repeat: int, seed: int, cool_down_s: float) -> Plan:
    """What runs when.

    Raises:
        UsageError: If the other program is none, or runs are too few.
    """
    try:
        words = shlex.split(other)
    except ValueError as error:
        raise UsageError("the other program cannot be read", f"{other!r}: {error}", "quote it as for a shell") from None
    if not words:
        raise UsageError("there is no other program", repr(other), "give one, as in --compare 'python old.py'")
    order = turns(repeat, random.Random(seed))
    return Plan((tuple(command), tuple(words)), tuple(order), seed, cool_down_s)


def compare_commands(plan: Plan, found: Watch, outputs: Outputs, factors: Factors) -> int:
    """Run both, say which uses less, and write what was asked for.

    Returns:
        0, or the exit code of a program that failed: then nothing is compared.

    Effects:
        Ends by a signal if one asked us to end, or a program ended by one.

    Raises:
        UsageError: If no device tells energy; then nothing runs.
    """
    if not found.meter.devices:
        seen = "; ".join(found.silent) or "there are no devices"
        raise UsageError("there is no energy to compare", seen, "joulewise doctor says why; or give --device")
    trials = Trials(plan.commands, plan.seed, plan.cool_down_s)
    cooling = Cooling(found.meter.devices, found.meter.clock, plan.cool_down_s)
    if not cooling.start_c:
        _say("no device has a thermometer: runs do not wait for devices to cool down")
    session = found.meter.begin("comparison", synchronise=False)
    for number, which in enumerate(plan.turns):
        wait = cooling.wait()
        name = f"{'AB'[which]} {number // 2 + 1}"
        ended, measurement = found.run(plan.commands[which], name, without_input=True)
        if _stopped(ended):
            return _stop(trials, len(plan.turns), number, which, ended)
        trials.add(Trial(which, measurement, wait))
        for line in progress(trials, len(plan.turns)):
            _say(line)
    session.end()
    for reason in found.silent:
        _say(f"not measured: {reason}")
    try:
        comparison = compare(trials.of(1), trials.of(0), gains_of(found.meter.devices))
    except JoulewiseError as error:
        _say(f"nothing is compared: {error}")
        return FAILED
    for line in lines(trials, comparison):
        _say(line)
    whole = session.result()
    spans = [Span(trial.measurement.name, trial.measurement.begin_ns, trial.measurement.end_ns) for trial in trials.all]
    timeline = timeline_of(found.meter, whole, spans) if outputs.drawn or factors else None
    footprint = None
    try:
        footprint = factors.of(whole, timeline)
    except UsageError as error:
        _say(str(error))
    for line in footprint_lines(footprint) if footprint is not None else [NO_FACTORS]:
        _say(f"all runs and waits, {line}" if footprint is not None else line)
    report = None if timeline is None else report_of(trials, comparison, whole, timeline, footprint)
    for problem in write_outputs(outputs, document(trials, comparison, whole, footprint), timeline, report):
        _say(problem)
    return 0


def _stopped(ended: Ended) -> bool:
    return not ended.started or ended.code != 0 or ended.asked_by is not None


def _stop(trials: Trials, planned: int, number: int, which: int, ended: Ended) -> int:
    """Say why nothing is compared, and end as what stopped us wants."""
    if not ended.started:
        return ended.code
    why = f"{'AB'[which]} ended by signal {-ended.code}" if ended.code < 0 else f"{'AB'[which]} failed"
    why = f"stopped by signal {ended.asked_by:d}" if ended.asked_by is not None else why
    why += f" with exit code {ended.code}" if ended.code > 0 and ended.asked_by is None else ""
    _say(f"{why} in run {number + 1} of {planned}: nothing is compared, and nothing was written")
    if ended.asked_by is not None:
        end_by_signal(ended.asked_by)
    if ended.code < 0:
        end_by_signal(-ended.code)
    return ended.code


def _say(line: str) -> None:
    typer.echo(f"joulewise: {line}", err=True)
