"""From the answers of ``joulewise whatif`` to what its report page shows."""

from __future__ import annotations

from dataclasses import fields

from joulewise.cli.whatif_output import subtitle, tables, when
from joulewise.cli.whatif_run import Line, Result
from joulewise.records import Provenance
from joulewise.report.whatif_chart import Bar, Grid
from joulewise.report.whatif_report import WhatifReport
from joulewise.sim.whatif.asks import ASKS, BY_NAME
from joulewise.sim.whatif.contract import Contract
from joulewise.sim.whatif.problem import stalled_frac
from joulewise.sim.whatif.workload import PipelineWork


def page_of(result: Result) -> WhatifReport:
    """What the page shows."""
    work = result.chosen.work
    kinds = [line.provenance for line in result.lines] + [cell.provenance for cell in result.cells if cell.provenance]
    provenance = str(Provenance.weakest(map(Provenance, kinds)))
    asked = list(dict.fromkeys([line.ask for line in result.lines] + [axis.ask.name for axis in result.axes]))
    return WhatifReport(
        title="What better hardware would be worth",
        subtitle=f"{work.name}; {subtitle(result)}",
        provenance=provenance,
        cards=_cards(result),
        currency=result.fleet.currency,
        bars=bars_of(result.lines),
        grids=_grids(result),
        tables=tuple(tables(result)),
        facts=_facts(result),
        formula=result.fleet.formula,
        models=tuple((name, BY_NAME[name].model) for name in asked),
        without=result.without,
    )


def bars_of(lines: tuple[Line, ...]) -> tuple[Bar, ...]:
    """A bar for each ask that keeps the pace, the widest first."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        if 1.0 in line.money:
            found.setdefault(line.ask, []).append(line)
    bars = []
    for name, group in found.items():
        best, worst = max(group, key=_money), min(group, key=_money)
        extremes = (best,) if best is worst else (best, worst)
        ends = tuple((line.after, line.money[1.0], line.provenance) for line in extremes)
        bars.append(Bar(name, ends, group[0].before))
    return tuple(sorted(bars, key=lambda bar: -bar.reach))


def _money(line: Line) -> float:
    return line.money[1.0]


def _cards(result: Result) -> tuple[tuple[str, str], ...]:
    cards: list[tuple[str, str]] = []
    gains = [line for line in result.lines if line.money.get(1.0, 0.0) > 0]
    for line in gains[:3]:
        text = f"{result.fleet.currency} a year: {line.ask} {line.after} instead of {line.before}"
        cards.append((f"{line.money[1.0]:,.0f}", f"{text} ({line.provenance})"))
    for slowdown, (_, _, saved) in result.today.items():
        if slowdown in (1.0, *result.chosen.stragglers):
            cards.append((f"{saved:.1%}", f"saved today against the highest setting, {when(result, slowdown)}"))
    return tuple(cards)


def _grids(result: Result) -> tuple[Grid, ...]:
    if len(result.axes) != 2:
        return ()
    first, second = result.axes
    rows = tuple(first.ask.show(value) for value in first.values)
    columns = tuple(second.ask.show(value) for value in second.values)
    cells = {cell.values: cell for cell in result.cells}
    found = []
    for name, what, signed in (
        ("planned_frac", "Saved of all at the highest clock", False),
        ("interaction_frac", "Interaction, percentage points", True),
    ):
        for slowdown in (1.0, *result.chosen.stragglers):
            figures = tuple(
                tuple(
                    None if (v := getattr(cells[row, column], name)[slowdown]) is None else 100 * v
                    for column in columns
                )
                for row in rows
            )
            names = first.ask.name, second.ask.name
            found.append(Grid(f"{what}, {when(result, slowdown)}", names, rows, columns, figures, signed))
    return tuple(found)


def _facts(result: Result) -> tuple[tuple[str, str], ...]:
    chosen = result.chosen
    offered = chosen.work.offered(chosen.today)
    by_field = {ask.field: ask for ask in ASKS}
    found = [
        (by_field[item.name].what, by_field[item.name].show(getattr(offered, item.name))) for item in fields(Contract)
    ]
    if isinstance(chosen.work, PipelineWork):
        assumed = chosen.work.assumptions
        found += [
            ("loads of partitions (assumed)", ", ".join(f"{load:g}" for load in assumed.loads)),
            ("stalls of a computation (assumed)", f"{assumed.phases}"),
            ("power of a stalled core (assumed)", f"{stalled_frac(chosen.work):.0%} of a computing one"),
        ]
    fleet = result.fleet
    found.append(("price", f"{fleet.price_per_kwh:g} {fleet.currency}/kWh, {fleet.price_source}"))
    if fleet.g_per_kwh is not None:
        found.append(("carbon intensity", f"{fleet.g_per_kwh:g} g/kWh, {fleet.carbon_source}"))
    return tuple(found)
