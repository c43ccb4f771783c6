"""What ``joulewise recurring replay`` shows and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from joulewise.cli.recurring_run import Cell, Plan
from joulewise.report.recurring import PolicyCurves, RecurringReport, write_recurring_report
from joulewise.sim.recurring_study import Outcome

HEADS = (
    "job, target, GPU",
    "policy",
    "cumulative cost",
    "regret",
    "±",
    "last-5 energy %",
    "last-5 time %",
    "cost saved %",
    "stuck",
)
SUM = "all of them"
_NOTES = (
    "Cost and regret are in oracle runs: what the best batch size at its best power limit is expected to cost. "
    "Figures are means over seeds; ± is the standard deviation of regret over them.",
    "Savings are in % of changing nothing: the default batch size at the highest power limit. The policy 'default' "
    "keeps that size, but runs it at the limit at which it costs least.",
    "The first run of a size tries all power limits in its first epoch. A recurrence that has not reached its target "
    "after 20 tries is stuck; what it cost is kept.",
)


def show_and_write(
    path: Path, plan: Plan, outcomes: Mapping[Cell, list[Outcome]], notes: Sequence[str], eta: float
) -> None:
    """Print the table and write the report."""
    rows = table_rows(plan, outcomes)
    console = Console()
    console.print(f"[bold]{title(plan)}[/bold]\n{subtitle(plan, eta)}\n", highlight=False, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in HEADS:
        is_name = head in HEADS[:2]
        words = head if is_name else head.replace(" ", "\n", 1)
        table.add_column(words, justify="left" if is_name else "right", no_wrap=head != HEADS[0])
    before = ""
    for name, *cells in rows:
        table.add_row("" if name == before else name, *cells)
        before = name
    console.print(table)
    for note in notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    worlds = tuple(
        (world.name, tuple(_curves(name, outcomes[name, number]) for name in plan.policies))
        for number, world in enumerate(plan.worlds)
    )
    report = RecurringReport(title(plan), subtitle(plan, eta), worlds, (HEADS, *rows), (*_NOTES, *notes))
    write_recurring_report(path, report)
    console.print(f"report: {path}", highlight=False, soft_wrap=True)


def title(plan: Plan) -> str:
    """How much was replayed."""
    streams = len(plan.worlds) * len(plan.policies) * len(plan.seeds)
    parts = (_counted(len(plan.worlds), "recurring job"), _counted(plan.recurrences, "recurrence"))
    return f"{', '.join(parts)}, {_counted(len(plan.seeds), 'seed')}: {_counted(streams, 'stream')} replayed"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count > 1 else ''}"


def subtitle(plan: Plan, eta: float) -> str:
    """Goal and chance."""
    seeds = f"seeds from {plan.seeds[0]} to {plan.seeds[-1]}"
    overlap = f"; {plan.load:g} submissions under way on average" if plan.load else ""
    return f"eta {eta:g}; {seeds}; costs in oracle runs, savings in % of changing nothing{overlap}"


def table_rows(plan: Plan, outcomes: Mapping[Cell, list[Outcome]]) -> tuple[tuple[str, ...], ...]:
    """One row for each world and policy, and at the end those of all worlds together."""
    rows = []
    for number, world in enumerate(plan.worlds):
        for name in plan.policies:
            rows.append((world.name, name, *_figures([outcomes[name, number]])))
    if len(plan.worlds) > 1:
        for name in plan.policies:
            every = [outcomes[name, number] for number in range(len(plan.worlds))]
            rows.append((SUM, name, *_figures(every)))
    return tuple(rows)


def _figures(worlds: Sequence[list[Outcome]]) -> tuple[str, ...]:
    """Sums over worlds of cost and regret, means of savings."""
    regrets = np.array([[one.regret for one in of_world] for of_world in worlds]).sum(axis=0)  # (seeds, recurrences)
    count = regrets.shape[1] * len(worlds)
    ends = regrets[:, -1]
    saved = [
        float(np.mean([getattr(one, what) for of_world in worlds for one in of_world]))
        for what in ("last_energy_saved", "last_time_saved", "cost_saved")
    ]
    percents = ("n/a" if np.isnan(value) else f"{value:+.1f}" for value in saved)
    stuck = sum(one.stuck for of_world in worlds for one in of_world)
    spread = f"{ends.std(ddof=1):.1f}" if len(ends) > 1 else ""
    return f"{count + ends.mean():.1f}", f"{ends.mean():.1f}", spread, *percents, str(stuck)


def _curves(name: str, of_world: Sequence[Outcome]) -> PolicyCurves:
    saved = float(np.mean([one.last_energy_saved for one in of_world]))
    return PolicyCurves(name, np.array([one.regret for one in of_world]), saved)
