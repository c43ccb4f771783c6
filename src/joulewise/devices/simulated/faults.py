"""Failures by script: what real hardware does to those who trust it.

A `Fault` says what goes wrong and when, in seconds since the device exists. Faults touch what is shown and what is
obeyed, never the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from joulewise.devices.capabilities import Kind


class Failure(StrEnum):
    """What can go wrong; ``value`` of the fault means what stands behind it."""

    LOST = "lost"  # every call raises DeviceLostError
    PERMISSION_DENIED = "permission_denied"  # setters raise PermissionDeniedError
    NOT_SUPPORTED = "not_supported"  # the capability is missing and its methods raise CapabilityError
    COUNTER_BACKWARD = "counter_backward"  # the counter steps back by value [J]
    COUNTER_FROZEN = "counter_frozen"  # the counter shows what it showed when it froze
    COUNTER_RESET = "counter_reset"  # the counter starts again from zero
    COUNTER_WRAPPED = "counter_wrapped"  # the counter wraps every value [J]
    SLOW_SET = "slow_set"  # setters block for value [s] longer
    NOT_OBEYED = "not_obeyed"  # setters succeed and change what is told, not what is done
    CAP_FOUND_LOWERED = "cap_found_lowered"  # the power limit stands at value [W] when the device is found
    CRASH_BEFORE_SET = "crash_before_set"  # the process dies before the setting reaches the hardware
    CRASH_AFTER_SET = "crash_after_set"  # ... and after


class SimulatedCrash(BaseException):
    """The process is dead: nobody may handle this as an error. Tests catch it where the next process would start."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the script.

    Attributes:
        failure: What goes wrong.
        start_s: From when on, since the device exists [s].
        end_s: Until when [s].
        kind: Which capability it hits; None hits all it can.
        value: See `Failure`.
    """

    failure: Failure
    start_s: float = 0.0
    end_s: float = float("inf")
    kind: Kind | None = None
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultScript:
    """The faults of one device."""

    faults: tuple[Fault, ...] = ()

    def active(self, failure: Failure, age_s: float, kind: Kind | None = None) -> Fault | None:
        """The first fault of a failure in force at an age of the device [s], on a capability."""
        for fault in self.faults:
            hits = fault.kind is None or kind is None or fault.kind is kind
            if fault.failure is failure and hits and fault.start_s <= age_s < fault.end_s:
                return fault
        return None

    def of(self, failure: Failure) -> Sequence[Fault]:
        """Every fault of a failure, whenever."""
        return [fault for fault in self.faults if fault.failure is failure]
