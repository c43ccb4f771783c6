"""Clock domains: what an operation can be told once more than one clock drives it.

Theory of operation. Both models begin with the operation as it was profiled under one clock f and its split
(`joulewise.sim.whatif.split`), and change only what the second clock changes; every profiled option stays, so that
more domains never offer less.

*Compute apart from memory.* An operation goes back and forth ``phases`` times between a part that feels the core clock
and one that does not. With the core's clock apart from that of caches, links and memory, the core drops to its lowest
clock while it is stalled. That saves the stalled power between the two clocks, for the time that does not feel the
clock, and costs two switches a time: each takes the switch latency, during which the rank draws what waiting draws.

*Per partition.* The chip is cut into partitions of equal size, of which the busiest has load 1 and the others less
(``loads``): under one clock they are done early and stall. With a clock each, they run as slowly as lets them finish
together, on the next clock of the table above load x f, where f is the clock that is told, so that operations at one
f have one setting. Time does not change, nor does anything switch within the operation. Loads are taken as equal for
all operations; if they wander between partitions, the clocks would have to follow, and the saving is less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from joulewise.frontier.columns import Columns
from joulewise.frontier.settings import Setting
from joulewise.optimize.pipeline.options import OptionTable
from joulewise.records import Provenance
from joulewise.sim.whatif.split import Split, split_of

Floats = NDArray[np.float64]


def apart_from_memory(table: OptionTable, latency_s: float, phases: int, stalled_frac: float) -> OptionTable:
    """The options of an operation whose core can be slowed while it waits for memory.

    Args:
        table: Under one clock.
        latency_s: Of a switch [s].
        phases: How often the operation goes back and forth.
        stalled_frac: Power of a stalled core relative to that of a computing one, waiting power left out.
    """
    split = split_of(table)
    if split is None:
        return table
    driven_w = split.driven_w(stalled_frac)
    saved_j = split.insensitive_s * stalled_frac * np.maximum(0.0, driven_w - driven_w[0])
    lost_s = 2 * phases * latency_s
    time_s = split.time_s + lost_s
    energy_j = split.energy_j - saved_j + split.wait_power_w * lost_s
    low = int(split.clock_mhz[0])
    settings: list[Setting] = [("stalled", int(clock), low) for clock in split.clock_mhz]
    return _with(table, time_s, energy_j, settings)


def per_partition(table: OptionTable, loads: Sequence[float], stalled_frac: float) -> OptionTable:
    """The options of an operation whose partitions have a clock each.

    Args:
        table: Under one clock.
        loads: Work of each partition relative to the busiest, whose load is 1.
        stalled_frac: As above.
    """
    split = split_of(table)
    if split is None:
        return table
    shares = np.array(loads, dtype=np.float64)
    driven_w = _evened(split, shares, stalled_frac)
    energy_j, settings = split.energy_j.copy(), list[Setting]()
    for row, ghz in enumerate(split.held_ghz.tolist()):
        wanted = np.searchsorted(split.clock_mhz, shares * split.clock_mhz[row] - 1e-6)
        chosen = np.minimum(wanted, row)
        busy_s = shares * split.sensitive_s[row] * ghz / split.held_ghz[chosen]
        stalled_s = split.time_s[row] - busy_s
        above_j = driven_w[chosen] * (busy_s + stalled_frac * stalled_s)
        under_one_j = driven_w[row] * _under_one_s(split, shares, stalled_frac, row)
        energy_j[row] += min(0.0, float(above_j.mean()) - float(under_one_j))
        settings.append(("partitions", *(int(clock) for clock in split.clock_mhz[chosen])))
    return _with(table, split.time_s, energy_j, settings)


def _evened(split: Split, shares: Floats, stalled_frac: float) -> Floats:
    """Power above waiting of a partition that computes, at each clock [W], so that the profiled energy comes out."""
    above_j = np.maximum(0.0, split.energy_j - split.wait_power_w * split.time_s)
    busy_s = np.array([_under_one_s(split, shares, stalled_frac, row) for row in range(len(split.time_s))])
    return np.asarray(above_j / busy_s)


def _under_one_s(split: Split, shares: Floats, stalled_frac: float, row: int) -> float:
    """Mean over partitions of the time that they draw power, under one clock [s]."""
    busy_s = shares * split.sensitive_s[row]
    return float((busy_s + stalled_frac * (split.time_s[row] - busy_s)).mean())


def _with(table: OptionTable, time_s: Floats, energy_j: Floats, settings: list[Setting]) -> OptionTable:
    """The table and more options, all of it modelled."""
    provenance = Provenance.weakest([table.provenance, Provenance.MODELLED])
    columns = Columns.from_arrays(
        np.concatenate([table.time_s, time_s]),
        np.concatenate([table.energy_j, np.maximum(0.0, energy_j)]),
        (*table.settings, *settings),
        provenance,
    )
    return OptionTable(columns, table.wait_power_w)
