"""What is to be divided: an energy with its bounds, and when within the window it was used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joulewise.errors import CounterError, UsageError
from joulewise.measure.curve import EnergyCurve, curve_of, sum_of
from joulewise.measure.energy import Energy, total
from joulewise.measure.measurement import Measurement
from joulewise.measure.timeline import Timeline


@dataclass(frozen=True)
class Spent:
    """An energy over a window.

    Attributes:
        energy: How much, with bounds.
        begin_ns, end_ns: The window [ns].
        curve: When; scaled to ``energy`` where they differ.
        idle_w: Power of the same devices idle [W], or None without a baseline.
    """

    energy: Energy
    begin_ns: int
    end_ns: int
    curve: EnergyCurve
    idle_w: float | None = None


def spent_by(measurement: Measurement, uids: Sequence[str] | None = None, timeline: Timeline | None = None) -> Spent:
    """What devices of a measurement spent, as attribution wants it.

    Args:
        measurement: What was measured.
        uids: Which devices, none of which includes another; by default all that are in the total.
        timeline: When, from the same monotonic clock; without it, energy counts as used evenly over the window.

    Raises:
        UsageError: If a device is not in the measurement, or not on the timeline.
        CounterError: If a device could not tell what it used.
    """
    known = measurement.by_device
    wanted = [one.identity.uid for one in measurement.devices if one.in_total] if uids is None else list(uids)
    missing = [uid for uid in wanted if uid not in known]
    if missing or not wanted:
        fix = f"choose of {', '.join(known) or 'none'}"
        raise UsageError("no such device was measured", ", ".join(missing) or "none was named", fix)
    energies: list[Energy] = []
    for uid in wanted:
        energy = known[uid].energy
        if energy is None:
            fix = "leave it out, or let joulewise doctor say why"
            raise CounterError(f"what {uid} used is not known", known[uid].failure or "no reading", fix)
        energies.append(energy)
    whole, idles = total(energies), [known[uid].idle_w for uid in wanted]
    idle = [idle_w for idle_w in idles if idle_w is not None]
    begin_ns, end_ns = measurement.begin_ns, measurement.end_ns
    even = EnergyCurve.even(whole.energy_j, begin_ns, end_ns)
    curve = even if timeline is None else _curve(timeline, wanted, begin_ns, end_ns)
    return Spent(whole, begin_ns, end_ns, curve, sum(idle) if len(idle) == len(wanted) else None)


def _curve(timeline: Timeline, uids: Sequence[str], begin_ns: int, end_ns: int) -> EnergyCurve:
    tracks = {track.identity.uid: track for track in timeline.tracks}
    missing = [uid for uid in uids if uid not in tracks]
    if missing:
        raise UsageError("the timeline lacks devices", ", ".join(missing), "give the timeline of the same window")
    return sum_of([curve_of(tracks[uid], begin_ns, end_ns) for uid in uids])
