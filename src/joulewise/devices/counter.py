"""Energy counters made trustworthy, once for all drivers.

Theory of operation. A raw counter wraps at a known range R, ticks, and on real hardware also steps back, jumps, freezes
and restarts. Between two readings dt apart a device cannot have used more than P_max * dt, so a true step is the raw
step modulo R, and lies in [0, P_max * dt + slack], where the slack is one tick at full power and one resolution. While
readings are not further apart than ``longest_gap_s`` = (R/2 - slack) / P_max, no true step reaches R/2, so that a wrap
and a step back cannot be taken for one another. Every other reading is rejected and kept as a `Rejection`; the total
stands still meanwhile and the next good reading counts from the last good one, so a single glitch loses nothing.

When readings go on rising from somewhere else, the counter has another zero point than before. What lies between is not
known, so a new epoch begins: energy between readings of two epochs is not defined (`energy_between` says None). If what
is read could have been counted from zero since the last good reading, it is a reset, and believed at the second rising
reading; otherwise the counter is off, perhaps for a moment, and is believed only after ``REBASE_AFTER_S`` of rising.
What jumped up is not taken back because the device could have drawn as much by now: after two ticks it could no longer
have been a peak that was told early.
"""

from __future__ import annotations

import math
from collections import deque
from enum import StrEnum
from typing import NamedTuple, cast

from joulewise.clock import Clock
from joulewise.devices.capabilities import UNKNOWN_TICK_S, EnergyCounter, Kind
from joulewise.devices.device import Device, Scope
from joulewise.errors import CapabilityError, UsageError

REBASE_AFTER_S = 5.0
FROZEN_AFTER_S = 5.0
KEPT_REJECTIONS = 1000
LIMIT_MARGIN = 2.0  # draw may pass the limit for a moment
LEAST_FRAC = 0.25  # of the figure for its scope: small CPUs state 15 W and draw 60 W for seconds
MOST_POWER_W = {
    Scope.DIE: 2_000.0,
    Scope.BOARD: 3_000.0,
    Scope.MODULE: 5_000.0,
    Scope.PACKAGE: 1_500.0,
    Scope.DRAM: 500.0,
    Scope.NODE: 20_000.0,
}


class Reason(StrEnum):
    """Why a reading was rejected, or an epoch ended."""

    BACKWARD = "backward"
    JUMP = "jump"
    FROZEN = "frozen"
    RESET = "reset"
    REBASED = "rebased"
    GAP = "gap"
    NOT_A_NUMBER = "not a number"


class Rejection(NamedTuple):
    """A reading that cannot be true, or an end of an epoch.

    Attributes:
        reason: Why.
        at_ns: When it was read [ns].
        raw_j: What was read [J].
        last_j: The last raw reading that was believed [J].
    """

    reason: Reason
    at_ns: int
    raw_j: float
    last_j: float


class CounterReading(NamedTuple):
    """What is known of a counter at an instant.

    Attributes:
        energy_j: Energy counted since the first reading [J]; never falls.
        at_ns: When it was read [ns].
        epoch: Counted from 0; energies of two epochs have no difference.
        fresh: Whether the reading was believed; if not, ``energy_j`` is that of the last one that was.
        frozen: Whether the counter has stood still for longer than it can.
    """

    energy_j: float
    at_ns: int
    epoch: int
    fresh: bool = True
    frozen: bool = False


def energy_between(begin: CounterReading, end: CounterReading) -> float | None:
    """Energy from one reading to a later one of the same counter [J], or None if an epoch ended between them."""
    return end.energy_j - begin.energy_j if begin.epoch == end.epoch else None


class CleanCounter:
    """Reads the energy counter of a device, and believes only what can be true.

    Args:
        device: Has an energy counter.
        clock: Time.
        max_power_w: More than the device can ever draw [W]; by default twice its largest power limit, or a generous
            figure for its scope.
        frozen_after_s: A counter that stands still for longer is frozen [s].

    Raises:
        CapabilityError: If the device has no energy counter.

    Effects:
        Not thread-safe: one thread owns it.
    """

    def __init__(
        self, device: Device, clock: Clock, *, max_power_w: float | None = None, frozen_after_s: float | None = None
    ) -> None:
        """Take the first reading."""
        capability = device.capabilities.get(Kind.ENERGY_COUNTER)
        if capability is None:
            raise CapabilityError(device.identity.uid, "energy counting", ", ".join(device.capabilities))
        if max_power_w is not None and not 0 < max_power_w < math.inf:
            raise UsageError("a device must be able to draw power", f"max_power_w = {max_power_w!r}", "give watts")
        self._counter, self._clock = cast(EnergyCounter, device), clock
        self._range_j = capability.maximum
        self.max_power_w = max_power_w or most_power_w(device)
        tick_s = capability.update_period_s or UNKNOWN_TICK_S
        self._peak_s = 2 * tick_s
        self._slack_j = self.max_power_w * tick_s + (capability.resolution or 0.0)
        self._most_step_j = math.inf if self._range_j is None else self._range_j / 2
        self._longest_gap_s = self.longest_gap_s
        self._frozen_after_s = frozen_after_s or max(FROZEN_AFTER_S, 20 * tick_s)
        self._rejections: deque[Rejection] = deque(maxlen=KEPT_REJECTIONS)
        self._total_j, self._epoch = 0.0, 0
        self._good: tuple[int, float] | None = None
        self._candidate: tuple[int, float] | None = None  # where rejected readings began to rise steadily ...
        self._candidate_last: tuple[int, float] | None = None  # ... and how far they came
        self._jumped = False
        self._moved_ns, self._frozen = 0, False
        self.read()

    @property
    def longest_gap_s(self) -> float:
        """How far apart readings may be without an epoch ending [s]; infinite if the counter does not wrap."""
        if self._range_j is None:
            return math.inf
        return max(0.0, (self._range_j / 2 - self._slack_j) / self.max_power_w)

    @property
    def epoch(self) -> int:
        """The present epoch, counted from 0."""
        return self._epoch

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """What was rejected and which epochs ended, oldest first; the last 1000."""
        return tuple(self._rejections)

    def read(self) -> CounterReading:
        """Read the counter.

        Raises:
            DeviceLostError: If the device is gone.
        """
        at_ns = self._clock.now_ns()
        return self.take(at_ns, self._counter.read_energy_j())

    def take(self, at_ns: int, raw_j: float) -> CounterReading:
        """The same for a raw reading [J] that was taken at an instant [ns], not before the last one."""
        if not math.isfinite(raw_j) or raw_j < 0:
            return self._reject(Reason.NOT_A_NUMBER, at_ns, raw_j)
        good = self._good
        if good is None:
            return self._believe(at_ns, raw_j, 0.0, moved=True)
        if self._candidate is None:  # nothing was rejected lately: mostly so, and soon told
            step_j, elapsed_s = raw_j - good[1], (at_ns - good[0]) / 1e9
            most_j = min(self.max_power_w * elapsed_s + self._slack_j, self._most_step_j)
            if 0 <= step_j <= most_j and elapsed_s <= self._longest_gap_s:
                return self._believe(at_ns, raw_j, step_j, moved=step_j > 0)
        step_j, reason = self._step(good, (at_ns, raw_j))
        if reason is None and self._jumped_before(at_ns, raw_j):
            reason = Reason.JUMP
        if reason is None:
            return self._believe(at_ns, raw_j, step_j, moved=step_j > 0)
        if reason is Reason.GAP:
            self._end_epoch(reason, at_ns, raw_j)
            return self._believe(at_ns, raw_j, 0.0, moved=True)
        return self._follow(good, reason, (at_ns, raw_j))

    def _step(self, earlier: tuple[int, float], later: tuple[int, float]) -> tuple[float, Reason | None]:
        """Energy between two raw readings [J], or why it cannot be true."""
        elapsed_s, raw_step_j = (later[0] - earlier[0]) / 1e9, later[1] - earlier[1]
        if elapsed_s > self.longest_gap_s:
            return 0.0, Reason.GAP
        most_j = self.max_power_w * elapsed_s + self._slack_j
        if self._range_j is None:
            step_j = raw_step_j
        else:
            most_j = min(most_j, self._range_j / 2)
            step_j = raw_step_j + self._range_j if raw_step_j < 0 else raw_step_j
        if 0 <= step_j <= most_j:
            return step_j, None
        back = raw_step_j < 0 or (self._range_j is not None and raw_step_j > self._range_j - most_j)
        return 0.0, Reason.BACKWARD if back else Reason.JUMP

    def _jumped_before(self, at_ns: int, raw_j: float) -> bool:
        """Whether a reading goes on from one that had jumped up, longer ago than a peak may be told early."""
        start, last = self._candidate, self._candidate_last
        if not self._jumped or start is None or last is None or (at_ns - start[0]) / 1e9 <= self._peak_s:
            return False
        return self._step(last, (at_ns, raw_j))[1] is None

    def _follow(self, good: tuple[int, float], reason: Reason, here: tuple[int, float]) -> CounterReading:
        """Reject a reading, unless such readings have risen steadily: then the counter has another zero point."""
        start, last = self._candidate, self._candidate_last
        if start is None or last is None or self._step(last, here)[1] is not None:
            self._candidate = self._candidate_last = here
            self._jumped = reason is Reason.JUMP
            return self._reject(reason, *here)
        self._candidate_last = here
        risen_j, _ = self._step(start, here)
        from_zero_j = self.max_power_w * (start[0] - good[0]) / 1e9 + self._slack_j
        reset = reason is Reason.BACKWARD and start[1] <= min(from_zero_j, good[1])
        if risen_j > 0 and (reset or (here[0] - start[0]) / 1e9 >= REBASE_AFTER_S):
            self._end_epoch(Reason.RESET if reset else Reason.REBASED, *here)
            return self._believe(*here, risen_j, moved=True)
        return self._reject(reason, *here)

    def _believe(self, at_ns: int, raw_j: float, step_j: float, *, moved: bool) -> CounterReading:
        self._total_j += step_j
        self._good, self._candidate, self._candidate_last = (at_ns, raw_j), None, None
        if moved:
            self._moved_ns, self._frozen = at_ns, False
        elif not self._frozen and (at_ns - self._moved_ns) / 1e9 > self._frozen_after_s:
            self._frozen = True
            self._rejections.append(Rejection(Reason.FROZEN, at_ns, raw_j, raw_j))
        return CounterReading(self._total_j, at_ns, self._epoch, not self._frozen, self._frozen)

    def _reject(self, reason: Reason, at_ns: int, raw_j: float) -> CounterReading:
        self._rejections.append(Rejection(reason, at_ns, raw_j, self._good[1] if self._good else math.nan))
        return CounterReading(self._total_j, at_ns, self._epoch, False, self._frozen)

    def _end_epoch(self, reason: Reason, at_ns: int, raw_j: float) -> None:
        self._reject(reason, at_ns, raw_j)
        self._epoch += 1


def most_power_w(device: Device) -> float:
    """More than a device can ever draw [W], from what it says of itself."""
    kinds = (Kind.POWER_LIMIT, Kind.CPU_POWER_CAP, Kind.POWER_INSTANT, Kind.POWER_AVERAGE)
    stated = [entry.maximum or 0.0 for kind in kinds if (entry := device.capabilities.stated(kind)) is not None]
    most_w = MOST_POWER_W[device.identity.scope]
    return max(max(stated) * LIMIT_MARGIN, most_w * LEAST_FRAC) if any(stated) else most_w
