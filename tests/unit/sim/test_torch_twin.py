"""Twins that follow a pipeline keep the time that the planner would replay."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.devices.simulated.work import Kernel
from joulewise.errors import UsageError
from joulewise.optimize.pipeline.costs import pipeline_problem
from joulewise.optimize.pipeline.replay import replay
from joulewise.optimize.pipeline.schedules import make_schedule
from joulewise.records import Instruction, Profile, Provenance, Reading
from joulewise.runtime.pipeline.computation import Computation
from joulewise.sim.torch_twin import RankClock, TwinGauge, transformer_costs

DOWN = {Instruction.BACKWARD, Instruction.BACKWARD_INPUT}


class SharedStore:
    """A store of torch.distributed, between threads."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._news = threading.Condition()

    def set(self, key: str, value: str) -> None:
        with self._news:
            self._values[key] = value
            self._news.notify_all()

    def get(self, key: str) -> bytes:
        with self._news:
            assert self._news.wait_for(lambda: key in self._values, timeout=20), key
            return self._values[key].encode()

    def delete_key(self, key: str) -> bool:
        with self._news:
            return self._values.pop(key, None) is not None

    @property
    def keys(self) -> list[str]:
        return list(self._values)


def run_pipeline(
    schedule: Any, costs: Any, store: SharedStore, iterations: int = 1
) -> list[list[tuple[int, int, float]]]:
    """Begin, end [ns] and energy [J] of every iteration, for each rank in a thread of its own."""
    stages = 1 + max(operation.stage for operation in schedule.operations)
    results: list[list[tuple[int, int, float]]] = [[] for _ in schedule.orders]

    def work(rank: int) -> None:
        operations = [schedule.operations[index] for index in schedule.orders[rank]]
        local = {operation.stage for operation in operations}
        gauge = TwinGauge(costs, rank=rank, ranks=schedule.ranks, stages=stages, local=local, store=store, seed=rank)
        for _ in range(iterations):
            begin_ns = gauge.open(profiling=False)
            for one in operations:
                computation = Computation(one.stage, one.instruction, one.microbatch)
                gauge.begin(computation, lambda: None)
                gauge.end(computation)
            end_ns, energy_j = gauge.close()
            results[rank].append((begin_ns, end_ns, energy_j or 0.0))

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(schedule.ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@settings(max_examples=15)
@given(
    st.sampled_from(["gpipe", "1f1b", "interleaved", "zb-h1", "zb-v", "dualpipe-v"]),
    st.integers(1, 3),
    st.data(),
)
def test_twin_time_is_the_longest_path(name: str, ranks: int, data: st.DataObject) -> None:
    schedule = make_schedule(name, ranks, 2 * ranks)
    kinds = sorted({(one.stage, one.instruction) for one in schedule.operations})
    times_s = data.draw(
        st.lists(st.integers(1, 500).map(lambda ms: 1e-3 * ms), min_size=len(kinds), max_size=len(kinds))
    )
    table = dict(zip(kinds, times_s, strict=True))
    readings = tuple(Reading(*kind, clock, time_s, 1.0) for kind, time_s in table.items() for clock in (1000, 1410))
    wait_w = (50.0,) * (1 + max(stage for stage, _ in kinds))
    problem = pipeline_problem(
        Profile(readings, Provenance.SIMULATED, "kernels that no clock changes", wait_w), schedule
    )
    expected_s = replay(problem, problem.top_clocks).time_s

    store = SharedStore()
    results = run_pipeline(schedule, lambda stage, what: Kernel(table[stage, what], 0.0), store, iterations=2)
    for rank in results:
        for begin_ns, end_ns, _ in rank:
            assert (end_ns - begin_ns) * 1e-9 == pytest.approx(expected_s, abs=1e-6)
    assert len({tuple(one[:2] for one in rank) for rank in results}) == 1  # iterations end together
    assert len(store.keys) == ranks  # nothing is left but the ends of the last iteration


def test_twins_draw_what_their_work_and_their_waiting_takes() -> None:
    schedule = make_schedule("1f1b", 2, 4)
    (first,), (second,) = run_pipeline(schedule, transformer_costs(2, scale=4.0), SharedStore())
    for begin_ns, end_ns, energy_j in (first, second):
        assert 80.0 < energy_j / ((end_ns - begin_ns) * 1e-9) < 410.0
    again = run_pipeline(schedule, transformer_costs(2, scale=4.0), SharedStore())
    assert again == [[first], [second]]  # to the bit, however threads are scheduled


def test_a_clock_of_a_rank_stands_still_for_others() -> None:
    clock = RankClock()
    other = threading.Thread(target=clock.sleep, args=(5.0,))
    other.start()
    other.join()
    assert clock.now_ns() == 0
    watched: list[int] = []
    clock.watch_ns, clock.watch = 100, lambda: watched.append(clock.now_ns())
    clock.sleep(450e-9)
    assert (clock.now_ns(), watched) == (450, [100, 200, 300, 400])


def test_gradients_in_halves_cost_what_whole_ones_do() -> None:
    costs = transformer_costs(3)
    for stage in range(3):
        halves = [costs(stage, half) for half in (Instruction.BACKWARD_INPUT, Instruction.BACKWARD_WEIGHT)]
        whole = costs(stage, Instruction.BACKWARD)
        assert whole is not None
        assert np.isclose(sum(half.time_s for half in halves if half), whole.time_s)
    assert costs(0, Instruction.BACKWARD_INPUT) is None
    with pytest.raises(UsageError, match="no kernels of a pipeline"):
        transformer_costs(2, chip="h100")
