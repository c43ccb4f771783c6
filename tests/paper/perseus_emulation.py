"""The large-scale emulation of Perseus (SOSP'24, table 6, figures 7 and 8): what was published, and its sums.

The public stage profiles hold a tenth of the layers on one GPU. The emulation multiplies times and energies by 10 and
energies, like the power of waiting, by the 8 GPUs of a stage. 1,536 microbatches are shared by N pipelines of 8 stages,
so that M microbatches for each make N = 1536 / M (strong scaling).

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
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from joulewise.frontier import Frontier
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.optimize.pipeline.replay import realise
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.wire.profile import read_profile

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "perseus"
GLOBAL_BATCH, STAGES, TENSOR_PARALLEL, LAYERS = 1536, 8, 8, 10
SLOWDOWNS = (1.05, 1.1, 1.2, 1.5)


@dataclass(frozen=True)
class Workload:
    """A profile of the emulation: the file, the power of a waiting GPU [W]."""

    name: str
    file: str
    wait_power_w: float

    def problem(self, microbatches: int) -> PipelineProblem:
        """One pipeline of the emulation at its full size."""
        profile = read_profile(DATA / self.file)
        rows = (replace(r, time_s=r.time_s * LAYERS, energy_j=r.energy_j * LAYERS) for r in profile.readings)
        schedule = make_schedule("1f1b", STAGES, microbatches)
        problem = pipeline_problem(replace(profile, readings=tuple(rows)), schedule, self.wait_power_w)
        return problem.with_gpus(TENSOR_PARALLEL)


@dataclass(frozen=True)
class Published:
    """Savings [%] of one row: without straggler, at each of ``SLOWDOWNS``, and the most over f = 1.01 ... 1.50."""

    intrinsic: float
    total: tuple[float, float, float, float]
    peak: float


GPT3_A100 = Workload("GPT-3 175B, A100", "gpt3-175b+a100_sxm_bf16.csv", 83.64)
BLOOM_A40 = Workload("Bloom 176B, A40", "bloom+a40_bf16.csv", 70.38)

PUBLISHED = {
    (GPT3_A100, 12): Published(15.201604, (21.7, 24.4, 24.8, 23.1), 25.2),
    (GPT3_A100, 24): Published(14.190355, (21.7, 25.6, 26.4, 24.8), 26.8),
    (GPT3_A100, 48): Published(13.616616, (21.2, 25.5, 27.1, 25.5), 27.4),
    (GPT3_A100, 96): Published(13.319138, (20.6, 25.0, 27.0, 25.5), 27.3),
    (BLOOM_A40, 12): Published(6.973716, (16.6, 19.3, 18.8, 17.2), 19.3),
    (BLOOM_A40, 24): Published(4.488244, (14.9, 20.3, 20.6, 19.0), 21.0),
    (BLOOM_A40, 48): Published(3.122653, (12.9, 19.7, 21.3, 19.7), 21.6),
    (BLOOM_A40, 96): Published(2.405541, (11.6, 18.4, 21.1, 19.5), 21.5),
}
"""Perseus' own results: intrinsic savings from its table 6, totals as its figures 7 and 8 are made."""

PUBLISHED_ENVPIPE = {  # iteration time [s] and energy of a pipeline [J] that the Perseus artifact gives for EnvPipe
    (GPT3_A100, 12): (28.365, 503607.718),
    (GPT3_A100, 24): (46.712, 968871.603),
    (GPT3_A100, 48): (83.406, 1899399.374),
    (GPT3_A100, 96): (156.794, 3760454.915),
    (BLOOM_A40, 12): (71.799, 909763.817),
    (BLOOM_A40, 24): (117.612, 1762906.227),
}


@dataclass(frozen=True)
class Emulation:
    """Savings with the plans of a frontier; see the module for the sums."""

    problem: PipelineProblem
    frontier: Frontier
    microbatches: int

    def intrinsic(self) -> float:
        """Saving without straggler [%], at the time of the fastest plan."""
        return 100 * (1 - self.frontier[0].energy_j / self._all_max_until(self.frontier[0].time_s))

    def total(self, slowdown: float) -> float:
        """Saving of all pipelines [%] when one takes ``slowdown`` times the fastest plan's time."""
        others, fastest = GLOBAL_BATCH // self.microbatches - 1, self.frontier[0]
        awaited_s = slowdown * fastest.time_s
        planned_j = others * self.frontier.at_straggler(awaited_s).energy_j + slowdown * fastest.energy_j
        without_j = others * self._all_max_until(awaited_s) + slowdown * self._all_max_until(fastest.time_s)
        return 100 * (1 - planned_j / without_j)

    def peak(self) -> tuple[float, float]:
        """The most that is saved [%] over slowdowns of 1.01, 1.02, ... 1.50, and at which."""
        return max((self.total(1 + step / 100), 1 + step / 100) for step in range(1, 51))

    def _all_max_until(self, until_s: float) -> float:
        (time_s,), (energy_j,) = realise(self.problem, self.problem.top_clocks[None])
        return float(energy_j + self.problem.total_wait_power_w * max(0.0, until_s - float(time_s)))
