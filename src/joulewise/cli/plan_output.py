"""What ``joulewise plan`` shows and writes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from joulewise.errors import UsageError
from joulewise.frontier import Frontier
from joulewise.optimize.pipeline.comparison import Comparison, Outcome
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.report.pipeline import write_report
from joulewise.report.plan_report import plan_report
from joulewise.wire.atomic import write_text_atomically

PREFIX = "plan, "
"""How names of plans begin."""

Rows = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


@dataclass(frozen=True, eq=False)
class Result:
    """All that was found for one problem."""

    source: Path
    problem: PipelineProblem
    frontier: Frontier
    comparison: Comparison
    tensor_parallel: int
    data_parallel: int


def check_folder(folder: Path) -> None:
    """Refuse an output folder that cannot be one, before any work is done."""
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        seen = f"{above} is {'a folder that refuses to be written' if above.is_dir() else 'no folder'}"
        raise UsageError(f"cannot write into {folder}", seen, "name another folder with -o")


def show_and_write(folder: Path, result: Result) -> None:
    """Print the tables and write plan.json, frontier.json and report.html."""
    realised, saved, certified = (make(result.comparison) for make in (realised_rows, saving_rows, certificate_rows))
    console = Console()
    console.print(f"[bold]{title(result)}[/bold]\n{subtitle(result)}\n", highlight=False)
    _print(console, "Realised on the profile's own times and energies", realised)
    _print(console, "Energy saved against the best that others do in the same time", saved)
    _print(console, "Predicted by the relaxation, realised by the plan", certified)
    for note in result.problem.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write into {folder}", str(error), "name another folder with -o") from error
    for name, outcome in _plan_files(result.comparison):
        if outcome.plan is not None:
            write_text_atomically(folder / name, json.dumps(outcome.plan.to_dict(), separators=(",", ":")))
    write_text_atomically(folder / "frontier.json", result.frontier.json_parts(operations=_operations(result.problem)))
    report = plan_report(
        title(result),
        subtitle(result),
        problem=result.problem,
        frontier=result.frontier,
        comparison=result.comparison,
        table=_merged(realised, saved, certified),
        facts=facts(result),
    )
    write_report(folder / "report.html", report)
    console.print(
        f"plan:     {folder / 'plan.json'}\nfrontier: {folder / 'frontier.json'}", highlight=False, soft_wrap=True
    )
    console.print(f"report:   {folder / 'report.html'}", highlight=False, soft_wrap=True)


def _operations(problem: PipelineProblem) -> list[dict[str, Any]]:
    """What the settings of a frontier's points belong to, in their order."""
    return [
        {"rank": o.rank, "operation": str(o.instruction), "stage": o.stage, "microbatch": o.microbatch}
        | ({"label": o.label} if o.label else {})
        for o in problem.schedule.operations
    ]


def title(result: Result) -> str:
    """Schedule, size and profile."""
    schedule = result.problem.schedule
    microbatches = 1 + max(operation.microbatch for operation in schedule.operations)
    size = f"{schedule.ranks} ranks x {microbatches} microbatches" if microbatches else f"{schedule.ranks} ranks"
    return f"{schedule.name}, {size}, {result.source.name}"


def subtitle(result: Result) -> str:
    """What the energies count, and where they come from."""
    gpus = result.problem.schedule.ranks * result.tensor_parallel * result.data_parallel
    counted = f"energy of {gpus} GPUs"
    if gpus > result.problem.schedule.ranks:
        counted += f" (tensor parallel {result.tensor_parallel}, data parallel {result.data_parallel})"
    return f"{counted} per iteration, waiting included; the profile is {result.problem.provenance}"


def facts(result: Result) -> tuple[tuple[str, str], ...]:
    """What else is worth knowing of the first plan."""
    plan = result.comparison.plans[0].plan
    powers = sorted({round(float(p), 2) for p in result.problem.wait_power_w})
    found = [
        ("profile", str(result.source)),
        ("operations", f"{len(result.problem.kind)}"),
        ("waiting power of a rank", " to ".join(f"{p:g} W" for p in (powers[:1] + powers[1:][-1:]))),
        ("plans on the frontier", f"{len(result.frontier)}"),
    ]
    if plan is not None:
        found += [
            ("solver", plan.solver),
            ("gap to the lower bound", f"{plan.gap_frac:.3%}"),
            ("clock switches", f"{plan.switches}"),
        ]
        if plan.switch:
            found.append(("switch latency", f"{plan.switch.latency_s:g} s"))
        if plan.switch.jitter_frac:
            kept = f"{plan.switch.confidence:.0%} of iterations take at most {plan.time_s:.4f} s"
            found.append(("switch jitter", f"{plan.switch.jitter_frac:.0%}; {kept}"))
            found.append(("expected", f"{plan.expected_s:.4f} s, {plan.expected_j:,.1f} J"))
    return tuple(found)


def realised_rows(comparison: Comparison) -> Rows:
    """Time, energy, power and saving of every outcome."""
    heads = ("", "time s", "slowdown", "energy J", "power W", "saving")
    rows = []
    for outcome in (*comparison.baselines, *comparison.plans):
        slowdown = f"{comparison.slowdown(outcome) - 1:+.2%}".replace("-0.00", "+0.00")
        saving = (
            "" if outcome is comparison.reference else f"{1 - outcome.energy_j / comparison.reference_j(outcome):+.2%}"
        )
        figures = (f"{outcome.until_s:.4f}", slowdown, _figure(outcome.energy_j), _figure(outcome.power_w), saving)
        rows.append((outcome.name, *figures))
    return heads, tuple(rows)


def saving_rows(comparison: Comparison) -> Rows:
    """What every plan saves against every method in the same time: a row for each method."""
    rows = []
    for baseline in comparison.baselines:
        saved = (against.get(baseline.name) for against in comparison.against)
        rows.append((baseline.name, *("too slow" if part is None else f"{part:+.2%}" for part in saved)))
    return ("", *(_short(outcome) for outcome in comparison.plans)), tuple(rows)


def certificate_rows(comparison: Comparison) -> Rows:
    """Predicted beside realised figures, gap and switches of every plan, each up to its own end."""
    heads = ("", "predicted\ns", "realised\ns", "predicted\nJ", "realised\nJ", "gap", "switches")
    rows = []
    for outcome in comparison.plans:
        plan = outcome.plan
        if plan is not None:
            times = (f"{plan.deadline_s:.4f}", f"{plan.time_s:.4f}")
            energies = (_figure(plan.predicted_j), _figure(plan.energy_j))
            rows.append((_short(outcome), *times, *energies, f"{plan.gap_frac:.3%}", f"{plan.switches:,}"))
    return heads, tuple(rows)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1e5 else f"{value:,.1f}"


def _short(outcome: Outcome) -> str:
    return outcome.name.removeprefix(PREFIX)


def _merged(realised: Rows, saved: Rows, certified: Rows) -> Rows:
    """One wide table for the page: what is realised, then for plans what they save, their prediction and their gap."""
    columns = (5, 6, 1, 3)  # gap, switches, predicted time and energy
    rivals = saved[1][1:]  # all at max clock is what the saving refers to already
    names = [f"vs {row[0].split('(')[-1].rstrip(')')}" for row in rivals]
    heads = (*realised[0], *(certified[0][i].replace("\n", " ") for i in columns), *names)
    blank = ("",) * (len(rivals) + len(columns))
    extra = {}
    for number, row in enumerate(certified[1], start=1):
        extra[PREFIX + row[0]] = (*(row[i] for i in columns), *(rival[number] for rival in rivals))
    return heads, tuple((*row, *extra.get(row[0], blank)) for row in realised[1])


def _print(console: Console, title: str, rows: Rows) -> None:
    table = Table(title=title, title_justify="left", title_style="italic", box=SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(rows[0]):
        table.add_column(head, justify="right" if number else "left")
    for row in rows[1]:
        table.add_row(*row)
    console.print(table)


def _plan_files(comparison: Comparison) -> list[tuple[str, Outcome]]:
    """The first plan as plan.json, every other under its own name."""
    first, *others = comparison.plans
    named = [("plan-" + _short(o).replace(" ", "-") + ".json", o) for o in others]
    return [("plan.json", first), *named]
