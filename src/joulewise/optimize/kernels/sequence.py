"""A described sequence of kernels: what each takes and draws at every setting of the device.

The kernels of an iteration run one after the other on one device, which is told one setting at a time. An iteration
repeats, so the last kernel is followed by the first. Kernels belong to layers and passes, which are coarser things to
give a setting to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from joulewise.errors import UsageError
from joulewise.frontier.settings import Setting
from joulewise.records import Provenance
from joulewise.wire.kernels import KernelFile

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Kernel:
    """Where a kernel stands.

    Attributes:
        name: What it is.
        layer: Number of the layer that it belongs to, counted through the iteration: backward layers count on.
        phase: The pass that it belongs to: forward, backward, optimizer.
    """

    name: str
    layer: int
    phase: str


@dataclass(frozen=True, eq=False)
class KernelSequence:
    """The kernels of one iteration, in order.

    Attributes:
        kernels: The kernels.
        settings: The settings of the device.
        time_s, energy_j: Of each kernel at each setting [s], [J]; infinite where a setting was not described.
        wait_power_w: What the device draws while it waits for a switch [W].
        provenance: Where the figures come from.
        source: The same for people.

    Shapes:
        time_s, energy_j: (n_kernels, n_settings).

    Raises:
        UsageError: If shapes do not fit, or a figure is not usable.
    """

    kernels: tuple[Kernel, ...]
    settings: tuple[Setting, ...]
    time_s: Floats
    energy_j: Floats
    wait_power_w: float = 0.0
    provenance: Provenance = Provenance.MODELLED
    source: str = ""

    def __post_init__(self) -> None:
        """Check."""
        shape = (len(self.kernels), len(self.settings))
        if not all(shape) or self.time_s.shape != shape or self.energy_j.shape != shape:
            seen = f"{shape[0]} kernels, {shape[1]} settings, shapes {self.time_s.shape} and {self.energy_j.shape}"
            raise UsageError("a kernel sequence is not usable", seen, "give a time and an energy for each of both")
        known = np.isfinite(self.time_s) & np.isfinite(self.energy_j)
        if (self.time_s < 0).any() or (self.energy_j < 0).any() or not known.any(axis=1).all():
            row = int(np.argmin(known.any(axis=1) & (self.time_s >= 0).all(axis=1) & (self.energy_j >= 0).all(axis=1)))
            seen = f"kernel {row}, {self.kernels[row].name}"
            raise UsageError("a kernel has no usable figures", seen, "give times and energies that are not negative")
        if not (np.isfinite(self.wait_power_w) and self.wait_power_w >= 0):
            raise UsageError("the waiting power is not usable", repr(self.wait_power_w), "give watts, not negative")

    @classmethod
    def from_file(cls, described: KernelFile) -> KernelSequence:
        """The sequence that a file describes, its repeated layers unrolled.

        Raises:
            UsageError: If a layer is described with several numbers of repeats, or a kernel twice at one clock.
        """
        settings = tuple(sorted({reading.clock_mhz for reading in described.readings}, reverse=True))
        place = {clock_mhz: number for number, clock_mhz in enumerate(settings)}
        kernels: list[Kernel] = []
        rows: list[Floats] = []
        layer = 0
        for (phase, block), part in groupby(described.readings, lambda one: (one.phase, one.block)):
            readings = list(part)
            repeats = {reading.repeats for reading in readings}
            if len(repeats) > 1:
                seen = f"{sorted(repeats)} for {block} of {phase}"
                raise UsageError("a layer is repeated differently", seen, "give all its kernels the same repeats")
            names: list[str] = []
            figures: list[Floats] = []
            for name, same in groupby(readings, lambda one: one.kernel):
                names.append(name)
                row = np.full((2, len(settings)), np.inf)
                for reading in same:
                    if np.isfinite(row[0, place[reading.clock_mhz]]):
                        seen = f"{name} of {phase} at {reading.clock_mhz} MHz"
                        raise UsageError("a kernel is described twice", seen, "give one row for each kernel and clock")
                    row[:, place[reading.clock_mhz]] = reading.time_s, reading.energy_j
                figures.append(row)
            for _ in range(repeats.pop()):
                kernels += [Kernel(name, layer, phase) for name in names]
                rows += figures
                layer += 1
        table = np.stack(rows)
        power_w, provenance, source = described.wait_power_w, described.provenance, described.source
        return cls(tuple(kernels), settings, table[:, 0], table[:, 1], power_w, provenance, source)

    def __len__(self) -> int:
        """Number of kernels."""
        return len(self.kernels)

    @property
    def top(self) -> int:
        """Place of the setting that all run at if nothing is planned: the highest number, else the fastest."""
        numeric = [(float(s), place) for place, s in enumerate(self.settings) if isinstance(s, int | float)]
        return max(numeric)[1] if numeric else int(np.argmin(self.time_s.sum(axis=0)))

    @property
    def reference(self) -> tuple[float, float]:
        """Time and energy with everything at the top setting [s], [J]."""
        return float(self.time_s[:, self.top].sum()), float(self.energy_j[:, self.top].sum())

    def grouped(self, granularity: str) -> KernelSequence:
        """The same iteration with one setting for all kernels in a row of the same layer or pass, or for all.

        Args:
            granularity: "kernel", "layer", "pass" or "iteration".

        Raises:
            UsageError: If it is none of these, or kernels of a group have no setting in common.
        """
        keys = {
            "kernel": lambda place: place,
            "layer": lambda place: (self.kernels[place].phase, self.kernels[place].layer),
            "pass": lambda place: self.kernels[place].phase,
            "iteration": lambda place: 0,
        }
        if granularity not in keys:
            raise UsageError("unknown granularity", repr(granularity), f"use one of {', '.join(keys)}")
        groups = [list(places) for _, places in groupby(range(len(self)), keys[granularity])]
        return replace(
            self,
            kernels=tuple(self._named(places, granularity) for places in groups),
            time_s=np.stack([self.time_s[places].sum(axis=0) for places in groups]),
            energy_j=np.stack([self.energy_j[places].sum(axis=0) for places in groups]),
        )

    def _named(self, places: Sequence[int], granularity: str) -> Kernel:
        first = self.kernels[places[0]]
        names = {"layer": f"layer {first.layer}", "pass": first.phase, "iteration": "iteration"}
        return replace(first, name=names.get(granularity, first.name))
