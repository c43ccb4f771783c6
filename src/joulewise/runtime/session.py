"""Tuning of one job, from its first step to its last: finds the devices, keeps the tuner and what it learned.

A `JobTuner` is told of steps and does the rest. Loops, callbacks and commands are thin wrappers around it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from joulewise.clock import Clock, MonotonicClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device, Host
from joulewise.devices.selection import find_devices
from joulewise.errors import JoulewiseError
from joulewise.frontier import Frontier
from joulewise.measure.meter import Meter
from joulewise.optimize.power.apart import ApartTuner
from joulewise.optimize.power.effort import Effort
from joulewise.optimize.power.goal import Goal
from joulewise.optimize.power.tuner import PowerTuner
from joulewise.optimize.protocol import Apart
from joulewise.runtime.knob import KINDS, Knob, Tunable, find_tunable
from joulewise.runtime.loop import Phase, TuningLoop, slowest_switch_s
from joulewise.runtime.ranks import Ranks, devices_of_rank
from joulewise.runtime.store import TuningRecord, load_record, save_record

DEFAULT_SLOWDOWN = 1.05


@dataclass(frozen=True, slots=True)
class Spent:
    """What a job has done since it is tuned, for goals that depend on it.

    Attributes:
        steps: Steps done.
        time_s: Time since the first began [s].
    """

    steps: int
    time_s: float


GoalLike = Goal | Callable[[Spent], Goal]
"""A goal, or what says it anew as the job goes on: a remaining budget, a price that changes."""


class JobTuner:
    """Finds and holds the best setting of a job's devices while it runs. A context manager.

    Args:
        goal: What for; by default least energy with at most 5 % slowdown.
        knob: What is turned; by default the first of power limit, core clock and CPU power cap that a device has.
        devices: Which, as text (``nvidia:0``, ``sim:a100``, ``agent:``) or devices; by default what there is.
        store: File that keeps what was learned, so that the next run starts from it.
        clock: Time; the machine's by default.

    Attributes:
        steps: Steps done.
        rank: Ours, in a job of several.
        note: What else to know about the store, or nothing.
        is_told: Whether people have been told of the choice.

    Raises:
        CapabilityError: If no device has the knob.
        PermissionDeniedError: If we may not turn it.
        UsageError: If the goal, the knob or the devices mean nothing.

    Effects:
        Changes settings of hardware between `start` and `stop`; what was found comes back at `stop`, at exit, and on
        signals. In a job of torch.distributed with several ranks, making one and every step are collective.
    """

    def __init__(
        self,
        goal: GoalLike | None = None,
        *,
        knob: Knob | str | None = None,
        devices: str | Sequence[Device] | None = None,
        store: str | os.PathLike[str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Find what can be turned; nothing is changed yet."""
        self.clock = clock or MonotonicClock()
        self._ranks = Ranks.of_torch()
        self.tunable = _find(devices, knob, self.clock, self._ranks)
        self._goal = goal if goal is not None else Goal.max_slowdown(DEFAULT_SLOWDOWN)
        self._began_ns: int | None = None
        self.steps, self.is_told = 0, False
        self.rank = 0 if self._ranks is None else self._ranks.rank
        self._store = None if store is None else Path(store)
        known = None if self._store is None else load_record(self._store, self.tunable)
        self.note = "" if known is None else known.note
        inner = PowerTuner(
            self.tunable.candidates,
            self._present_goal(),
            Effort(settle_s=0.0),  # the loop knows how long devices need
            known=None if known is None else known.frontier,
            arms=self.tunable.arms,
        )
        count = self.tunable.count or len(self.tunable.devices)
        are_ordered = len(self.tunable.arms) == 1
        self.tuner: PowerTuner | ApartTuner = ApartTuner(inner, count) if count > 1 and are_ordered else inner
        self.meter = Meter(self.tunable.devices, clock=self.clock)
        self.loop = TuningLoop(
            self.tuner,
            self.tunable,
            self.meter,
            sensor_s=self._most(_sensor_s(self.tunable.devices)),
            latency_s=self._most(slowest_switch_s(self.tunable)),
            reduce=None if self._ranks is None else self._ranks.reduce,
        )

    def start(self) -> None:
        """Say that steps begin: of the job, or of an epoch."""
        if self._began_ns is None:
            self._began_ns = self.clock.now_ns()
        self.loop.start()

    def step(self) -> None:
        """Say that a step is done. Starts by itself if nobody did; never raises for what devices do."""
        if self.loop.phase is Phase.STOPPED and not self.loop.failure:
            self.start()
            return
        self.steps += 1
        if not self.meter.sampler.threaded:
            self.meter.tick()
        before = self.loop.probe
        self.loop.step()
        if self.loop.probe is not before and callable(self._goal):
            self.tuner.retarget(self._present_goal())

    def stop(self) -> None:
        """Say that steps end for now. Puts back what was found, and saves what was learned.

        Raises:
            RestoreError: If something could not be put back.
        """
        try:
            self.loop.stop()
        finally:
            self.save()

    def close(self) -> None:
        """Stop, and read no devices any more."""
        try:
            self.stop()
        finally:
            self.meter.close()

    def save(self) -> None:
        """Write what was learned to the store, if there is one; a job does not end because that fails."""
        frontier = self.tuner.frontier()
        if self._store is None or frontier is None or self.rank:
            return
        try:
            save_record(self._store, TuningRecord.of(self.tunable, frontier))
        except (JoulewiseError, OSError) as error:
            self.note = f"what was learned could not be saved: {error}"

    @property
    def choice(self) -> Hashable:
        """The best setting known so far: a limit [W], a clock [MHz], or both."""
        return self.tuner.best()

    @property
    def is_decided(self) -> bool:
        """Whether the search is over, and the choice in force."""
        return self.loop.probe.is_final

    @property
    def frontier(self) -> Frontier | None:
        """Time and energy of one step at what was tried."""
        return self.tuner.frontier()

    @property
    def failure(self) -> str:
        """Why tuning ended early, or nothing."""
        return self.loop.failure

    def name(self, setting: Hashable) -> str:
        """A setting for people: its knob and numbers with units."""
        if isinstance(setting, Apart):
            many = Counter(setting.settings).most_common()
            return ", ".join(f"{self.name(one)} on {times}" for one, times in many)
        values = setting if isinstance(setting, tuple) else (setting,)
        units = ("W" if kind in (Kind.POWER_LIMIT, Kind.CPU_POWER_CAP) else "MHz" for kind in KINDS[self.tunable.knob])
        return f"{self.tunable.knob} {', '.join(f'{v:g} {unit}' for v, unit in zip(values, units, strict=True))}"

    def describe(self) -> str:
        """What it is doing, in a few words."""
        if self.failure:
            return f"not tuning: {self.failure}"
        return f"{'holding' if self.is_decided else 'trying'} {self.name(self.loop.setting)}"

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop and close."""
        self.close()

    def _most(self, value: float) -> float:
        """The largest of all ranks."""
        return value if self._ranks is None else max(map(float, self._ranks.gather(value)))

    def _present_goal(self) -> Goal:
        if not callable(self._goal):
            return self._goal
        time_s = 0.0 if self._began_ns is None else (self.clock.now_ns() - self._began_ns) * 1e-9
        return self._goal(Spent(self.steps, time_s))


def _find(
    devices: str | Sequence[Device] | None, knob: Knob | str | None, clock: Clock, ranks: Ranks | None
) -> Tunable:
    """What this rank turns. Whatever one rank finds, all of them hear of it."""
    error: JoulewiseError | None = None
    try:
        there = find_devices(devices, Host(clock=clock)) if devices is None or isinstance(devices, str) else devices
        found = find_tunable(devices_of_rank(there, os.environ), knob)
    except JoulewiseError as caught:
        if ranks is None:
            raise
        error, found = caught, Tunable(Knob(knob or Knob.POWER_LIMIT), (), ())
    if ranks is None:
        return found
    shared = ranks.share(found)
    if error is not None and not shared.candidates:
        raise error
    return shared


def _sensor_s(devices: Sequence[Device]) -> float:
    """How long after an instant the slowest sensor has shown what was used until then [s]."""
    kinds = (Kind.ENERGY_COUNTER, Kind.POWER_INSTANT, Kind.POWER_AVERAGE)
    periods = [
        next((device.capabilities[kind].update_period_s or 1.0 for kind in kinds if kind in device.capabilities), 0.0)
        for device in devices
    ]
    return max(periods, default=0.0)
