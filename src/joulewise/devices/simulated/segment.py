"""A stretch of constant load and clocks: temperature and energy in closed form, and the past made of such stretches.

Theory of operation. With x = T - T_air and power = base + leakage * x, heat obeys
x' = (R * base - (1 - leakage * R) * x) / tau, so x goes to R * base / (1 - leakage * R) exponentially with the rate
(1 - leakage * R) / tau, and energy is its integral. No step size, hence no error that depends on when anyone looks.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

from joulewise.devices.simulated.model import ChipModel


@dataclass(frozen=True, slots=True)
class Segment:
    """State at ``start_ns`` and how it goes on.

    Attributes:
        start_ns: When it began.
        base_w: Power at the temperature of the air [W].
        memory_w: Part of the memory, which is within ``base_w`` on a GPU and apart from it on a CPU [W].
        busy: Whether something runs.
        core_mhz: Core clock.
        rise_k: Temperature above the air at its start [K].
        energy_j, memory_j, busy_s: Sums up to its start.
        leakage_w_per_k, rate_per_s, steady_k: Constants of the closed form.
    """

    start_ns: int
    base_w: float
    memory_w: float
    busy: bool
    core_mhz: int
    rise_k: float
    energy_j: float
    memory_j: float
    busy_s: float
    leakage_w_per_k: float
    rate_per_s: float
    steady_k: float

    @classmethod
    def begin(
        cls,
        model: ChipModel,
        *,
        start_ns: int,
        base_w: float,
        memory_w: float,
        busy: bool,
        core_mhz: int,
        rise_k: float,
        energy_j: float = 0.0,
        memory_j: float = 0.0,
        busy_s: float = 0.0,
    ) -> Segment:
        """A segment with the constants of its closed form."""
        feedback = 1 - model.power.leakage_w_per_k * model.heat.resistance_k_per_w
        rate_per_s = feedback / model.heat.time_constant_s
        steady_k = model.heat.resistance_k_per_w * base_w / feedback
        return cls(
            start_ns=start_ns,
            base_w=base_w,
            memory_w=memory_w,
            busy=busy,
            core_mhz=core_mhz,
            rise_k=rise_k,
            energy_j=energy_j,
            memory_j=memory_j,
            busy_s=busy_s,
            leakage_w_per_k=model.power.leakage_w_per_k,
            rate_per_s=rate_per_s,
            steady_k=steady_k,
        )

    def rise_at(self, at_ns: int) -> float:
        """Temperature above the air [K]."""
        decay = math.exp(-self.rate_per_s * (at_ns - self.start_ns) * 1e-9)
        return self.steady_k + (self.rise_k - self.steady_k) * decay

    def power_at(self, at_ns: int) -> float:
        """Power [W]."""
        return self.base_w + self.leakage_w_per_k * self.rise_at(at_ns)

    def energy_at(self, at_ns: int) -> float:
        """Energy since the device exists [J]."""
        time_s = (at_ns - self.start_ns) * 1e-9
        settled = -math.expm1(-self.rate_per_s * time_s) / self.rate_per_s
        rise_integral = self.steady_k * time_s + (self.rise_k - self.steady_k) * settled
        return self.energy_j + self.base_w * time_s + self.leakage_w_per_k * rise_integral

    def memory_at(self, at_ns: int) -> float:
        """Energy of the memory since the device exists [J]."""
        return self.memory_j + self.memory_w * (at_ns - self.start_ns) * 1e-9

    def busy_at(self, at_ns: int) -> float:
        """Busy time since the device exists [s]."""
        return self.busy_s + self.busy * (at_ns - self.start_ns) * 1e-9

    def reaches(self, rise_k: float) -> int | None:
        """The first instant after the start at which the temperature has crossed ``rise_k`` above the air [ns]."""
        if not min(self.rise_k, self.steady_k) < rise_k < max(self.rise_k, self.steady_k):
            return None
        time_s = math.log((self.rise_k - self.steady_k) / (rise_k - self.steady_k)) / self.rate_per_s
        return self.start_ns + max(1, math.ceil(time_s * 1e9)) if time_s < 1e9 else None


class Past:
    """The segments of the last few seconds; before the first one everything was as at its start."""

    def __init__(self, first: Segment, horizon_ns: int) -> None:
        """Start with ``first`` and keep ``horizon_ns`` [ns]."""
        self._segments = deque([first])
        self._horizon_ns = horizon_ns

    @property
    def current(self) -> Segment:
        """The segment that has not ended."""
        return self._segments[-1]

    def append(self, segment: Segment) -> None:
        """End the current segment and forget what nobody can ask about any more."""
        if segment.start_ns == self.current.start_ns and len(self._segments) > 1:
            self._segments.pop()
        self._segments.append(segment)
        while len(self._segments) > 2 and self._segments[1].start_ns < segment.start_ns - self._horizon_ns:
            self._segments.popleft()

    def at(self, at_ns: int) -> Segment:
        """The segment of an instant, or the oldest that is known."""
        if at_ns >= self.current.start_ns:
            return self.current
        index = bisect_right(self._segments, at_ns, key=lambda one: one.start_ns)
        return self._segments[max(0, index - 1)]
