"""How much a tuner may spend on knowing, and how sure it must be."""

from __future__ import annotations

from dataclasses import dataclass, fields

from joulewise.errors import UsageError


@dataclass(frozen=True, slots=True)
class Effort:
    """How long probes are, how many there are, and when the choice is looked at again.

    Attributes:
        warmup_steps: Steps before the first measured one of a run (caches, autotuning), left out.
        settle_steps, settle_s: Steps and time [s] to let pass after every other change of setting; both must be over.
        min_steps: Steps that are measured at once at least.
        look_steps: Steps of a first look at most.
        max_steps: Steps that are measured at one setting at most, in all its probes.
        steps_per_setting: The whole search may take this many steps for each candidate, settling included. 25 is
            half of a full sweep with 10 + 40.
        precision_frac: The first look at a setting takes as many steps, from ``min_steps`` to ``look_steps``, as bring
            the relative standard errors of its time and its power below this; more only where it matters.
        worth_frac: A probe must be expected to improve the goal by more than this fraction.
        void_retries: How often a voided setting is tried again before it is given up.
        hold_steps: Steps from one report of the choice to the next.
        drift_frac: Time or power of a step must change by this fraction for the choice to be doubted, and by more
            than four standard errors.
        drift_reports: How many reports in a row must say so.

    Raises:
        UsageError: If a number is out of range.
    """

    warmup_steps: int = 10
    settle_steps: int = 3
    settle_s: float = 0.2
    min_steps: int = 5
    look_steps: int = 10
    max_steps: int = 40
    steps_per_setting: int = 25
    precision_frac: float = 0.01
    worth_frac: float = 0.001
    void_retries: int = 2
    hold_steps: int = 50
    drift_frac: float = 0.05
    drift_reports: int = 2

    def __post_init__(self) -> None:
        """Check every number."""
        least = {
            "min_steps": 1,
            "max_steps": 1,
            "look_steps": 1,
            "steps_per_setting": 1,
            "hold_steps": 1,
            "drift_reports": 1,
        }
        for item in fields(self):
            value = getattr(self, item.name)
            if not least.get(item.name, 0) <= value < float("inf"):
                fix = f"give a finite number of at least {least.get(item.name, 0)}"
                raise UsageError(f"{item.name} is not usable", f"{value!r}", fix)
