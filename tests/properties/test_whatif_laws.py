"""Laws of what-if: a better contract is never worth less than nothing, and answers do not depend on who evaluates."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from joulewise.records import Provenance
from joulewise.sim.chip_profile import chip_profile
from joulewise.sim.sweep import run_sweep
from joulewise.sim.whatif.asks import BY_NAME
from joulewise.sim.whatif.contract import DOMAINS, Contract
from joulewise.sim.whatif.evaluate import LEARNED, evaluate
from joulewise.sim.whatif.study import Answers, Axis, changed, grid, now
from joulewise.sim.whatif.workload import PipelineWork

QUICKLY = settings(max_examples=5, phases=(Phase.explicit, Phase.reuse, Phase.generate))
"""An example takes a second: shrinking one would take an hour."""
LATENCIES_S = (1e-5, 1e-3, 0.02, 0.5)


@st.composite
def works(draw: st.DrawFn) -> PipelineWork:
    stages = draw(st.integers(1, 3))
    step = draw(st.sampled_from((60, 90, 120)))
    profile = chip_profile(draw(st.sampled_from(("a100", "h100", "v100"))), stages, range(1380, 700, -step))
    noise = draw(st.lists(st.floats(0.97, 1.03), min_size=len(profile.readings), max_size=len(profile.readings)))
    readings = tuple(replace(r, energy_j=r.energy_j * n) for r, n in zip(profile.readings, noise, strict=True))
    profile = replace(profile, readings=readings, provenance=Provenance.MEASURED)
    return PipelineWork(profile, microbatches=draw(st.integers(1, 4)), slowdowns=(1.0, 1.2))


@QUICKLY
@given(works(), st.floats(0.0, 0.05))
def test_better_hardware_never_costs_energy(work: PipelineWork, now_s: float) -> None:
    today = Contract(switch_latency_s=now_s)
    axes = [
        Axis(BY_NAME["switch-latency"], LATENCIES_S[::3]),
        Axis(BY_NAME["domains"], DOMAINS),
    ]
    points = grid(axes, work, today)
    answers = Answers.of(points, [evaluate(point, work=work, today=today) for point in points], today, work)
    offered = work.offered(today)
    for slowdown in work.slowdowns:
        found = {
            (latency, domains): answers.figures(
                changed({"switch-latency": latency, "domains": domains}, offered), slowdown
            )
            for latency in axes[0].values
            for domains in DOMAINS
        }
        for (latency, domains), worse in found.items():
            for (faster, richer), better in found.items():
                offers = BY_NAME["switch-latency"].at_least(faster, latency)
                if worse is not None and offers and BY_NAME["domains"].at_least(richer, domains):
                    assert better is not None
                    assert better.energy_j <= worse.energy_j
                    assert better.time_s <= better.until_s * (1 + 1e-9)


@QUICKLY
@given(works(), st.sampled_from((("wait-power", 0.5), ("voltage-floor", 0.9), ("control", None))))
def test_what_draws_less_is_worth_something(work: PipelineWork, asked: tuple[str, float | None]) -> None:
    name, value = asked
    today = Contract(control="denied") if value is None else Contract()
    offered = work.offered(today)
    asks = (
        {name: "allowed"}
        if value is None
        else {name: value * (offered.wait_power_w or 0.0 if name == "wait-power" else 1.0)}
    )
    points = [now((name,)), {name: asks[name], LEARNED: False}]
    answers = Answers.of(points, [evaluate(point, work=work, today=today) for point in points], today, work)
    row = answers.at(asks)
    assert row is not None
    if not row["applies"]:
        return  # no floor shows in a noisy profile
    for slowdown in work.slowdowns:
        before = answers.figures({}, slowdown)
        if before is not None:
            saved_j = answers.saved_j(asks, slowdown)
            assert saved_j is not None
            assert saved_j >= 0


def test_the_same_answers_wherever_points_are_evaluated() -> None:
    work = PipelineWork(chip_profile("a100", 2, range(1410, 800, -90)), microbatches=3, slowdowns=(1.0, 1.2))
    today = Contract()
    axes = [Axis(BY_NAME["switch-latency"], LATENCIES_S), Axis(BY_NAME["domains"], DOMAINS)]
    call = partial(evaluate, work=work, today=today)
    points = grid(axes, work, today)
    with ThreadPoolExecutor(2) as pool:
        assert run_sweep(call, points, executor=pool) == run_sweep(call, points)
