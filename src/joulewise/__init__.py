"""Measure and cut the energy of machine-learning work: time–energy frontiers, and clock plans for pipeline training.

This is the façade: the names that a user needs first, each loaded when it is first asked for, so that ``import
joulewise`` itself costs nothing. Everything else is imported from where it lives (see ARCHITECTURE.md).

    >>> import joulewise as jw
    >>> kernel = jw.Frontier.from_table([{"time_s": 1.0, "energy_j": 300.0}, {"time_s": 1.2, "energy_j": 240.0}],
    ...                                 jw.Provenance.MEASURED)
    >>> jw.series(kernel, kernel).within_slowdown(1.1).energy_j
    540.0
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joulewise.errors import JoulewiseError
    from joulewise.frontier import Frontier, Point, parallel, series
    from joulewise.measure.measurement import Measurement
    from joulewise.measure.meter import Meter
    from joulewise.measure.steps import steps
    from joulewise.optimize.pipeline.costs import pipeline_problem
    from joulewise.optimize.pipeline.planner import plan_frontier, plan_pipeline
    from joulewise.optimize.pipeline.schedules import make_schedule
    from joulewise.optimize.power.goal import Goal
    from joulewise.records import Provenance
    from joulewise.runtime.pipeline.attach import pipeline
    from joulewise.runtime.recurring import recurring
    from joulewise.runtime.session import JobTuner
    from joulewise.runtime.tune import tune
    from joulewise.wire.profile import read_profile

    __version__: str

__all__ = [
    "Frontier",
    "Goal",
    "JobTuner",
    "JoulewiseError",
    "Measurement",
    "Meter",
    "Point",
    "Provenance",
    "make_schedule",
    "parallel",
    "pipeline",
    "pipeline_problem",
    "plan_frontier",
    "plan_pipeline",
    "read_profile",
    "recurring",
    "series",
    "steps",
    "tune",
]

_HOMES = {
    "errors": ("JoulewiseError",),
    "frontier": ("Frontier", "Point", "parallel", "series"),
    "measure.measurement": ("Measurement",),
    "measure.meter": ("Meter",),
    "measure.steps": ("steps",),
    "optimize.pipeline.costs": ("pipeline_problem",),
    "optimize.pipeline.planner": ("plan_frontier", "plan_pipeline"),
    "optimize.pipeline.schedules": ("make_schedule",),
    "optimize.power.goal": ("Goal",),
    "records": ("Provenance",),
    "runtime.pipeline.attach": ("pipeline",),
    "runtime.recurring": ("recurring",),
    "runtime.session": ("JobTuner",),
    "runtime.tune": ("tune",),
    "wire.profile": ("read_profile",),
}
_HOME = {name: f"joulewise.{module}" for module, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # type checkers read the imports above, and flag names that do not exist

    def __getattr__(name: str) -> object:
        """Load a name from its home (PEP 562)."""
        if name == "__version__":
            value = import_module("importlib.metadata").version("joulewise")
        elif name in _HOME:
            value = getattr(import_module(_HOME[name]), name)
        else:
            raise AttributeError(f"module 'joulewise' has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """What can be asked for."""
        return sorted({*globals(), *__all__, "__version__"})
