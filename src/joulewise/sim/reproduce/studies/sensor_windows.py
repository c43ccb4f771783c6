"""Windows over random loads on twins, whose truth is known: do the bounds hold?

Theory of operation. A run is a random load on a random board of a twin, read the way the sampler reads: in regular
distance, and more often after the edges of the window. Its energy and bounds come from what the sensor showed, the
truth from the twin. Everything is drawn from one seed and happens on a virtual clock, so figures repeat to the bit.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Capability, Kind
from joulewise.devices.counter import CleanCounter, CounterReading
from joulewise.devices.simulated.driver import make_chips
from joulewise.devices.simulated.faults import Failure, Fault
from joulewise.devices.simulated.model import model_names
from joulewise.measure.counted import count_energy
from joulewise.measure.energy import Energy
from joulewise.measure.integrate import Sight, integrate_power
from joulewise.measure.shown import Sample
from joulewise.measure.uncertainty import resolution_bound_j

SEED, RUNS = 20_231, 10_000
COUNTER_S, FAST_S, GAUGE_S = 0.1, 0.01, (0.01, 0.25)  # as the sampler reads
LEAD_S = 3.0
MOST_TURNS = 2000
READERS = {Kind.POWER_INSTANT: "read_power_w", Kind.POWER_AVERAGE: "read_average_power_w"}
WRAPS = Fault(Failure.COUNTER_WRAPPED, value=3000.0)
Turn = tuple[float, float]
"""From when on [s], how busy."""


@dataclass(frozen=True)
class Sensor:
    """One sensor of one twin."""

    model: str
    kind: Kind
    faults: tuple[Fault, ...] = ()

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.model} {self.kind.value.replace('_', ' ')}{', wrapping' if self.faults else ''}"

    @property
    def capability(self) -> Capability:
        """What is said of it."""
        return make_chips(self.model, VirtualClock(), faults=self.faults)[0].capabilities[self.kind]


@dataclass(frozen=True)
class Run:
    """What one run showed."""

    sensor: str
    load: str
    energy: Energy
    true_j: float
    bound_j: float

    @property
    def held(self) -> bool:
        """Whether the truth lies within the bounds."""
        return self.energy.lo_j <= self.true_j <= self.energy.hi_j

    @property
    def width_j(self) -> float:
        """From bound to bound [J]."""
        return self.energy.hi_j - self.energy.lo_j


def sensors() -> list[Sensor]:
    """Every counter and power gauge of every twin, and a counter that wraps each few seconds."""
    found = []
    for model in model_names():
        known = make_chips(model, VirtualClock())[0].capabilities
        found += [Sensor(model, kind) for kind in (Kind.ENERGY_COUNTER, *READERS) if kind in known]
    return [*found, Sensor("epyc", Kind.ENERGY_COUNTER, (WRAPS,))]


def constant(chance: random.Random, until_s: float, period_s: float) -> Iterator[Turn]:
    """One power for ever."""
    yield 0.0, chance.random()


def steps(chance: random.Random, until_s: float, period_s: float) -> Iterator[Turn]:
    """Another power each 0.2 to 2 s."""
    at_s = 0.0
    while at_s < until_s:
        yield at_s, chance.random()
        at_s += chance.uniform(0.2, 2.0)


def bursts(chance: random.Random, until_s: float, period_s: float) -> Iterator[Turn]:
    """Idle but for 10 to 100 ms, one to ten times a second."""
    at_s, rate_hz, top = 0.0, 10 ** chance.uniform(0, 1), chance.random()
    while at_s < until_s:
        yield at_s, 0.0
        at_s += chance.expovariate(rate_hz)
        yield at_s, chance.uniform(top, 1.0)
        at_s += 10 ** chance.uniform(-2, -1)


def periodic(near: bool, chance: random.Random, until_s: float, period_s: float) -> Iterator[Turn]:
    """Square; a period near that of the sensor, or between 0.05 and 2 s as that of iterations."""
    cycle_s = period_s * 2 ** chance.uniform(-1, 1) if near else 0.05 * 40 ** chance.random()
    share, low, high = chance.uniform(0.2, 0.8), chance.random(), chance.random()
    at_s = -chance.random() * cycle_s
    while at_s < until_s:
        yield max(0.0, at_s), low
        yield max(0.0, at_s + share * cycle_s), high
        at_s += cycle_s


LOADS: dict[str, Callable[[random.Random, float, float], Iterator[Turn]]] = {
    "constant": constant,
    "steps": steps,
    "bursts": bursts,
    "iterations": partial(periodic, False),
    "near the sensor's period": partial(periodic, True),
}


def run(sensor: Sensor, load: str, chance: random.Random) -> Run:
    """One random load, board, phase and window."""
    clock, capability = VirtualClock(), sensor.capability
    period_s = Sight.of(capability).period_s
    duration_s = 0.05 * 160 ** chance.random()
    if load == "near the sensor's period":
        duration_s = min(duration_s, MOST_TURNS * period_s)
    begin_s = LEAD_S + chance.random() * 0.3
    end_s = begin_s + duration_s
    until_s = end_s + Sight.of(capability).settled_s + 0.3
    chip = make_chips(sensor.model, clock, seed=chance.randrange(10**6), faults=sensor.faults)[0]
    clock.sleep(chance.random())
    zero_ns = clock.now_ns()

    def at(seconds: float) -> int:
        return zero_ns + round(seconds * 1e9)

    since_s = begin_s - 1.2 if load == "near the sensor's period" else 0.0
    turns = {at(since_s + t): busy for t, busy in LOADS[load](chance, until_s - since_s, period_s)}
    span_s = max(period_s, Sight.of(capability).window_s)
    marks = [at(s) for s in (begin_s - span_s, begin_s, begin_s + span_s, end_s - span_s, end_s, end_s + span_s)]
    reads = {at(read_s) for read_s in reading_times_s(sensor, chance, (begin_s, end_s), until_s)}
    counter = CleanCounter(chip, clock) if sensor.kind is Kind.ENERGY_COUNTER else None
    counted, sampled, true_j = list[CounterReading](), list[Sample](), dict[int, float]()
    for at_ns in sorted({*turns, *marks, *reads}):
        clock.sleep((at_ns - clock.now_ns()) * 1e-9)
        if at_ns in turns:
            chip.set_activity(turns[at_ns], turns[at_ns] / 2)
        if at_ns in marks:
            true_j[at_ns] = chip.true_energy_j()
        if at_ns in reads:
            if counter is not None:
                counted.append(counter.read())
            else:
                sampled.append((clock.now_ns(), getattr(chip, READERS[sensor.kind])()))
    window = marks[1], marks[4]
    if counter is not None:
        energy = count_energy(counted, *window, capability, max_power_w=counter.max_power_w)
    else:
        energy = integrate_power(sampled, *window, capability)
    used_j = true_j[window[1]] - true_j[window[0]]
    edges_w = tuple((true_j[marks[k + 2]] - true_j[marks[k]]) / (2 * span_s) for k in (0, 3))
    read_s = 0.0 if counter else regular_reading_s(sensor, period_s)
    bound_j = resolution_bound_j(capability, used_j, duration_s, (edges_w[0], edges_w[1]), read_s)
    return Run(sensor.name, load, energy, used_j, bound_j)


def regular_reading_s(sensor: Sensor, period_s: float) -> float:
    """How far apart the sampler reads a sensor [s]."""
    if sensor.kind is Kind.ENERGY_COUNTER:
        return COUNTER_S
    return min(max(period_s / 2, GAUGE_S[0]), GAUGE_S[1])


def reading_times_s(
    sensor: Sensor, chance: random.Random, edges_s: tuple[float, float], until_s: float
) -> Iterator[float]:
    """When a sensor is read [s]: regularly, and often after edges until it has surely ticked.

    Fast counters are read at the edges as well, slow ones as soon as another thread wakes up.
    """
    counts, period_s = sensor.kind is Kind.ENERGY_COUNTER, Sight.of(sensor.capability).period_s
    regular_s, wakes_s = regular_reading_s(sensor, period_s), chance.choice((0.0, chance.uniform(1e-4, 5e-4)))
    at_s = 0.0
    while at_s < until_s:
        yield at_s
        at_s += regular_s * chance.uniform(0.75, 1.25)
    for edge_s in edges_s:
        if counts:
            yield edge_s + wakes_s
        at_s, often_s = edge_s, min(FAST_S, max(period_s, FAST_S / 10))
        while at_s < edge_s + period_s + often_s:
            at_s += often_s * chance.uniform(1.0, 1.1)
            yield at_s


def campaign(runs: int = RUNS, seed: int = SEED, only: str = "") -> list[Run]:
    """Runs in equal parts of all sensors and loads."""
    chance = random.Random(seed)
    pairs = [(sensor, load) for sensor in sensors() for load in LOADS if only in sensor.name]
    return [run(*pairs[number % len(pairs)], chance) for number in range(runs)]


def coverage(runs: Sequence[Run]) -> float:
    """Part of the runs whose truth lies within the bounds."""
    return sum(one.held for one in runs) / len(runs)


def width_ratio(runs: Sequence[Run]) -> float:
    """Median of the width of the bounds over the sensor's resolution bound."""
    return statistics.median(one.width_j / one.bound_j for one in runs)
