"""Evaluate the points of a question, wherever, and read the answers from them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from joulewise.cli.whatif_options import EQUAL_ENERGY, Chosen
from joulewise.errors import UsageError
from joulewise.sim.sweep import open_executor, run_sweep
from joulewise.sim.whatif.asks import value_of
from joulewise.sim.whatif.evaluate import evaluate, is_learned
from joulewise.sim.whatif.fleet import Fleet
from joulewise.sim.whatif.row import Row, Value, figures_at
from joulewise.sim.whatif.study import (
    Answers,
    Axis,
    Corner,
    Point,
    changed,
    corners,
    grid,
    one_at_a_time,
    pairs,
    parse_axis,
)

FEW = 4
"""Fewer points than this are not worth starting processes for."""


@dataclass(frozen=True)
class Sweep:
    """Where points are evaluated, and what is kept of them."""

    chosen: Chosen
    on: str | None
    processes: int | None
    resume: Path | None

    def answers(self, points: Sequence[Point], text: str) -> Answers:
        """Evaluate points, with a bar that moves.

        Raises:
            UsageError: If a point failed for a reason that is not the user's.
        """
        here = 1 if self.on is None and self.processes is None and len(points) < FEW else self.processes
        call = partial(evaluate, work=self.chosen.work, today=self.chosen.today)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(text, total=len(points))
            with open_executor(self.on, here) as executor:
                rows = run_sweep(
                    call, points, executor=executor, store=self.resume,
                    on_progress=lambda done, total: bar.update(task, completed=done, total=total),
                )  # fmt: skip
        failed = next((row for row in rows if row.error is not None), None)
        if failed is not None:
            raise UsageError(f"a point failed: {dict(failed.point)}", str(failed.error), "say so: it is a defect")
        found: list[Row] = [dict(row.values) for row in rows]
        return Answers.of(points, found, self.chosen.today, self.chosen.work)


@dataclass(frozen=True)
class Line:
    """One ask at one value, priced.

    Attributes:
        ask, before, after: Names of the ask, of today's value and of the asked one.
        saved_j: What an iteration draws less than under today's contract [J], by slowdown.
        saved_frac: The same, of what it draws today.
        planned_frac: What planning or tuning saves under the asked contract, of everything at the highest setting.
        sooner_s: By how much an iteration ends sooner on today's energy at ``EQUAL_ENERGY`` [s].
        kwh, money, tonnes: Of a year, by slowdown.
        gpu_hours: That ``sooner_s`` frees in a year.
        provenance, note: Of the figures.
    """

    ask: str
    before: str
    after: str
    saved_j: dict[float, float]
    saved_frac: dict[float, float]
    planned_frac: dict[float, float]
    sooner_s: float | None
    kwh: dict[float, float]
    money: dict[float, float]
    tonnes: dict[float, float | None]
    gpu_hours: float | None
    provenance: str
    note: str


@dataclass(frozen=True)
class Pair:
    """Two asks together: what they save [J], and beyond what they save one by one, without straggler."""

    one: str
    other: str
    both_j: float
    interaction_j: float
    interaction_money: float


@dataclass(frozen=True)
class Cell:
    """A point of a grid: its values, for people, and what it says; None where there is nothing."""

    values: tuple[str, ...]
    planned_frac: dict[float, float | None]
    energy_j: dict[float, float | None]
    money: dict[float, float | None]
    interaction_frac: dict[float, float | None]
    provenance: str
    reason: str


@dataclass(frozen=True)
class Result:
    """All that was found."""

    chosen: Chosen
    fleet: Fleet
    today: dict[float, tuple[float, float, float]]
    lines: tuple[Line, ...] = ()
    pairs: tuple[Pair, ...] = ()
    without: tuple[tuple[str, str], ...] = ()
    axes: tuple[Axis, ...] = ()
    cells: tuple[Cell, ...] = ()


def ask_everything(sweep: Sweep, fleet: Fleet, most_pairs: int) -> Result:
    """Every ask alone, and the pairs of those that are worth most."""
    chosen = sweep.chosen
    found, without = corners(chosen.work, chosen.today)
    points = one_at_a_time(chosen.work, found)
    answers = sweep.answers(points, "one at a time")
    lines, best = [], dict[str, tuple[float, Corner]]()
    for corner in found:
        line = _line(chosen, fleet, answers, corner)
        if line is None:
            row = answers.at({corner.ask.name: corner.value}, is_learned(chosen.work, (corner.ask.name,)))
            why = "it keeps no deadline" if row is None or row["applies"] else str(row["reason"])
            without[f"{corner.ask.name} {corner.ask.show(corner.value)}"] = why
            continue
        lines.append(line)
        worth = line.money.get(1.0, 0.0)
        if worth > 0 and worth > best.get(corner.ask.name, (0.0, corner))[0]:
            best[corner.ask.name] = worth, corner
    lines.sort(key=lambda line: -line.money.get(1.0, -float("inf")))
    top = [corner for _, corner in sorted(best.values(), key=lambda pair: -pair[0])[:most_pairs]]
    together = _pairs(sweep, fleet, top) if len(top) > 1 else ()
    return Result(chosen, fleet, _today(chosen, answers), tuple(lines), together, tuple(without.items()))


def _pairs(sweep: Sweep, fleet: Fleet, top: Sequence[Corner]) -> tuple[Pair, ...]:
    chosen = sweep.chosen
    answers = Sweep(chosen, sweep.on, sweep.processes, None).answers(pairs(chosen.work, top), "pairs")
    found = []
    for one, other in itertools.combinations(top, 2):
        learned = is_learned(chosen.work, (one.ask.name, other.ask.name))
        both = {one.ask.name: one.value, other.ask.name: other.value}
        saved_j, beyond_j = answers.saved_j(both, 1.0, learned), answers.interaction_j(one, other, 1.0, learned)
        now, row = answers.figures({}, 1.0, learned), answers.at(both, learned)
        if saved_j is None or beyond_j is None or now is None or row is None:
            continue
        money = fleet.money_per_year(fleet.kwh_per_year(beyond_j, now.until_s, float(row["gpus"] or 1)))
        found.append(Pair(_named(one), _named(other), saved_j, beyond_j, money))
    return tuple(sorted(found, key=lambda pair: -pair.both_j))


def _named(corner: Corner) -> str:
    return f"{corner.ask.name} {corner.ask.show(corner.value)}"


def _line(chosen: Chosen, fleet: Fleet, answers: Answers, corner: Corner) -> Line | None:
    """An ask, priced; None where it says nothing or keeps no deadline."""
    values: dict[str, Value] = {corner.ask.name: corner.value}
    learned = is_learned(chosen.work, (corner.ask.name,))
    row = answers.at(values, learned)
    if row is None or not row["applies"]:
        return None
    gpus = float(row["gpus"] or 1)
    saved_j, saved_frac, planned, kwh = {}, {}, {}, {}
    for slowdown in answers.slowdowns:
        now, then = answers.figures({}, slowdown, learned), figures_at(row, slowdown)
        if now is None or then is None:
            continue
        saved_j[slowdown] = now.energy_j - then.energy_j
        saved_frac[slowdown] = saved_j[slowdown] / now.energy_j
        planned[slowdown] = then.saving_frac
        kwh[slowdown] = fleet.kwh_per_year(saved_j[slowdown], now.until_s, gpus)
    if not saved_j:
        return None
    sooner_s = answers.sooner_s(values, EQUAL_ENERGY, learned)
    awaited = answers.figures({}, EQUAL_ENERGY, learned)
    hours = None if sooner_s is None or awaited is None else fleet.gpu_hours_per_year(sooner_s / awaited.until_s)
    offered = chosen.work.offered(chosen.today)
    return Line(
        corner.ask.name, corner.ask.show(value_of(offered, corner.ask)), corner.ask.show(corner.value),
        saved_j, saved_frac, planned, sooner_s, kwh,
        {at: fleet.money_per_year(each) for at, each in kwh.items()},
        {at: fleet.tonnes_per_year(each) for at, each in kwh.items()},
        hours, str(row["provenance"]), str(row["note"]),
    )  # fmt: skip


def _today(chosen: Chosen, answers: Answers) -> dict[float, tuple[float, float, float]]:
    """By slowdown: deadline [s], energy under today's contract [J], and what planning saves there."""
    found = {}
    for slowdown in answers.slowdowns:
        now = answers.figures({}, slowdown) or answers.figures({}, slowdown, learned=True)
        if now is not None:
            found[slowdown] = now.until_s, now.energy_j, now.saving_frac
    return found


def ask_grid(sweep: Sweep, fleet: Fleet, texts: Sequence[str]) -> Result:
    """Every combination of some values."""
    chosen = sweep.chosen
    axes = tuple(parse_axis(text, chosen.work, chosen.today) for text in texts)
    names = tuple(axis.ask.name for axis in axes)
    if len(set(names)) < len(names):
        raise UsageError("an ask is varied twice", ", ".join(names), "give all its values at once")
    answers = sweep.answers(grid(axes, chosen.work, chosen.today), "grid")
    learned, offered = is_learned(chosen.work, names), chosen.work.offered(chosen.today)
    cells = []
    for combination in itertools.product(*(axis.values for axis in axes)):
        values = changed(dict(zip(names, combination, strict=True)), offered)
        shown = tuple(axis.ask.show(value) for axis, value in zip(axes, combination, strict=True))
        cells.append(_cell(fleet, answers, axes, values=dict(values), shown=shown, learned=learned))
    return Result(chosen, fleet, _today(chosen, answers), axes=axes, cells=tuple(cells))


def _cell(
    fleet: Fleet,
    answers: Answers,
    axes: Sequence[Axis],
    *,
    values: dict[str, Value],
    shown: tuple[str, ...],
    learned: bool,
) -> Cell:
    row = answers.at(values, learned)
    planned: dict[float, float | None] = {}
    energy: dict[float, float | None] = {}
    money: dict[float, float | None] = {}
    interaction: dict[float, float | None] = {}
    for slowdown in answers.slowdowns:
        now, then = answers.figures({}, slowdown, learned), answers.figures(values, slowdown, learned)
        planned[slowdown] = None if then is None else then.saving_frac
        energy[slowdown] = None if then is None else then.energy_j
        money[slowdown] = interaction[slowdown] = None
        if row is not None and now is not None and then is not None:
            saved = fleet.kwh_per_year(now.energy_j - then.energy_j, now.until_s, float(row["gpus"] or 1))
            money[slowdown] = fleet.money_per_year(saved)
            interaction[slowdown] = _interaction(answers, axes, values, slowdown=slowdown, learned=learned)
    applies = row is not None and bool(row["applies"])
    reason = "" if applies else str(row["reason"]) if row is not None else "not planned"
    return Cell(shown, planned, energy, money, interaction, str(row["provenance"]) if row else "", reason)


def _interaction(
    answers: Answers,
    axes: Sequence[Axis],
    values: dict[str, Value],
    *,
    slowdown: float,
    learned: bool,
) -> float | None:
    """What all asks save together less what each saves alone, of the energy with nothing told; None for one ask."""
    if len(axes) < 2:
        return None
    now = answers.figures({}, slowdown, learned)
    parts = [answers.saved_j({name: value}, slowdown, learned) for name, value in values.items()]
    both = answers.saved_j(values, slowdown, learned)
    if now is None or both is None or any(part is None for part in parts):
        return None
    return (both - sum(part for part in parts if part is not None)) / now.untold_j
