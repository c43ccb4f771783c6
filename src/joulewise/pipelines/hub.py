"""Pipelines as a server serves them: states in the database, what beats need in memory.

Theory of operation. A beat must cost microseconds, so it is answered from memory: the state of its job as it was read
last, its plans, and for each replica the plan that follows from both. All else goes through the database, where the
core decides on what was read, and is written if nothing has changed meanwhile. `tick` reads again what others have
written, writes down who was heard, ends notices that are over, and tells what was detected; a thread calls it a few
times a second. So several processes may serve one database, and one that is killed and started again goes on where it
was: what beats said is told again by the next ones, which count from the beginning of their process.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from joulewise.clock import Clock
from joulewise.errors import UsageError
from joulewise.jobs.database import Database
from joulewise.jobs.hub import NotFoundError
from joulewise.pipelines import core
from joulewise.pipelines.detection import Detector
from joulewise.pipelines.planning import Plans
from joulewise.pipelines.state import JobState
from joulewise.pipelines.store import PLANS, PROFILE, PipelineStore, Savings, Who
from joulewise.wire.pipeline_hub import (
    Baseline,
    Beat,
    Orders,
    PipelineJob,
    PipelineProfile,
    StragglerNotice,
    check_id,
    dump_record,
    open_record,
)

MOST_ATTEMPTS = 100
KEPT_SCHEDULES = 4096
FLUSH_EVERY_S = 0.5
"""Little at a time: writing down thousands at once would keep beats waiting."""
PLANNER_LEASE_S = 5.0


class Held:
    """A job in memory.

    Attributes:
        state: As it was read last.
        plans: Those of its planned round, or None.
        detector: Watches its replicas under these plans.
        heard: The last beat of each process since it was written down, with when.
    """

    def __init__(self, state: JobState, plans: Plans | None, detector: Detector) -> None:
        """Work out what each straggler is to follow."""
        self.state, self.plans, self.detector = state, plans, detector
        self.heard: dict[Who, tuple[float, Beat]] = {}
        self._orders: dict[tuple[int, int], tuple[Orders, bytes]] = {}
        self._factors = core.factors_of(state)

    def index_of(self, replica: int) -> int | None:
        """Which plan a replica follows."""
        if self.plans is None:
            return None
        return self.plans.index_for(core.deadline_s(self.plans.target_s, self._factors, replica))

    def plan_of(self, replica: int) -> str:
        """Its id, or nothing."""
        index = self.index_of(replica)
        return "" if index is None else f"{self.state.generation}.{self.state.planned_round}.{index}"

    def orders(self, replica: int, rank: int) -> tuple[Orders, bytes]:
        """What a process is told, also as JSON; all replicas that are no stragglers are told the same."""
        key = (replica if replica in self._factors else -1, rank)
        found = self._orders.get(key)
        if found is None:
            state, plans = self.state, self.plans
            baseline = None
            if plans is not None and rank < len(plans.baselines) and replica not in self._factors:
                own = plans.baselines[rank]
                until_s = core.wall_s(plans.target_s, self._factors) if self._factors else 0.0
                unplanned_j = own.energy_j + own.wait_power_w * max(0.0, until_s - plans.top_time_s)
                baseline = Baseline(unplanned_j, float(plans.problem.wait_power_w[rank]), until_s)
            orders = Orders(
                state.generation, state.phase, self.plan_of(replica), state.failure, state.drift != 1.0, baseline
            )
            found = self._orders[key] = orders, json.dumps(dump_record(orders)).encode()
        return found


class PipelineHub:
    """The pipelines of a database.

    Args:
        database: Where.
        clock: Time.
        now: The time [s since 1970, UTC].
    """

    def __init__(self, database: Database, clock: Clock, now: Callable[[], float]) -> None:
        """Read nothing yet."""
        self.store, self.clock, self.now = PipelineStore(database), clock, now
        self._held: dict[str, Held] = {}
        self._schedules: OrderedDict[tuple[str, str, int], bytes] = OrderedDict()
        self._lock, self._building = threading.RLock(), threading.Lock()
        self._flushed_ns = clock.now_ns()

    # --- what clients say

    def describe(self, job_id: str, job: PipelineJob) -> Orders:
        """Make a job known.

        Raises:
            UsageError: If the id is none.
        """
        check_id("job", job_id)
        state = self._change(job_id, lambda before: core.describe(before, job_id, job, self.now()))
        return self._reload(state.id).orders(0, 0)[0]

    def hear_profile(self, job_id: str, profile: PipelineProfile) -> Orders:
        """Take a profile; the planner will find it.

        Raises:
            NotFoundError: If there is no such job.
            UsageError: If it is not one of this job, as it is now.
        """
        document = dump_record(profile)

        def change(before: JobState | None) -> JobState:
            return core.hear_profile(_known(before, job_id), profile, self.now())

        self._change(job_id, change, lambda after: {(after.round, PROFILE): document})
        return self._reload(job_id).orders(0, 0)[0]

    def hear_beat(self, job_id: str, beat: Beat) -> bytes:
        """Hear a process; orders, as JSON. Nothing is written now.

        Raises:
            NotFoundError: If there is no such job.
            UsageError: If the job has no such process, or is of another generation.
        """
        held = self._held.get(job_id) or self._reload(job_id)
        state = held.state
        if beat.generation > state.generation:
            held = self._reload(job_id)  # others have heard of it before us
            state = held.state
        core.check_generation(state, beat.generation)
        if beat.replica >= state.job.replicas or beat.rank >= state.job.ranks:
            seen = f"replica {beat.replica}, rank {beat.rank} of {state.job.replicas} times {state.job.ranks}"
            raise UsageError("the job has no such process", seen, "describe the job as it is")
        held.heard[beat.replica, beat.rank, beat.member] = self.now(), beat
        if beat.time_s > 0 and beat.rank == 0 and beat.member == 0 and held.plans is not None:
            generation, _, rest = beat.plan.partition(".")
            round_, _, index = rest.partition(".")
            if (generation, round_) == (str(state.generation), str(state.planned_round)) and index.isdecimal():
                place = min(int(index), len(held.plans.frontier) - 1)
                held.detector.tell(beat.replica, beat.time_s / held.plans.time_s(place))
        return held.orders(beat.replica, beat.rank)[1]

    def holds(self, job_id: str, generation: int) -> bool:
        """Whether a beat of this generation of a job is answered from memory."""
        held = self._held.get(job_id)
        return held is not None and held.state.generation >= generation

    def hear_notice(self, job_id: str, notice_id: str, notice: StragglerNotice) -> JobState:
        """Take a scheduler's notice; written down before this returns.

        Raises:
            NotFoundError: If there is no such job.
            UsageError: If the notice means nothing, or speaks of a cap while there is no plan to work it out on.
        """
        check_id("notice", notice_id)
        plans = self._reload(job_id).plans

        def factor_of(one: StragglerNotice) -> float:
            if one.factor is not None:
                return one.factor
            return 1.0 if plans is None else plans.factor_of(one)  # worked out when there are plans

        def change(before: JobState | None) -> JobState:
            return core.hear_notice(_known(before, job_id), notice_id, notice, factor_of, self.now())

        self._change(job_id, change)
        return self._reload(job_id).state

    def take_back(self, job_id: str, notice_id: str) -> JobState:
        """End a notice; again and again, if one likes.

        Raises:
            NotFoundError: If there is no such job.
        """
        held = self._reload(job_id)
        self._change(job_id, lambda before: core.take_back(_known(before, job_id), notice_id, self.now()))
        for one in held.state.stragglers:
            if one.id == notice_id:
                held.detector.recover(one.replica)
        return self._reload(job_id).state

    def schedule(self, job_id: str, plan: str, rank: int) -> bytes:
        """What a plan says to a rank, as JSON; the same for ever.

        Raises:
            NotFoundError: If there is no such job, plan or rank (any more).
        """
        found = self.ready_schedule(job_id, plan, rank)
        if found is not None:
            return found
        held = self._held.get(job_id) or self._reload(job_id)
        prefix, _, index = plan.rpartition(".")
        is_one = prefix == f"{held.state.generation}.{held.state.planned_round}" and index.isdecimal()
        if (
            held.plans is None
            or not is_one
            or int(index) >= len(held.plans.frontier)
            or not 0 <= rank < held.state.job.ranks
        ):
            raise NotFoundError("there is no such plan", f"{plan[:80]}, rank {rank}", "ask for the one in your orders")
        with self._building:  # the ranks of a replica all ask at once
            if self.ready_schedule(job_id, plan, rank) is None:
                made = [json.dumps(one, separators=(",", ":")).encode() for one in held.plans.schedules(int(index))]
                with self._lock:
                    for number, text in enumerate(made):
                        self._schedules[job_id, plan, number] = text
                    while len(self._schedules) > max(KEPT_SCHEDULES, len(made)):
                        self._schedules.popitem(last=False)
                return made[rank]
        return self.schedule(job_id, plan, rank)

    def ready_schedule(self, job_id: str, plan: str, rank: int) -> bytes | None:
        """The same if it was asked for before, without waiting."""
        return self._schedules.get((job_id, plan, rank))

    # --- what people look at

    def look(self, job_id: str) -> tuple[Held, Savings]:
        """A job as it is, and what it has saved.

        Raises:
            NotFoundError: If there is no such job.
        """
        self.flush()
        held = self._reload(job_id)
        return held, self.store.savings(job_id, held.state.generation)

    def all(self) -> list[JobState]:
        """All jobs, the latest first."""
        states = [self.store.read(job) for job in self.store.versions()]
        return sorted((s for s in states if s is not None), key=lambda s: s.updated_at, reverse=True)

    # --- what happens by itself

    def tick(self) -> None:
        """Read what others wrote, write what was heard, end what is over, tell what was detected."""
        versions = self.store.versions()
        for job_id, held in list(self._held.items()):
            if versions.get(job_id) != held.state.version:
                held = self._reload(job_id)  # noqa: PLW2901 (as it is now)
            self._look_after(held)
        if (self.clock.now_ns() - self._flushed_ns) * 1e-9 >= FLUSH_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Write down who was heard."""
        self._flushed_ns = self.clock.now_ns()
        for job_id, held in list(self._held.items()):
            heard = dict(held.heard)
            if heard:
                self.store.write_beats(job_id, held.state.generation, heard.values())
                for who, what in heard.items():
                    if held.heard.get(who) is what:
                        del held.heard[who]

    def claim(self, planner: str) -> tuple[JobState, Mapping[str, Any], Mapping[str, Any]] | None:
        """A job that nobody plans yet, with its description and profile as documents; ours for a few seconds."""
        job_id = self.store.claim(planner, self.now(), PLANNER_LEASE_S)
        state = None if job_id is None else self.store.read(job_id)
        if state is None:
            return None
        return state, dump_record(state.job), self.store.document(state.id, state.round, PROFILE)

    def keep_claim(self, job_id: str, planner: str) -> None:
        """Go on planning it."""
        self.store.keep_claim(job_id, planner, self.now() + PLANNER_LEASE_S)

    def end_planning(self, state: JobState, planner: str, document: Mapping[str, Any] | None, failure: str) -> None:
        """Take plans into force, or the reason why there are none."""
        factors: dict[str, float] = {}
        documents: dict[tuple[int, str], Mapping[str, Any]] = {}
        if document is not None:
            profile = open_record(PipelineProfile, self.store.document(state.id, state.round, PROFILE))
            plans = Plans(state.job, profile, document)
            told = [one for one in state.stragglers if one.notice is not None]
            factors = {one.id: plans.factor_of(one.notice) for one in told if one.notice is not None}
            documents = {(state.round, PLANS): document}

        def change(before: JobState | None) -> JobState:
            known = _known(before, state.id)
            return core.end_planning(known, state.round, failure, factors, self.now())

        self._change(state.id, change, lambda _: documents)
        self.store.keep_claim(state.id, planner, 0.0)
        self._reload(state.id)

    # --- inside

    def _look_after(self, held: Held) -> None:
        job_id, round_ = held.state.id, held.state.planned_round
        factors, seen, drift = held.detector.stragglers(), held.detector.seen, held.detector.drift()

        def change(before: JobState | None) -> JobState:
            now = self.now()
            lasting = core.expire(_known(before, job_id), now)
            return core.hear_detected(lasting, round_, factors, seen=seen, drift=drift, now=now)

        if change(held.state) is not held.state:
            self._change(job_id, change)
            self._reload(job_id)

    def _change(
        self,
        job_id: str,
        change: Callable[[JobState | None], JobState],
        documents: Callable[[JobState], Mapping[tuple[int, str], Mapping[str, Any]]] = lambda _: {},
    ) -> JobState:
        for _ in range(MOST_ATTEMPTS):
            before = self.store.read(job_id)
            after = change(before)
            if after is before or self.store.write(before, after, documents(after)):
                return after
        raise UsageError("a job changes too quickly", f"{MOST_ATTEMPTS} attempts", "ask again later")

    def _reload(self, job_id: str) -> Held:
        """Bring a job in memory up to date."""
        state = _known(self.store.read(job_id), job_id)
        with self._lock:
            held = self._held.get(job_id)
            if held is not None and held.state.version >= state.version:
                return held
            same = held is not None and held.state.planned_round == state.planned_round
            plans = held.plans if held is not None and same else self._plans(state)
            detector = held.detector if held is not None and same else Detector()
            after = Held(state, plans, detector)
            if held is not None and held.state.generation == state.generation:
                after.heard = held.heard
            self._held[job_id] = after
            return after

    def _plans(self, state: JobState) -> Plans | None:
        if not state.planned_round:
            return None
        profile = self.store.document(state.id, state.planned_round, PROFILE)
        plans = self.store.document(state.id, state.planned_round, PLANS)
        if profile is None or plans is None:
            return None
        return Plans(state.job, open_record(PipelineProfile, profile), plans)


def _known(state: JobState | None, job_id: str) -> JobState:
    if state is None:
        raise NotFoundError("there is no such job", repr(job_id)[:80], "describe it first")
    return state
