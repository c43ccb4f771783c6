"""Facts that go up and decisions that come down, as frozen values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Provenance(StrEnum):
    """Where a figure comes from, most trustworthy first."""

    MEASURED = "measured"
    MODELLED = "modelled"
    SIMULATED = "simulated"

    @classmethod
    def weakest(cls, parts: Iterable[Provenance]) -> Provenance:
        """The provenance of a figure computed from ``parts``: that of its least trustworthy part."""
        order = list(cls)
        return max(parts, key=order.index, default=cls.MEASURED)


class Instruction(StrEnum):
    """What an operation of a pipeline iteration does: the whole vocabulary of schedules and profiles."""

    FORWARD = "forward"
    BACKWARD = "backward"
    BACKWARD_INPUT = "backward_input"
    BACKWARD_WEIGHT = "backward_weight"
    RECOMPUTATION = "recomputation"
    LOAD = "load"
    EMBEDDING = "embedding"
    P2P = "p2p"
    COLLECTIVE = "collective"
    OPTIMIZER = "optimizer"


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement of one operation of one stage at one clock.

    Attributes:
        stage: Pipeline stage, counted from 0.
        instruction: What ran.
        clock_mhz: Core clock [MHz], or None for an operation whose time does not depend on the clock.
        time_s: Duration [s].
        energy_j: Energy of one GPU of the stage over that duration [J].
    """

    stage: int
    instruction: Instruction
    clock_mhz: int | None
    time_s: float
    energy_j: float


@dataclass(frozen=True)
class Profile:
    """What was measured of the stages of a pipeline, clock by clock.

    Attributes:
        readings: Every reading; several of one stage, instruction and clock are repetitions.
        provenance: Whether the readings were measured, modelled or simulated.
        source: File or description, for titles and messages.
        wait_power_w: Power of one GPU of each stage while it waits for others [W], or None if unknown.
    """

    readings: tuple[Reading, ...]
    provenance: Provenance
    source: str
    wait_power_w: tuple[float, ...] | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def stages(self) -> int:
        """Number of pipeline stages."""
        return 1 + max(reading.stage for reading in self.readings)

    def by_operation(self) -> dict[tuple[int, Instruction], tuple[Reading, ...]]:
        """Readings of each (stage, instruction), in file order."""
        groups: dict[tuple[int, Instruction], list[Reading]] = {}
        for reading in self.readings:
            groups.setdefault((reading.stage, reading.instruction), []).append(reading)
        return {key: tuple(rows) for key, rows in groups.items()}
