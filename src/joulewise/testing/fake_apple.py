"""A stand-in for zeus-apple-silicon: a chip whose parts draw constant power on a clock, published in batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from joulewise.clock import Clock

FIELDS = ("cpu_total_mj", "gpu_mj", "gpu_sram_mj", "ane_mj", "dram_mj")


@dataclass
class FakeEnergyMetrics:
    """As AppleEnergyMetrics: millijoules, or None for what this chip does not have."""

    cpu_total_mj: int | None = None
    gpu_mj: int | None = None
    gpu_sram_mj: int | None = None
    ane_mj: int | None = None
    dram_mj: int | None = None


@dataclass
class FakeZeusAppleSilicon:
    """The module, and the chip behind it.

    Attributes:
        clock: Time.
        powers_w: Power of each part that the chip has, by field.
        batch_s: How far apart its counters are published; 0 for always.
        stalled: Parts that macOS stopped publishing, with what they last said [mJ].
        broken: Whether IOReport refuses.
    """

    clock: Clock
    powers_w: Mapping[str, float] = field(
        default_factory=lambda: {"cpu_total_mj": 8.0, "gpu_mj": 12.0, "gpu_sram_mj": 0.5, "ane_mj": 1.0, "dram_mj": 2.0}
    )
    batch_s: float = 0.0
    stalled: dict[str, int] = field(default_factory=dict)
    broken: bool = False

    def AppleEnergyMonitor(self) -> FakeZeusAppleSilicon:  # noqa: N802  the name that it stands for
        """A monitor of this chip."""
        return self

    def get_cumulative_energy(self) -> FakeEnergyMetrics:
        """Energy since the clock's zero."""
        if self.broken:
            raise RuntimeError("Failed to create IOReport subscription")
        now_s = self.clock.now_ns() * 1e-9
        if self.batch_s:
            now_s = now_s // self.batch_s * self.batch_s
        counted = {name: int(power_w * now_s * 1e3) for name, power_w in self.powers_w.items()}
        return FakeEnergyMetrics(**(counted | self.stalled))
