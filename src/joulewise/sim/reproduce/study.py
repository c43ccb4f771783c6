"""Which studies there are, and running them beside each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from joulewise.errors import UsageError
from joulewise.sim.reproduce.data import Data
from joulewise.sim.reproduce.exhibit import Exhibit
from joulewise.sim.sweep import Scalar, run_sweep

PROFILES = "stage profiles: CSV files with stage,instruction,frequency,time,energy"
TRACES = "traces: a folder with summary_train.csv and summary_power_DEVICE.csv"


@dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
        name: On the command line; its file is called the same.
        title: Heading.
        needs: What must be given with ``--data``, for people; empty: nothing.
    """

    name: str
    title: str
    needs: str = ""

    def exhibits(self, data: Data) -> tuple[Exhibit, ...]:
        """Make its exhibits.

        Args:
            data: What was given.
        """
        module = import_module(f"joulewise.sim.reproduce.studies.{self.name}")
        made: tuple[Exhibit, ...] = module.exhibits(data)
        return made

    def can_run(self, data: Data) -> bool:
        """Whether what it needs is given."""
        return not self.needs or (data.has_profiles if self.needs == PROFILES else data.has_traces)


STUDIES = {
    study.name: study
    for study in (
        Study("readme", "What the README shows"),
        Study("planner", "The planner: an example by hand, and what each of its steps brings"),
        Study("switching", "What switches cost, and clocks below the computation"),
        Study("schedules", "Pipeline schedules, drawn to one scale"),
        Study("sensors", "How often the bounds of measured energy hold"),
        Study("perseus", "Pipelines of large models: savings without and with a straggler", PROFILES),
        Study("whatif", "What better hardware would be worth", PROFILES),
        Study("zeus", "One job: what power limit and batch size are worth", TRACES),
        Study("tuner", "The tuner of one job, on measured power limits", TRACES),
        Study("bandit", "Recurring jobs: ours beside the published policy", TRACES),
    )
}
SLOWEST_FIRST = ("whatif", "sensors", "perseus", "tuner", "switching", "bandit")


@dataclass(frozen=True)
class Outcome:
    """What became of a study.

    Attributes:
        study: Which.
        exhibits: What it made.
        error: Why it failed, or None.
        was_run: Whether it was; not, if its data was not given.
    """

    study: Study
    exhibits: tuple[Exhibit, ...] = ()
    error: str | None = None
    was_run: bool = True


def chosen(names: Sequence[str]) -> list[Study]:
    """Studies by name; ``all``, or none: every one.

    Raises:
        UsageError: If there is none of that name.
    """
    if unknown := [name for name in names if name not in {"all", *STUDIES}]:
        raise UsageError("there is no such study", ", ".join(unknown), f"use all, or some of {', '.join(STUDIES)}")
    return [study for name, study in STUDIES.items() if not names or "all" in names or name in names]


def reproduce(
    studies: Sequence[Study],
    data: Data,
    *,
    executor: Executor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Outcome]:
    """Run studies; they come back in their order.

    Args:
        studies: Which.
        data: What was given.
        executor: Where they run; None: here.
        on_progress: Called with how many are done, of how many.
    """
    runs = [study for study in studies if study.can_run(data)]
    runs.sort(key=lambda study: SLOWEST_FIRST.index(study.name) if study.name in SLOWEST_FIRST else len(SLOWEST_FIRST))
    points = [{"study": study.name} for study in runs]
    rows = run_sweep(partial(_evaluate, data=data), points, executor=executor, on_progress=on_progress)
    done: dict[str, Outcome] = {}
    for study, row in zip(runs, rows, strict=True):
        exhibits = () if row.error else tuple(Exhibit.from_dict(one) for one in json.loads(row["exhibits"]))
        done[study.name] = Outcome(study, exhibits, row.error)
    return [done.get(study.name, Outcome(study, was_run=False)) for study in studies]


def _evaluate(point: Mapping[str, str], data: Data) -> dict[str, Scalar]:
    """Runs in a worker."""
    return {"exhibits": json.dumps([one.to_dict() for one in STUDIES[point["study"]].exhibits(data)])}
