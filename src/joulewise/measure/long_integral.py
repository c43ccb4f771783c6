"""Energy from power over windows so long that the readings in their middle have been thinned.

Theory of operation. Beside each power reading stand running sums since the first one: of the energy that was shown, of
the error that a tick anywhere between two readings can make, and of its square. A thinned log has lost readings, never
sums, so the middle of a window is as exact as if all were kept. Around both edges readings are kept, and the usual
integration (`joulewise.measure.integrate`) is used there; what it adds for the two inner edges makes bounds a little
wider, which does not matter for windows that long.
"""

from __future__ import annotations

import math

from joulewise.devices.capabilities import Capability
from joulewise.measure.energy import Energy, Method
from joulewise.measure.integrate import UNKNOWN_GAIN_FRAC, Sight, integrate_power
from joulewise.measure.log import GUARD_NS, Log, Row
from joulewise.measure.uncertainty import HOEFFDING
from joulewise.records import Provenance

END_NS = 500_000_000


def is_long(log: Log, begin_ns: int, end_ns: int) -> bool:
    """Whether readings in the middle of a window are thinned."""
    return end_ns - begin_ns > 4 * GUARD_NS and log.thinned_ns > begin_ns + GUARD_NS


def integrate_long(log: Log, begin_ns: int, end_ns: int, capability: Capability, provenance: Provenance) -> Energy:
    """As `joulewise.measure.integrate.integrate_power`, for windows that are long.

    Args:
        log: Of rows by `joulewise.measure.log.power_row`.
        begin_ns, end_ns: The window [ns].
        capability: Of the power gauge.
        provenance: Of the readings.
    """
    sight, inner_begin_ns, inner_end_ns = Sight.of(capability), begin_ns + END_NS, end_ns - END_NS

    def end(first_ns: int, last_ns: int) -> Energy:
        rows = log.rows(first_ns - GUARD_NS, last_ns + GUARD_NS - END_NS)
        return integrate_power([(int(r[0]), r[1]) for r in rows], first_ns, last_ns, capability, provenance)

    head, tail = end(begin_ns, inner_begin_ns), end(inner_end_ns, end_ns)
    lag_ns = round(sight.lag_s * 1e9)
    first, last = _at(log, inner_begin_ns + lag_ns), _at(log, inner_end_ns + lag_ns)
    middle_j = last[2] - first[2]
    ticks_j = min((last[3] - first[3]) / 2, HOEFFDING * math.sqrt(max(0.0, last[4] - first[4])))
    unseen_j = max(0.0, 1 - sight.window_s / sight.period_s) * (last[3] - first[3])
    gain_frac = UNKNOWN_GAIN_FRAC if capability.gain_error_frac is None else capability.gain_error_frac
    warnings = [one for one in (*head.warnings, *tail.warnings) if not one.startswith("too short")]
    return Energy(
        energy_j=head.energy_j + middle_j + tail.energy_j,
        lo_j=head.lo_j + max(0.0, middle_j - ticks_j - unseen_j) / (1 + gain_frac) + tail.lo_j,
        hi_j=head.hi_j + (middle_j + ticks_j + unseen_j) / max(1 - gain_frac, 1e-9) + tail.hi_j,
        resolution_j=(head.resolution_j + tail.resolution_j) / 2,
        method=Method.INTEGRATED,
        provenance=provenance,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _at(log: Log, at_ns: int) -> Row:
    """The sums at an instant."""
    row = log.rows(at_ns, at_ns)[-1]
    return (at_ns, row[1], row[2] + row[1] * (at_ns - row[0]) * 1e-9, *row[3:])
