"""What ``joulewise whatif`` shows and writes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from joulewise.cli.whatif_options import EQUAL_ENERGY
from joulewise.cli.whatif_run import Cell, Result
from joulewise.sim.whatif.asks import BY_NAME
from joulewise.sim.whatif.workload import PipelineWork
from joulewise.wire.atomic import write_text_atomically
from joulewise.wire.envelope import schema_tag

DOCUMENT, VERSION = "whatif", 1
Rows = tuple[tuple[str, ...], ...]


def show(result: Result) -> None:
    """Print what was found."""
    console = Console()

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    say(f"{result.chosen.work.name}: {subtitle(result)}")
    for slowdown, (until_s, energy_j, saved) in result.today.items():
        if slowdown in (1.0, *result.chosen.stragglers):
            taken = f"{energy_j:,.0f} J in {until_s:.4g} s"
            say(f"today, {when(result, slowdown)}: {taken}, {saved:.2%} below the highest setting")
    for title, heads, rows in tables(result, narrow=True):
        console.print(f"\n[italic]{title}[/italic]", highlight=False)
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for number, head in enumerate(heads):
            is_text = number == 0 or head in ("from", "to", "and", "figures")
            table.add_column(head, justify="left" if is_text else "right")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for line in result.lines:
        if line.note.endswith("are chance"):
            say(f"{line.ask} {line.after}: {line.note.rpartition('; ')[2]}")
    for name, why in result.without:
        say(f"does not apply: {name}: {why}")
    say(f"per year: {result.fleet.formula}")


def subtitle(result: Result) -> str:
    """Which hardware plans, and at which size."""
    work = result.chosen.work
    if isinstance(work, PipelineWork):
        return f"time and energy x {work.scale:g}, {work.gpus_per_rank} GPUs a stage"
    return f"one device, {work.steps:,} steps"


def when(result: Result, slowdown: float) -> str:
    """A deadline, for people: a pipeline waits for a straggler, a job is allowed more time."""
    if slowdown == 1:
        return "no slowdown"
    return f"{'straggler' if isinstance(result.chosen.work, PipelineWork) else 'allowed'} {slowdown:g}x"


def tables(result: Result, *, narrow: bool = False) -> list[tuple[str, tuple[str, ...], Rows]]:
    """Titles, heads and rows of all tables; narrow ones fit 80 columns."""
    found = []
    if result.lines:
        found.append(("Each ask alone, against today planned anew", *line_rows(result, narrow)))
    if result.pairs:
        found.append(("Two asks together, no slowdown", *pair_rows(result)))
    if result.cells:
        found += grid_tables(result)
    return found


def line_rows(result: Result, narrow: bool = False) -> tuple[tuple[str, ...], Rows]:
    """One row for each ask and value."""
    straggler = result.chosen.stragglers[0]
    currency = result.fleet.currency
    tonnes = result.fleet.g_per_kwh is not None
    heads: tuple[str, ...] = ("ask",) if narrow else ("ask", "from", "to")
    heads += ("J less", "less", f"at {straggler:g}x", "sooner s", f"{currency}/year")
    heads += ("t/year", "figures") if tonnes else ("figures",)
    rows = []
    for line in result.lines:
        cells = [f"{line.ask} {line.after}"] if narrow else [line.ask, line.before, line.after]
        cells += [
            _signed(joules := line.saved_j.get(1.0), ",.0f" if joules is None or abs(joules) >= 100 else ",.2f"),
            _percent(line.saved_frac.get(1.0)),
            _percent(line.saved_frac.get(straggler)),
            _signed(line.sooner_s, ".2f"),
            _signed(line.money.get(1.0), ",.0f"),
        ]
        if tonnes:
            cells.append(_signed(line.tonnes.get(1.0), ",.0f"))
        rows.append((*cells, line.provenance))
    return heads, tuple(rows)


def pair_rows(result: Result) -> tuple[tuple[str, ...], Rows]:
    """One row for each pair."""
    currency = result.fleet.currency
    heads = ("ask", "and", "J less", "of it interaction", f"{currency}/year of it")
    rows = tuple(
        (one.one, one.other, f"{one.both_j:+,.0f}", f"{one.interaction_j:+,.0f}", f"{one.interaction_money:+,.0f}")
        for one in result.pairs
    )
    return heads, rows


def grid_tables(result: Result) -> list[tuple[str, tuple[str, ...], Rows]]:
    """Saving, interaction and money; for two asks as matrices, else one row for each point."""
    slowdowns = (1.0, *result.chosen.stragglers)
    currency = result.fleet.currency
    if len(result.axes) != 2:
        heads = [axis.ask.name for axis in result.axes]
        for slowdown in slowdowns:
            heads += [f"saves {_when(slowdown)}", f"{currency}/year {_when(slowdown)}"]
        rows = []
        for cell in result.cells:
            cells = list(cell.values)
            for slowdown in slowdowns:
                cells += [_percent(cell.planned_frac[slowdown]), _signed(cell.money[slowdown], ",.0f")]
            rows.append((*cells, cell.provenance or f"does not apply: {cell.reason}"))
        return [("Planned anew", (*heads, "figures"), tuple(rows))]
    found = []
    knob = "clock" if isinstance(result.chosen.work, PipelineWork) else "limit"
    for slowdown in slowdowns:
        found.append(
            (
                f"Saved of all at the highest {knob}, {when(result, slowdown)}",
                *_matrix(result, "planned_frac", slowdown),
            )
        )
    for slowdown in slowdowns:
        found.append(
            (
                f"Interaction, points of the same, {when(result, slowdown)}",
                *_matrix(result, "interaction_frac", slowdown),
            )
        )
    found.append((f"{currency} a year against today, no slowdown", *_matrix(result, "money", 1.0)))
    return found


def _when(slowdown: float) -> str:
    return "" if slowdown == 1 else f"at {slowdown:g}x"


def _matrix(result: Result, name: str, slowdown: float) -> tuple[tuple[str, ...], Rows]:
    first, second = result.axes
    heads = (first.ask.name, *(second.ask.show(value) for value in second.values))
    by_values: dict[tuple[str, ...], Cell] = {cell.values: cell for cell in result.cells}
    rows = []
    for value in first.values:
        label = first.ask.show(value)
        cells = [getattr(by_values[label, second.ask.show(other)], name)[slowdown] for other in second.values]
        if name == "money":
            rows.append((label, *(_signed(cell, ",.0f") for cell in cells)))
        else:
            rows.append((label, *(_percent(cell, signed=name != "planned_frac") for cell in cells)))
    return heads, tuple(rows)


def _percent(value: float | None, *, signed: bool = True) -> str:
    if value is None:
        return "-"
    text = f"{100 * value:+.2f}%" if signed else f"{100 * value:.2f}%"
    return text.replace("-0.00%", "0.00%").replace("+0.00%", "0.00%")


def _signed(value: float | None, form: str) -> str:
    if value is None:
        return "-"
    text = format(value, "+" + form)
    return text.lstrip("+-") if float(text.replace(",", "")) == 0 else text


def write_json(path: Path, result: Result) -> None:
    """Write all figures."""
    work = result.chosen.work
    document: dict[str, Any] = {
        "schema": schema_tag(DOCUMENT, VERSION),
        "workload": work.name,
        "source": result.chosen.source,
        "today": asdict(work.offered(result.chosen.today)),
        "assumptions": asdict(work.assumptions) if isinstance(work, PipelineWork) else {},
        "fleet": {**asdict(result.fleet), "formula": result.fleet.formula},
        "equal_energy_slowdown": EQUAL_ENERGY,
        "planned_today": [
            {"slowdown": at, "until_s": until_s, "energy_j": energy_j, "saving_frac": saved}
            for at, (until_s, energy_j, saved) in result.today.items()
        ],
        "asks": [_by_slowdown(asdict(line)) for line in result.lines],
        "pairs": [asdict(pair) for pair in result.pairs],
        "grid": [
            {"asks": [axis.ask.name for axis in result.axes], **_by_slowdown(asdict(cell))} for cell in result.cells
        ],
        "models": {name: BY_NAME[name].model for name in _asked(result)},
        "does_not_apply": dict(result.without),
    }
    write_text_atomically(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def _asked(result: Result) -> list[str]:
    names = [line.ask for line in result.lines] + [axis.ask.name for axis in result.axes]
    return list(dict.fromkeys(names))


def _by_slowdown(fields: dict[str, Any]) -> dict[str, Any]:
    """Mappings by slowdown with text for keys, as JSON wants."""
    return {
        name: {f"{at:g}x": each for at, each in value.items()} if isinstance(value, dict) else value
        for name, value in fields.items()
    }


def write_html(path: Path, result: Result) -> None:
    """Write the report page."""
    from joulewise.cli.whatif_page import page_of  # noqa: PLC0415
    from joulewise.report.whatif_report import write_whatif_report  # noqa: PLC0415

    write_whatif_report(path, page_of(result))
