"""A recurring job replayed into a real hub, over HTTP: simulated runs, and a policy that lives at the hub."""

from __future__ import annotations

import itertools
from dataclasses import asdict

from joulewise.optimize.batch.protocol import End, Kind, Report, Trial
from joulewise.sim.recurring import Draws, Problem, run_try

TARGET = {"metric": "accuracy", "value": 0.9}


class ReplayedJob:
    """A job at a hub, whose trials run as a problem has it.

    Args:
        ask: ``(method, path, body) -> answer`` of the hub.
        problem: The world.
        name: Of the job.
    """

    def __init__(self, ask, problem: Problem, *, name: str, seed: int = 0, **fields):
        self._ask, self.problem = ask, problem
        self._draws, self._seen, self._ids = Draws(problem, seed), set(), itertools.count(1)
        spec = problem.spec
        self.id = ask(
            "POST",
            "/v1/jobs",
            {
                "name": name,
                "batch_sizes": list(spec.batch_sizes),
                "default": spec.default,
                "targets": [TARGET],
                "max_epochs": spec.max_epochs,
                "eta": spec.cost.eta,
                "max_power_w": spec.cost.max_power_w,
                **fields,
            },
        )["job"]

    def open(self, retry_of=None, **fields):
        """Ask what to run next."""
        trial = f"trial-{next(self._ids):05}"
        return self._ask("PUT", f"/v1/jobs/{self.id}/trials/{trial}", {"retry_of": retry_of, **fields})

    def report(self, trial, number, told: Report, **fields):
        """Tell of a trial, as its script would."""
        reached = told.end is End.REACHED
        body = {
            "number": number,
            "epochs": told.epochs,
            "time_s": told.time_s,
            "energy_j": told.energy_j,
            "metrics": {"accuracy": 0.93 if reached else 0.7},
            "rates": [asdict(rate) for rate in told.rates],
            "end": None if told.end in (None, End.REACHED) else str(told.end),
            "provenance": "simulated",
        }
        return self._ask("POST", f"/v1/jobs/{self.id}/trials/{trial}/reports", {**body, **fields})

    def recur(self, times: int) -> None:
        """So many recurrences, each until the target is reached."""
        for _ in range(times):
            opened, verdict = None, {"end": None}
            while verdict["end"] != "reached":
                opened = self.open(None if opened is None else opened["trial"])
                verdict = self._run(opened)

    def _run(self, opened):
        names = ("number", "batch_size", "reason", "stop_at_cost", "least_epochs")
        trial = Trial(kind=Kind(opened["kind"]), **{name: opened[name] for name in names})
        done = run_try(self.problem, _Bounds(self, opened["trial"]), trial, self._draws, self._seen)
        return self.report(opened["trial"], 2, done.report)


class _Bounds:
    """What `run_try` asks of a policy: the bound after the first epoch, which the hub tells."""

    def __init__(self, job, trial):
        self._job, self._trial = job, trial

    def progress(self, report: Report):
        return self._job.report(self._trial, 1, report)["stop_at_cost"]
