"""``with jw.recurring(...) as job``: a training script that is told its batch size, and tells how it went.

Theory of operation. Entering asks the hub what to run, near (a file) or far (a server); `RecurringJob.epoch_end` tells
what was used and what the metric is; leaving tells how it ended. Whether to stop is decided here, by the rule that the
hub follows, too: the hub may be gone. What was used comes from a `Meter`; with a tuner, the power limit is found
inside, for the same cost. Nothing that a hub does, or does not do, stops training or delays it by more than seconds;
`note` says what went wrong.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from joulewise.clock import Clock
from joulewise.devices.device import Device
from joulewise.errors import UsageError
from joulewise.jobs.bound import passes_bound
from joulewise.jobs.policies import reached, spec_of
from joulewise.measure.meter import Meter
from joulewise.optimize.batch.learning_rate import scaled_learning_rate
from joulewise.optimize.batch.protocol import EpochRate
from joulewise.optimize.power.goal import Goal
from joulewise.runtime.courier import Courier
from joulewise.runtime.hub_client import HttpHub, Port
from joulewise.runtime.ranks import Ranks
from joulewise.runtime.session import JobTuner
from joulewise.runtime.spool import Spool
from joulewise.runtime.training_account import Machine, TrialAccount, Used, tuner_at
from joulewise.runtime.tune import Tuned
from joulewise.wire.hub import JobDescription, Rate, Target, TrialReport, TrialRequest

T = TypeVar("T")
DONE = Target("done", 1.0)
"""The target of a job that names none: its script ends by itself."""
TOKEN = "JOULEWISE_HUB_TOKEN"
AWAY_REASON = "the best known size, since the hub could not be asked"


class RecurringJob:
    """One recurrence of a job; made by `recurring`. Enter it once for each try until `is_reached`.

    Attributes:
        description: The job.
        tuner: Who tunes the power limit, or None; of ours there is one for each try, from when it is entered.
        batch_size: The size to train with, once entered; over all ranks together.
        reason: Why this size.
        epoch: Epochs run.
        is_reached: Whether the targets were reached.
        should_stop: Whether to end the run: targets reached, epochs run, or its cost would pass its bound.
        note: What could not be done as wished, or nothing.
    """

    def __init__(
        self,
        description: JobDescription,
        port: Port,
        spool: Spool,
        meter: Meter,
        *,
        tuner: JobTuner | Callable[[Path | None], JobTuner] | None,
        lease_s: float,
    ) -> None:
        """Ask nothing yet."""
        self.description = description
        self.tuner = tuner if isinstance(tuner, JobTuner) else None
        self._new_tuner = None if isinstance(tuner, JobTuner) else tuner
        self._port, self._spool, self._meter, self._lease_s = port, spool, meter, lease_s
        self._ranks = Ranks.of_torch()
        self._courier: Courier | None = None
        self._account: TrialAccount | None = None
        self._batch_size: int | None = None
        self._retry_of: str | None = None
        self.reason, self.note = "", ""
        self.epoch: float = 0
        self.is_reached = self.should_stop = False
        self._bound: float | None = None
        self._least_epochs, self._number = 1, 0
        self._used = Used(0.0, 0.0, "measured")
        self._rates: tuple[Rate, ...] = ()
        self._metrics: dict[str, float | None] = {}

    @property
    def batch_size(self) -> int:
        """The size to train with; afterwards, that of the last run.

        Raises:
            UsageError: If the job has not been entered.
        """
        if self._batch_size is None:
            raise UsageError("a job has no batch size yet", "it was not entered", "use: with jw.recurring(...) as job")
        return self._batch_size

    def __enter__(self) -> Self:
        """Ask what to run, and begin to measure."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell how it ended."""
        self.close(error)

    def start(self) -> None:
        """Ask what to run, and begin to measure."""
        self.epoch, self._number, self._bound, self._least_epochs = 0, 0, None, 1
        self.is_reached = self.should_stop = False
        self._rates, self._metrics, self._used = (), {}, Used(0.0, 0.0, "measured")
        size, reason = 0, ""
        if self._ranks is None or self._ranks.rank == 0:
            size, reason = self._ask()
        self._batch_size, self.reason = self._of_first_rank((size, reason))
        if self._new_tuner is not None:
            self.tuner, note = tuner_at(self._batch_size, self.description.id, self._spool.folder, self._new_tuner)
            self.note = note or self.note
        self._account = TrialAccount(self._meter, self.tuner)

    def epochs(self) -> Iterator[int]:
        """Numbers of epochs from 0, until the run should stop; say `epoch_end` in each."""
        count = 0
        while not self.should_stop and count < self.description.max_epochs:
            yield count
            count += 1

    def epoch_end(self, metric: float | Mapping[str, float] | None = None, *, epochs: float | None = None) -> bool:
        """Tell that an epoch is over. With several ranks this is collective.

        Args:
            metric: Its metric, or several by name; None if it was not looked at.
            epochs: Epochs run in all, where they are not told one by one.

        Returns:
            `should_stop`.

        Raises:
            UsageError: If the job has not been entered, or metrics are named that are no numbers.
        """
        account = self._entered()
        metrics = self._named(metric)
        self.epoch = self.epoch + 1 if epochs is None else max(float(epochs), self.epoch)
        if self._courier is not None:
            before, self._used = self._used, account.so_far()
            if self.epoch > 0 and not account.note:
                self._rates = account.rates(self._used, before, self.epoch)
            self._metrics |= metrics
            self.is_reached = self.is_reached or reached(self.description, metrics)
            self._tell(metrics, None)
            self.should_stop = self.is_reached or self.epoch >= self.description.max_epochs or self._is_too_dear()
        self.is_reached, self.should_stop = self._of_first_rank((self.is_reached, self.should_stop))
        return self.should_stop

    def close(self, error: BaseException | None = None) -> None:
        """Tell how it ended: by itself, or by an error."""
        account, courier = self._account, self._courier
        try:
            if account is not None and courier is not None:
                self._say_end(account, courier, error)
        finally:
            self._account = self._courier = None
            if self.tuner is not None:
                (self.tuner.stop if self._new_tuner is None else self.tuner.close)()

    def learning_rate(self, learning_rate: float, batch_size: int | None = None) -> float:
        """A learning rate scaled to the batch size: by its square root for adaptive optimizers, linearly for SGD.

        Args:
            learning_rate: The rate that is good at ``batch_size``.
            batch_size: By default the job's default.

        Raises:
            UsageError: If there is no rule for the job's optimizer, or the job has not been entered.
        """
        at = self.description.default if batch_size is None else batch_size
        return scaled_learning_rate(self.description.optimizer, learning_rate, at, self.batch_size)

    def tune(self, loader: Iterable[T]) -> Iterable[T]:
        """The loader, with the power limit tuned while it is looped over; as it is if the job has no tuner."""
        return loader if self.tuner is None else Tuned(loader, self.tuner)

    # --- inside

    def _say_end(self, account: TrialAccount, courier: Courier, error: BaseException | None) -> None:
        self._used = account.so_far(is_end=True)
        if account.note:
            self._tell({}, "killed")  # what it cost is not known: nothing is to be learned from it
        elif not self.is_reached:
            end = self._end(error)
            self.is_reached = end == "reached"
            self._tell({DONE.metric: 1.0} if self.is_reached else {}, end)
        courier.close()
        self.note = account.note or courier.note or self._spool.note or self.note
        self._retry_of = None if self.is_reached else courier.trial

    def _entered(self) -> TrialAccount:
        if self._account is None:
            raise UsageError("a job is told of an epoch", "it was not entered", "use: with jw.recurring(...) as job")
        return self._account

    def _of_first_rank(self, value: T) -> T:
        return value if self._ranks is None else self._ranks.gather(value)[0]

    def _ask(self) -> tuple[int, str]:
        client = f"{platform.node()}:{os.getpid()}"[:200]
        request = TrialRequest(retry_of=self._retry_of, lease_s=self._lease_s, client=client)
        self._courier = Courier(self._port, self._spool, self.description, request)
        assigned = self._courier.start()
        if assigned is not None:
            self._bound, self._least_epochs = assigned.stop_at_cost, assigned.least_epochs
            return assigned.batch_size, assigned.reason
        known = self._spool.best(self.description.id)
        size = known if known in self.description.batch_sizes else self.description.default
        self._courier.choose(size)
        self.note = self._courier.note
        return size, AWAY_REASON

    def _tell(self, metrics: Mapping[str, float | None], end: str | None) -> None:
        self._number += 1
        courier, used = self._courier, self._used
        if courier is None or (end is None and self._account is not None and self._account.note):
            return  # without energy there is nothing to learn until the end
        report = TrialReport(
            self._number,
            self.epoch,
            used.time_s,
            used.energy_j,
            dict(metrics),
            self._rates,
            end,
            used.provenance,
        )
        verdict = courier.tell(report)
        if verdict is not None:
            self._bound = verdict.stop_at_cost

    def _is_too_dear(self) -> bool:
        return passes_bound(
            spec_of(self.description),
            bound=self._bound,
            least_epochs=self._least_epochs,
            epochs=self.epoch,
            spent=(self._used.time_s, self._used.energy_j),
            rates=[EpochRate(rate.limit_w, rate.epoch_s, rate.power_w) for rate in self._rates],
        )

    def _end(self, error: BaseException | None) -> str:
        if isinstance(error, Exception):
            return "failed"
        if error is not None:
            return "killed"
        if self.epoch >= self.description.max_epochs:
            return "missed" if self.description.targets != (DONE,) else "reached"
        if self.should_stop:
            return "stopped"
        return "reached" if self.description.targets == (DONE,) else "killed"

    def _named(self, metric: float | Mapping[str, float] | None) -> dict[str, float | None]:
        if metric is None:
            return {}
        wanted = [target.metric for target in self.description.targets]
        given = metric if isinstance(metric, Mapping) else {wanted[0]: metric}
        if not isinstance(metric, Mapping) and len(wanted) > 1:
            raise UsageError("a job with several targets is told one metric", repr(metric), f"name them: {wanted}")
        found: dict[str, float | None] = {}
        for name in wanted:
            if name in given:
                try:
                    value = float(given[name])
                except (TypeError, ValueError):
                    raise UsageError("a metric is no number", f"{name}: {given[name]!r}", "give a float") from None
                found[name] = value if math.isfinite(value) else None
        return found


def recurring(
    name: str,
    batch_sizes: Sequence[int],
    *,
    store: str | os.PathLike[str] | None = None,
    hub: str | None = None,
    target: float | Mapping[str, float] | None = None,
    lower_is_better: bool | Collection[str] = False,
    max_epochs: int = 100,
    default: int | None = None,
    eta: float = 0.5,
    max_power_w: float | None = None,
    model: str = "",
    data: str = "",
    optimizer: str = "",
    policy: str = "curves",
    seed: int = 0,
    devices: str | Sequence[str] | Sequence[Device] | None = None,
    tuner: JobTuner | bool = False,
    token: str | None = None,
    lease_s: float = 600.0,
    spool: str | os.PathLike[str] | None = None,
    clock: Clock | None = None,
) -> RecurringJob:
    """A job that recurs, whose batch size is learned from recurrence to recurrence.

    Args:
        name: Of the job; equal names, models, data and optimizers learn from one another.
        batch_sizes: Sizes to choose from.
        store: File of SQLite, or URL of PostgreSQL, that remembers; or
        hub: address of a hub that does, as in ``http://host:8642``.
        target: What the metric must reach, or several by name, all at once; by default the run has done its work when
            it ends without an error.
        lower_is_better: Whether less is better; or the names of the metrics of which that is true.
        max_epochs: A run that has not reached its target by then has missed it.
        default: The size that you would take; by default the one in the middle.
        eta: Weight of energy against time in the cost, from 0 to 1.
        max_power_w: Power at which a second is priced [W]; by default the highest limits of the devices together.
        model, data, optimizer: What is trained on which lineage of data, by which rule.
        policy, seed: Who decides; see `joulewise.optimize.batch.catalog`.
        devices: Which are metered; by default all.
        tuner: Who tunes the power limit inside. True makes one for the same cost, which starts from the limits that
            earlier runs found at the same batch size; they are kept beside ``spool``'s files.
        token: What the hub asks for; by default what JOULEWISE_HUB_TOKEN says.
        lease_s: Time after which the hub takes a run to be lost of which it hears nothing [s].
        spool: Folder of what the hub could not be told; by default one in the user's state folder.
        clock: Time; the machine's by default.

    Raises:
        UsageError: If neither or both of store and hub are given, or anything else means nothing.
        MissingExtraError: If a library for the store is absent.

    Effects:
        Entering measures devices; with a tuner, their limits are changed, and put back.

    Source:
        Zeus (NSDI'23): the batch size outside, the power limit inside, one cost for both.
    """
    if (store is None) == (hub is None):
        seen = "neither" if store is None else "both"
        raise UsageError(
            "a recurring job needs one place that remembers", seen, 'give store="jobs.db" or hub="http://…"'
        )
    meter = Meter(devices, clock=clock)
    machine = Machine.of(meter.devices)
    note = ""
    if not machine.tells_energy:
        note, eta, max_power_w = "no device tells energy: the cost is time alone", 0.0, 1.0
    power_w = machine.max_power_w if max_power_w is None else max_power_w
    if power_w is None:
        fix = "give max_power_w, the power at which a second is priced"
        raise UsageError("the highest power of these devices is not known", machine.device, fix)
    sizes = tuple(sorted(batch_sizes))
    description = JobDescription(
        name=name,
        batch_sizes=sizes,
        default=sizes[len(sizes) // 2] if default is None and sizes else default or 0,
        targets=_targets(target, lower_is_better),
        max_epochs=max_epochs,
        eta=eta,
        max_power_w=power_w,
        device=machine.device,
        device_count=machine.count,
        model=model,
        data=data,
        optimizer=optimizer,
        policy=policy,
        seed=seed,
    )

    def new_tuner(path: Path | None) -> JobTuner:
        devices = list(meter.devices)
        return JobTuner(Goal.zeus(eta, power_w), devices=devices, knob="power-limit", store=path, clock=clock)

    if tuner is True:
        new_tuner(None).close()  # what cannot be tuned fails here, not when a trial is under way
    inner = new_tuner if tuner is True else tuner or None
    port, where = _port(store, hub, token)
    job = RecurringJob(description, port, Spool.of(where, spool), meter, tuner=inner, lease_s=lease_s)
    job.note = note
    return job


def _port(store: str | os.PathLike[str] | None, hub: str | None, token: str | None) -> tuple[Port, str]:
    if hub is not None:
        return HttpHub(hub, os.environ.get(TOKEN, "") if token is None else token), hub.rstrip("/")
    from joulewise.runtime.near_hub import NearHub  # noqa: PLC0415 (its libraries are an extra)

    near = NearHub(store or "")
    return near, near.name


def _targets(target: float | Mapping[str, float] | None, lower_is_better: bool | Collection[str]) -> tuple[Target, ...]:
    if target is None:
        return (DONE,)
    named = target if isinstance(target, Mapping) else {"metric": target}
    lower = set(named) if lower_is_better is True else set(lower_is_better or ())
    if not lower <= set(named):
        raise UsageError("a metric has no target", ", ".join(sorted(lower - set(named))), "name it in target")
    return tuple(Target(metric, float(value), metric not in lower) for metric, value in named.items())
