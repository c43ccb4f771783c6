"""How long a computation takes and what a GPU draws at each clock: a small law per GPU model.

Theory of operation. A computation has a part that does not feel the core clock f (memory, launches) and a
part that is a number of cycles, so its time is a + b/f. The dynamic power of CMOS logic is proportional to
V² f, and the voltage rises with the clock, so the power is c0 + c1 f + c2 f³: one shape for the GPU, scaled a
little for each computation. Near its power limit a GPU does not hold the clock it is told to: above
``cap_mhz`` it behaves as at ``cap_mhz``. The parameters are fitted (see fit.py) and the law is refused outside
the clocks it was fitted to: c1 may be negative, and below those clocks the polynomial would rise again.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joulewise.errors import InputFileError, UsageError
from joulewise.records import Instruction

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class OperationLaw:
    """What one kind of computation asks of the GPU.

    Attributes:
        instruction: What runs.
        stages: Stages of the measured pipeline that this law was fitted to.
        a_s: Time that does not depend on the clock [s].
        b_s_ghz: Work that does: 10⁹ core cycles [s·GHz].
        power_scale: Power relative to the GPU's shared power law.
    """

    instruction: Instruction
    stages: tuple[int, ...]
    a_s: float
    b_s_ghz: float
    power_scale: float


@dataclass(frozen=True)
class DeviceLaw:
    """The law of one GPU model.

    Attributes:
        name: GPU model.
        source: Where the parameters come from.
        clock_min_mhz: Lowest clock the law holds for [MHz].
        clock_max_mhz: Highest clock of the GPU [MHz].
        clock_step_mhz: Distance of its clocks [MHz].
        cap_mhz: Highest clock it holds under load [MHz].
        wait_power_w: Power while it waits for other GPUs [W].
        c0_w: Power that does not depend on the clock [W].
        c1_w_per_ghz: Linear coefficient of power [W/GHz].
        c2_w_per_ghz3: Cubic coefficient of power [W/GHz³].
        operations: What the measured computations ask of it.
    """

    name: str
    source: str
    clock_min_mhz: int
    clock_max_mhz: int
    clock_step_mhz: int
    cap_mhz: int
    wait_power_w: float
    c0_w: float
    c1_w_per_ghz: float
    c2_w_per_ghz3: float
    operations: tuple[OperationLaw, ...]

    @property
    def clocks_mhz(self) -> tuple[int, ...]:
        """Clocks the law holds for, highest first [MHz]."""
        return tuple(range(self.clock_max_mhz, self.clock_min_mhz - 1, -self.clock_step_mhz))

    def time_s(self, operation: OperationLaw, clock_mhz: ArrayLike) -> NDArray[np.float64]:
        """Time of a computation at each clock [s].

        Args:
            operation: What the computation asks of the GPU.
            clock_mhz: Core clocks [MHz], within clock_min_mhz..clock_max_mhz; any shape, kept.

        Raises:
            UsageError: If a clock lies outside the range of the law.
        """
        return operation.a_s + operation.b_s_ghz / self._held_ghz(clock_mhz)

    def power_w(self, operation: OperationLaw, clock_mhz: ArrayLike) -> NDArray[np.float64]:
        """Power of one GPU during a computation at each clock [W]; arguments and errors as ``time_s``."""
        ghz = self._held_ghz(clock_mhz)
        return operation.power_scale * (self.c0_w + self.c1_w_per_ghz * ghz + self.c2_w_per_ghz3 * ghz**3)

    def operation(self, instruction: Instruction, stage: int) -> OperationLaw:
        """The law of an instruction of a stage of the measured pipeline.

        Raises:
            UsageError: If that was not measured.
        """
        for law in self.operations:
            if law.instruction is instruction and stage in law.stages:
                return law
        raise UsageError(
            f"the law of {self.name} has no {instruction} of stage {stage}",
            f"it has {', '.join(f'{law.instruction} of {list(law.stages)}' for law in self.operations)}",
            "ask for one of these",
        )

    def _held_ghz(self, clock_mhz: ArrayLike) -> NDArray[np.float64]:
        clock = np.asarray(clock_mhz, dtype=np.float64)
        outside = ~((clock >= self.clock_min_mhz) & (clock <= self.clock_max_mhz))
        if outside.any():
            raise UsageError(
                f"the law of {self.name} does not hold at this clock",
                f"seen: {clock[outside].flat[0]:g} MHz",
                f"ask for {self.clock_min_mhz} to {self.clock_max_mhz} MHz",
            )
        return np.minimum(clock, self.cap_mhz) / 1e3


def device_names() -> tuple[str, ...]:
    """Names of the GPU models that have a law, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_device_law(name: str) -> DeviceLaw:
    """The law of a GPU model that ships with the package.

    Args:
        name: One of ``device_names()``.

    Raises:
        UsageError: If there is none of that name.
    """
    if name not in device_names():
        raise UsageError(f"no law of a GPU named {name!r}", f"known: {', '.join(device_names())}", "name one of these")
    return read_device_law(_FOLDER / f"{name}.toml")


def read_device_law(path: str | Path) -> DeviceLaw:
    """Read a law from a TOML file as fit.py prints it.

    Raises:
        InputFileError: If the file cannot be read as one.
    """
    try:
        return _parse(tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputFileError(
            str(path),
            None,
            "not the law of a GPU",
            f"{type(error).__name__}: {error}",
            "print one with python -m joulewise.devices.simulated.fit",
        ) from error


def _parse(data: Mapping[str, Any]) -> DeviceLaw:
    fields = dict(data) | dict(data["power"])
    del fields["power"]
    fields["operations"] = tuple(
        OperationLaw(**{**one, "instruction": Instruction(one["instruction"]), "stages": tuple(one["stages"])})
        for one in fields.pop("operation")
    )
    return DeviceLaw(**fields)
