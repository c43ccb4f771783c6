"""What the tests of sweeps evaluate: importable by workers, wherever they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from joulewise.sim.sweep import Row, run_sweep


@dataclass(frozen=True)
class Point:
    """A point as callers write it."""

    x: float
    word: str | None = None


def rooted(point: Mapping[str, float], spin: int = 0, log: str = "") -> dict[str, float | str | None]:
    """Root of x; 13 raises. Every call leaves a line in ``log``."""
    x = point["x"]
    if log:
        with Path(log).open("a") as stream:
            stream.write(f"{x!r}\n")
    if x == 13:
        raise ValueError("thirteen")
    for number in range(spin):
        math.sin(number)
    return {"root": math.sqrt(abs(x)), "sign": "-" if x < 0 else None, "whole": int(x)}


def of_point(point: Point) -> dict[str, float]:
    """As `rooted`, of a dataclass."""
    return {"double": 2.0 * point.x}


def slowly(point: Mapping[str, float], log: str = "", pause_s: float = 0.001) -> dict[str, float | str | None]:
    """As `rooted`, after a while."""
    from joulewise.clock import MonotonicClock  # noqa: PLC0415

    MonotonicClock().sleep(pause_s)
    return rooted(point, log=log)


def grid(count: int) -> list[dict[str, float]]:
    """Points."""
    return [{"x": float((7 * number) % count)} for number in range(count)]


def serial(count: int) -> list[Row]:
    """What every engine must find."""
    return run_sweep(partial(rooted, spin=50), grid(count))


def digest_of(point: Mapping[str, float], file: Path) -> dict[str, float]:
    """Depends on a file."""
    return {"bytes": len(file.read_bytes()) + point["x"]}
