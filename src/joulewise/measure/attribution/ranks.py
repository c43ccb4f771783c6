"""Energy per training rank, from the devices that each computes on.

Theory of operation. A device that one rank computes on is that rank's while its window lasts. One that several compute
on, such as the CPUs of a node, is divided evenly among those whose windows are open, for it does not say who used it.
Devices that nobody computes on, and time outside all windows, are unattributed.
"""

from __future__ import annotations

from joulewise.errors import UsageError
from joulewise.measure.attribution.share import Attribution, divide, together
from joulewise.measure.attribution.spent import spent_by
from joulewise.measure.attribution.use import Use, by_use
from joulewise.measure.merge import Merged

METHOD = "devices of one rank to that rank; shared devices evenly among ranks whose windows are open"


def by_rank(merged: Merged) -> Attribution:
    """Divide the energy of a merged measurement among ranks; keys are rank numbers.

    Raises:
        UsageError: If no device told its energy.
    """
    parts: list[Attribution] = []
    for device in merged.measurement.devices:
        if not device.in_total or device.energy is None:
            continue
        uid = device.identity.uid
        uses = []
        for rank in merged.ranks:
            if rank.measurement is None or uid not in _with_parents(merged, rank.rank):
                continue
            begin_ns = round(rank.measurement.began_at * 1e9)
            end_ns = begin_ns + rank.measurement.end_ns - rank.measurement.begin_ns
            if end_ns > begin_ns:
                uses.append(Use(str(rank.rank), begin_ns, end_ns, (end_ns - begin_ns) * 1e-9))
        parts.append(by_use(spent_by(merged.measurement, [uid]), uses, METHOD))
    if not parts:
        raise UsageError("there is no energy to divide among ranks", "no device told any", "see merged.failures")
    found = together(parts, METHOD)
    missing = {str(rank.rank): 0.0 for rank in merged.ranks if rank.measurement is not None}
    return divide(found.total, missing | {share.key: share.energy_j for share in found.shares}, METHOD)


def _with_parents(merged: Merged, rank: int) -> set[str]:
    """What a rank computes on, and whatever includes it: a GPU's module is in the sum in its place."""
    parent = {one.identity.uid: one.identity.parent for one in merged.measurement.devices}
    found: set[str] = set()
    for uid in merged.uids.get(rank, ()):
        above: str | None = uid
        while above is not None and above not in found:
            found.add(above)
            above = parent.get(above)
    return found
