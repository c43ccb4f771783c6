"""What the hub of recurring jobs and its clients say to one another: frozen records, the same on both sides.

Theory of operation. A client describes its job, and is told the job's id, which is a digest of all that matters: so the
same description twice is the same job, and a changed one another. It makes an id for each trial itself, and asks what
to run; asked twice with one id, the hub answers twice the same. It numbers its reports from 1; a number counts once,
and a report holds all that happened since the trial began, so that a lost one does no harm. Every answer renews the
lease of the trial.

Records check themselves when they are made, on either side; what is wrong raises a `UsageError`. Server and client
share this file, and never import one another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from joulewise.errors import UsageError
from joulewise.wire.checks import LARGEST_FLOAT, LONGEST_TEXT, check_number, check_text, check_whole
from joulewise.wire.envelope import schema_tag

NAME, VERSION = "hub", 1
SCHEMA = schema_tag(NAME, VERSION)
PREFIX = f"/v{VERSION}"
REPORT_ENDS = ("reached", "missed", "stopped", "failed", "killed")
"""How a client may say that a trial ended."""
ENDS = (*REPORT_ENDS, "expired")
MOST_SIZES, MOST_RATES, MOST_METRICS = 64, 128, 16
LEAST_LEASE_S, LONGEST_LEASE_S = 1.0, 7 * 86400.0
STRICT: Mapping[str, Any] = MappingProxyType({"extra": "forbid"})
"""For whoever validates with pydantic: a field that nobody knows is an error, not a typo that goes unseen."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """A metric and the value at which it is good enough.

    Attributes:
        metric: Its name.
        value: The value.
        higher_is_better: Whether more than that is good, too; else less is.
    """

    __pydantic_config__: ClassVar[Any] = dict(STRICT)
    metric: str
    value: float
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        """Check."""
        check_text("the name of a metric", self.metric, least=1)
        check_number("the target of a metric", self.value, -LARGEST_FLOAT)
        object.__setattr__(self, "value", float(self.value))  # 1 and 1.0 are one target, and one digest


@dataclass(frozen=True, slots=True)
class JobDescription:
    """All that makes a recurring job what it is; another description is another job.

    Attributes:
        name: For people, and for telling what the job is a recurrence of.
        batch_sizes: Sizes to choose from.
        default: The size that its users would take.
        targets: What a run must reach, all in the same epoch.
        max_epochs: A run that has not reached them by then has missed.
        eta: Weight of energy against time in the cost.
        max_power_w: Power at which a second is priced [W].
        device, device_count: What it trains on, and on how many.
        model, data, optimizer: What is trained, on which lineage of data, by which rule; free text. Where model or data
            are empty the name stands for them.
        policy: Who decides: a name of `joulewise.optimize.batch.catalog`.
        seed: Of its chance, if it has any.
    """

    __pydantic_config__: ClassVar[Any] = dict(STRICT)
    name: str
    batch_sizes: tuple[int, ...]
    default: int
    targets: tuple[Target, ...]
    max_epochs: int
    eta: float
    max_power_w: float
    device: str = ""
    device_count: int = 1
    model: str = ""
    data: str = ""
    optimizer: str = ""
    policy: str = "curves"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check, and sort the sizes."""
        for name in ("name", "device", "model", "data", "optimizer", "policy"):
            check_text(name, getattr(self, name), least=name == "name")
        for size in (*self.batch_sizes, self.default, self.max_epochs, self.device_count):
            check_whole("a batch size, max_epochs or device_count", size, 1)
        check_whole("seed", self.seed, 0)
        if not 1 <= len(self.batch_sizes) <= MOST_SIZES or not 1 <= len(self.targets) <= MOST_METRICS:
            seen = f"{len(self.batch_sizes)} sizes and {len(self.targets)} targets"
            fix = f"give at least one of each, and at most {MOST_SIZES} and {MOST_METRICS}"
            raise UsageError("a job has no, or too many, batch sizes or targets", seen, fix)
        if self.default not in self.batch_sizes or len(set(self.batch_sizes)) < len(self.batch_sizes):
            seen = f"{self.default} of {list(self.batch_sizes)}"
            raise UsageError("the default is none of the batch sizes, or a size stands twice", seen, "name each once")
        if not 0.0 <= self.eta <= 1.0:
            raise UsageError("eta is not a share", repr(self.eta), "give a number from 0 (time) to 1 (energy)")
        check_number("max_power_w", self.max_power_w, 0.0)
        if len({target.metric for target in self.targets}) < len(self.targets):
            raise UsageError("a metric has two targets", str([one.metric for one in self.targets]), "give it one")
        object.__setattr__(self, "batch_sizes", tuple(sorted(self.batch_sizes)))
        object.__setattr__(self, "targets", tuple(sorted(self.targets, key=lambda target: target.metric)))
        for name in ("eta", "max_power_w"):
            object.__setattr__(self, name, float(getattr(self, name)))

    @property
    def id(self) -> str:
        """Digest of all of it."""
        return _digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> JobDescription:
        """The inverse of `to_dict`.

        Raises:
            UsageError: If a field is missing or not usable.
        """
        try:
            targets = tuple(Target(**target) for target in document["targets"])
            return cls(**{**document, "batch_sizes": tuple(document["batch_sizes"]), "targets": targets})
        except UsageError:
            raise
        except (KeyError, TypeError) as error:
            raise UsageError("this describes no job", f"{type(error).__name__}: {error}", "give all fields") from error


@dataclass(frozen=True, slots=True)
class JobAnswer:
    """The hub knows a job.

    Attributes:
        job: Its id.
        is_new: Whether it did not know it before.
        best: The batch size to use if the hub cannot be asked.
        parent: The job whose knowledge it started with, or None.
    """

    job: str
    is_new: bool
    best: int
    parent: str | None = None

    def __post_init__(self) -> None:
        """Check."""
        check_text("the id of a job", self.job, least=1)
        check_whole("best", self.best, 1)


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """A trial is to be run.

    Attributes:
        retry_of: The trial whose work is done again, since it did not reach its targets, or None.
        batch_size: The size that it has, since the hub could not be asked; None to be told one.
        lease_s: Time after which the trial is taken to be lost if nothing is heard of it [s].
        client: Who runs it, for people.
    """

    __pydantic_config__: ClassVar[Any] = dict(STRICT)
    retry_of: str | None = None
    batch_size: int | None = None
    lease_s: float = 600.0
    client: str = ""

    def __post_init__(self) -> None:
        """Check."""
        if self.retry_of is not None:
            check_trial_id(self.retry_of)
        if self.batch_size is not None:
            check_whole("batch_size", self.batch_size, 1)
        check_number("lease_s", self.lease_s, LEAST_LEASE_S, LONGEST_LEASE_S)
        check_text("client", self.client)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What to run.

    Attributes:
        trial: Its id, as the client made it.
        number: Its number within the job, from 1, without gaps.
        batch_size: The size to train with.
        kind: Why it runs: exploration, exploitation or concurrent.
        reason: The same in words.
        best: The best size known now.
        stop_at_cost: Stop before the epoch with which the cost would pass this, unless the targets are met.
        least_epochs: Run at least so many epochs.
    """

    trial: str
    number: int
    batch_size: int
    kind: str
    reason: str
    best: int
    stop_at_cost: float | None = None
    least_epochs: int = 1

    def __post_init__(self) -> None:
        """Check."""
        for name in ("number", "batch_size", "best"):
            check_whole(name, getattr(self, name), 1)
        check_whole("least_epochs", self.least_epochs, 0)
        if self.stop_at_cost is not None:
            check_number("stop_at_cost", self.stop_at_cost, 0.0)


@dataclass(frozen=True, slots=True)
class Rate:
    """What one epoch takes at one power limit: ``limit_w`` [W] or None, ``epoch_s`` [s], ``power_w`` [W]."""

    __pydantic_config__: ClassVar[Any] = dict(STRICT)
    limit_w: float | None
    epoch_s: float
    power_w: float

    def __post_init__(self) -> None:
        """Check."""
        if self.limit_w is not None:
            check_number("limit_w", self.limit_w, 0.0)
        check_number("epoch_s", self.epoch_s, 1e-9)
        check_number("power_w", self.power_w, 0.0)


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What has happened in a trial since it began.

    Attributes:
        number: From 1, rising; a number counts once.
        epochs: Epochs run, whole or not.
        time_s, energy_j: Time [s] and energy [J] of all of them.
        metrics: Metrics after the last epoch; None for one that is not a number.
        rates: What an epoch takes at each limit, as measured in this trial.
        end: How it ended, one of `REPORT_ENDS`; None while it runs. Whether the targets were reached is decided by the
            metrics alone.
        provenance: Whether energy was measured, modelled or simulated.
        note: What else is worth knowing, for people.
    """

    __pydantic_config__: ClassVar[Any] = dict(STRICT)
    number: int
    epochs: float
    time_s: float
    energy_j: float
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    rates: tuple[Rate, ...] = ()
    end: str | None = None
    provenance: str = "measured"
    note: str = ""

    def __post_init__(self) -> None:
        """Check."""
        check_whole("the number of a report", self.number, 1)
        for name in ("epochs", "time_s", "energy_j"):
            check_number(name, getattr(self, name), 0.0)
        if self.end is not None and self.end not in REPORT_ENDS:
            raise UsageError("a trial cannot end like this", repr(self.end)[:80], f"say {', '.join(REPORT_ENDS)}")
        if len(self.rates) > MOST_RATES or len(self.metrics) > MOST_METRICS:
            seen = f"{len(self.rates)} rates, {len(self.metrics)} metrics"
            raise UsageError("a report is too long", seen, f"give at most {MOST_RATES} and {MOST_METRICS}")
        for name, value in self.metrics.items():
            check_text("the name of a metric", name, least=1)
            if value is not None:
                check_number(f"metric {name}", value, -LARGEST_FLOAT)
        if self.provenance not in ("measured", "modelled", "simulated"):
            fix = "say measured, modelled or simulated"
            raise UsageError("a report has no usable provenance", repr(self.provenance)[:80], fix)
        check_text("note", self.note, longest=10 * LONGEST_TEXT)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> TrialReport:
        """The inverse of `to_dict`."""
        rates = tuple(Rate(**rate) for rate in document.get("rates", ()))
        return cls(**{**document, "rates": rates})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a report.

    Attributes:
        end: How the trial ended, if it has.
        should_stop: Whether to end the run: its targets are reached, its epochs run, or its cost would pass the bound.
        stop_at_cost: The bound as it is now, or None.
        best: The best size known now.
        is_news: Whether the report was not heard before.
    """

    end: str | None
    should_stop: bool
    stop_at_cost: float | None
    best: int
    is_news: bool

    def __post_init__(self) -> None:
        """Check."""
        if self.end is not None and self.end not in ENDS:
            raise UsageError("a verdict is not usable", repr(self.end)[:80], "upgrade joulewise here or at the hub")
        if self.stop_at_cost is not None:
            check_number("stop_at_cost", self.stop_at_cost, 0.0)
        check_whole("best", self.best, 1)


def check_trial_id(text: str) -> str:
    """An id of a trial, as a client may make it: 8 to 64 letters, digits, - and _.

    Raises:
        UsageError: If it is none.
    """
    if not (isinstance(text, str) and 8 <= len(text) <= 64 and text.isascii() and text.translate(_PLAIN).isalnum()):
        raise UsageError("this is no id of a trial", repr(text)[:80], "make one of 8 to 64 letters, digits, - and _")
    return text


def parse(kind: type[T], document: object) -> T:
    """An answer of the hub as a record; fields that we do not know are left out.

    Raises:
        UsageError: If it is none.
    """
    if not isinstance(document, Mapping):
        raise UsageError("the hub gave no usable answer", type(document).__name__, "check its address and its version")
    known = {item.name for item in fields(kind)}  # type: ignore[arg-type]  # all kinds are dataclasses
    try:
        return kind(**{name: value for name, value in document.items() if name in known})
    except TypeError as error:
        raise UsageError("the hub gave no usable answer", str(error)[:80], "check its version") from error


_PLAIN = str.maketrans("-_", "00")


def _digest(document: Any) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
