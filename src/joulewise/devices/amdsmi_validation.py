"""Whether an AMD energy counter may be believed, found out before anyone relies on it.

Known defects: on MI100 the counter stands still; on MI210 with ROCm 6.1 it stands still within one process; some
releases count at another rate than the resolution says. So at start-up each counter runs for half a second beside
the integral of the same GPU's power reading. A counter that never agrees in three rounds is rejected, with the
reason. Rounds repeat since one load change can fool an averaged power reading. Counters that run backward later are
caught by `counter.CleanCounter`.

Source: ROCm issues amdsmi#38, rocm_smi_lib#180; the idea of the check is zeusd's (0.5 s, 10 ms); we differ in the
band, the rounds, and in keeping the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from joulewise.clock import Clock
from joulewise.errors import JoulewiseError

ROUND_S, SAMPLE_S, ROUNDS = 0.5, 0.02, 3
BAND_FRAC = 0.2
STILL_FRAC = 0.01


@dataclass
class Suspect:
    """A counter under examination.

    Attributes:
        read_energy_j: Reads the counter [J].
        read_power_w: Reads the power of the same device [W].
        reason: Why it is not to be believed; empty once it agreed.
    """

    read_energy_j: Callable[[], float]
    read_power_w: Callable[[], float]
    reason: str = "not examined"
    _points: list[tuple[int, float]] = field(default_factory=list)
    _start_j: float = 0.0

    def begin(self) -> None:
        """Start a round."""
        self._points, self._start_j = [], self.read_energy_j()

    def sample(self, now_ns: int) -> None:
        """Read the power once."""
        self._points.append((now_ns, self.read_power_w()))

    def conclude(self) -> None:
        """End a round and judge."""
        counted_j = self.read_energy_j() - self._start_j
        pairs = zip(self._points, self._points[1:], strict=False)
        integral_j = sum((b - a) * 1e-9 * (p + q) / 2 for (a, p), (b, q) in pairs)
        self.reason = verdict(counted_j, integral_j)


def verdict(counted_j: float, integral_j: float) -> str:
    """Why a counter that counted one energy [J] while power integrated to another is not to be believed, or empty.

    Example:
        >>> verdict(70.0, 71.0)
        ''
        >>> verdict(0.0, 71.0)
        'it stood still while power readings integrate to 71 J'
    """
    if integral_j <= 0:
        return "there is no power reading to compare it with"
    if counted_j < 0:
        return f"it ran backward by {-counted_j:.3g} J"
    if counted_j < STILL_FRAC * integral_j:
        return f"it stood still while power readings integrate to {integral_j:.3g} J"
    if abs(counted_j - integral_j) > BAND_FRAC * integral_j:
        return f"it counted {counted_j:.3g} J while power readings integrate to {integral_j:.3g} J"
    return ""


def examine(suspects: Sequence[Suspect], clock: Clock) -> None:
    """Let counters run beside the integral of power, all at the same time; fills in their `Suspect.reason`.

    Effects:
        Blocks for 0.5 s, or 1.5 s if one disagrees, on ``clock``; not at all without suspects.
    """
    waiting = list(suspects)
    for _ in range(ROUNDS):
        if not waiting:
            return
        _run_round(waiting, clock)
        waiting = [suspect for suspect in waiting if suspect.reason]


def _run_round(suspects: Sequence[Suspect], clock: Clock) -> None:
    _each(suspects, Suspect.begin)
    begun_ns = now_ns = clock.now_ns()
    while now_ns - begun_ns < ROUND_S * 1e9:
        _each(suspects, partial(Suspect.sample, now_ns=now_ns))
        clock.sleep(SAMPLE_S)
        now_ns = clock.now_ns()
    _each(suspects, partial(Suspect.sample, now_ns=now_ns))
    _each(suspects, Suspect.conclude)


def _each(suspects: Sequence[Suspect], act: Callable[[Suspect], None]) -> None:
    for suspect in suspects:
        try:
            act(suspect)
        except JoulewiseError as error:
            suspect.reason = f"it cannot be compared with power: {error.what}"
