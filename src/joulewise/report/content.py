"""What a pipeline report shows, as frozen records that carry no drawing."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.records import Provenance

BASELINE = "baseline"
CHOSEN = "chosen"


@dataclass(frozen=True, eq=False)
class Timeline:
    """One iteration as executed, one entry per operation.

    Attributes:
        title: Name for people.
        ranks: Number of pipeline ranks.
        rank: Rank that runs the operation, counted from 0.
        start_s: Start [s].
        duration_s: Duration [s].
        clock_mhz: Core clock [MHz], NaN for an operation without one.
        power_w: Average power while it runs [W], NaN if unknown.
        label: Short label drawn in the bar, such as ``F12``.
        kind: Instruction name, such as ``forward``.
        stage: Pipeline stage, counted from 0.
        microbatch: Microbatch, counted from 0, or -1 if the operation belongs to the whole iteration.
        critical: Whether the operation lies on a critical path.
        makespan_s: Iteration time [s].

    Shapes:
        every array and tuple: (n_operations,).

    Raises:
        UsageError: If lengths differ, a rank is out of range, or a start, duration or makespan is not a finite,
            non-negative number.
    """

    title: str
    ranks: int
    rank: NDArray[np.int_]
    start_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    clock_mhz: NDArray[np.float64]
    power_w: NDArray[np.float64]
    label: tuple[str, ...]
    kind: tuple[str, ...]
    stage: NDArray[np.int_]
    microbatch: NDArray[np.int_]
    critical: NDArray[np.bool_]
    makespan_s: float

    def __post_init__(self) -> None:
        """Refuse columns that do not describe one iteration."""
        _same_length(
            f"the timeline '{self.title}'",
            rank=self.rank,
            start_s=self.start_s,
            duration_s=self.duration_s,
            clock_mhz=self.clock_mhz,
            power_w=self.power_w,
            label=self.label,
            kind=self.kind,
            stage=self.stage,
            microbatch=self.microbatch,
            critical=self.critical,
        )
        _non_negative(f"start_s of the timeline '{self.title}'", self.start_s)
        _non_negative(f"duration_s of the timeline '{self.title}'", self.duration_s)
        _non_negative(f"makespan_s of the timeline '{self.title}'", np.array([self.makespan_s]))
        if len(self.rank) and not (self.rank.min() >= 0 and self.rank.max() < self.ranks):
            raise UsageError(
                f"the timeline '{self.title}' has a rank outside 0..{self.ranks - 1}",
                f"ranks {self.rank.min()} to {self.rank.max()}",
                "pass only operations that occupy a rank, and the true number of ranks",
            )


@dataclass(frozen=True, slots=True)
class Mark:
    """One named point of the time-energy plane.

    Attributes:
        name: Name for people.
        time_s: Iteration time [s].
        energy_j: Iteration energy [J].
        kind: ``"baseline"`` or ``"chosen"``. The first baseline is the one that savings refer to; the first chosen
            mark is the one that the headline speaks of.
        reference_j: Energy of the baseline that this is to be judged by [J], if it is not the baseline's own: what the
            baseline draws while it waits for the same straggler.
    """

    name: str
    time_s: float
    energy_j: float
    kind: str
    reference_j: float | None = None

    def __post_init__(self) -> None:
        """Refuse a kind that is not known and a point that cannot be drawn."""
        if self.kind not in (BASELINE, CHOSEN):
            raise UsageError(f"the mark '{self.name}' is of no known kind", self.kind, f"use {BASELINE} or {CHOSEN}")
        _non_negative(f"the mark '{self.name}'", np.array([self.time_s, self.energy_j]))


@dataclass(frozen=True, eq=False)
class PipelineReport:
    """Everything that the report of a pipeline plan shows.

    Attributes:
        title: Heading.
        subtitle: One line below the heading.
        provenance: ``measured``, ``modelled`` or ``simulated``: where the profile's figures come from.
        plan_time_s: Iteration time of the frontier's realised plans [s].
        plan_energy_j: Their energy [J].
        bound_time_s: Iteration times of the lower-bound curve [s], rising.
        bound_energy_j: Energy that no plan can undercut at that time [J].
        straggler_time_s: Iteration times beyond the energy minimum, met when others straggle [s]; may be empty.
        straggler_energy_j: Energy there [J].
        marks: Baselines and chosen points.
        table_columns: Heads of the result table.
        table_rows: Its rows, already formatted.
        before: The iteration at the baseline.
        after: The iteration under the chosen plan.
        facts: (name, value) pairs: gap, solver, clock switches, profile file and the like.
        notes: How to read the report, and its limits.

    Raises:
        UsageError: If paired arrays differ in length, a value is not a finite, non-negative number, a table row has
            another width than the head, or the provenance is unknown.
    """

    title: str
    subtitle: str
    provenance: str
    plan_time_s: NDArray[np.float64]
    plan_energy_j: NDArray[np.float64]
    bound_time_s: NDArray[np.float64]
    bound_energy_j: NDArray[np.float64]
    straggler_time_s: NDArray[np.float64]
    straggler_energy_j: NDArray[np.float64]
    marks: tuple[Mark, ...]
    table_columns: tuple[str, ...]
    table_rows: tuple[tuple[str, ...], ...]
    before: Timeline
    after: Timeline
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse content that could not be drawn truthfully."""
        if self.provenance not in list(Provenance):
            raise UsageError(
                "the report's provenance is unknown", repr(self.provenance), f"use one of {', '.join(Provenance)}"
            )
        for name in ("plan", "bound", "straggler"):
            time_s, energy_j = getattr(self, f"{name}_time_s"), getattr(self, f"{name}_energy_j")
            _same_length(f"the report's {name} curve", time_s=time_s, energy_j=energy_j)
            _non_negative(f"{name}_time_s of the report", time_s)
            _non_negative(f"{name}_energy_j of the report", energy_j)
        for row in self.table_rows:
            _same_length("a row of the result table", columns=self.table_columns, row=row)

    @property
    def baseline(self) -> Mark | None:
        """The point that savings and slowdowns refer to: the first baseline."""
        return next((mark for mark in self.marks if mark.kind == BASELINE), None)

    @property
    def chosen(self) -> tuple[Mark, ...]:
        """The chosen points, the one of the headline first."""
        return tuple(mark for mark in self.marks if mark.kind == CHOSEN)


def _same_length(what: str, **columns: Sized) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        seen = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise UsageError(f"{what} has columns of different lengths", seen, "pass one value of each per entry")


def _non_negative(what: str, values: NDArray[np.float64]) -> None:
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        index = int(np.argmax(bad))
        raise UsageError(
            f"{what} is not a finite, non-negative number", f"{values[index]} at index {index}", "drop or repair it"
        )
