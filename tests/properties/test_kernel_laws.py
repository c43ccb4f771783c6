"""Laws of plans below the computation: equal to brute force on short sequences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from joulewise.errors import InfeasibleError, UsageError
from joulewise.optimize.kernels import (
    GRANULARITIES,
    Kernel,
    KernelSequence,
    break_even_s,
    granularity_study,
    kernel_frontier,
    plan_exactly,
    plan_kernels,
)
from joulewise.optimize.pipeline.options import OptionTable
from joulewise.optimize.pipeline.switch_cost import FREE, SwitchCost

REL = 1e-9
costs = st.builds(
    SwitchCost,
    latency_s=st.sampled_from([0.0, 0.01, 0.4, 5.0]),
    penalty_j=st.sampled_from([0.0, 0.5, 20.0]),
    latencies_s=st.sampled_from([(), ((0, 0.3), (2, 0.001))]),
)


@st.composite
def sequences(draw: st.DrawFn) -> KernelSequence:
    """A few kernels at a few settings, some of which are not described for some kernels."""
    count, choices = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    numbers = st.one_of(st.integers(1, 9).map(float), st.floats(0.01, 9.0))
    time_s, energy_j = (
        np.array(draw(st.lists(numbers, min_size=count * choices, max_size=count * choices))).reshape(count, choices)
        for _ in range(2)
    )
    gaps = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(1, 2)), max_size=2))
    for kernel, setting in gaps:
        if setting < choices:
            time_s[kernel, setting] = energy_j[kernel, setting] = np.inf
    phases = draw(st.lists(st.sampled_from(["forward", "backward"]), min_size=count, max_size=count))
    kernels = tuple(Kernel(f"k{n}", n // 2, phase) for n, phase in enumerate(phases))
    power_w = draw(st.sampled_from([0.0, 3.0]))
    return KernelSequence(kernels, tuple(range(choices - 1, -1, -1)), time_s, energy_j, power_w)


def _every(sequence: KernelSequence, switch: SwitchCost) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Time and energy of every plan, kernel by kernel: iterations repeat, so the first follows the last."""
    count, n = len(sequence.settings), len(sequence)
    paths = np.stack(np.meshgrid(*[np.arange(count)] * n, indexing="ij"), axis=-1).reshape(-1, n)
    times, energies = np.zeros(len(paths)), np.zeros(len(paths))
    for row, path in enumerate(paths.tolist()):
        for place, setting in enumerate(path):
            if setting != path[place - 1]:
                stall_s = switch.to_reach_s(sequence.settings[setting])
                times[row] += stall_s
                energies[row] += switch.penalty_j + sequence.wait_power_w * stall_s
            times[row] += sequence.time_s[place, setting]
            energies[row] += sequence.energy_j[place, setting]
    known = np.isfinite(times)
    return times[known], energies[known]


@given(sequences(), costs)
@settings(max_examples=80)
def test_no_plan_is_below_the_hull_and_every_vertex_is_a_plan(sequence: KernelSequence, switch: SwitchCost) -> None:
    frontier = kernel_frontier(sequence, switch)
    times, energies = _every(sequence, switch)
    assert frontier.time_s[0] == pytest.approx(times.min(), rel=1e-6)
    assert frontier.energy_j[-1] == pytest.approx(energies.min(), rel=1e-6)
    for point in frontier:
        assert (np.isclose(times, point.time_s) & np.isclose(energies, point.energy_j)).any()
    for time_s, energy_j in zip(times.tolist(), energies.tolist(), strict=True):
        if time_s >= frontier.bound.time_s[0]:
            assert energy_j >= frontier.bound_j(time_s) - 1e-6 * energy_j


@given(sequences(), costs, st.floats(0, 1.2))
@settings(max_examples=120)
def test_the_exact_plan_is_the_best_of_all_plans(sequence: KernelSequence, switch: SwitchCost, share: float) -> None:
    times, energies = _every(sequence, switch)
    fastest_s = float(kernel_frontier(sequence, switch).time_s[0])
    deadline_s = fastest_s + share * (float(times.max()) - fastest_s)
    best_j = energies[times <= deadline_s * (1 + 1e-12)].min()
    exact = plan_exactly(sequence, switch, deadline_s=deadline_s)
    assert exact.time_s <= deadline_s * (1 + REL)
    assert exact.energy_j == pytest.approx(best_j, rel=1e-6)
    quick = plan_kernels(sequence, switch, deadline_s=deadline_s)
    assert exact.bound_j * (1 + REL) + REL >= quick.bound_j
    assert quick.bound_j - 1e-6 * quick.energy_j <= exact.energy_j <= quick.energy_j * (1 + REL)


@given(sequences())
@settings(max_examples=40)
def test_an_endless_latency_leaves_one_setting_and_a_dearer_switch_never_saves(sequence: KernelSequence) -> None:
    energies_j = [plan_exactly(sequence, SwitchCost(s), deadline_s=1e9).energy_j for s in (0.0, 0.1, 1.0, 100.0)]
    assert energies_j == sorted(energies_j)
    common = np.isfinite(sequence.time_s).all(axis=0)
    if common.any():
        frontier = kernel_frontier(sequence, SwitchCost(1e6))
        for point in frontier:
            assert isinstance(point.setting, tuple)
            assert len(set(point.setting)) == 1 or point.time_s >= 1e6


@given(sequences(), costs)
@settings(max_examples=40)
def test_finer_control_never_saves_less(sequence: KernelSequence, switch: SwitchCost) -> None:
    if not np.isfinite(sequence.time_s).all():
        return
    rows = granularity_study(sequence, [switch.latency_s], max_slowdown=1.3, switch=switch)
    assert [row.granularity for row in rows] == list(GRANULARITIES)
    savings = [row.saving_frac for row in rows]
    assert savings == sorted(savings, reverse=True)
    assert all(row.saving_frac <= row.bound_frac + 1e-6 for row in rows)


def _two_faces() -> KernelSequence:
    """Kernels that alternate between feeling the clock and not."""
    time_s = np.array([[1.0, 2.0], [1.0, 1.0]] * 4) * 1e-3
    energy_j = np.array([[4.0, 3.0], [4.0, 1.0]] * 4) * 1e-1
    kernels = tuple(Kernel("gemm" if n % 2 == 0 else "copy", n // 4, "forward") for n in range(8))
    return KernelSequence(kernels, (1400, 700), time_s, energy_j)


def test_finer_control_pays_up_to_the_break_even_latency() -> None:
    sequence = _two_faces()
    latency_s = break_even_s(sequence, "kernel", "iteration", max_slowdown=1.1)
    below, above = (
        granularity_study(sequence, [at], max_slowdown=1.1, granularities=("kernel",))[0].saving_frac
        for at in (latency_s * 0.9, latency_s * 1.2)
    )
    assert below > 0.01 >= above
    assert break_even_s(sequence, "layer", "pass", max_slowdown=1.1) == 0.0


def test_a_frontier_of_kernels_is_a_table_of_options_for_the_planner_of_pipelines() -> None:
    table = OptionTable.of(kernel_frontier(_two_faces(), SwitchCost(1e-5)), wait_power_w=50.0)
    assert len(table) > 1
    assert all(isinstance(setting, tuple) and len(setting) == 8 for setting in table.settings)


def test_what_cannot_be_is_refused() -> None:
    sequence = _two_faces()
    with pytest.raises(InfeasibleError, match="no plan takes"):
        plan_kernels(sequence, FREE, max_slowdown=0.5)
    with pytest.raises(UsageError, match="granularity"):
        sequence.grouped("stage")
    with pytest.raises(UsageError, match="too large"):
        plan_exactly(sequence, FREE, max_slowdown=1.3, most_labels=1)
    with pytest.raises(UsageError, match="no usable figures"):
        KernelSequence(sequence.kernels, sequence.settings, -sequence.time_s, sequence.energy_j)
    with pytest.raises(UsageError, match="not usable"):
        KernelSequence(sequence.kernels, (1, 2, 3), sequence.time_s, sequence.energy_j)
