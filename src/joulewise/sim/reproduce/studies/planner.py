"""The planner: an example by hand, and what each of its steps brings on a simulated profile."""

from __future__ import annotations

from functools import partial

from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.exhibit import Column, Exhibit, Origin
from joulewise.sim.reproduce.studies import planner_drawings, planner_example, planner_figures

EXAMPLE = "three operations made up by hand; the method: docs/explanations/planner.md"
PROFILE = "`joulewise sim profile --device a100`, from a law fitted to stage profiles of Perseus (`chung2024perseus`)"
GIVEN, MADE = Column, partial(Column, origin=Origin.SIMULATED)


def exhibits(data: Data) -> tuple[Exhibit, ...]:
    """All of the planner's page."""
    del data
    solved = planner_example.solve()
    options, steps, plans = planner_example.tables(solved)
    pictures = planner_drawings.drawings(solved)
    return (
        _table(
            (
                "options",
                "Options of the example",
                "What each operation may do; c is its effective energy, the slope what a second is worth there.",
            ),
            EXAMPLE,
            [
                *map(GIVEN, ("operation", "MHz", "t [s]", "e [J]")),
                MADE("c = e - P t [J]"),
                MADE("slope to the left [W]"),
            ],
            options,
        ),
        _table(
            (
                "steps",
                "Steps of the sweep",
                "Each row lowers T at a price F, which is also the flow through the operations.",
            ),
            EXAMPLE,
            [
                GIVEN("step"),
                *map(MADE, ("T [s]", "F [W]", "x_A", "x_B", "x_C", "then d_A", "d_B", "d_C [s]", "E [J]")),
            ],
            steps,
        ),
        _table(
            (
                "plans",
                "Plans of the example",
                "What the planner offers; no plan that ends at T needs less than E_LP(T).",
            ),
            EXAMPLE,
            [*map(MADE, ("T [s]", "A [MHz]", "B", "C", "E [J]", "E_LP(T) [J]", "gap [%]"))],
            plans,
        ),
        _table(
            (
                "counts",
                "How much there is to do for a whole frontier",
                "1F1B, 8 stages; the last column is for a method that goes by units of 1 ms, two flows each.",
            ),
            PROFILE + "; `phillips1977`",
            [
                GIVEN("microbatches"),
                *map(MADE, ("operations", "breakpoints", "steps of the sweep", "maximum flows at 1 ms")),
            ],
            planner_figures.counts(),
        ),
        _table(
            (
                "gaps",
                "What each step from the relaxation to clocks brings",
                "8 stages, 24 microbatches, 12 deadlines from T_min to T*; plans against the bound at their own time.",
            ),
            PROFILE,
            [GIVEN("step"), MADE("mean gap [%]"), MADE("greatest gap [%]")],
            planner_figures.gaps(),
        ),
        _table(
            (
                "switches",
                "What switches cost",
                "8 stages, 8 microbatches, midway between T_min and T*; the bound pays for latency, not for a price.",
            ),
            PROFILE,
            [GIVEN("a switch costs"), *map(MADE, ("switches", "energy [J]", "gap [%]"))],
            planner_figures.switches(),
        ),
        *(
            Exhibit(
                name,
                planner_drawings.TITLES[name],
                "The example, solved by the planner; durations by an independent linear program.",
                EXAMPLE,
                svg=drawn,
                origin=Origin.SIMULATED,
            )
            for name, drawn in pictures.items()
        ),
    )


def _table(words: tuple[str, str, str], source: str, columns: list[Column], rows: list[tuple[str, ...]]) -> Exhibit:
    return Exhibit(*words, source, tuple(columns), tuple(rows))
