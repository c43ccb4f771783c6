"""What hardware offers a planner, as one flat record: the contract that is varied.

Most of it is what a device's `Capabilities` say, probed, hand-edited or of a simulated chip; the rest no driver tells,
and it stands here: clock domains, the power of waiting, the voltage floor. A field that is None is as the
workload has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from joulewise.devices.capabilities import Capabilities, Kind
from joulewise.errors import UsageError

DEVICE, JOB, PARTITION, COMPUTE_MEMORY = "device", "job", "partition", "compute+memory"
DOMAINS = (JOB, DEVICE, PARTITION, COMPUTE_MEMORY)
ALLOWED, DENIED = "allowed", "denied"
Scalar = float | str


@dataclass(frozen=True, slots=True)
class Contract:
    """What hardware offers.

    Attributes:
        switch_latency_s: From telling a clock until it is obeyed; the rank waits meanwhile [s].
        clock_step_mhz: Distance of the clocks that can be told [MHz].
        clock_min_mhz, clock_max_mhz: Their range [MHz].
        domains: What has a clock of its own: one of ``DOMAINS``.
        wait_power_w: Power of one GPU while it waits for others [W].
        counter_period_s: How often the energy counter ticks [s].
        counter_step_j: Its resolution [J].
        sensor_duty_frac: Which part of the time the sensor behind the counter sees.
        control: Whether this job may tell clocks and limits: ``ALLOWED`` or ``DENIED``.
        cap_response_s: From telling a power limit until it bites [s].
        voltage_floor: Lowest core voltage relative to today's.
        idle_power_w: Power of one GPU with nothing running [W].
    """

    switch_latency_s: float = 0.02
    clock_step_mhz: float | None = None
    clock_min_mhz: float | None = None
    clock_max_mhz: float | None = None
    domains: str = DEVICE
    wait_power_w: float | None = None
    counter_period_s: float = 0.1
    counter_step_j: float = 0.001
    sensor_duty_frac: float = 1.0
    control: str = ALLOWED
    cap_response_s: float = 0.1
    voltage_floor: float = 1.0
    idle_power_w: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no hardware can offer."""
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float | int) and not 0 <= value < float("inf"):
                raise UsageError(f"{item.name} is not usable", repr(value), "give a finite number, not negative")
        if not 0 < self.sensor_duty_frac <= 1 or self.counter_period_s <= 0 or self.counter_step_j <= 0:
            seen = f"duty {self.sensor_duty_frac}, period {self.counter_period_s} s, step {self.counter_step_j} J"
            raise UsageError("no sensor is like that", seen, "give a duty above 0 up to 1, period and step above 0")
        if self.domains not in DOMAINS or self.control not in (ALLOWED, DENIED):
            seen = f"domains {self.domains!r}, control {self.control!r}"
            raise UsageError("this contract is not known", seen, f"use {', '.join(DOMAINS)}; and {ALLOWED} or {DENIED}")
        if self.voltage_floor <= 0:
            raise UsageError("the voltage floor is not usable", f"{self.voltage_floor}", "give a ratio above 0")

    def with_(self, changes: Mapping[str, Scalar]) -> Contract:
        """The same with some fields changed.

        Raises:
            UsageError: If a value cannot be offered.
        """
        return replace(self, **changes)  # type: ignore[arg-type]


def contract_of(capabilities: Capabilities, today: Contract | None = None) -> Contract:
    """The contract of a device.

    Args:
        capabilities: What it can sense and be told; what they leave open stays as in ``today``.
        today: What is known otherwise.
    """
    found: dict[str, Scalar | None] = {}
    clock, limit = capabilities.get(Kind.CORE_CLOCK), capabilities.get(Kind.POWER_LIMIT)
    counter = capabilities.get(Kind.ENERGY_COUNTER)
    power = capabilities.get(Kind.POWER_INSTANT) or capabilities.get(Kind.POWER_AVERAGE)
    if clock is not None:
        found |= {"switch_latency_s": clock.switch_latency_s}
    if limit is not None:
        found |= {"cap_response_s": limit.switch_latency_s}
    if clock is not None or limit is not None:
        permitted = any(one is not None and one.permitted for one in (clock, limit))
        found |= {"control": ALLOWED if permitted else DENIED}
    if counter is not None:
        found |= {"counter_period_s": counter.update_period_s, "counter_step_j": counter.resolution}
    if power is not None:
        found |= {"sensor_duty_frac": power.duty_frac}
    idle = [one.idle_power_w for one in capabilities.values() if one.idle_power_w is not None]
    found |= {"idle_power_w": idle[0] if idle else None}
    known = {name: value for name, value in found.items() if value is not None}
    return (today or Contract()).with_(known)
