"""A simulated training job takes the time and energy that its twins' physics say, and repeats."""

import pytest

from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.errors import UsageError
from joulewise.sim.training import SimulatedTraining, StepShape


def ran(text: str, limit_w: float | None = None, **options: object) -> tuple[float, float]:
    job = SimulatedTraining(text, 100, **options)  # type: ignore[arg-type]
    gpus = [one for one in job.devices if isinstance(one, SimulatedGpu)]
    for gpu in gpus:
        if limit_w is not None:
            gpu.set_power_limit_w(limit_w)
    before_j = sum(gpu.true_energy_j() for gpu in gpus)
    assert list(job) == list(range(100))
    return job.clock.now_ns() * 1e-9, sum(gpu.true_energy_j() for gpu in gpus) - before_j


def test_it_repeats() -> None:
    assert ran("a100x2") == ran("a100x2")


def test_a_lower_limit_is_slower_and_cheaper() -> None:
    (fast_s, dear_j), (slow_s, cheap_j) = ran("v100"), ran("v100", 125.0)
    assert slow_s > 1.05 * fast_s
    assert cheap_j < 0.95 * dear_j


def test_all_wait_for_the_straggler() -> None:
    even_s, _ = ran("a100x2")
    skewed_s, _ = ran("a100x2", sizes=[1.0, 1.3])
    assert skewed_s > 1.2 * even_s


@pytest.mark.parametrize("options", [{"steps": 0}, {"sizes": [1.0]}])
def test_jobs_that_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        SimulatedTraining(**{"text": "a100x2", "steps": 5, "shape": StepShape(), **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["mi300x", "epyc"])
def test_modules_and_processors_train_too(text: str) -> None:
    job = SimulatedTraining(text, steps=5)
    assert len(list(job)) == 5
    assert job.clock.now_ns() > 5 * 0.2e9


def test_whoever_looks_meanwhile_sees_work_and_changes_nothing() -> None:
    alone = SimulatedTraining("a100x2", steps=20, sizes=[0.3, 1.0])
    looked_at, seen = SimulatedTraining("a100x2", steps=20, sizes=[0.3, 1.0]), []
    looked_at.meanwhile = lambda: seen.append(looked_at.devices[0].read_utilisation_frac())  # type: ignore[attr-defined]
    assert len(list(alone)) == len(list(looked_at)) == 20
    assert alone.clock.now_ns() == looked_at.clock.now_ns()
    assert len(seen) == 80
    assert min(seen[10:]) > 0
