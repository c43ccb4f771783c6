"""What people are shown of a running job, as a JSON document with provenance on every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joulewise.pipelines import core
from joulewise.pipelines.hub import Held
from joulewise.pipelines.store import Savings
from joulewise.records import Provenance
from joulewise.wire.envelope import schema_tag

NAME, VERSION = "pipeline_view", 1
SILENT_S = 60.0
"""A process that was not heard of for so long is not counted as running."""


def view(held: Held, savings: Savings, replicas: Sequence[Mapping[str, Any]], now: float) -> dict[str, Any]:
    """A job as it stands.

    Args:
        held: The job.
        savings: What it has saved.
        replicas: The first process of each replica, as it was heard last.
        now: The time [s since 1970, UTC].
    """
    state, plans = held.state, held.plans
    factors = core.factors_of(state)
    document: dict[str, Any] = {
        "schema": schema_tag(NAME, VERSION),
        "job": state.id,
        "name": state.job.name,
        "phase": state.phase,
        "note": state.failure,
        "drift": state.drift,
        "replicas": state.job.replicas,
        "ranks": state.job.ranks,
        "generation": state.generation,
        "round": state.round,
        "planned_round": state.planned_round,
        "processes": savings.processes,
        "heard": sum(row["heard_at"] >= now - SILENT_S for row in replicas),
        "stragglers": [
            {
                "id": one.id,
                "replica": one.replica,
                "factor": one.factor,
                "origin": str(one.origin),
                "reason": "" if one.notice is None else one.notice.reason,
                "since_s": max(0.0, now - one.since),
                "lasts_s": None if one.until is None else max(0.0, one.until - now),
                "plan": held.plan_of(one.replica),
            }
            for one in state.stragglers
        ],
        "savings": None,
        "frontier": None,
        "current": None,
    }
    if plans is None:
        return document
    provenance = plans.frontier.provenance
    if savings.iterations:
        both = Provenance.weakest([savings.used_provenance, provenance, Provenance.MODELLED])
        document["savings"] = {
            "rank_iterations": savings.iterations,
            "used": {"energy_j": savings.used_j, "provenance": str(savings.used_provenance)},
            "unplanned": {
                "energy_j": savings.unplanned_j,
                "provenance": str(Provenance.weakest([provenance, Provenance.MODELLED])),
            },
            "saved": {"energy_j": savings.saved_j, "provenance": str(both)},
        }
    healthy = next((r for r in range(state.job.replicas) if r not in factors), None)
    own, awaited = plans.index_for(plans.target_s), held.index_of(0 if healthy is None else healthy)
    document["frontier"] = {
        "time_s": plans.frontier.time_s.tolist(),
        "energy_j": plans.frontier.energy_j.tolist(),
        "wait_power_w": plans.frontier.wait_power_w,
        "provenance": str(provenance),
        "top": {"time_s": plans.top_time_s, "energy_j": sum(one.energy_j for one in plans.baselines)},
    }
    index = own if awaited is None else awaited
    times_s = [row["time_s"] for row in replicas if row["replica"] not in factors and row["time_s"] > 0]
    document["current"] = {
        "plan": held.plan_of(0 if healthy is None else healthy),
        "own_plan": f"{state.generation}.{state.planned_round}.{own}",
        "time_s": plans.time_s(index),
        "energy_j": float(plans.frontier.energy_j[index]),
        "wall_s": core.wall_s(plans.target_s, factors),
        "seen_time_s": sorted(times_s)[len(times_s) // 2] if times_s else None,
        "provenance": str(provenance),
    }
    return document
