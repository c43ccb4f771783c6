"""A sweep as a process of its own: on a real cluster, or one that is to be killed.

python tests/sweep_job.py dask | ray         prints how it compares with the serial run
python tests/sweep_job.py killed STORE LOG   sweeps slowly in two processes
"""

from __future__ import annotations

import sys
from functools import partial

from joulewise.sim.sweep import open_executor, run_sweep
from sweep_points import grid, rooted, serial, slowly

COUNT, SLOW = 400, 2000


def on_cluster(on: str) -> None:
    """Compare with the serial run."""
    told: list[tuple[int, int]] = []
    with open_executor(on) as executor:
        rows = run_sweep(
            partial(rooted, spin=50), grid(COUNT), executor=executor, on_progress=lambda *n: told.append(n)
        )
    assert rows == serial(COUNT)
    assert rows[[row.point["x"] for row in rows].index(13.0)].error == "ValueError: thirteen"
    assert told[-1] == (COUNT, COUNT)
    print(f"the same {len(rows)} rows on {on.partition(':')[0]}, in {len(told)} parts")


def main() -> None:
    """Do what the arguments say."""
    if sys.argv[1] == "dask":
        from distributed import LocalCluster  # noqa: PLC0415

        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
            on_cluster(cluster.scheduler_address.replace("tcp://", "dask://"))
    elif sys.argv[1] == "ray":
        on_cluster("ray")
    else:
        store, log = sys.argv[2], sys.argv[3]
        with open_executor(processes=2) as executor:
            run_sweep(partial(slowly, log=log), grid(SLOW), executor=executor, store=store)


if __name__ == "__main__":
    main()
