"""Perseus' large-scale emulation by a governed cluster: as published, and realised with switch latency and jitter."""

from __future__ import annotations

import sys
from tempfile import TemporaryDirectory
from typing import Any

from measure import ROOT, Claim, Section

from joulewise.frontier import Frontier
from joulewise.optimize.pipeline.plan import choice_of
from joulewise.optimize.pipeline.planner import plan_frontier
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import SwitchCost, count_switches, realise
from joulewise.sim.cluster import Cluster, Disturbance
from joulewise.sim.hub_cluster import HubCluster
from joulewise.sim.pipeline_world import WorldNoise

sys.path.append(str(ROOT / "tests" / "paper"))  # the published figures and their sums live with their tests

from perseus_emulation import GLOBAL_BATCH, PUBLISHED, Emulation

PUBLISHED_AT = (1.05, 1.1, 1.2, 1.5)
SLOWDOWNS = (1.05, 1.1, 1.2, 1.3, 1.4, 1.5)
SWITCH = SwitchCost(latency_s=0.01)
JITTER = WorldNoise(time_frac=0.01, power_frac=0.0)
REPEATS = 3
GPUS_OF_A_PIPELINE = 64


def measure(quick: bool) -> Section:
    """All rows whose profile is public."""
    as_published: list[dict[str, Any]] = []
    realised: list[dict[str, Any]] = []
    least = float("inf")
    for (workload, microbatches), published in PUBLISHED.items():
        if quick and microbatches > 12:
            continue
        problem, pipelines = workload.problem(microbatches), GLOBAL_BATCH // microbatches
        name = {"workload": workload.name, "microbatches": microbatches, "gpus": GPUS_OF_A_PIPELINE * pipelines}
        least_s = float(realise(problem, problem.fastest[None])[0][0])
        frontier = plan_frontier(problem, deadlines_s=[f * least_s for f in (1.0, *SLOWDOWNS)])
        sums = Emulation(problem, frontier, microbatches)
        ours = {"intrinsic": sums.intrinsic(), **{f"{f:g}": sums.total(f) for f in SLOWDOWNS}}
        theirs = {"intrinsic": published.intrinsic, **dict(zip(map(str, PUBLISHED_AT), published.total, strict=True))}
        as_published.append({**name, "published_percent": theirs, "ours_percent": ours})
        least = min(least, *(round(ours[key], 1) - round(value, 1) for key, value in theirs.items()))
        realised.append({**name, **_realised(problem, pipelines, frontier)})
    slower = max(row["slowdown_percent"] for row in realised)
    claims = [
        Claim("our saving minus the published one, least over all figures, to one decimal [%]", least, 0.0, True),
        Claim("saving with latency and jitter, least over all rows and stragglers [%]", _least(realised), 0.0, True),
    ]
    details = {
        "as_published": as_published,
        "realised": realised,
        "switch_latency_s": SWITCH.latency_s,
        "jitter_frac": JITTER.time_frac,
        "most_slowdown_percent": slower,
    }
    return Section("emulation at the paper's scale", claims, details)


def _least(realised: list[dict[str, Any]]) -> float:
    return min(value for row in realised for value in row["saving_percent"].values())


def _realised(problem: PipelineProblem, pipelines: int, frontier: Frontier) -> dict[str, Any]:
    """Savings of the whole cluster against one at the highest clocks, both with jitter, ours with switches as well."""
    with TemporaryDirectory() as folder:
        ours = HubCluster(problem, pipelines, f"{folder}/hub.db", noise=JITTER, switch=SWITCH)
        done = _run(ours, problem, pipelines)
        ours.close()
    return {**done, "switches": _switches(problem, frontier)}


def _run(ours: HubCluster, problem: PipelineProblem, pipelines: int) -> dict[str, Any]:
    plain = Cluster(problem, pipelines, noise=JITTER, seed=1)
    events = [Disturbance(REPEATS * (number + 1), 0, factor) for number, factor in enumerate(SLOWDOWNS)]
    count = REPEATS * (1 + len(events))
    mine, theirs = ours.run(count, events), plain.run(count, events)
    saving, slower = {}, []
    for number, label in enumerate(["intrinsic", *(f"{factor:g}" for factor in SLOWDOWNS)]):
        part = slice(REPEATS * number, REPEATS * (number + 1))
        drawn, without = (sum(one.energy_j for one in done[part]) for done in (mine, theirs))
        took, would = (sum(one.time_s for one in done[part]) for done in (mine, theirs))
        saving[label] = 100 * (1 - drawn / without)
        slower.append(100 * (took / would - 1))
    return {"saving_percent": saving, "slowdown_percent": max(slower), "processes": pipelines * problem.schedule.ranks}


def _switches(problem: PipelineProblem, frontier: Frontier) -> int:
    return count_switches(problem, choice_of(problem, frontier[0].setting))


def table(section: Section) -> str:
    """Both tables for people."""
    lines = ["  as published (public profiles), published > ours [%]"]
    for row in section.details["as_published"]:
        theirs = {key: f"{value:.1f}" for key, value in row["published_percent"].items()}
        cells = [f"{key} {theirs.get(key, '-')} > {value:.1f}" for key, value in row["ours_percent"].items()]
        lines.append(f"  {row['workload']:20} {row['gpus']:5} GPUs  " + ", ".join(cells))
    latency_ms, jitter = 1e3 * section.details["switch_latency_s"], section.details["jitter_frac"]
    lines.append(f"  realised with {latency_ms:g} ms for each switch and {jitter:.0%} jitter [%]")
    for row in section.details["realised"]:
        cells = [f"{key} {value:.1f}" for key, value in row["saving_percent"].items()]
        tail = f"; at most {row['slowdown_percent']:+.2f} % time, {row['switches']} switches"
        lines.append(f"  {row['workload']:20} {row['gpus']:5} GPUs  " + ", ".join(cells) + tail)
    return "\n".join(lines)
