"""A row: what a workload takes under one contract, flat, so that it can be swept, kept and read anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from joulewise.records import Provenance

Value = float | str | bool | None
Row = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Figures:
    """One deadline.

    Attributes:
        until_s: The time by which all must be done, and until which energy counts [s].
        time_s: When it is done [s].
        energy_j: Of all GPUs of the workload [J].
        untold_j: The same where nothing is told: everything at the highest clock or limit [J].
        switches: Changes of clock within it.
    """

    until_s: float
    time_s: float
    energy_j: float
    untold_j: float
    switches: float = 0.0

    @property
    def saving_frac(self) -> float:
        """Part of the energy that planning or tuning saves on this hardware."""
        return 1.0 - self.energy_j / self.untold_j


def row_of(found: Mapping[float, Figures | None], gpus: int, provenance: Provenance, note: str = "") -> Row:
    """The row of figures by deadline; a deadline that cannot be kept has none."""
    row: Row = {"applies": True, "reason": "", "note": note, "provenance": str(provenance), "gpus": float(gpus)}
    for slowdown, one in found.items():
        at = _at(slowdown)
        for name in ("until_s", "time_s", "energy_j", "untold_j", "switches"):
            row[f"{name}{at}"] = None if one is None else float(getattr(one, name))
    return row


def not_applicable(reason: str, slowdowns: tuple[float, ...]) -> Row:
    """The row of a contract that says nothing about a workload."""
    row: Row = {"applies": False, "reason": reason, "note": "", "provenance": "", "gpus": 0.0}
    for slowdown in slowdowns:
        for name in ("until_s", "time_s", "energy_j", "untold_j", "switches"):
            row[f"{name}{_at(slowdown)}"] = None
    return row


def figures_at(row: Mapping[str, Value], slowdown: float) -> Figures | None:
    """The figures of one deadline of a row, or None if it is not kept or does not apply."""
    at = _at(slowdown)
    values = [row.get(f"{name}{at}") for name in ("until_s", "time_s", "energy_j", "untold_j", "switches")]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return Figures(*numbers) if len(numbers) == len(values) else None


def _at(slowdown: float) -> str:
    return f" at {slowdown:g}x"
