"""The state of a simulated chip in time: its work, its clocks, its governor and its heat.

Theory of operation. Between events load and clocks are constant, and a `Segment` says what temperature and energy do
there. Events are: a piece of work ends, a setting takes effect, and the temperature crosses a value at which the
governor must lower the clock to keep the limit, or may raise it. The instants of all of them are known in advance,
so time is skipped from event to event; whoever reads in between evaluates the closed form and changes nothing. Two
plants that are told the same at the same instants agree to the bit, however often they are looked at.

The governor holds the highest clock, within what is locked, whose power at the present temperature keeps the limit.
It answers at once: real ones take milliseconds, less than most sensors show.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable

from joulewise.devices.simulated import physics
from joulewise.devices.simulated.model import ChipModel
from joulewise.devices.simulated.segment import Past, Segment
from joulewise.devices.simulated.work import Work

HORIZON_NS = 4_000_000_000
"""How much of the past sensors may ask for [ns]."""


class Plant:
    """The truth about one simulated chip. Not thread-safe: the device that owns it locks."""

    def __init__(self, model: ChipModel, start_ns: int) -> None:
        """Start idle, as long as anyone can remember."""
        self.model = model
        self.limit_w = model.limit.default_w
        self.core_lock: tuple[int, int] | None = None
        self.memory_lock: tuple[int, int] | None = None
        self._clocks = model.clock.core_mhz
        self._apart = model.identity.kind == "cpu"
        self._queue: deque[Work] = deque()
        self._done_frac = 0.0
        self._background = self._load = physics.IDLE
        self._known_w: dict[tuple[physics.Load, int, float], float] = {}
        self._pending: list[tuple[int, str, Callable[[], None]]] = []
        first = Segment.begin(
            model,
            start_ns=start_ns,
            base_w=physics.static_w(model),
            memory_w=model.power.memory_idle_w,
            busy=False,
            core_mhz=model.clock.minimum_mhz,
            rise_k=model.heat.resistance_k_per_w * model.power.idle_w,
        )
        self._past = Past(first, HORIZON_NS)

    # What happens ---------------------------------------------------------------------------------------------------

    def submit(self, work: Iterable[Work], now_ns: int) -> None:
        """Queue work behind what is queued."""
        self.advance(now_ns)
        idle = not self._queue
        self._queue.extend(one for one in work if one.time_s > 0)
        if idle and self._queue:
            self._begin(now_ns)

    def set_background(self, load: physics.Load, now_ns: int) -> None:
        """Load while no work is queued."""
        self.advance(now_ns)
        self._background = load
        if not self._queue:
            self._begin(now_ns)

    def schedule(self, at_ns: int, knob: str, setting: Callable[[], None]) -> None:
        """Let a setting take effect at ``at_ns``, in place of one of the same knob that has not yet."""
        self._pending = [one for one in self._pending if one[1] != knob]
        self._pending.append((at_ns, knob, setting))
        self._pending.sort(key=lambda one: one[0])

    def advance(self, now_ns: int) -> None:
        """Let everything happen that happens until ``now_ns``."""
        while (event_ns := self.next_event_ns()) is not None and event_ns <= now_ns:
            self._happen(event_ns)

    def next_event_ns(self) -> int | None:
        """The instant of the next event [ns], or None if nothing will change by itself."""
        times = [self._work_ends_ns(), self._pending[0][0] if self._pending else None, self._governor_ns()]
        earliest = min((one for one in times if one is not None), default=None)
        return None if earliest is None else max(earliest, self._past.current.start_ns)

    @property
    def working(self) -> bool:
        """Whether queued work is not done, as of the last `advance`."""
        return bool(self._queue)

    # What is true, at an instant not before the last event ----------------------------------------------------------

    def energy_j(self, at_ns: int) -> float:
        """Energy of the chip since it exists; memory included on a GPU."""
        return self._past.at(at_ns).energy_at(at_ns)

    def memory_energy_j(self, at_ns: int) -> float:
        """Energy of the memory since the chip exists."""
        return self._past.at(at_ns).memory_at(at_ns)

    def busy_s(self, at_ns: int) -> float:
        """Busy time since the chip exists."""
        return self._past.at(at_ns).busy_at(at_ns)

    def power_w(self, at_ns: int) -> float:
        """Power of the chip."""
        return self._past.at(at_ns).power_at(at_ns)

    def memory_power_w(self, at_ns: int) -> float:
        """Power of the memory."""
        return self._past.at(at_ns).memory_w

    def temperature_c(self, at_ns: int) -> float:
        """Temperature of the chip."""
        return self.model.heat.ambient_c + self._past.at(at_ns).rise_at(at_ns)

    @property
    def core_mhz(self) -> int:
        """Core clock that is achieved."""
        return self._past.current.core_mhz

    @property
    def memory_mhz(self) -> int:
        """Memory clock."""
        clocks = self.model.clock.memory_mhz
        return self.memory_lock[1] if self.memory_lock else clocks[-1]

    @property
    def throttle_reasons(self) -> frozenset[str]:
        """Why it does not run faster."""
        if not self._load.active:
            return frozenset({"idle"})
        wanted = self._wanted_mhz
        reasons = {"power_cap"} if self.core_mhz < wanted else set()
        return frozenset(reasons | ({"setting"} if wanted < self._clocks[-1] else set()))

    # How ------------------------------------------------------------------------------------------------------------

    @property
    def _wanted_mhz(self) -> int:
        low, high = self.core_lock or (self._clocks[0], self._clocks[-1])
        return self._clocks[max(0, bisect_right(self._clocks, high if self._load.active else low) - 1)]

    @property
    def _memory_ratio(self) -> float:
        return self.memory_mhz / self.model.clock.memory_mhz[-1]

    def _base_w(self, core_mhz: int) -> float:
        """Power at the temperature of the air, without what is apart [W]."""
        key = (self._load, core_mhz, self._memory_ratio)
        if key not in self._known_w:
            if len(self._known_w) > 20_000:
                self._known_w.clear()
            rail_w = float(physics.core_rail_w(self.model, *key)) + physics.static_w(self.model)
            self._known_w[key] = rail_w if self._apart else rail_w + self._memory_w(core_mhz)
        return self._known_w[key]

    def _memory_w(self, core_mhz: int) -> float:
        return float(physics.memory_rail_w(self.model, self._load, core_mhz, self._memory_ratio))

    @property
    def _kept_w(self) -> float:
        return self.limit_w * self.model.limit.margin_frac

    def _allowed(self) -> tuple[int, int]:
        """Indices of the lowest clock that the governor may choose now and of the one that is wanted."""
        top = self._clocks.index(self._wanted_mhz)
        floor = bisect_right(self._clocks, self.model.limit.governor_floor_mhz) - 1
        return min(max(0, floor), top), top

    def _governed_mhz(self, rise_k: float) -> int:
        bottom, top = self._allowed()
        if not self._load.active:
            return self._clocks[top]
        room_w = self._kept_w - self.model.power.leakage_w_per_k * rise_k
        index = bisect_right(self._clocks, room_w, bottom, top + 1, key=self._base_w) - 1
        return self._clocks[max(bottom, index)]

    def _governor_ns(self) -> int | None:
        """When the temperature makes the governor change the clock."""
        segment, leakage = self._past.current, self.model.power.leakage_w_per_k
        if not segment.busy or leakage == 0:
            return None
        bottom, top = self._allowed()
        index = self._clocks.index(segment.core_mhz)
        if segment.steady_k > segment.rise_k:
            return segment.reaches((self._kept_w - segment.base_w) / leakage) if index > bottom else None
        if index >= top:
            return None
        room_w = self._kept_w * (1 - self.model.limit.hysteresis_frac) - self._base_w(self._clocks[index + 1])
        return segment.reaches(room_w / leakage)

    def _speed_per_s(self) -> float:
        """Part of the current work that is done each second."""
        ratio = self._past.current.core_mhz / self._clocks[-1]
        return 1 / (self._queue[0].time_s * float(physics.stretch(self._load, ratio, self._memory_ratio)))

    def _work_ends_ns(self) -> int | None:
        if not self._queue:
            return None
        left_s = (1 - self._done_frac) / self._speed_per_s()
        return self._past.current.start_ns + max(1, math.ceil(left_s * 1e9 - 1e-3))

    def _happen(self, at_ns: int) -> None:
        """Close the current segment at an event and begin the next."""
        if self._queue:
            if self._work_ends_ns() == at_ns:
                self._queue.popleft()
                self._done_frac = 0.0
            else:
                self._done_frac += (at_ns - self._past.current.start_ns) * 1e-9 * self._speed_per_s()
        while self._pending and self._pending[0][0] <= at_ns:
            self._pending.pop(0)[2]()
        self._begin(at_ns)

    def _begin(self, at_ns: int) -> None:
        before = self._past.current
        self._load = physics.Load.of(self._queue[0]) if self._queue else self._background
        rise_k = before.rise_at(at_ns)
        core_mhz = self._governed_mhz(rise_k)
        segment = Segment.begin(
            self.model,
            start_ns=at_ns,
            base_w=self._base_w(core_mhz),
            memory_w=self._memory_w(core_mhz),
            busy=self._load.active,
            core_mhz=core_mhz,
            rise_k=rise_k,
            energy_j=before.energy_at(at_ns),
            memory_j=before.memory_at(at_ns),
            busy_s=before.busy_at(at_ns),
        )
        self._past.append(segment)
