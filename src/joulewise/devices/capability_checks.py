"""What a document may say of a capability. Everything else is refused: a wrong figure is worse than none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from joulewise.errors import UsageError

UNITS: Mapping[str, tuple[str, ...]] = {
    "energy_counter": ("J",),
    "power_instant": ("W",),
    "power_average": ("W",),
    "temperature": ("C",),
    "utilisation": ("fraction",),
    "throttle_reasons": ("", "none"),
    "power_limit": ("W",),
    "core_clock": ("MHz",),
    "memory_clock": ("MHz",),
    "cpu_power_cap": ("W",),
    "cpu_frequency": ("MHz",),
}
"""In which unit each kind may be; the last one is what we say."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_above_0(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_not_negative(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_fraction(value: Any) -> bool:
    return _is_number(value) and 0 < value <= 1


def _is_rising(value: object) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_number, value)) and all(a < b for a, b in pairwise(value))


def _is_pairs(value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and _is_number(pair[0]) and _is_not_negative(pair[1])
        for pair in value
    )


NUMBER = (_is_number, "a finite number, or leave it out")
ABOVE_0 = (_is_above_0, "a number above 0, or leave it out")
NOT_NEGATIVE = (_is_not_negative, "a number of at least 0, or leave it out")
TEXT = (lambda value: isinstance(value, str), "a text")
FLAG = (lambda value: isinstance(value, bool), "true or false")
RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "source": TEXT,
    "minimum": NUMBER,
    "maximum": NUMBER,
    "step": ABOVE_0,
    "values": (_is_rising, "numbers that rise, or leave it out"),
    "resolution": ABOVE_0,
    "update_period_s": ABOVE_0,
    "averaging_window_s": ABOVE_0,
    "duty_frac": (_is_fraction, "a number above 0 and at most 1, or leave it out"),
    "gain_error_frac": NOT_NEGATIVE,
    "switch_latency_s": NOT_NEGATIVE,
    "switch_latencies_s": (_is_pairs, "pairs of a value and a time [s], or leave it out"),
    "set_latency_s": NOT_NEGATIVE,
    "idle_power_w": NOT_NEGATIVE,
    "integral_ratio": ABOVE_0,
    "privilege": TEXT,
    "permitted": FLAG,
    "outlives_process": FLAG,
    "note": TEXT,
}
REQUIRED = ("source", "permitted", "outlives_process", "note")


def check_entry(kind: str, entry: Mapping[str, Any]) -> None:
    """Refuse a capability whose fields cannot be true.

    Args:
        kind: Of which kind it is.
        entry: Its fields, as read from JSON; one that is None is not known.

    Raises:
        UsageError: If a field is of another type or out of range, or the unit is that of another kind.
    """
    if entry["unit"] not in UNITS[kind]:
        raise UsageError(f"{kind} has another unit", repr(entry["unit"]), f"say {UNITS[kind][-1]}")
    for name, (holds, wanted) in RULES.items():
        value = entry.get(name)
        if name in entry and (value is not None or name in REQUIRED) and not holds(value):
            raise UsageError(f"{name} of {kind} is not usable", repr(value)[:80], f"give {wanted}")
    low, high = entry.get("minimum"), entry.get("maximum")
    if low is not None and high is not None and low > high:
        raise UsageError(f"minimum of {kind} is above its maximum", f"{low:g} and {high:g}", "exchange them")
