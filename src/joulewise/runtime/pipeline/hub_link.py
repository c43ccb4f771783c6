"""One process of a pipeline and its hub: training follows its plans, never waits for it, and never ends because of it.

Theory of operation. One thread does all the talking. Once per iteration it looks at what has ended meanwhile, beats,
and follows what it is told; the thread that trains is never involved. Replicas beat at different moments of an
iteration, and all processes of a replica at the same one, so that a pipeline moves to another plan together and the
hub is asked evenly. What a plan says is fetched once, and the last few are kept, so that moving back and forth costs
nothing.

If the hub is slow, gone, or answers nonsense, the last plan stays, and before there is one the clocks that were
found; it is asked again after pauses that grow. If it has lost its memory it is told all again. If the job has
another topology by now, or the hub will not for another reason, the last plan stays, too, and it is asked rarely.

This is a `joulewise.runtime.pipeline.plan_source.PlanSource`, too: the first rank of replica 0 hands over what all
ranks found out, for all replicas run the same; the first ranks of all replicas poll for the first plan.
"""

from __future__ import annotations

import math
import threading
import uuid
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from joulewise.clock import Clock, MonotonicClock, epoch_offset_s
from joulewise.errors import JoulewiseError, UsageError
from joulewise.runtime.hub_client import HubAwayError, RefusedError, UnknownToHubError
from joulewise.runtime.pipeline.computation import Iteration
from joulewise.runtime.pipeline.hub_port import PipelinePort
from joulewise.runtime.pipeline.hub_totals import Ledger
from joulewise.runtime.pipeline.plan_source import FAILED
from joulewise.runtime.pipeline.portrait import Portrait
from joulewise.wire.pipeline_hub import Beat, Orders, PipelineJob, PipelineProfile, RankProfile, check_id

LEAST_PACE_S, LONGEST_PACE_S = 0.1, 5.0
PACE_STEP = 1.25
"""Paces are this far apart, so that moments of beats do not move with every iteration's time."""
FIRST_PACE_S = 0.5
"""While no iteration has ended, or a plan is awaited."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
KEPT_PLANS = 16
GOLDEN_FRAC = 0.6180339887498949
LINGER_S = 2.0
"""How long the end of the process waits for a last beat."""


class Followed(Protocol):
    """What follows plans: `joulewise.runtime.pipeline.engine.PipelineEngine`."""

    @property
    def iterations(self) -> Any:
        """What ran last, a deque of `Iteration`."""

    def follow(self, plan: Mapping[str, Any]) -> None:
        """Run by a plan."""


class HubLink:
    """Speaks with a hub for one process.

    Args:
        port: The hub.
        job_id: Of the job, the same in all of its processes.
        job: The job, described alike by all of them.
        replica, rank, member: Which process this is.
        patience_s: After which time without a word of the hub the job begins without a plan [s].
        clock: Time.

    Attributes:
        orders: What the hub said last, or None.
        plan: Id of the plan that is followed, or nothing.
        note: What went wrong last, or nothing.

    Raises:
        UsageError: If the id is none, or the job has no such process.
    """

    def __init__(
        self,
        port: PipelinePort,
        job_id: str,
        job: PipelineJob,
        *,
        replica: int = 0,
        rank: int = 0,
        member: int = 0,
        patience_s: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        """Say nothing yet."""
        check_id("job", job_id)
        Beat(1, replica, rank, "x", member=member)
        if replica >= job.replicas or rank >= job.ranks:
            seen = f"replica {replica}, rank {rank} of {job.replicas} times {job.ranks}"
            raise UsageError("the job has no such process", seen, "count from 0")
        self._port, self._job_id, self._job = port, job_id, job
        self._replica, self._rank, self._member = replica, rank, member
        self._patience_s, self._clock = patience_s, clock or MonotonicClock()
        self._offset_s = epoch_offset_s(self._clock)
        self.orders: Orders | None = None
        self.plan, self.note = "", ""
        self._session, self._ledger = uuid.uuid4().hex, Ledger()
        self._engine: Followed | None = None
        self._clocks_mhz: frozenset[int] = frozenset()
        self._profile: tuple[str, tuple[RankProfile, ...]] | None = None
        self._is_uploaded = self._wants_plan = False
        self._asked_ns = self._clock.now_ns()
        self._answer: Mapping[str, Any] | None = None
        self._known: OrderedDict[tuple[str, int], Mapping[str, Any]] = OrderedDict()
        self._closed, self._wake = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    # For the process -------------------------------------------------------------------------------------------------

    def watch(self, engine: Followed, clocks_mhz: Collection[int] = ()) -> None:
        """Begin to talk, and have an engine follow what the hub says.

        Args:
            engine: The engine.
            clocks_mhz: What its devices take [MHz]; plans with others are not followed. Empty: any.
        """
        self.attend(engine, clocks_mhz)
        if self._thread is None:
            self._thread = threading.Thread(target=self._talk, name="joulewise-hub-link", daemon=True)
            self._thread.start()

    def attend(self, engine: Followed, clocks_mhz: Collection[int] = ()) -> None:
        """The same without a thread of its own: somebody calls `exchange` once per iteration."""
        self._engine, self._clocks_mhz = engine, frozenset(clocks_mhz)

    def submit(self, portraits: Sequence[Portrait], name: str) -> None:
        """See `PlanSource`; again after profiling again."""
        if self._replica == 0:
            self._profile, self._is_uploaded = (name, tuple(one.to_wire() for one in portraits)), False
        self._asked_ns, self._wants_plan, self._answer = self._clock.now_ns(), True, None
        self._wake.set()

    def poll(self) -> Mapping[str, Any] | None:
        """See `PlanSource`."""
        if self._answer is None and (self._clock.now_ns() - self._asked_ns) * 1e-9 > self._patience_s:
            return {FAILED: f"the hub has no plan after {self._patience_s:g} s; {self.note or 'it may come later'}"}
        return self._answer

    @property
    def should_profile(self) -> bool:
        """Whether the hub says that the profile does not hold any more, to the replica that is profiled."""
        orders = self.orders
        return self._replica == 0 and orders is not None and orders.should_profile

    def describe(self) -> str:
        """How it stands with the hub, in a few words."""
        if self.note:
            return f"hub: {self.note}"
        return "hub: not asked yet" if self.orders is None else f"hub: {self.orders.phase}"

    def close(self) -> None:
        """Say the last word, within a moment, and end."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(LINGER_S)

    # The thread ------------------------------------------------------------------------------------------------------

    def exchange(self) -> None:
        """Say all that there is to say, and do what the answer says. The thread does this once per iteration.

        Raises:
            HubAwayError: If the hub cannot be asked.
            RefusedError: If it will not.
        """
        if self.orders is None:
            self._hear(self._port.describe(self._job_id, self._job))
        try:
            self._upload()
            self._hear(self._port.beat(self._job_id, self._beat()))
        except UnknownToHubError:  # it has lost its memory
            self.orders, self._is_uploaded = None, False
            self._known.clear()
            self.plan = ""  # ids of plans begin anew; what they said goes on being followed
            self._hear(self._port.describe(self._job_id, self._job))
            self._upload()
        self._obey()

    def _talk(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                self.exchange()
                self.note, pause_s = "", FIRST_PAUSE_S
                wait_s = self._wait_s()
            except Exception as error:  # whatever it is, training goes on
                self.note = str(error) if isinstance(error, JoulewiseError) else f"{type(error).__name__}: {error}"
                refused = isinstance(error, RefusedError)
                wait_s = LONGEST_PAUSE_S if refused else pause_s
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
            if self._closed.is_set():
                return
            self._wake.wait(wait_s)
            self._wake.clear()

    def _wait_s(self) -> float:
        """Until this replica's next moment within an iteration [s]; while a plan is awaited, not long."""
        if self._wants_plan:
            return FIRST_PACE_S
        ran = self._ran()
        pace_s = pace_of(ran[-1].time_s) if ran else FIRST_PACE_S
        now = (self._offset_s + self._clock.now_ns() * 1e-9) / pace_s
        return pace_s * (1 - (now - self._replica * GOLDEN_FRAC) % 1)

    def _ran(self) -> Sequence[Iteration]:
        return [] if self._engine is None else list(self._engine.iterations.copy())

    def _beat(self) -> Beat:
        orders = self.orders
        if orders is None:
            raise HubAwayError("the hub does not know us yet", self._job_id, "describe the job")
        self._ledger.add(self._ran(), orders.baseline)
        return Beat(
            orders.generation, self._replica, self._rank, self._session, self._ledger.iterations, self.plan,
            self._ledger.time_s, self._ledger.totals, self._member,
        )  # fmt: skip

    def _upload(self) -> None:
        if self._profile is not None and not self._is_uploaded and self.orders is not None:
            name, ranks = self._profile
            self._hear(self._port.upload(self._job_id, PipelineProfile(self.orders.generation, name, ranks)))
            self._is_uploaded = True

    def _hear(self, orders: Orders) -> None:
        self.orders = orders

    def _obey(self) -> None:
        orders = self.orders
        if orders is None or self._engine is None:
            return
        if orders.plan and orders.plan != self.plan:
            document = self._fetch(orders.plan, self._rank)
            self._engine.follow(document)
            self.plan = orders.plan
            self._ledger.add(self._ran(), orders.baseline)
            self._ledger.change_plan()
        if self._wants_plan and orders.phase == "failed":
            self._answer, self._wants_plan = {FAILED: orders.note}, False
        if self._wants_plan and orders.plan and (self._replica != 0 or self._is_uploaded):
            whole = [self._fetch(orders.plan, rank) for rank in range(self._job.ranks)]
            self._answer = {**whole[0], "ranks": [one for document in whole for one in document["ranks"]]}
            self._wants_plan = False

    def _fetch(self, plan: str, rank: int) -> Mapping[str, Any]:
        found = self._known.get((plan, rank))
        if found is None:
            try:
                found = self._checked(self._port.schedule(self._job_id, plan, rank))
            except UnknownToHubError as error:  # it has planned again meanwhile
                raise HubAwayError(error.what, error.seen, error.fix) from error
            self._known[plan, rank] = found
            while len(self._known) > KEPT_PLANS + self._job.ranks:
                self._known.popitem(last=False)
        return found

    def _checked(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            steps = [step for one in document["ranks"] for step in one["steps"]]
            strange = {step["clock_mhz"] for step in steps} - self._clocks_mhz - {None}
        except (KeyError, TypeError) as error:
            raise HubAwayError("the hub gave no usable plan", f"{type(error).__name__}: {error}", "check it") from error
        if self._clocks_mhz and strange:
            seen = f"{sorted(map(str, strange))[:5]} MHz"
            raise HubAwayError("the hub's plan has clocks that our devices have not", seen, "check what was profiled")
        return document


def pace_of(iteration_s: float) -> float:
    """How often to beat [s]: at least once per iteration, if that is no shorter than a tenth of a second."""
    steps = math.floor(math.log(max(iteration_s, LEAST_PACE_S) / LEAST_PACE_S, PACE_STEP) + 1e-9)
    return min(LONGEST_PACE_S, LEAST_PACE_S * PACE_STEP**steps)
