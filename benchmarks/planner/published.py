"""Savings of the large-scale emulation of Perseus: published, and ours realised; sums as in tests/paper."""

from __future__ import annotations

import sys
from typing import Any

from measure import ROOT, Claim, Section

from joulewise import Frontier, PipelineProblem, plan_frontier
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.solver import THOROUGH

sys.path.append(str(ROOT / "tests" / "paper"))  # the published figures and their sums live with their tests

from perseus_emulation import PUBLISHED, SLOWDOWNS, Emulation

PLANS = 400


def measure(quick: bool) -> Section:
    """All rows whose profile is public; plans for the published slowdowns are thorough, the peak is among fast ones."""
    rows: list[dict[str, Any]] = []
    least = float("inf")
    for (workload, microbatches), published in PUBLISHED.items():
        if quick and microbatches > 24:
            continue
        problem = workload.problem(microbatches)
        ours = Emulation(problem, _thorough(problem), microbatches)
        totals = [ours.total(factor) for factor in SLOWDOWNS]
        peak, at = Emulation(problem, plan_frontier(problem, plans=PLANS), microbatches).peak()
        rows.append(
            {
                "workload": f"{workload.name}, {microbatches} microbatches",
                "intrinsic": [published.intrinsic, ours.intrinsic()],
                **{f"total at {f:g} T": [p, o] for f, p, o in zip(SLOWDOWNS, published.total, totals, strict=True)},
                "peak": [published.peak, peak],
                "peak_at": at,
            }
        )
        pairs = [v for v in rows[-1].values() if isinstance(v, list)]
        least = min(least, *(round(mine, 1) - round(theirs, 1) for theirs, mine in pairs))
    claim = Claim("our saving minus the published one, least over all figures, to one decimal [%]", least, 0.0, True)
    return Section("published savings", [claim], {"published_and_ours_percent": rows})


def _thorough(problem: PipelineProblem) -> Frontier:
    """The fastest plan, and one for each straggler that a figure is published for."""
    least_s = float(realise(problem, problem.fastest[None])[0][0])
    return plan_frontier(problem, deadlines_s=[f * least_s for f in (1.0, *SLOWDOWNS)], effort=THOROUGH)


def table(section: Section) -> str:
    """The rows for people: published > ours."""
    lines = []
    for row in section.details["published_and_ours_percent"]:
        cells = [f"{what} {v[0]:.1f} > {v[1]:.1f}" for what, v in row.items() if isinstance(v, list)]
        lines.append(f"  {row['workload']:34} " + ", ".join(cells))
    return "\n".join(lines)
