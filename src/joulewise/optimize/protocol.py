"""Ask and tell: how every online decider speaks with whoever acts for it.

A decider is pure: it never touches hardware, a clock or a file. Whoever runs it asks what to do next, does it, and
tells what happened, as often as it likes; what it knows can be saved and loaded at any time.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Probe:
    """What a tuner asks for: run so many steps at a setting.

    Attributes:
        setting: The point of the knob, as it stands in the tuner's list of candidates.
        steps: How many steps to run before telling, at least one.
        is_final: Whether this is the choice rather than a probe: run on, and tell from time to time.
    """

    setting: Hashable
    steps: int
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened: the answer to a `Probe`.

    Attributes:
        setting: What it ran at.
        steps: How many whole steps were run; fewer than asked for if the epoch ended.
        time_s: Time of all of them [s].
        energy_j: Energy of all of them [J].
        energy_lo_j, energy_hi_j: Bounds of ``energy_j`` [J]. Errors of gain are common to all probes of a board and
            left out here; what remains is what probes can differ by.
        void: Why the steps say nothing (thermal, power brake, clock not obeyed, device lost), or empty.
    """

    setting: Hashable
    steps: int
    time_s: float
    energy_j: float
    energy_lo_j: float
    energy_hi_j: float
    void: str = ""


class Tuner(Protocol):
    """A decider of one job's setting while it runs; see `joulewise.optimize.power`."""

    def ask(self) -> Probe:
        """What to run next."""

    def tell(self, outcome: Outcome) -> None:
        """What happened."""

    def best(self) -> Hashable:
        """The best setting known so far."""

    def to_dict(self) -> dict[str, Any]:
        """All that it knows, as JSON."""
