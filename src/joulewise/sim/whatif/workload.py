"""What is planned anew: a pipeline from a profile, a pipeline on a simulated chip, or a job measured by power limit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from joulewise.devices.simulated.model import ChipModel, load_model
from joulewise.errors import InputFileError, UsageError
from joulewise.frontier import Frontier
from joulewise.records import Profile, Provenance
from joulewise.sim.whatif.asks import On
from joulewise.sim.whatif.contract import Contract
from joulewise.wire.power_table import read_power_tables
from joulewise.wire.profile import read_profile

SIM = "sim:"
LOADS = (1.0, 0.9, 0.8, 0.7)
"""Loads of four partitions, assumed: no source at hand tells them. PowerWeave (CMU 2026) saves 28 % with a clock for
each partition where 13 % is the best under one, which is the published size to hold results against."""
PHASES = 24
"""How often an operation goes back and forth between computing and memory or links, assumed: twice for each of the
dozen layers that a stage of a large model has."""
LIMIT_KNOBS = ("power-limit", "cpu-power-cap")
"""Knobs whose settings are power limits [W]."""
STALLED_FRAC = 0.5
"""Power of a stalled core relative to a computing one, waiting power aside: assumed, half way between none and all."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What no profile tells.

    Attributes:
        loads: Work of each partition of the chip relative to the busiest.
        phases: How often an operation goes back and forth between what feels the core clock and what does not.
        stalled_frac: Power of a stalled core relative to a computing one, above waiting.
    """

    loads: tuple[float, ...] = LOADS
    phases: int = PHASES
    stalled_frac: float = STALLED_FRAC

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not self.loads or max(self.loads) != 1.0 or min(self.loads) <= 0:
            raise UsageError("loads of partitions are not usable", repr(self.loads), "give the busiest 1, others below")
        if self.phases < 1 or not 0 <= self.stalled_frac <= 1:
            seen = f"{self.phases} phases, stalled power {self.stalled_frac}"
            raise UsageError("assumptions are not usable", seen, "give 1 phase or more, and a fraction from 0 to 1")


@dataclass(frozen=True)
class PipelineWork:
    """A pipeline-parallel training iteration.

    Attributes:
        profile: Of its stages, or None if a chip is simulated.
        chip: Name of the simulated chip, or empty.
        schedule, stages, microbatches: As of `joulewise plan`; ``stages`` None takes the profile's.
        scale: The profile holds one part in so many of the layers: times and energies count so many times.
        gpus_per_rank: GPUs that share a stage.
        wait_power_w: Power of one waiting GPU [W], if not as profiled.
        idle_power_w: What the GPU drew with nothing running when the profile was taken [W], or None if not known.
        slowdowns: Deadlines, in times of all at max clock under today's contract; beyond 1, somebody is awaited.
        assumptions: What the profile does not tell.
        seeds: Of runs of the profiler, for asks that act through what it learns.
    """

    profile: Profile | None
    chip: str = ""
    schedule: str = "1f1b"
    stages: int | None = None
    microbatches: int = 12
    scale: float = 1.0
    gpus_per_rank: int = 1
    wait_power_w: float | None = None
    idle_power_w: float | None = None
    slowdowns: tuple[float, ...] = (1.0, 1.2)
    assumptions: Assumptions = field(default_factory=Assumptions)
    seeds: int = 2

    def __post_init__(self) -> None:
        """Refuse what cannot be planned."""
        check_slowdowns(self.slowdowns)
        if not (self.scale > 0 and self.gpus_per_rank >= 1 and self.seeds >= 1 and self.microbatches >= 1):
            seen = f"scale {self.scale}, {self.gpus_per_rank} GPUs a rank, {self.seeds} seeds"
            raise UsageError("this workload is not usable", seen, "give numbers of at least 1, and a scale above 0")

    @property
    def on(self) -> On:
        """Which kind it is."""
        return On.PIPELINE if self.profile is not None else On.SIMULATED

    @property
    def name(self) -> str:
        """For titles."""
        source = self.profile.source if self.profile is not None else f"simulated {self.chip}"
        return f"{Path(source).name}, {self.schedule}, {self.microbatches} microbatches"

    def offered(self, today: Contract) -> Contract:
        """Today's contract with what the workload itself tells filled in."""
        from joulewise.sim.whatif.problem import profile_at  # noqa: PLC0415 (it builds on this module)

        profile = profile_at(self, today)
        clocks = sorted({float(r.clock_mhz) for r in profile.readings if r.clock_mhz is not None})
        steps = [b - a for a, b in pairwise(clocks)]
        waits = profile.wait_power_w
        told = self.wait_power_w if self.wait_power_w is not None else waits[0] if waits else None
        idle = load_model(self.chip).power.idle_w if self.chip else self.idle_power_w
        known = {
            "clock_step_mhz": min(steps) if steps else None,
            "clock_min_mhz": clocks[0] if clocks else None,
            "clock_max_mhz": clocks[-1] if clocks else None,
            "wait_power_w": told,
            "idle_power_w": idle,
        }
        return today.with_({k: v for k, v in known.items() if v is not None and getattr(today, k) is None})


@dataclass(frozen=True)
class JobWork:
    """A training job at each of its settings.

    Attributes:
        name: For titles.
        settings: Power limits [W], rising.
        time_s, power_w: Of a step at each [s], [W].
        provenance: Of these.
        steps: Steps of the whole job, over which a search is paid for.
        slowdowns: Times allowed, in those of the highest limit.
        seeds: Of runs of the tuner.
    """

    name: str
    settings: tuple[float, ...]
    time_s: tuple[float, ...]
    power_w: tuple[float, ...]
    provenance: Provenance
    steps: int = 20_000
    slowdowns: tuple[float, ...] = (1.0, 1.2)
    seeds: int = 5

    def __post_init__(self) -> None:
        """Refuse what cannot be tuned."""
        check_slowdowns(self.slowdowns)
        if len(self.settings) < 2 or self.steps < 1 or self.seeds < 1:
            seen = f"{len(self.settings)} settings, {self.steps} steps, {self.seeds} seeds"
            raise UsageError("this job cannot be tuned", seen, "give two settings or more, and steps and seeds from 1")

    on = On.JOB

    def offered(self, today: Contract) -> Contract:
        """Today's contract; the table tells nothing more of it."""
        return today


Work = PipelineWork | JobWork


def check_slowdowns(slowdowns: tuple[float, ...]) -> None:
    """Refuse factors that cannot be meant.

    Raises:
        UsageError: If there is none, or one is below 1 or not finite.
    """
    if not slowdowns or not all(1.0 <= factor < float("inf") for factor in slowdowns):
        fix = "give times over all at max clock, as in 1.2, not below 1"
        raise UsageError("slowdowns are not usable", repr(slowdowns), fix)


def open_pipeline(source: str, **options: object) -> PipelineWork:
    """A pipeline from a profile (CSV) or ``sim:CHIP``; options are fields of `PipelineWork`.

    Raises:
        UsageError: If the chip is not known, or an option is not usable.
        InputFileError: If the profile is not.
    """
    if source.startswith(SIM):
        model = load_model(source.removeprefix(SIM))
        return PipelineWork(None, model.name, **options)  # type: ignore[arg-type]
    return PipelineWork(read_profile(source), **options)  # type: ignore[arg-type]


def open_job(path: str, name: str | None = None, *, step_s: float = 0.5, **options: object) -> JobWork:
    """A job from a table of power limits (CSV), or from a frontier that `joulewise tune` saved (JSON).

    Args:
        path: The file.
        name: Which job of a table, or part of its name; None: its first.
        step_s: Time of a step at the highest limit, which tables by epoch do not tell [s].
        options: Fields of `JobWork`.

    Raises:
        InputFileError: If the file is not usable.
        UsageError: If no job, or more than one, is of that name.
    """
    if Path(path).suffix == ".json":
        return _saved(path, **options)
    tables = read_power_tables(path)
    found = [one for one in tables if name is None or name in one.name]
    exact = [one for one in found if one.name == name]
    if name is not None and len(exact or found) != 1:
        seen = f"{len(found)} of {len(tables)} jobs are of that name"
        some = ", ".join(one.name for one in (found or tables)[:6])
        raise UsageError(f"which job is {name!r}?", seen, f"name one, such as {some}")
    table = (exact or found)[0]
    steps = table.epoch_s[-1] / step_s
    times = tuple(epoch_s / steps for epoch_s in table.epoch_s)
    return JobWork(table.name, table.limit_w, times, table.power_w, Provenance.MEASURED, **options)  # type: ignore[arg-type]


def _saved(path: str, **options: object) -> JobWork:
    """A job from what `joulewise tune` wrote."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputFileError(
            path, None, "cannot be read as JSON", str(error), "give what joulewise tune wrote"
        ) from error
    if not isinstance(document, dict) or document.get("frontier", document) is None:
        fix = "give the --json of a tuning that ended with a choice"
        raise InputFileError(path, None, "holds no tuned job", "no settings that were tried", fix)
    knob = document.get("knob", LIMIT_KNOBS[0])
    if knob not in LIMIT_KNOBS:
        fix = f"tune it with --knob {LIMIT_KNOBS[0]}"
        raise InputFileError(path, None, "is of a job tuned by another knob than a power limit", repr(knob), fix)
    try:
        frontier = Frontier.from_dict(document.get("frontier", document))
    except UsageError as error:
        raise InputFileError(path, None, error.what, error.seen, "give what joulewise tune --json wrote") from error
    known = {float(p.setting): (p.time_s, p.energy_j) for p in frontier if isinstance(p.setting, int | float)}
    for entry in (document.get("default"), document.get("chosen")):  # a frontier has left out what it dominates
        if isinstance(entry, dict) and isinstance(limit_w := entry.get("setting"), int | float):
            known.setdefault(float(limit_w), (float(entry["step_s"]), float(entry["step_j"])))
    if len(known) < 2:
        raise InputFileError(path, None, "too few settings", f"{len(known)} with a number", "tune over two or more")
    rising = sorted(known.items())
    return JobWork(
        Path(path).name,
        tuple(limit_w for limit_w, _ in rising),
        tuple(time_s for _, (time_s, _) in rising),
        tuple(energy_j / time_s for _, (time_s, energy_j) in rising),
        frontier.provenance,
        **options,  # type: ignore[arg-type]
    )


@lru_cache(maxsize=64)
def chip_at(name: str, contract: Contract) -> ChipModel:
    """A simulated chip as a contract changes it: voltage floor and idle power.

    Raises:
        UsageError: If the voltage cannot be that low.
    """
    model = load_model(name)
    voltage = model.voltage
    floor = contract.voltage_floor
    knee = voltage.knee_mhz - 1e3 * (1 - floor) / voltage.slope_per_ghz
    if knee <= 0:
        seen = f"{floor:g} of today's floor"
        raise UsageError("no clock has so low a voltage", seen, "ask for a floor nearer to today's")
    voltage = replace(
        voltage, floor_v=voltage.floor_v * floor, knee_mhz=knee, slope_per_ghz=voltage.slope_per_ghz / floor
    )
    power = model.power
    if contract.idle_power_w is not None:
        power = replace(power, idle_w=contract.idle_power_w)
    return replace(model, voltage=voltage, power=power)
