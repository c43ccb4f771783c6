"""Ask and tell: how every online decider speaks with whoever acts for it.

A decider is pure: it never touches hardware, a clock or a file. Whoever runs it asks what to do next, does it, and
tells what happened, as often as it likes; what it knows can be saved and loaded at any time.

Asking changes nothing: until something is told, the answer stays the same. What is told need not be what was asked
for: an epoch may end early, a setting may be refused, and steps at another setting are knowledge, too.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from joulewise.frontier import Frontier, Point
from joulewise.records import Provenance


@dataclass(frozen=True, slots=True)
class Probe:
    """What a tuner asks for: run so many steps at a setting.

    Attributes:
        setting: The point of the knob, as it stands in the tuner's list of candidates.
        steps: How many steps to measure before telling, at least one.
        settle_steps: How many steps to run before these and leave out of the outcome; 0 if the last outcome was of
            the same setting and nothing came between.
        is_final: Whether this is the choice rather than a probe: run on, and tell from time to time.
    """

    setting: Hashable
    steps: int
    settle_steps: int = 0
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Apart:
    """A setting for each device, in the order of ranks and of each rank's devices, in place of one for all."""

    settings: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """What one device used: its energy [J], and how far two equal windows may read apart [J]."""

    energy_j: float
    resolution_j: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened: the answer to a `Probe`.

    Attributes:
        setting: What it ran at.
        steps: How many whole steps were measured; fewer than asked for if the epoch ended, 0 if it ended while
            settling. Time and energy are theirs alone.
        time_s: Time of all of them [s].
        energy_j: Energy of all of them [J].
        energy_lo_j, energy_hi_j: Bounds of ``energy_j`` [J]. Errors of gain are common to all probes of a board and
            left out here; what remains is what probes can differ by.
        provenance: Whether the figures were measured, modelled or simulated.
        step_time_sd_s: Sample standard deviation of the time of single steps [s]; None if fewer than two were timed.
        void: Why the steps say nothing (thermal, power brake, clock not obeyed, device lost), or empty.
        shares: What each device used, in the order of ranks and of each rank's devices; empty if not known.
    """

    setting: Hashable
    steps: int
    time_s: float
    energy_j: float
    energy_lo_j: float
    energy_hi_j: float
    provenance: Provenance
    step_time_sd_s: float | None = None
    void: str = ""
    shares: tuple[Share, ...] = ()


class Tuner(Protocol):
    """A decider of one job's setting while it runs; see `joulewise.optimize.power`."""

    def ask(self) -> Probe:
        """What to run next. Never ends: once it has chosen, the answer is the choice (`Probe.is_final`)."""

    def tell(self, outcome: Outcome) -> None:
        """What happened."""

    def best(self) -> Hashable:
        """The best setting known so far."""

    def points(self) -> tuple[Point, ...]:
        """What was measured of one step at every setting, also of those that others outdo."""

    def frontier(self) -> Frontier | None:
        """What was measured, as time [s] and energy [J] of one step; None before the first measured step."""

    def to_dict(self) -> dict[str, Any]:
        """All that it knows, as JSON."""
