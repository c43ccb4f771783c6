"""What a hub and the ranks of pipelines say to one another: frozen records, the same on both sides.

Theory of operation. A *job* trains replicas of one pipeline; each replica has so many ranks, and a rank may be several
processes (tensor parallelism), its *members*. The client chooses the job's id; describing it twice changes nothing,
describing it otherwise (another topology) begins its next *generation*, in which nothing of the one before holds.

What the ranks of one replica found out about themselves is uploaded at once, and the hub plans. A *plan* has an id that
never means anything else, and what it says to a rank can be kept for good. Once per iteration each process sends a
*beat*: who it is, what it saw, what it has used since it began. The answer, *orders*, says which plan to follow. Totals
are counted from the beginning of the process, so that lost and repeated beats do no harm.

A *notice* says that a replica is slow; it has an id, so that giving it twice is giving it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar

from joulewise.errors import UsageError
from joulewise.records import Instruction, Provenance
from joulewise.wire.checks import check_number, check_text, check_whole
from joulewise.wire.envelope import open_envelope, schema_tag
from joulewise.wire.hub import STRICT

NAME, VERSION = "pipelines", 1
SCHEMA = schema_tag(NAME, VERSION)
PATH = "/pipelines"
"""Behind `joulewise.wire.hub.PREFIX`."""
MOST_REPLICAS, MOST_RANKS, MOST_MEMBERS, MOST_PLANS = 65536, 1024, 64, 1000
MOST_STEPS, MOST_READINGS, MOST_CLOCKS = 65536, 16384, 1024
LARGEST_FACTOR = 100.0
_PLAIN = str.maketrans("-_.", "000")
_INSTRUCTIONS = frozenset(Instruction)

T = TypeVar("T")


def check_id(what: str, text: object) -> None:
    """Refuse what is no id: 1 to 64 letters, digits, - _ and dots, not beginning with a dot.

    Raises:
        UsageError: If so.
    """
    is_short = isinstance(text, str) and 1 <= len(text) <= 64 and text[0] != "."
    if not (is_short and isinstance(text, str) and text.isascii() and text.translate(_PLAIN).isalnum()):
        raise UsageError(f"this is no id of a {what}", repr(text)[:80], "give 1 to 64 letters, digits, -, _ and dots")


def open_record(kind: type[T], document: object) -> T:
    """A record that was sent with the schema's tag; unknown fields are errors.

    Raises:
        UsageError: If it is not one, of a version that we do not read, or holds what cannot be.
    """
    body = dict(open_envelope(document, NAME, VERSION))
    del body["schema"]
    nested = getattr(kind, "NESTED", {})
    try:
        for name, of in nested.items():
            body[name] = tuple(of(**{**item}) for item in body[name])
        return kind(**body)
    except UsageError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        seen = f"{type(error).__name__}: {error}"[:200]
        raise UsageError(f"this is no {kind.__name__}", seen, "give all of its fields, and no others") from error


def dump_record(record: Any) -> dict[str, Any]:
    """A record as JSON, with the schema's tag."""
    return {"schema": SCHEMA, **asdict(record)}


def check_provenance(text: object) -> None:
    """Refuse what is no provenance.

    Raises:
        UsageError: If so.
    """
    if text not in tuple(Provenance):
        raise UsageError("this is no provenance", repr(text)[:80], f"say {', '.join(Provenance)}")


def _check_instruction(text: object) -> None:
    if text not in _INSTRUCTIONS:
        raise UsageError("this is no instruction", repr(text)[:80], f"say one of {', '.join(Instruction)}")


@dataclass(frozen=True, slots=True)
class PipelineJob:
    """A job as its processes describe it, all alike.

    Attributes:
        replicas: How many pipelines train in step.
        ranks: How many ranks each has.
        slowdown: By how much iterations may become longer, as a factor of their time at the highest clocks.
        plans: How many plans of the frontier to keep ready for stragglers.
        switch_latency_s: What a change of clock is taken to last when planning [s].
        name: For people.
    """

    __pydantic_config__: ClassVar[Any] = dict(STRICT)
    replicas: int
    ranks: int
    slowdown: float = 1.0
    plans: int = 100
    switch_latency_s: float = 0.0
    name: str = ""

    def __post_init__(self) -> None:
        """Check."""
        check_whole("replicas", self.replicas, 1, MOST_REPLICAS)
        check_whole("ranks", self.ranks, 1, MOST_RANKS)
        check_number("slowdown", self.slowdown, 1.0, LARGEST_FACTOR)
        check_whole("plans", self.plans, 2, MOST_PLANS)
        check_number("switch_latency_s", self.switch_latency_s, 0.0, 10.0)
        check_text("name", self.name)


@dataclass(frozen=True, slots=True)
class RankProfile:
    """What profiling found out about one rank.

    Attributes:
        order: Its computations in the order in which they ran: stage, instruction, microbatch.
        readings: Stage, instruction, clock [MHz] or None where none matters, time [s], energy of one GPU [J].
        waits: Clock [MHz], and the power of one GPU that waits at it [W].
        gpus: How many GPUs one of its processes has.
        provenance: Whether the readings were measured, modelled or simulated.
    """

    __pydantic_config__: ClassVar[Any] = dict(STRICT)
    order: tuple[tuple[int, str, int], ...]
    readings: tuple[tuple[int, str, int | None, float, float], ...]
    waits: tuple[tuple[int, float], ...]
    gpus: int = 1
    provenance: str = "measured"

    def __post_init__(self) -> None:
        """Check, and turn lists into tuples."""
        for name in ("order", "readings", "waits"):
            object.__setattr__(self, name, tuple(tuple(item) for item in getattr(self, name)))
        for name, most in (("order", MOST_STEPS), ("readings", MOST_READINGS), ("waits", MOST_CLOCKS)):
            check_whole(f"the number of {name}", len(getattr(self, name)), 1, most)
        for stage, instruction, microbatch in self.order:
            check_whole("a stage", stage, 0)
            _check_instruction(instruction)
            check_whole("a microbatch", microbatch, -1)
        for stage, instruction, clock_mhz, time_s, energy_j in self.readings:
            check_whole("a stage", stage, 0)
            _check_instruction(instruction)
            if clock_mhz is not None:
                check_whole("a clock", clock_mhz, 1)
            check_number("the time of a reading", time_s, 1e-12, 1e6)
            check_number("the energy of a reading", energy_j, 0.0, 1e12)
        for clock_mhz, power_w in self.waits:
            check_whole("a clock", clock_mhz, 1)
            check_number("the power of a waiting GPU", power_w, 0.0, 1e6)
        check_whole("gpus", self.gpus, 1, MOST_RANKS)
        check_provenance(self.provenance)


@dataclass(frozen=True, slots=True)
class PipelineProfile:
    """What the ranks of one replica found out: ``ranks`` in their order, of a schedule of this name."""

    __pydantic_config__: ClassVar[Any] = dict(STRICT)
    NESTED: ClassVar[Mapping[str, Any]] = {"ranks": RankProfile}
    generation: int
    schedule: str
    ranks: tuple[RankProfile, ...]

    def __post_init__(self) -> None:
        """Check."""
        check_whole("generation", self.generation, 1)
        check_text("the name of a schedule", self.schedule, least=1)
        check_whole("the number of ranks", len(self.ranks), 1, MOST_RANKS)


@dataclass(frozen=True, slots=True)
class Totals:
    """What a process has used in planned iterations since it began, and what it would have used without a plan.

    Attributes:
        iterations: How many of its iterations count: planned throughout, with counters, and told what to compare with.
        used_j: What they used [J], and what waiting for a straggler that we were told of is modelled to draw.
        unplanned_j: What they would have used at the highest clocks, from the profile [J].
        provenance: Of ``used_j``.
    """

    __pydantic_config__: ClassVar[Any] = dict(STRICT)
    iterations: int = 0
    used_j: float = 0.0
    unplanned_j: float = 0.0
    provenance: str = "measured"

    def __post_init__(self) -> None:
        """Check."""
        check_whole("iterations", self.iterations, 0)
        check_number("used_j", self.used_j, 0.0)
        check_number("unplanned_j", self.unplanned_j, 0.0)
        check_provenance(self.provenance)


@dataclass(frozen=True, slots=True)
class Beat:
    """One process, once per iteration.

    Attributes:
        generation: Of the job, as it was told.
        replica, rank, member: Who.
        session: Made anew by each process, so that one that begins again is told from one that goes on.
        iterations: How many have ended since it began.
        plan: Which plan the last ones followed throughout, or nothing.
        time_s: Their median time [s]; 0 if none has ended since the beat before.
        totals: What it has used.
    """

    __pydantic_config__: ClassVar[Any] = dict(STRICT)
    generation: int
    replica: int
    rank: int
    session: str
    iterations: int = 0
    plan: str = ""
    time_s: float = 0.0
    totals: Totals = Totals()
    member: int = 0

    def __post_init__(self) -> None:
        """Check."""
        if isinstance(self.totals, Mapping):
            object.__setattr__(self, "totals", Totals(**self.totals))
        check_whole("generation", self.generation, 1)
        check_whole("replica", self.replica, 0, MOST_REPLICAS - 1)
        check_whole("rank", self.rank, 0, MOST_RANKS - 1)
        check_whole("member", self.member, 0, MOST_MEMBERS - 1)
        check_id("session", self.session)
        check_whole("iterations", self.iterations, 0)
        check_number("time_s", self.time_s, 0.0, 1e9)
        if self.plan:
            check_id("plan", self.plan)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What to compare an iteration of a process with, from the profile.

    Attributes:
        unplanned_j: What it would use at the highest clocks, waiting for the straggler included [J].
        wait_power_w: What waiting draws under the plan [W].
        until_s: How long a straggler makes everybody wait, from the beginning of the iteration [s]; 0 for none.
    """

    unplanned_j: float
    wait_power_w: float
    until_s: float = 0.0

    def __post_init__(self) -> None:
        """Check."""
        for item in fields(self):
            check_number(item.name, getattr(self, item.name), 0.0)

    def waited_j(self, time_s: float) -> float:
        """What waiting adds to an iteration of that length [J]."""
        return self.wait_power_w * max(0.0, self.until_s - time_s)


@dataclass(frozen=True, slots=True)
class Orders:
    """The answer to a beat, and to a description.

    Attributes:
        generation: The job's, now.
        phase: profiling (no profile yet), planning (nor a plan), planned, or failed.
        plan: Id of the plan to follow; nothing for the clocks that were found.
        note: Why it failed, for people.
        should_profile: Whether the profile does not hold any more.
        baseline: What to compare with; None if that is not known, or the replica is a straggler itself.
    """

    generation: int
    phase: str
    plan: str = ""
    note: str = ""
    should_profile: bool = False
    baseline: Baseline | None = None

    def __post_init__(self) -> None:
        """Check."""
        if isinstance(self.baseline, Mapping):
            object.__setattr__(self, "baseline", Baseline(**self.baseline))
        check_whole("generation", self.generation, 1)
        if self.phase not in ("profiling", "planning", "planned", "failed"):
            raise UsageError("orders are not usable", repr(self.phase)[:80], "upgrade joulewise here or at the hub")
        if self.plan:
            check_id("plan", self.plan)


@dataclass(frozen=True, slots=True)
class StragglerNotice:
    """A scheduler's word that a replica is slow, or will be. Exactly one of factor and the two caps is given.

    Attributes:
        replica: Which.
        factor: How many times as long its iterations take.
        power_cap_w: The power limit of its GPUs [W]; what it costs is worked out from the profile.
        clock_cap_mhz: The highest clock that they keep, as when they are hot [MHz]; likewise.
        reason: For people: power cap, thermal, ...
        lasts_s: After which time it is over by itself [s]; None: when it is taken back.
    """

    __pydantic_config__: ClassVar[Any] = dict(STRICT)
    replica: int
    factor: float | None = None
    power_cap_w: float | None = None
    clock_cap_mhz: int | None = None
    reason: str = ""
    lasts_s: float | None = None

    def __post_init__(self) -> None:
        """Check."""
        check_whole("replica", self.replica, 0, MOST_REPLICAS - 1)
        given = [name for name in ("factor", "power_cap_w", "clock_cap_mhz") if getattr(self, name) is not None]
        if len(given) != 1:
            seen = ", ".join(given) or "none of them"
            raise UsageError("a notice must say how slow", seen, "give factor, power_cap_w or clock_cap_mhz")
        if self.factor is not None:
            check_number("factor", self.factor, 1.0, LARGEST_FACTOR)
        if self.power_cap_w is not None:
            check_number("power_cap_w", self.power_cap_w, 1.0)
        if self.clock_cap_mhz is not None:
            check_whole("clock_cap_mhz", self.clock_cap_mhz, 1)
        check_text("reason", self.reason)
        if self.lasts_s is not None:
            check_number("lasts_s", self.lasts_s, 0.001)
