"""Questions about contracts: a grid, one ask at a time, pairs and their interaction; and what a better one cannot lose.

A study is a list of points, evaluated in any order by anybody (`joulewise.sim.sweep`), and answers read from the rows.

*Monotone.* Hardware that offers more can do whatever hardware that offers less can: its plans are feasible there and
draw no more. The planner is a heuristic and may miss that by a little. So where a point offers at least as much as
another one in everything that was asked, and was found to draw more, it gets the other's figures (`keep_better`).
Figures that are means over learned profiles are left as they are: a better sensor is better on average only.

*Interaction* of two asks is what both are worth together, less what each is worth alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joulewise.sim.whatif.asks import ASKS, BY_NAME, Ask, ask_named, value_of
from joulewise.sim.whatif.contract import Contract, Scalar
from joulewise.sim.whatif.evaluate import LEARNED, is_learned
from joulewise.sim.whatif.row import Figures, Row, Value, figures_at
from joulewise.sim.whatif.workload import Work

Point = dict[str, Value]


@dataclass(frozen=True)
class Axis:
    """Values of one ask."""

    ask: Ask
    values: tuple[Scalar, ...]


def parse_axis(text: str, work: Work, today: Contract) -> Axis:
    """An axis from the command line, ``NAME=VALUE,VALUE,...`` or ``NAME`` for the values asked by default.

    Raises:
        UsageError: If there is no such ask, or a value is none of its.
    """
    name, _, values = text.partition("=")
    ask = ask_named(name.strip())
    now = value_of(work.offered(today), ask)
    texts = [one.strip() for one in values.split(",")] if values else list(ask.values)
    return Axis(ask, tuple(dict.fromkeys(ask.parse(one, now) for one in texts)))


def grid(axes: Sequence[Axis], work: Work, today: Contract) -> list[Point]:
    """Today, every combination of values, and what interactions need: each value with all else as today."""
    names, offered = tuple(axis.ask.name for axis in axes), work.offered(today)
    learned = is_learned(work, names)
    rows = itertools.product(*((None, *axis.values) for axis in axes))
    made = (_point(changed(dict(zip(names, row, strict=True)), offered), names, learned) for row in rows)
    return list({key(point): point for point in made}.values())


def changed(values: Mapping[str, Scalar | None], offered: Contract) -> dict[str, Scalar]:
    """The values that differ from what is offered today."""
    return {
        name: value
        for name, value in values.items()
        if value is not None and value != value_of(offered, ask_named(name))
    }


def now(names: Sequence[str], learned: bool = False) -> Point:
    """Today, as a point of a study over these asks."""
    return _point({}, names, learned)


def _point(values: Mapping[str, Scalar], names: Sequence[str], learned: bool) -> Point:
    return {**{name: values.get(name) for name in names}, LEARNED: learned}


@dataclass(frozen=True, slots=True)
class Corner:
    """An ask at one of its values."""

    ask: Ask
    value: Scalar


def corners(work: Work, today: Contract, only: Sequence[Axis] = ()) -> tuple[list[Corner], dict[str, str]]:
    """Every ask at each of its values; and the asks that do not apply, with the reason."""
    told, offered = {axis.ask.name: axis.values for axis in only}, work.offered(today)
    found: list[Corner] = []
    without: dict[str, str] = {}
    for ask in ASKS:
        if told and ask.name not in told:
            continue
        if work.on in ask.not_on:
            without[ask.name] = ask.not_on[work.on]
            continue
        present = value_of(offered, ask)
        values = told.get(ask.name)
        if values is None:
            if present is None and any(text.endswith("x") for text in ask.values):
                without[ask.name] = f"today's value is not known; say it: --today {ask.name}=VALUE"
                continue
            values = tuple(ask.parse(text, present) for text in ask.values)
        found += [Corner(ask, value) for value in values if value != present]
    return found, without


def one_at_a_time(work: Work, found: Sequence[Corner]) -> list[Point]:
    """Today (planned from the truth, and from what is learned, where asks need it), and every corner alone."""
    names = tuple(dict.fromkeys(corner.ask.name for corner in found))
    learned = any(is_learned(work, (name,)) for name in names)
    points = [now(names)] + ([now(names, True)] if learned else [])
    return points + [_point({c.ask.name: c.value}, names, is_learned(work, (c.ask.name,))) for c in found]


def pairs(work: Work, best: Sequence[Corner]) -> list[Point]:
    """All that interactions of some corners take: today, each alone and each two together, learned where one is."""
    names = tuple(corner.ask.name for corner in best)
    points: list[Point] = []
    for one, other in itertools.combinations(best, 2):
        learned = is_learned(work, (one.ask.name, other.ask.name))
        both = {one.ask.name: one.value, other.ask.name: other.value}
        for part in ({}, {one.ask.name: one.value}, {other.ask.name: other.value}, both):
            points.append(_point(part, names, learned))
    return list({key(point): point for point in points}.values())


@dataclass(frozen=True)
class Answers:
    """Points and their rows.

    Attributes:
        rows: By point, as `key` makes it.
        slowdowns: Deadlines that were planned for, rising.
    """

    rows: Mapping[tuple[tuple[str, Value], ...], Row]
    slowdowns: tuple[float, ...]

    @classmethod
    def of(cls, points: Sequence[Point], rows: Sequence[Row], today: Contract, work: Work) -> Answers:
        """Answers in which no better contract draws more."""
        kept = keep_better(points, rows, work.offered(today), work.slowdowns)
        by_point = {key(point): row for point, row in zip(points, kept, strict=True)}
        return cls(by_point, tuple(sorted(work.slowdowns)))

    def at(self, values: Mapping[str, Value], learned: bool = False) -> Row | None:
        """The row of some values, all else as today."""
        return self.rows.get(key({**values, LEARNED: learned}))

    def figures(self, values: Mapping[str, Value], slowdown: float, learned: bool = False) -> Figures | None:
        """The figures of some values by a deadline, or None where there are none."""
        row = self.at(values, learned)
        return None if row is None else figures_at(row, slowdown)

    def sooner_s(self, values: Mapping[str, Value], slowdown: float, learned: bool = False) -> float | None:
        """By how much an iteration ends sooner on the energy that today's takes at a slowdown [s].

        Between the deadlines that were planned for, energy is taken on a straight line, which is never too little. None
        if it is not among them.
        """
        before, row = self.figures({}, slowdown, learned), self.at(values, learned)
        known = [f for factor in self.slowdowns if row is not None and (f := figures_at(row, factor)) is not None]
        if before is None or not known:
            return None
        if known[0].energy_j <= before.energy_j:
            return before.until_s - known[0].until_s
        for one, other in itertools.pairwise(known):
            if other.energy_j <= before.energy_j:
                part = (one.energy_j - before.energy_j) / (one.energy_j - other.energy_j)
                return before.until_s - (one.until_s + part * (other.until_s - one.until_s))
        return None

    def saved_j(self, values: Mapping[str, Value], slowdown: float, learned: bool = False) -> float | None:
        """What a contract draws less than today's, both planned anew [J]."""
        before, after = self.figures({}, slowdown, learned), self.figures(values, slowdown, learned)
        return None if before is None or after is None else before.energy_j - after.energy_j

    def interaction_j(self, one: Corner, other: Corner, slowdown: float, learned: bool = False) -> float | None:
        """What two asks save together, less what they save one by one [J]."""
        first, second = {one.ask.name: one.value}, {other.ask.name: other.value}
        parts = [self.saved_j(values, slowdown, learned) for values in ({**first, **second}, first, second)]
        both, alone, beside = parts
        return None if both is None or alone is None or beside is None else both - alone - beside


def key(point: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    """A point, whatever the order of its fields and whether what is as today stands in it."""
    return tuple(sorted((name, value) for name, value in point.items() if value is not None and value is not False))


def keep_better(
    points: Sequence[Point], rows: Sequence[Row], offered: Contract, slowdowns: Sequence[float]
) -> list[Row]:
    """Rows in which no contract draws more than one that offers no more; see the module."""
    kept = [dict(row) for row in rows]
    for here, mine in enumerate(points):
        if mine.get(LEARNED):
            continue
        for there, its in enumerate(points):
            if here == there or its.get(LEARNED) or not _offers(mine, its, offered):
                continue
            for slowdown in slowdowns:
                _take_better(kept[here], rows[there], slowdown)
    return kept


def _take_better(mine: Row, other: Row, slowdown: float) -> None:
    before, after = figures_at(mine, slowdown), figures_at(other, slowdown)
    if not mine["applies"] or after is None or (before is not None and before.energy_j <= after.energy_j):
        return
    at = f" at {slowdown:g}x"
    for name in ("until_s", "time_s", "energy_j", "switches", *(("untold_j",) if before is None else ())):
        mine[name + at] = other[name + at]


def _offers(mine: Point, its: Point, offered: Contract) -> bool:
    """Whether a point offers at least as much as another in everything."""
    names = {name for name in (*mine, *its) if name in BY_NAME}
    for name in names:
        ask = BY_NAME[name]
        present = value_of(offered, ask)
        one, other = (p.get(name) if p.get(name) is not None else present for p in (mine, its))
        if one is None or other is None:
            if one is not other:
                return False
        elif not ask.at_least(one, other):
            return False
    return True
