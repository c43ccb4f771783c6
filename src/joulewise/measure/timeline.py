"""What devices were read to be over time: the record from which pictures, tables, costs and traces are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joulewise.devices.device import Identity


@dataclass(frozen=True)
class Series:
    """Readings of one kind.

    Attributes:
        at_ns: When, rising, on the monotonic clock [ns].
        values: What; shape as ``at_ns``.
    """

    at_ns: Sequence[int] = ()
    values: Sequence[float] = ()

    def __len__(self) -> int:
        """How many."""
        return len(self.at_ns)


@dataclass(frozen=True)
class Track:
    """One device over time; kinds that it does not have are empty.

    Attributes:
        identity: Who.
        power_w: What its gauge said [W]; a reading holds until the next.
        energy_j: What its counter said, cleaned, from any zero point [J]; starts anew where ``epochs`` say.
        temperature_c, core_mhz: Its temperature [C] and achieved clock [MHz].
        epochs: Instants from which the counter counts from another zero point [ns].
        in_total: Whether no other track includes it.
        limit_w: Its power limit at the begin [W], if it has one.
    """

    identity: Identity
    power_w: Series = Series()
    energy_j: Series = Series()
    temperature_c: Series = Series()
    core_mhz: Series = Series()
    epochs: tuple[int, ...] = ()
    in_total: bool = True
    limit_w: float | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A named window on a timeline."""

    name: str
    begin_ns: int
    end_ns: int


@dataclass(frozen=True)
class Timeline:
    """All devices over a window.

    Attributes:
        began_at: When it began, as seconds since 1970 (UTC) [s].
        begin_ns, end_ns: Its edges [ns].
        tracks: One per device.
        spans: Windows within it.
    """

    began_at: float
    begin_ns: int
    end_ns: int
    tracks: tuple[Track, ...]
    spans: tuple[Span, ...] = ()

    def at_s(self, instant_ns: int) -> float:
        """An instant as seconds since 1970 (UTC) [s]."""
        return self.began_at + (instant_ns - self.begin_ns) * 1e-9
