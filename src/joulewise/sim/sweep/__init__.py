"""Sweeps: one function at many points, on any `concurrent.futures.Executor`, resumable.

>>> from joulewise.sim.sweep import run_sweep
>>> [row["root"] for row in run_sweep(square_root, [{"x": 4.0}, {"x": 9.0}])]  # doctest: +SKIP
[2.0, 3.0]
"""

from __future__ import annotations

from joulewise.sim.sweep.executors import open_executor
from joulewise.sim.sweep.row import Row, Scalar
from joulewise.sim.sweep.run import run_sweep

__all__ = ["Row", "Scalar", "open_executor", "run_sweep"]
