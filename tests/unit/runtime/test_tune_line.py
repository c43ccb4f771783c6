"""What a tuned loop shows: nothing unless somebody looks, then one line, and the choice once."""

from __future__ import annotations

import pytest

from joulewise.optimize.power.goal import Goal
from joulewise.runtime.knob import Knob, find_tunable
from joulewise.runtime.session import JobTuner
from joulewise.runtime.tune import tune
from joulewise.runtime.tune_line import describe_choice
from joulewise.sim.training import SimulatedTraining


def run(progress: bool | None, epochs: int = 2) -> JobTuner:
    job = SimulatedTraining("v100", steps=300)
    for _ in range(epochs):
        tuned = tune(job, max_slowdown=1.1, devices=job.devices, clock=job.clock, progress=progress)
        for _ in tuned:
            pass
    assert tuned.tuner is not None
    return tuned.tuner


@pytest.mark.parametrize("progress", [None, False])
def test_nothing_is_said_where_nobody_looks(progress: bool | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(progress).is_decided
    assert capsys.readouterr() == ("", "")


def test_the_choice_is_said_once_with_what_it_is_worth(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    tuner = run(True)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("joulewise: ") == 1
    assert f"joulewise: {'; '.join(describe_choice(tuner))}\n" in said.err
    assert "energy saved" in said.err
    assert "J/step" in said.err
    assert said.err.count("[simulated]") >= 4  # a line per epoch, and both parts of the choice


@pytest.mark.parametrize("model", ["v100", "a100", "mi300x"])
def test_clock_and_limit_are_two_arms_that_meet_at_what_was_found(model: str) -> None:
    job = SimulatedTraining(model, steps=900)
    tunable = find_tunable(job.devices, Knob.CLOCK_AND_LIMIT)
    first, second = tunable.candidates[: tunable.arms[1]], tunable.candidates[tunable.arms[1] :]
    last = tunable.candidates[-1]
    assert isinstance(last, tuple)
    for arm, turned in ((first, 0), (second, 1)):
        pairs = [one for one in arm if isinstance(one, tuple)]
        assert len(pairs) == len(arm)
        assert [one[turned] for one in pairs] == sorted(one[turned] for one in pairs)
        assert {one[1 - turned] for one in pairs} == {last[1 - turned]}
    chosen = {}
    for knob in (Knob.CLOCK_AND_LIMIT, Knob.CORE_CLOCK, Knob.POWER_LIMIT):
        job = SimulatedTraining(model, steps=900)
        with JobTuner(Goal.max_slowdown(1.1), knob=knob, devices=job.devices, clock=job.clock) as tuner:
            for _ in job:
                tuner.step()
            assert tuner.is_decided
            chosen[knob] = {point.setting: point for point in tuner.tuner.points()}[tuner.choice].energy_j
    single = min(chosen[Knob.CORE_CLOCK], chosen[Knob.POWER_LIMIT])
    assert chosen[Knob.CLOCK_AND_LIMIT] <= 1.03 * single  # no worse than either alone, as far as probes can tell
