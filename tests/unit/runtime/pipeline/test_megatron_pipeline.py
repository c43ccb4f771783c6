"""Megatron-Core's own steps, tables and groups under our hooks, in two processes with gloo.

Needs megatron-core; not part of what is installed for tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_runs import check_adapter, is_installed, run_job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed("megatron.core"), reason="megatron-core is not installed"),
]
MICROBATCHES = 8


@pytest.mark.parametrize("chunks", [1, 2])
def test_a_job_of_megatron_core_plans_for_itself_and_learns_the_same(chunks: int, tmp_path: Path) -> None:
    without = run_job("megatron_job.py", tmp_path / "without", "--chunks", str(chunks), "--mode", "off")
    ranks = run_job("megatron_job.py", tmp_path / "with", "--chunks", str(chunks))
    check_adapter(without, ranks, MICROBATCHES)
    for number, rank in enumerate(ranks):
        assert rank["stages"] == [chunk * len(ranks) + number for chunk in range(chunks)]
        expected = [
            ["forward" if code >= 0 else "backward", rank["stages"][code if code >= 0 else -code - 1]]
            for code in rank["order_of_megatron"]
        ]
        assert [entry[:2] for entry in rank["order"]] == expected
        # A whole iteration of Megatron-Core ends without CUDA as it does without us, and does not count as one.
        assert rank["whole_iteration"] == rank["whole_iteration_without"]
        assert rank["kept_of_it"] == 0
