"""The large-scale emulation of Perseus: what was published, and its sums.

Theory of operation. The public stage profiles hold a tenth of the layers on one GPU. The emulation multiplies times
and energies by 10 and energies, like the power of waiting, by the 8 GPUs of a stage. 1,536 microbatches are shared by
N pipelines of 8 stages, so that M microbatches for each make N = 1536 / M (strong scaling).

The accounting, found by recomputing the published figures to all their digits from the published frontiers::

    T       iteration time of the fastest plan,  E_f its energy
    E_0     energy with everything at the highest clock, waiting until T included
    P       power of one pipeline while all of it waits

    intrinsic saving  =  1 - E_f / E_0
    total saving      =  1 - with plans / without, when one pipeline takes f T:
        without       =  (N - 1) (E_0 + P (f T - T))     +  f E_0
        with plans    =  (N - 1) (E_k + P (f T - T_k))   +  f E_f,     k the slowest plan with T_k <= min(T*, f T)

The straggler thus runs the fastest plan (or the highest clocks), at the same power for f times as long, and counts in
both sums; the N - 1 others wait for it. The published sums take predicted times and energies. Ours take realised
ones, wait until the all-max iteration really ends where that is later, and may be slower than T* (up to T_max) where
that draws less until f T.

Source: Perseus (SOSP'24), table 6, figures 7 and 8; published savings as the authors' program gives them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from joulewise.frontier import Frontier
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.records import Profile

GLOBAL_BATCH, TENSOR_PARALLEL, LAYERS = 1536, 8, 10
SLOWDOWNS = (1.05, 1.1, 1.2, 1.5)
MICROBATCHES = (12, 24, 48, 96)
WAIT_POWER_W = {"a100": 83.64, "a40": 70.38}
"""Power of a waiting GPU [W], by what stands in the name of a profile (artifact of the paper)."""


@dataclass(frozen=True)
class Published:
    """Savings [%] of one row: without straggler, at each of ``SLOWDOWNS``, and the most over f = 1.01 ... 1.50."""

    intrinsic: float
    total: tuple[float, float, float, float]
    peak: float


PUBLISHED: dict[tuple[str, str, int], Published] = {
    ("gpt3", "a100", 12): Published(15.201604, (21.7, 24.4, 24.8, 23.1), 25.2),
    ("gpt3", "a100", 24): Published(14.190355, (21.7, 25.6, 26.4, 24.8), 26.8),
    ("gpt3", "a100", 48): Published(13.616616, (21.2, 25.5, 27.1, 25.5), 27.4),
    ("gpt3", "a100", 96): Published(13.319138, (20.6, 25.0, 27.0, 25.5), 27.3),
    ("gpt3", "a40", 12): Published(11.81, (19.8, 21.7, 21.0, 19.2), 21.7),
    ("gpt3", "a40", 24): Published(10.22, (20.4, 23.4, 22.8, 21.0), 23.4),
    ("gpt3", "a40", 48): Published(9.34, (19.7, 24.0, 23.6, 21.9), 24.2),
    ("gpt3", "a40", 96): Published(8.88, (18.7, 23.7, 23.6, 21.9), 24.1),
    ("bloom", "a100", 12): Published(10.47, (22.1, 26.3, 28.7, 26.7), 28.8),
    ("bloom", "a100", 24): Published(7.06, (20.0, 26.0, 30.4, 28.5), 30.4),
    ("bloom", "a100", 48): Published(5.23, (17.8, 24.8, 30.7, 29.1), 30.9),
    ("bloom", "a100", 96): Published(4.28, (16.2, 23.3, 29.9, 28.6), 30.3),
    ("bloom", "a40", 12): Published(6.973716, (16.6, 19.3, 18.8, 17.2), 19.3),
    ("bloom", "a40", 24): Published(4.488244, (14.9, 20.3, 20.6, 19.0), 21.0),
    ("bloom", "a40", 48): Published(3.122653, (12.9, 19.7, 21.3, 19.7), 21.6),
    ("bloom", "a40", 96): Published(2.405541, (11.6, 18.4, 21.1, 19.5), 21.5),
}
"""By model, GPU and microbatches. Intrinsic savings from table 6, totals as figures 7 and 8 are made."""


def published(profile_name: str, microbatches: int) -> Published | None:
    """What was published for a profile, found by the model and the GPU in its name."""
    name = profile_name.lower()
    return next(
        (row for (model, gpu, m), row in PUBLISHED.items() if model in name and gpu in name and m == microbatches), None
    )


def wait_power_w(profile: Profile, name: str) -> float | tuple[float, ...] | None:
    """Power of waiting GPUs [W]: the profile's own, or the one that the artifact has for the GPU in its name."""
    if profile.wait_power_w is not None:
        return profile.wait_power_w
    return next((power_w for gpu, power_w in WAIT_POWER_W.items() if gpu in name.lower()), None)


def emulated(profile: Profile, microbatches: int, power_w: float | tuple[float, ...] | None) -> PipelineProblem:
    """One pipeline of the emulation at its full size.

    Args:
        profile: A tenth of the layers of each stage, on one GPU.
        microbatches: Of one pipeline.
        power_w: Of a waiting GPU.
    """
    rows = (replace(r, time_s=r.time_s * LAYERS, energy_j=r.energy_j * LAYERS) for r in profile.readings)
    schedule = make_schedule("1f1b", profile.stages, microbatches)
    problem = pipeline_problem(replace(profile, readings=tuple(rows)), schedule, power_w)
    return problem.with_gpus(TENSOR_PARALLEL)


@dataclass(frozen=True)
class Emulation:
    """Savings with the plans of a frontier; see the module for the sums."""

    problem: PipelineProblem
    frontier: Frontier
    microbatches: int

    def intrinsic(self) -> float:
        """Saving without straggler [%], at the time of the fastest plan."""
        return 100 * (1 - self.frontier[0].energy_j / self.all_max_until(self.frontier[0].time_s))

    def total(self, slowdown: float) -> float:
        """Saving of all pipelines [%] when one takes ``slowdown`` times the fastest plan's time."""
        others, fastest = GLOBAL_BATCH // self.microbatches - 1, self.frontier[0]
        awaited_s = slowdown * fastest.time_s
        planned_j = others * self.frontier.at_straggler(awaited_s).energy_j + slowdown * fastest.energy_j
        without_j = others * self.all_max_until(awaited_s) + slowdown * self.all_max_until(fastest.time_s)
        return 100 * (1 - planned_j / without_j)

    def peak(self) -> tuple[float, float]:
        """The most that is saved [%] over slowdowns of 1.01, 1.02, ... 1.50, and at which."""
        return max((self.total(1 + step / 100), 1 + step / 100) for step in range(1, 51))

    def all_max_until(self, until_s: float) -> float:
        """Energy with everything at the highest clock, waiting until then included [J]."""
        (time_s,), (energy_j,) = realise(self.problem, self.problem.top_clocks[None])
        return float(energy_j + self.problem.total_wait_power_w * max(0.0, until_s - float(time_s)))
