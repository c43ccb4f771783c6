"""The only applier: apply, settle, measure, tell, and put everything back.

Theory of operation. The job says when a step is done; everything happens at these boundaries and is counted in steps,
so that ranks of a job, which do their steps together, decide together. After a change of setting some steps pass until
hardware has followed (settling); then a window is measured over as many steps as the tuner asked for; some more steps
pass until the sensors have shown its end (waiting for a slow counter by working rather than by sleeping); then the
tuner is told, and asked again. A probe is void if a device was throttled by heat or by a brake meanwhile, or did not
obey. If the devices fail us, tuning ends, what was found is put back, and the job goes on.

Between two calls of `TuningLoop.start` and `TuningLoop.stop` settings are in force; `stop` puts back what was found,
and so do exit, signals and, after a crash, ``joulewise restore``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from enum import StrEnum
from itertools import pairwise
from statistics import stdev

from joulewise.devices.apply import Applied, apply
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device
from joulewise.devices.journal import Journal
from joulewise.devices.obedience import CLOCK_STEP_MHZ
from joulewise.devices.settings import Setting, numbers
from joulewise.errors import JoulewiseError, RestoreError
from joulewise.measure.energy import Energy, Method
from joulewise.measure.measurement import Measurement
from joulewise.measure.meter import Meter
from joulewise.measure.window import Window
from joulewise.optimize.protocol import Outcome, Probe, Share, Tuner
from joulewise.records import Provenance
from joulewise.runtime.knob import Tunable
from joulewise.runtime.pace import Pace

LATENCY_S = 0.1
"""How long a device may need to follow a setting if its contract does not say [s]."""
LOOK_S = 0.25
"""How often devices are looked at while a window is open [s]."""
NOTHING = Energy(0.0, 0.0, 0.0, 0.0, Method.COUNTER)
"""What a rank adds that has no device of its own."""
VOIDING = frozenset({"thermal", "power_brake"})
Reduce = Callable[[Outcome], Outcome]


class Phase(StrEnum):
    """What a step is used for."""

    SETTLE = "settling"
    MEASURE = "measuring"
    AWAIT = "awaiting the sensor"
    STOPPED = "stopped"


class TuningLoop:
    """Runs a tuner against devices, step by step.

    Args:
        tuner: Who decides.
        tunable: What is turned.
        meter: Measures the tuned devices.
        sensor_s: How long after its end a window is certain [s]; alike on all ranks.
        latency_s: How long devices need to follow a setting [s]; alike on all ranks. By default what they say.
        reduce: Makes one outcome of those of all ranks, the same everywhere.
        journal: Where what was found is written down first.

    Attributes:
        phase: What steps are used for now.
        probe: What was last asked for.
        outcome: What was last told; of no steps before the first.
        failure: Why tuning ended early, or nothing.
    """

    def __init__(
        self,
        tuner: Tuner,
        tunable: Tunable,
        meter: Meter,
        *,
        sensor_s: float = LATENCY_S,
        latency_s: float | None = None,
        reduce: Reduce | None = None,
        journal: Journal | None = None,
    ) -> None:
        """Nothing is told yet."""
        self.tuner, self.tunable = tuner, tunable
        self.phase, self.failure = Phase.STOPPED, ""
        self.probe: Probe = tuner.ask()
        self._meter, self._clock, self._sensor_s = meter, meter.clock, sensor_s
        self._reduce, self._together, self._journal = reduce, reduce is not None, journal
        self._handles: dict[tuple[str, Kind], Applied] = {}
        self._window: Window | None = None
        self._unrestored: list[RestoreError] = []
        self._left = self._done = self._measured = 0
        self._ends_ns, self._entered_ns = [0], 0
        self._pace = Pace(sensor_s)
        self._void, self._looked_ns = "", 0
        self.outcome = self._outcome = Outcome(self.setting, 0, 0.0, 0.0, 0.0, 0.0, Provenance.MEASURED)
        self._settle_s = 2 * (slowest_switch_s(tunable) if latency_s is None else latency_s)

    @property
    def setting(self) -> Hashable:
        """What is in force, or is about to be."""
        return self.probe.setting

    def start(self) -> None:
        """Put the setting in force and begin: of an epoch, or of the job."""
        if self.failure and not self._together:
            return
        self._attempt(self._apply)
        self._enter(Phase.SETTLE, self._settle_steps())

    def step(self) -> None:
        """Say that a step is done. Never raises for what devices do: see `failure`."""
        self._left -= 1
        self._done += 1
        if self.phase is Phase.MEASURE:
            if self._done % self._pace.group == 0:
                self._ends_ns.append(self._clock.now_ns())
            self._attempt(self._look)
        if self._left > 0 or self.phase is Phase.STOPPED:
            return
        if self.phase is Phase.SETTLE:
            if self._pace.step_s is None:
                self._time_steps()
            self._enter(Phase.MEASURE, self.probe.steps * self._pace.group)
        elif self.phase is Phase.MEASURE:
            self._measured = self._done
            self._attempt(self._close)
            self.phase, self._left = Phase.AWAIT, self._pace.steps(self._sensor_s)
        else:
            self._tell()
            self._ask()

    def stop(self) -> None:
        """Put back what was found: at the end of an epoch, or of the job. Steps of an open window are told.

        Raises:
            RestoreError: If something could not be put back.
        """
        if self.phase is Phase.MEASURE:
            self._measured = self._done
        if self.phase in (Phase.MEASURE, Phase.AWAIT) and len(self._ends_ns) > 1:
            self._tell()
        self.phase = Phase.STOPPED
        self._restore()
        errors, self._unrestored = self._unrestored, []
        if errors:
            raise errors[0]

    def _enter(self, phase: Phase, steps: int) -> None:
        if self.failure and not self._together:
            return
        self.phase, self._left, self._done = phase, max(1, steps), 0
        self._entered_ns = self._clock.now_ns()
        if phase is Phase.MEASURE:
            self._void, self._looked_ns = self.failure, self._clock.now_ns()
            self._ends_ns = [self._looked_ns]
            self._attempt(self._open)

    def _open(self) -> None:
        self._window = self._meter.begin(f"{self.phase} {self.setting}")

    def _close(self) -> None:
        if self._window is not None and self._window.end_ns is None:
            self._window.end()

    def _ask(self) -> None:
        before, self.probe = self.probe, self.tuner.ask()
        if self.probe.setting == before.setting:
            self._enter(Phase.MEASURE, self.probe.steps * self._pace.group)
            return
        self._attempt(self._apply)
        self._enter(Phase.SETTLE, self._settle_steps())

    def _time_steps(self) -> None:
        """Learn from the first steps how many count as one, the same on all ranks."""
        time_s = (self._clock.now_ns() - self._entered_ns) * 1e-9
        timed = Outcome(self.setting, self._done, time_s, 0.0, 0.0, 0.0, Provenance.MEASURED)
        self._pace.learn(timed if self._reduce is None else self._reduce(timed))

    def _tell(self) -> None:
        """Tell what the window says, the same on all ranks, unless it was too short to say anything."""
        void = self._void or "not measured"
        self._outcome = Outcome(self.setting, self._measured, 0.0, 0.0, 0.0, 0.0, Provenance.MEASURED, None, void)
        self._attempt(self._measure)
        counted = self._pace.counted(self._outcome)
        outcome = counted if self._reduce is None else self._reduce(counted)
        if self._pace.lengthen(outcome):
            return
        self._pace.learn(outcome)
        if not outcome.void and outcome.energy_j <= 0:
            outcome = replace(outcome, void="the sensors tell no energy")
        self.outcome = outcome
        self.tuner.tell(outcome)

    def _measure(self) -> None:
        self._close()
        window, self._window = self._window, None
        if window is None:
            return
        measured = window.result()
        self._void = self._void or self._disobedience(window)
        energy = measured.total if self.tunable.devices else NOTHING
        if energy is None:
            lost = "; ".join(one.failure for one in measured.devices if one.failure)
            self._outcome = replace(
                self._outcome, time_s=measured.duration_s, void=self._void or lost or "no device tells energy"
            )
            return
        self._outcome = replace(
            self._outcome,
            time_s=measured.duration_s,
            energy_j=energy.energy_j,
            energy_lo_j=max(0.0, energy.energy_j - energy.resolution_j),
            energy_hi_j=energy.energy_j + energy.resolution_j,
            provenance=energy.provenance,
            step_time_sd_s=_sd_s(self._ends_ns),
            void=self._void,
            shares=_shares(measured, self.tunable.devices),
        )

    def _disobedience(self, window: Window) -> str:
        """Who ran faster than it was told to, as read at any time of the window; at its edges devices may be idle."""
        for track in self._meter.timeline(window.begin_ns, window.end_ns).tracks:
            handle = self._handles.get((track.identity.uid, Kind.CORE_CLOCK))
            if handle is None or not track.core_mhz:
                continue
            told_mhz, step_mhz = numbers(handle.setting)[-1], handle.device.capabilities[Kind.CORE_CLOCK].step
            if max(track.core_mhz.values) > told_mhz + (step_mhz or CLOCK_STEP_MHZ):
                return f"{track.identity.uid} ran at {max(track.core_mhz.values):g} MHz, told at most {told_mhz:g} MHz"
        return ""

    def _look(self) -> None:
        now_ns = self._clock.now_ns()
        if now_ns - self._looked_ns < LOOK_S * 1e9 or self._void:
            return
        self._looked_ns = now_ns
        for (uid, _), handle in self._handles.items():
            seen = handle.look()
            braked = seen.throttle_reasons & VOIDING
            if braked:
                self._void = f"{uid} was throttled by {', '.join(sorted(braked))}"
            elif seen.obeyed is False:
                self._void = f"{uid} did not obey: {seen.why}"

    def _apply(self) -> None:
        for device in self.tunable.devices:
            for setting in self.tunable.settings(self.setting, device):
                self._tell_device(device, setting)

    def _tell_device(self, device: Device, setting: Setting) -> None:
        knob = device.identity.uid, setting.kind
        if knob in self._handles:
            self._handles[knob].change(setting)
        else:
            self._handles[knob] = apply(device, setting, journal=self._journal, clock=self._clock, settle_s=0.0)

    def _settle_steps(self) -> int:
        return max(self.probe.settle_steps, self._pace.steps(self._settle_s))

    def _attempt(self, act: Callable[[], object]) -> None:
        """Do something with devices; if they fail us, put back what was found and let the job go on.

        A rank whose devices fail goes on counting steps, so that the others do not wait for it, and voids their probes.
        """
        if self.failure:
            return
        try:
            act()
        except JoulewiseError as error:
            self.failure = self._void = str(error)
            self._window = None
            if not self._together:
                self.phase = Phase.STOPPED
            self._restore()

    def _restore(self) -> None:
        """Give every knob back; what could not be is kept for `stop` to raise."""
        while self._handles:
            _, handle = self._handles.popitem()
            try:
                handle.restore()
            except RestoreError as error:
                self._unrestored.append(error)


def slowest_switch_s(tunable: Tunable) -> float:
    """How long the slowest of the devices needs to follow a setting [s]."""
    latencies = [
        device.capabilities[setting.kind].switch_latency_s or LATENCY_S
        for device in tunable.devices
        for setting in tunable.settings(tunable.candidates[-1], device)
    ]
    return max(latencies, default=LATENCY_S)


def _shares(measured: Measurement, devices: tuple[Device, ...]) -> tuple[Share, ...]:
    """What each device used; none if one of them cannot tell."""
    told = [measured.by_device[device.identity.uid].energy for device in devices]
    known = tuple(Share(energy.energy_j, energy.resolution_j) for energy in told if energy is not None)
    return known if len(known) == len(told) else ()


def _sd_s(ends_ns: list[int]) -> float | None:
    """Sample standard deviation of the times between instants [s]."""
    times_s = [(after - before) * 1e-9 for before, after in pairwise(ends_ns)]
    return stdev(times_s) if len(times_s) > 1 else None
