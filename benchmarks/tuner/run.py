"""Measure what is claimed of the tuner of one job; see README.md.

python benchmarks/tuner/run.py             everything: about five minutes
python benchmarks/tuner/run.py --quick     one seed, fewer jobs: less than a minute, writes no file
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

import numpy as np
from cases import (
    DATA,
    GPUS,
    ROOT,
    STEP_FRAC,
    Case,
    Run,
    by_law,
    goals_of,
    measured,
    noise_of,
    on_chips,
    run,
    summary,
    sweep_of,
    tuner_of,
)

from joulewise.optimize.power import Effort
from joulewise.sim.job import SimulatedJob

GOALS = tuple(goals_of(1.0))
NOISE_LEVELS = (0.0, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1)
EFFORTS = [Effort(worth_frac=worth, precision_frac=precision, look_steps=look)
           for worth, precision, look in product((0.0005, 0.001, 0.003), (0.005, 0.01, 0.02), (5, 10, 20))]  # fmt: skip
TWINS = {"law": "a100"}
CHECK_STEPS = Effort().warmup_steps + Effort().max_steps // 2 + 5
"""A run that needs no search: warming up, one probe, and some steps for runs that do."""


@dataclass(frozen=True)
class Claim:
    """One number that is claimed not to be above a limit."""

    what: str
    measured: float
    limit: float

    @property
    def holds(self) -> bool:
        """Whether it is not."""
        return self.measured <= self.limit

    def __str__(self) -> str:
        """One line."""
        return f"{'holds' if self.holds else 'FAILS':5} {self.measured:8.3f} <= {self.limit:<6g} {self.what}"


Section = tuple[list[Claim], list[str], dict[str, Any]]


def job_of(case: Case, seed: int, step_frac: float = STEP_FRAC, *, epochs: bool = False) -> SimulatedJob:
    """The job with noise; if asked, with epochs as long as those of its data set."""
    rng = np.random.default_rng(seed)
    return SimulatedJob(
        case.table, noise_of(_twin(case), step_frac), rng, epoch_steps=case.epoch_steps if epochs else None
    )


def tuned(cases: list[Case], seeds: int, step_frac: float = STEP_FRAC, effort: Effort | None = None) -> list[Run]:
    """Ours on every case, goal and seed."""
    return [
        run(case, goal, tuner_of(case, goal, effort=effort), job_of(case, seed, step_frac))
        for case, goal, seed in product(cases, GOALS, range(seeds))
    ]


def swept(cases: list[Case], seeds: int, step_frac: float = STEP_FRAC) -> list[Run]:
    """Zeus's sweep on the same."""
    return [
        run(case, goal, sweep_of(case, goal), job_of(case, seed, step_frac))
        for case, goal, seed in product(cases, GOALS, range(seeds))
    ]


def _twin(case: Case) -> str:
    return TWINS.get(case.gpu, case.gpu.split(" ")[0])


def _lines(title: str, ours: dict[str, float], sweep: dict[str, float] | None) -> list[str]:
    lines = [_line(title, "ours", ours)]
    if "steps_of_sweep_frac" in ours:
        shares = [round(100 * ours[f"{name}_of_sweep_frac"]) for name in ("steps", "worst_steps", "energy")]
        lines.append(f"  {'':33}steps {shares[0]} % of the sweep's, at worst {shares[1]} %; energy {shares[2]} %")
    return lines + ([_line(title, "sweep", sweep)] if sweep else [])


def _line(title: str, who: str, line: dict[str, float]) -> str:
    return (
        f"  {title:26} {who:5} regret mean {line['mean_regret_percent']:6.3f} %, "
        f"worst {line['worst_regret_percent']:5.1f} %, "
        f"above 1 %: {line['runs_above_1_percent']:3.0f} of {line['runs']:4.0f}, "
        f"over the limit by 1 %: {line['runs_over_limit_by_1_percent']:2.0f}, "
        f"steps {line['mean_steps']:6.1f}, "
        f"settings {line['mean_settings_probed']:4.1f} of {line['mean_candidates']:4.1f}"
    )


def tables(quick: bool) -> Section:
    """Every job and batch size that was measured."""
    seeds = 1 if quick else 5
    lines, details, claims, everything = [], {}, [], ([], [])
    for gpu in GPUS:
        cases = measured(gpu)
        ours, sweep = tuned(cases, seeds), swept(cases, seeds)
        everything[0].extend(ours)
        everything[1].extend(sweep)
        lines.append(f"  {gpu}: regret of ours | of the sweep [%], mean of {seeds} seeds; steps before the choice")
        lines.append(f"    {'job':46} " + " ".join(f"{goal:>15}" for goal in GOALS) + "   steps ours | sweep")
        jobs = []
        for case in cases:
            pair = [[one for one in runs if one.case is case] for runs in (ours, sweep)]
            cells = []
            for goal in GOALS:
                mean = [100 * float(np.mean([one.regret_frac for one in runs if one.goal == goal])) for runs in pair]
                cells.append(mean)
            steps = [float(np.mean([one.steps for one in runs])) for runs in pair]
            lines.append(f"    {case.table.name:46} " + " ".join(f"{a:6.2f} | {b:6.2f}" for a, b in cells)
                         + f"   {steps[0]:10.0f} | {steps[1]:5.0f}")  # fmt: skip
            regrets = dict(zip(GOALS, cells, strict=True))
            jobs.append({"job": case.table.name, "regret_percent": regrets, "steps": steps})
        details[gpu] = {"ours": summary(ours, sweep), "sweep": summary(sweep), "jobs": jobs}
        lines += _lines(gpu, summary(ours, sweep), summary(sweep))
    both, theirs = summary(*everything), summary(everything[1])
    for goal in GOALS:
        pair = [[one for one in runs if one.goal == goal] for runs in everything]
        lines += _lines(f"both GPUs, {goal}", summary(*pair), summary(pair[1]))
        details[goal] = {"ours": summary(*pair), "sweep": summary(pair[1])}
    lines += _lines("both GPUs, all goals", both, theirs)
    details["all"] = {"ours": both, "sweep": theirs}
    claims.append(
        Claim("mean regret [%] over every measured job, batch size and goal", both["mean_regret_percent"], 1.0)
    )
    claims += [Claim(f"mean regret [%], {goal}", details[goal]["ours"]["mean_regret_percent"], 1.0) for goal in GOALS]
    claims.append(Claim("probing steps, of those of Zeus's sweep, in total", both["steps_of_sweep_frac"], 0.5))
    claims.append(
        Claim("probing steps, of those of Zeus's sweep, worst single run", both["worst_steps_of_sweep_frac"], 0.5)
    )
    return claims, lines, details


def noise(quick: bool) -> Section:
    """How regret and steps depend on noise."""
    cases, seeds = [case for gpu in GPUS for case in measured(gpu)], 1 if quick else 2
    lines, details, claims = [], {}, []
    for level in NOISE_LEVELS[::3] if quick else NOISE_LEVELS:
        ours, sweep = tuned(cases, seeds, level), swept(cases, seeds, level)
        details[str(level)] = {"ours": summary(ours, sweep), "sweep": summary(sweep)}
        lines += _lines(f"steps scatter by {100 * level:g} %", summary(ours, sweep), summary(sweep))
        if level in (0.0, 0.02):
            mean = details[str(level)]["ours"]["mean_regret_percent"]
            claims.append(Claim(f"mean regret [%] if steps scatter by {100 * level:g} %", mean, 1.0))
    return claims, lines, details


def scatter(_: bool) -> Section:
    """What the tables themselves say of noise: epochs at limits that a job never comes near are repetitions."""
    lines, details = [], {}
    for gpu in GPUS:
        times, powers = [], []
        for case in measured(gpu):
            table = case.table
            free = np.array([float(w) for w in table.settings]) > 1.2 * table.power_w.max()  # type: ignore[arg-type]
            if free.sum() >= 3:
                times.append(_spread_percent(table.step_s[free]))
                powers.append(_spread_percent(table.power_w[free]))
        time, power = float(np.median(times)), float(np.median(powers))
        details[gpu] = {"jobs": len(times), "time_percent": time, "power_percent": power}
        lines.append(
            f"  {gpu}: {len(times)} jobs stay 20 % below three limits or more; between these, "
            f"epochs scatter by {time:.2f} % in time and {power:.2f} % in power (median)"
        )
    return [], lines, details


def _spread_percent(values: np.ndarray) -> float:
    """Sample standard deviation over the mean [%]."""
    return 100 * float(values.std(ddof=1) / values.mean())


def elsewhere(quick: bool) -> Section:
    """Problems that it was not designed on."""
    jobs = 2 if quick else 10
    groups: dict[str, list[Case]] = {}
    for case in [*on_chips(1, jobs), *by_law(2, 10 * jobs)]:
        groups.setdefault(case.gpu, []).append(case)
    lines, details, claims = [], {}, []
    for name, cases in groups.items():
        ours, sweep = tuned(cases, 1), swept(cases, 1)
        details[name] = {"ours": summary(ours, sweep), "sweep": summary(sweep)}
        lines += _lines(name, summary(ours, sweep), summary(sweep))
        claims.append(Claim(f"mean regret [%] on {name}", details[name]["ours"]["mean_regret_percent"], 1.0))
        claims.append(
            Claim(f"probing steps, of those of the sweep, on {name}", details[name]["ours"]["steps_of_sweep_frac"], 0.5)
        )
    return claims, lines, details


def again(quick: bool) -> Section:
    """Epochs as they are, down to six steps, and a second run that starts from what the first one knew."""
    first, second, searched = [], [], 0
    for gpu, seed in product(GPUS, range(1 if quick else 2)):
        for case, goal in product(measured(gpu), GOALS):
            tuner = tuner_of(case, goal)
            first.append(run(case, goal, tuner, job_of(case, seed, epochs=True)))
            later = tuner_of(case, goal, known=tuner.points())
            second.append(run(case, goal, later, job_of(case, 1000 + seed, epochs=True)))
            searched += len(later.points()) < len(tuner.points()) or second[-1].steps > 3 * CHECK_STEPS
    ours, later_runs = summary(first), summary(second)
    lines = _lines("first run, real epochs", ours, None) + _lines("second run", later_runs, None)
    lines.append(f"  {'':33}searched anew in {searched} of {len(second)} second runs")
    claims = [
        Claim("mean regret [%] with epochs as long as those of the data sets", ours["mean_regret_percent"], 1.0),
        Claim("mean regret [%] of second runs", later_runs["mean_regret_percent"], 1.0),
        Claim("mean steps of second runs before the choice", later_runs["mean_steps"], CHECK_STEPS),
    ]
    return claims, lines, {"first": ours, "second": later_runs, "searched_anew": searched}


def left_out(quick: bool) -> Section:
    """Constants chosen on one GPU, judged on the other: what choosing them can have gained."""
    efforts = EFFORTS[::5] if quick else EFFORTS
    table = {
        gpu: [summary(tuned(measured(gpu), 1, effort=effort))["mean_regret_percent"] for effort in efforts]
        for gpu in GPUS
    }
    lines, details, claims = [], {"variants": len(efforts)}, []
    for chosen_on, judged_on in (GPUS, GPUS[::-1]):
        best = int(np.argmin(table[chosen_on]))
        regret, ours = (
            table[judged_on][best],
            table[judged_on][efforts.index(Effort())] if Effort() in efforts else None,
        )
        spread = [min(table[judged_on]), max(table[judged_on])]
        details[f"chosen on {chosen_on}, judged on {judged_on}"] = {
            "regret_percent": regret,
            "shipped_percent": ours,
            "range_percent": spread,
        }
        shipped = "" if ours is None else f", with those shipped {ours:.3f} %"
        lines.append(f"  constants of {chosen_on} on {judged_on}: regret {regret:.3f} %{shipped}; "
                     f"{len(efforts)} variants lie between {spread[0]:.3f} and {spread[1]:.3f} %")  # fmt: skip
        claims.append(Claim(f"mean regret [%] on {judged_on} with constants chosen on {chosen_on} alone", regret, 1.0))
    return claims, lines, details


SECTIONS: dict[str, Callable[[bool], Section]] = {
    "measured tables": tables,
    "noise": noise,
    "scatter of the tables": scatter,
    "elsewhere": elsewhere,
    "epochs and second runs": again,
    "one GPU left out": left_out,
}


def commit() -> str:
    """The commit of the checkout, marked if its sources have changes of their own."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False
        ).stdout.strip()

    parts = (
        "src/joulewise/optimize/power",
        "src/joulewise/sim/job.py",
        "src/joulewise/sim/replay.py",
        "benchmarks/tuner/*.py",
    )
    changed = git("status", "--porcelain", "--untracked-files=no", "--", *parts)
    return (git("rev-parse", "HEAD") or "unknown") + (" with changes" if changed else "")


def main() -> None:
    """Run, print, and write result.json."""
    parser = argparse.ArgumentParser(description="Measure what is claimed of the tuner of one job.")
    parser.add_argument("--quick", action="store_true", help="one seed and fewer jobs; writes no file by default")
    parser.add_argument("--output", type=Path, help="file for the result")
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.exit("the public tables of power limits are not at ../shared/data/zeus_nsdi23 (from the project's root)")
    output = options.output or (None if options.quick else Path(__file__).with_name("result.json"))
    result: dict[str, Any] = {"commit": commit(), "sections": {}}
    failed = total = 0
    for title, measure in SECTIONS.items():
        claims, lines, details = measure(options.quick)
        sys.stdout.write("\n".join([f"\n{title}", *lines, *(f"  {claim}" for claim in claims)]) + "\n")
        sys.stdout.flush()
        rows = [{"what": one.what, "measured": one.measured, "limit": one.limit, "holds": one.holds} for one in claims]
        result["sections"][title] = {"claims": rows, **details}
        failed, total = failed + sum(not one.holds for one in claims), total + len(claims)
    if output is not None:
        output.write_text(json.dumps(_rounded(result), indent=1) + "\n")
    sys.stdout.write(f"\n{failed} of {total} claims fail\n")
    sys.exit(bool(failed))


def _rounded(value: object) -> object:
    """Floats to four digits: what lies beyond is chance."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
