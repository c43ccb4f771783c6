"""What a comparison of two programs says: for people, as JSON, and as the page."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from joulewise.cli.compare_cooling import Wait
from joulewise.cli.run_output import Summary, figure, mark, plain, summed
from joulewise.measure.comparison import Comparison, Ratio, Verdict
from joulewise.measure.document import measurement_to_dict
from joulewise.measure.measurement import Measurement
from joulewise.wire.envelope import schema_tag

if TYPE_CHECKING:
    from joulewise.measure.footprint import Footprint
    from joulewise.measure.timeline import Timeline
    from joulewise.report.run_report import RunReport

DOCUMENT, VERSION = "comparison", 1
NAMES = "AB"


@dataclass(frozen=True)
class Trial:
    """One run of one of the two programs: 0 is A, 1 is B."""

    which: int
    measurement: Measurement
    wait: Wait


@dataclass
class Trials:
    """Runs of two programs, in their order."""

    commands: tuple[tuple[str, ...], tuple[str, ...]]
    seed: int
    cool_down_s: float
    all: list[Trial] = field(default_factory=list)

    def add(self, trial: Trial) -> None:
        """The next run."""
        self.all.append(trial)

    def of(self, which: int) -> list[Measurement]:
        """The runs of one program."""
        return [trial.measurement for trial in self.all if trial.which == which]


def progress(trials: Trials, planned: int) -> list[str]:
    """About the last run."""
    trial = trials.all[-1]
    energy = trial.measurement.total
    worth = "" if energy is None else mark(energy.provenance)
    used = "no device told its energy" if energy is None else figure(energy)
    said = [
        f"run {len(trials.all)} of {planned}, {NAMES[trial.which]}: {trial.measurement.duration_s:.3f} s, {used}{worth}"
    ]
    if trial.wait.warm:
        warm = "; ".join(trial.wait.warm)
        said.insert(0, f"gave up waiting for devices to cool down after {trial.wait.waited_s:.3g} s: {warm}{worth}")
    return said


def lines(trials: Trials, comparison: Comparison) -> list[str]:
    """What came of it."""
    worth = mark(trials.all[0].measurement.provenance)
    sure = f"{comparison.confidence:.0%} confidence"
    said = []
    for which, command in enumerate(trials.commands):
        runs = trials.of(which)
        energy_j, duration_s = (
            sum(getattr(run, name) for run in runs) / len(runs) for name in ("energy_j", "duration_s")
        )
        said.append(f"{NAMES[which]}: {shlex.join(command)}: mean {energy_j:.4g} J in {duration_s:.4g} s{worth}")
    said.append(f"energy of A over B: {_interval(comparison.energy)}, {sure}: {_ranked(comparison.energy)}{worth}")
    said.append(f"time of A over B: {_interval(comparison.time)}, {sure}")
    return said + _advice(trials, comparison)


def _advice(trials: Trials, comparison: Comparison) -> list[str]:
    said = []
    if comparison.energy.verdict is Verdict.UNDECIDED:
        said.append("more runs (--repeat) or longer ones make the interval smaller")
    gave_up = sum(bool(trial.wait.warm) for trial in trials.all)
    if gave_up:
        said.append(f"{gave_up} of {len(trials.all)} runs began warmer than the first: --cool-down-s waits longer")
    return said


def _interval(ratio: Ratio) -> str:
    estimate = "not known" if math.isnan(ratio.ratio) else f"{ratio.ratio:.4g}"
    return f"{estimate} ({_span(ratio)})"


def _span(ratio: Ratio) -> str:
    return f"{ratio.lo:.4g} to {ratio.hi:.4g}"


def _times(ratio: Ratio) -> str:
    return "not known" if math.isnan(ratio.ratio) else f"{ratio.ratio:.3g} times"


def _ranked(ratio: Ratio) -> str:
    return {
        Verdict.LESS: "A uses less",
        Verdict.MORE: "B uses less",
        Verdict.UNDECIDED: "not ranked, since 1 lies between these",
    }[ratio.verdict]


def document(trials: Trials, comparison: Comparison, whole: Measurement, footprint: Footprint | None = None) -> str:
    """The same as JSON."""
    entry: dict[str, Any] = {
        "schema": schema_tag(DOCUMENT, VERSION),
        "commands": dict(zip(NAMES, trials.commands, strict=True)),
        "seed": trials.seed,
        "cool_down_s": trials.cool_down_s,
        "provenance": trials.all[0].measurement.provenance,
        "confidence": comparison.confidence,
        "energy_ratio": {**plain(asdict(comparison.energy)), "verdict": comparison.energy.verdict},
        "time_ratio": {**plain(asdict(comparison.time)), "verdict": comparison.time.verdict},
        "whole": {**summed(whole), "footprint": None if footprint is None else plain(asdict(footprint))},
        "runs": [
            {
                "program": NAMES[trial.which],
                "waited_s": trial.wait.waited_s,
                "still_warm": trial.wait.warm,
                **summed(trial.measurement),
                "measurement": measurement_to_dict(trial.measurement),
            }
            for trial in trials.all
        ],
    }
    return json.dumps(entry, indent=2, allow_nan=False) + "\n"


def report_of(
    trials: Trials, comparison: Comparison, whole: Measurement, timeline: Timeline, footprint: Footprint | None
) -> RunReport:
    """What the HTML page shows."""
    from dataclasses import replace  # noqa: PLC0415

    from joulewise.cli.run_once import report_of as report_of_run  # noqa: PLC0415 (only --html draws)
    from joulewise.report.run_report import Table  # noqa: PLC0415

    runs, sure = len(trials.all) // 2, f"{comparison.confidence:.0%} confidence"
    page = report_of_run(Summary(("comparison",), 0, whole, footprint), timeline)
    undecided = comparison.energy.verdict is Verdict.UNDECIDED
    headline = (
        (_ranked(comparison.energy).partition(",")[0], "1 lies within the interval" if undecided else "of energy"),
        (_times(comparison.energy), f"energy of A over B: {_span(comparison.energy)}, {sure}"),
        (_times(comparison.time), f"time of A over B: {_span(comparison.time)}, {sure}"),
    )
    means = Table(
        "A and B",
        "; ".join(_advice(trials, comparison)),
        (
            ("program", "energy, mean", "time, mean"),
            *(_mean(f"{NAMES[n]}: {shlex.join(command)}", trials.of(n)) for n, command in enumerate(trials.commands)),
        ),
    )
    rows = [(t.measurement.name, *_figures(t.measurement), f"{t.wait.waited_s:.1f} s") for t in trials.all]
    each = Table(
        "Runs",
        "In the order in which they were made. The charts below show all of it, waits included.",
        (("run", "energy", "no less than", "no more than", "time", "waited before"), *rows),
    )
    began = page.subtitle.partition(",")[0]
    subtitle = f"{began}, {runs} runs of each, in turn"
    return replace(
        page, title="A or B: energy of two programs", subtitle=subtitle, headline=headline, tables=(means, each)
    )


def _mean(name: str, runs: list[Measurement]) -> tuple[str, str, str]:
    energy_j, duration_s = (sum(getattr(run, key) for run in runs) / len(runs) for key in ("energy_j", "duration_s"))
    return name, f"{energy_j:.4g} J", f"{duration_s:.4g} s"


def _figures(run: Measurement) -> tuple[str, str, str, str]:
    return f"{run.energy_j:.4g} J", f"{run.lo_j:.4g} J", f"{run.hi_j:.4g} J", f"{run.duration_s:.4g} s"
