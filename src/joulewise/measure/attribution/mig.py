"""Energy per MIG slice: NVML tells that of the board only, and no utilisation of processes while MIG is on.

Theory of operation. A slice holds some of the board's compute slices, 7 on most boards. While it exists it counts as
that fraction of the board; a board without slices on part of it leaves that part unattributed. If someone knows how
busy a slice was (DCGM tells), its fraction counts only for that part of the time. Memory and the rest of the board are
not told apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from joulewise.errors import UsageError
from joulewise.measure.attribution.share import Attribution
from joulewise.measure.attribution.spent import Spent
from joulewise.measure.attribution.use import Use, by_use


@dataclass(frozen=True, slots=True)
class MigSlice:
    """A slice for some time.

    Attributes:
        uid: Of the slice.
        compute_slices: How many of the board's it holds.
        begin_ns, end_ns: From when until when [ns].
        active_frac: In which part of that time it computed, or None if nobody knows.
    """

    uid: str
    compute_slices: int
    begin_ns: int
    end_ns: int
    active_frac: float | None = None


def by_slice(
    spent: Spent, slices: Iterable[MigSlice], board_slices: int, *, idle_w: float | None = None
) -> Attribution:
    """Divide a board's energy among its slices.

    Args:
        spent: What the board spent.
        slices: What was on it. Either all of them say how active they were, or none.
        board_slices: How many compute slices the board has: 7, or 4 on A30.
        idle_w: The board's idle power, to be left unattributed [W]; by default the baseline that was measured, if one
            was; without either, idle power is divided as the rest.

    Raises:
        UsageError: If some say how active they were and others do not, or more is used than there is.
    """
    known = list(slices)
    active = [one.active_frac is not None for one in known]
    if any(active) and not all(active):
        raise UsageError("slices must be compared by one measure", "some without activity", "give all, or none")
    if any(one.compute_slices > board_slices or not 0 <= (one.active_frac or 0.0) <= 1 for one in known):
        raise UsageError("slices do not fit the board", f"{board_slices} compute slices", "check their sizes")
    uses = [_use(one) for one in known]
    idle_w = spent.idle_w if idle_w is None else idle_w
    what = "compute slices times their activity" if any(active) else "compute slices held, busy or not"
    idle = "; idle power unattributed" if idle_w is not None else ""
    method = f"in proportion to {what}, of {board_slices} on the board{idle}"
    return by_use(spent, uses, method, capacity_per_s=board_slices, idle_w=idle_w)


def _use(one: MigSlice) -> Use:
    held = one.compute_slices * (one.end_ns - one.begin_ns) * 1e-9
    return Use(one.uid, one.begin_ns, one.end_ns, held * (1.0 if one.active_frac is None else one.active_frac))
