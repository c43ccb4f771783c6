"""The asks: each names one field of the contract, values worth asking for, and the model that prices it.

Read the table at the end as data: whoever wants another ask adds a row, and a field to the contract if it needs one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from joulewise.errors import UsageError
from joulewise.sim.whatif.contract import COMPUTE_MEMORY, DEVICE, DOMAINS, JOB, PARTITION, Contract, Scalar

_NUMBER = re.compile(r"^([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)\s*([a-zA-Zµ%]*)$")
_FACTORS: Mapping[str, Mapping[str, float]] = {
    "s": {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6},
    "MHz": {"": 1.0, "MHz": 1.0, "GHz": 1e3},
    "W": {"": 1.0, "W": 1.0},
    "J": {"": 1.0, "J": 1.0, "mJ": 1e-3, "uJ": 1e-6},
    "": {"": 1.0, "%": 0.01},
}


NEVER = 1e9
"""Longer than anything: a switch that takes so long [s] is one that there is not."""


class Better(StrEnum):
    """Which way a better contract lies."""

    LOWER = "lower"
    HIGHER = "higher"
    RICHER = "richer"


class On(StrEnum):
    """Kinds of workload."""

    PIPELINE = "pipeline"
    JOB = "job"
    SIMULATED = "simulated"


@dataclass(frozen=True)
class Ask:
    """One named change of the contract.

    Attributes:
        name: As on the command line.
        field: Of `Contract`.
        unit: Of its values; empty for words and ratios.
        what: What it is, in a few words.
        values: What is asked by default, from worse to better; texts as on the command line, ``0.5x`` times today's.
        better: Which way is better.
        model: The model behind the price, with what it assumes.
        not_on: Kinds of workload to which it does not apply, with the reason.
        fitted: Whether a measured profile tells it only through a fit, so that what comes out is modelled.
        learned: Whether it acts through what a profiler learns, which is then part of every figure.
    """

    name: str
    field: str
    unit: str
    what: str
    values: tuple[str, ...]
    better: Better
    model: str
    not_on: Mapping[On, str]
    fitted: bool = False
    learned: bool = False

    def parse(self, text: str, today: Scalar | None) -> Scalar:
        """A value from text.

        Args:
            text: Such as ``10us``, ``partition``, or ``0.5x`` for half of today's.
            today: Today's value, which multiples refer to.

        Raises:
            UsageError: If it is not a value of this ask.
        """
        words = self._words()
        if words:
            if text not in words:
                raise UsageError(f"{self.name} has no such value", repr(text), f"use {', '.join(words)}")
            return text
        if text.endswith("x") and not text.endswith("ax"):
            if not isinstance(today, int | float):
                fix = f"say what it is today: --today {self.name}=VALUE, or give a value in {self.unit}"
                raise UsageError(f"{text} of an unknown {self.name}", "today's value is not known", fix)
            return self._number(text[:-1], text) * float(today)
        return self._number(text, text)

    def _number(self, text: str, shown: str) -> float:
        found = _NUMBER.match(text.strip())
        factors = _FACTORS[self.unit]
        if text.strip() in ("inf", "infinite"):
            return NEVER
        if found is None or found[2] not in factors:
            fix = f"give a number in {self.unit or 'no unit'}, as in {', '.join(self.values)}"
            raise UsageError(f"not a value of {self.name}", repr(shown), fix)
        return float(found[1]) * factors[found[2]]

    def _words(self) -> tuple[str, ...]:
        return {"domains": DOMAINS, "control": ("denied", "allowed")}.get(self.field, ())

    def at_least(self, one: Scalar, other: Scalar) -> bool:
        """Whether hardware with value ``one`` offers all that hardware with ``other`` does."""
        if isinstance(one, str) or isinstance(other, str):
            return one == other or _rank(str(one)) > _rank(str(other))
        if self.field == "clock_step_mhz":  # only a multiple has no clock that the finer step lacks
            return one > 0 and abs(other / one - round(other / one)) < 1e-9
        return one <= other if self.better is Better.LOWER else one >= other

    def show(self, value: Scalar | None) -> str:
        """A value for people."""
        if value is None or isinstance(value, str):
            return value or "as profiled"
        if value >= NEVER:
            return "never"
        if self.unit == "s":
            for factor, symbol in ((1e-6, "us"), (1e-3, "ms")):
                if 0 < value < 999.5 * factor:
                    return f"{value / factor:.4g} {symbol}"
        if self.unit == "J" and 0 < value < 0.1:
            return f"{value * 1e3:.4g} mJ"
        if not self.unit:
            return f"{value:.0%}"
        return f"{value:.4g} {self.unit}".strip()


def _rank(word: str) -> int:
    """Order of words: what is above offers all that is below; partitions and memory are not comparable."""
    return {"denied": 0, "allowed": 1, JOB: 0, DEVICE: 1, PARTITION: 2, COMPUTE_MEMORY: 2}[word]


_NO_SWITCHES = "a job keeps one setting: it switches while it is tuned, and that is in cap-response"
_LIMITS = "the job was measured by power limit, and tells nothing of clocks"
_PHYSICS = "power limits of a whole job tell nothing of what draws the power; simulate a chip"
_PLAN_SETS_CLOCKS = "a plan sets clocks, no power limits"

ASKS: tuple[Ask, ...] = (
    Ask(
        "switch-latency", "switch_latency_s", "s", "time until a new clock is obeyed",
        ("500ms", "10us"), Better.LOWER,
        "Before a computation at another clock than the last one of its rank, the rank waits for the switch and draws "
        "waiting power. The planner knows the latency and plans no switch that does not pay. Switching while the rank "
        "waits for data anyway is not modelled, so latency costs rather less than told.",
        {On.JOB: _NO_SWITCHES},
    ),
    Ask(
        "clock-step", "clock_step_mhz", "MHz", "distance of the clocks that can be told",
        ("8x", "0.5x"), Better.LOWER,
        "Coarser: the profile's clocks that remain, counted from the highest. Finer: time straight between neighbours "
        "over 1/f, power straight over f.",
        {On.JOB: _LIMITS},
    ),
    Ask(
        "clock-min", "clock_min_mhz", "MHz", "lowest clock that can be told",
        ("1.3x", "0.8x"), Better.LOWER,
        "Clocks below are left out. Lower ones than were profiled are not invented: only a simulated chip has them.",
        {On.JOB: _LIMITS},
    ),
    Ask(
        "clock-max", "clock_max_mhz", "MHz", "highest clock that can be told",
        ("0.9x", "1.1x"), Better.HIGHER,
        "Clocks above are left out, and deadlines stay those of today's highest clock, so a lower one may miss them. "
        "Higher ones than were profiled only a simulated chip has.",
        {On.JOB: _LIMITS},
    ),
    Ask(
        "domains", "domains", "", "what has a clock of its own",
        (JOB, COMPUTE_MEMORY, PARTITION), Better.RICHER,
        "job: one clock for all devices of the pipeline, the whole iteration. device: today's. partition: each part of "
        "the chip runs as slowly as lets all finish together, for a stated imbalance of their loads. compute+memory: "
        "the core drops to its lowest clock while it is stalled, and pays the switch latency for it each time. The "
        "part of the time that does not feel the clock is fitted; what a stalled core draws, how often an operation "
        "stalls and how uneven partitions are is assumed, and stated.",
        {On.JOB: _LIMITS}, fitted=True,
    ),
    Ask(
        "wait-power", "wait_power_w", "W", "power of a GPU that waits for others",
        ("1.5x", "0.5x"), Better.LOWER,
        "The power of waiting is replaced in all gaps of the iteration; computations draw what they did.",
        {On.JOB: "a job that was measured alone waits for nobody"},
    ),
    Ask(
        "counter-period", "counter_period_s", "s", "how often the energy counter ticks",
        ("1s", "20ms"), Better.LOWER,
        "Pipelines: the online profiler sweeps clocks on a simulated run whose counters tick like this, plans are made "
        "from what it learned and realised on the truth. Jobs: the tuner probes with such a counter. Mean over seeds.",
        {}, learned=True,
    ),
    Ask(
        "counter-step", "counter_step_j", "J", "resolution of the energy counter",
        ("100J", "1mJ"), Better.LOWER,
        "As counter-period, with a counter that shows whole steps.",
        {On.JOB: "a probe draws hundreds of joules; steps of counters are small beside the wait for a tick"},
        learned=True,
    ),
    Ask(
        "sensor-duty", "sensor_duty_frac", "", "which part of the time the sensor sees",
        ("10%", "100%"), Better.HIGHER,
        "As counter-period, with a counter that rises by the mean power over the last part of each period, and is "
        "blind to the rest. Where computations are long beside the period, that is little.",
        {On.JOB: "the table has one power for all of a step; within it there is nothing to miss"}, learned=True,
    ),
    Ask(
        "control", "control", "", "whether the job may tell clocks or limits",
        ("denied", "allowed"), Better.RICHER,
        "Denied: everything stays at the highest clock or limit, and every saving of planning or tuning is lost.",
        {},
    ),
    Ask(
        "cap-response", "cap_response_s", "s", "time until a power limit bites",
        ("10s", "10ms"), Better.LOWER,
        "The tuner lets this time pass after every change before it measures, and a job whose limit is lowered draws "
        "the former power meanwhile. Both are counted over the whole job.",
        {On.PIPELINE: _PLAN_SETS_CLOCKS, On.SIMULATED: _PLAN_SETS_CLOCKS},
    ),
    Ask(
        "voltage-floor", "voltage_floor", "", "lowest core voltage, of today's",
        ("105%", "90%"), Better.LOWER,
        "Power above waiting goes with f V(f)^2; below its knee the voltage goes on along the line it has above, down "
        "to the new floor. On a profile, knee and slope are fitted to all powers; a chip is simulated with them.",
        {On.JOB: _PHYSICS}, fitted=True,
    ),
    Ask(
        "idle-power", "idle_power_w", "W", "power of a GPU with nothing running",
        ("1.5x", "0.5x"), Better.LOWER,
        "What idle power falls by, every operation and all waiting draw less, for as long as they take.",
        {On.JOB: _PHYSICS}, fitted=True,
    ),
)  # fmt: skip
BY_NAME: Mapping[str, Ask] = {ask.name: ask for ask in ASKS}


def ask_named(name: str) -> Ask:
    """The ask of a name.

    Raises:
        UsageError: If there is none.
    """
    if name not in BY_NAME:
        raise UsageError("there is no such ask", repr(name), f"use {', '.join(BY_NAME)}")
    return BY_NAME[name]


def value_of(contract: Contract, ask: Ask) -> Scalar | None:
    """What a contract offers of an ask."""
    value: Scalar | None = getattr(contract, ask.field)
    return value
