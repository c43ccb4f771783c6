"""Clocks below the computation: for each kernel, layer, pass or iteration of a described sequence, by exact search."""

from joulewise.optimize.kernels.exact import plan_exactly
from joulewise.optimize.kernels.granularity import GRANULARITIES, GranularityRow, break_even_s, granularity_study
from joulewise.optimize.kernels.planner import KernelPlan, kernel_frontier, plan_kernels
from joulewise.optimize.kernels.sequence import Kernel, KernelSequence

__all__ = [
    "GRANULARITIES",
    "GranularityRow",
    "Kernel",
    "KernelPlan",
    "KernelSequence",
    "break_even_s",
    "granularity_study",
    "kernel_frontier",
    "plan_exactly",
    "plan_kernels",
]
