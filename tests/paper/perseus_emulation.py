"""The public stage profiles in the large-scale emulation of Perseus; its sums are `joulewise.sim.emulation`'s."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from joulewise.optimize.pipeline.problem import PipelineProblem
from joulewise.sim import emulation
from joulewise.sim.emulation import GLOBAL_BATCH, MICROBATCHES, SLOWDOWNS, Emulation, Published
from joulewise.wire.profile import read_profile

__all__ = ["BLOOM_A40", "DATA", "GLOBAL_BATCH", "GPT3_A100", "PUBLISHED", "PUBLISHED_ENVPIPE", "SLOWDOWNS", "Emulation"]

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "perseus"


@dataclass(frozen=True)
class Workload:
    """A profile of the emulation: its file."""

    name: str
    file: str

    @property
    def wait_power_w(self) -> float:
        """Power of a waiting GPU [W]."""
        return next(power_w for gpu, power_w in emulation.WAIT_POWER_W.items() if gpu in self.file)

    def problem(self, microbatches: int) -> PipelineProblem:
        """One pipeline of the emulation at its full size."""
        return emulation.emulated(read_profile(DATA / self.file), microbatches, self.wait_power_w)


GPT3_A100 = Workload("GPT-3 175B, A100", "gpt3-175b+a100_sxm_bf16.csv")
BLOOM_A40 = Workload("Bloom 176B, A40", "bloom+a40_bf16.csv")


def _published() -> dict[tuple[Workload, int], Published]:
    found = {
        (workload, m): emulation.published(workload.file, m)
        for workload in (GPT3_A100, BLOOM_A40)
        for m in MICROBATCHES
    }
    return {key: row for key, row in found.items() if row is not None}


PUBLISHED = _published()

PUBLISHED_ENVPIPE = {  # iteration time [s] and energy of a pipeline [J] that the Perseus artifact gives for EnvPipe
    (GPT3_A100, 12): (28.365, 503607.718),
    (GPT3_A100, 24): (46.712, 968871.603),
    (GPT3_A100, 48): (83.406, 1899399.374),
    (GPT3_A100, 96): (156.794, 3760454.915),
    (BLOOM_A40, 12): (71.799, 909763.817),
    (BLOOM_A40, 24): (117.612, 1762906.227),
}
