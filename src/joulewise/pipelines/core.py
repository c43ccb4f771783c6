"""What happens to a job: its state and an event in, its next state out; no clock, no file, no network.

Theory of operation. Each function returns the same state if nothing changes, so that whoever asks twice changes
nothing. Whoever writes the next state makes sure that nothing has changed since the one before was read, and else
asks again.

While everybody waits for stragglers, the slowest of them sets the pace: an iteration of the job takes as long as it
does, the wall. A healthy replica may take until then. A straggler that is not the slowest may spend what it has left,
too: its computations take its factor as long, so it follows the plan for the wall divided by that. So the slowest
one, and everybody if there is none, follows the plan for the job's own deadline. One rule for all, however many there
are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace

from joulewise.errors import UsageError
from joulewise.pipelines.state import JobState, Origin, Straggler
from joulewise.wire.pipeline_hub import PipelineJob, PipelineProfile, StragglerNotice

MOST_STRAGGLERS = 1024
NOTICEABLE = 1.001
"""A detected factor below this is none."""
DETECTED = "detected-"
"""How ids of detected stragglers begin."""


def describe(state: JobState | None, job_id: str, job: PipelineJob, now: float) -> JobState:
    """Make a job known; another description of one that is known begins its next generation.

    Args:
        state: The job, or None if it is not known.
        job_id: Its id.
        job: Its description.
        now: The time [s since 1970, UTC].
    """
    if state is None:
        return JobState(job_id, job, 1, 1, now, now)
    if state.job == job:
        return state
    fresh = {"digest": "", "planned_round": 0, "failure": "", "drift": 1.0, "stragglers": ()}
    return _next(state, now, job=job, generation=state.generation + 1, **fresh)


def hear_profile(state: JobState, profile: PipelineProfile, now: float) -> JobState:
    """Take a profile; another one than before, or the same after a failure, is the next round, to be planned.

    Raises:
        UsageError: If it is of another generation, or has not as many ranks as the job.
    """
    check_generation(state, profile.generation)
    if len(profile.ranks) != state.job.ranks:
        seen = f"{len(profile.ranks)} ranks, of {state.job.ranks}"
        raise UsageError("a profile does not speak of all ranks", seen, "upload the profiles of one replica at once")
    digest = digest_of(profile)
    if digest == state.digest and not state.failure:
        return state
    return _next(state, now, digest=digest, round=state.round + 1, failure="", drift=1.0)


def end_planning(state: JobState, round_: int, failure: str, factors: Mapping[str, float], now: float) -> JobState:
    """Take plans into force, or the reason why there are none; too late for a round that is over.

    Args:
        state: The job.
        round_: Which profile was planned.
        failure: Why there are no plans, or nothing.
        factors: What the notices with caps come to on the new profile, by their id.
        now: The time [s since 1970, UTC].
    """
    if round_ != state.round or not state.is_to_be_planned:
        return state
    if failure:
        return _next(state, now, failure=failure)
    stragglers = tuple(
        replace(one, factor=factors.get(one.id, one.factor))
        for one in state.stragglers
        if one.origin is Origin.TOLD  # what was detected was detected against other plans
    )
    return _next(state, now, planned_round=round_, stragglers=stragglers)


def hear_notice(
    state: JobState, notice_id: str, notice: StragglerNotice, factor_of: Callable[[StragglerNotice], float], now: float
) -> JobState:
    """Take a scheduler's notice; one with the id of another takes its place.

    Args:
        state: The job.
        notice_id: Its id.
        notice: The notice.
        factor_of: What it comes to.
        now: The time [s since 1970, UTC].

    Raises:
        UsageError: If the job has no such replica, or there are too many notices, or the id is one of ours.
    """
    if notice.replica >= state.job.replicas:
        seen = f"replica {notice.replica} of {state.job.replicas}"
        raise UsageError("the job has no such replica", seen, "count replicas from 0")
    if notice_id.startswith(DETECTED):
        raise UsageError("this id is kept for what the hub detects", notice_id, "choose another one")
    known = {one.id: one for one in state.stragglers}
    if notice_id in known and known[notice_id].notice == notice and notice.lasts_s is None:
        return state
    if len(known) >= MOST_STRAGGLERS and notice_id not in known:
        raise UsageError("there are too many notices", str(len(known)), "take back those that are over")
    until = None if notice.lasts_s is None else now + notice.lasts_s
    known[notice_id] = Straggler(notice_id, notice.replica, factor_of(notice), Origin.TOLD, now, until, notice)
    return _with(state, known.values(), now)


def take_back(state: JobState, notice_id: str, now: float) -> JobState:
    """End a notice, and what was detected of its replica; one that is not there has ended already."""
    gone = {notice_id} | {f"{DETECTED}{one.replica}" for one in state.stragglers if one.id == notice_id}
    return _with(state, [one for one in state.stragglers if one.id not in gone], now)


def expire(state: JobState, now: float) -> JobState:
    """End notices that are over by themselves."""
    return _with(state, [one for one in state.stragglers if one.until is None or one.until > now], now)


def hear_detected(
    state: JobState, round_: int, factors: Mapping[int, float], *, seen: Collection[int], drift: float, now: float
) -> JobState:
    """Take what was detected in iteration times.

    Args:
        state: The job.
        round_: Against the plans of which round; others are not meant.
        factors: How many times as long as planned replicas take.
        seen: The replicas that were looked at; what is known of others stays.
        drift: How many times as long as planned healthy ones take, if that is noticeable; else 1.
        now: The time [s since 1970, UTC].
    """
    if round_ != state.planned_round:
        return state
    kept = {one.id: one for one in state.stragglers if one.origin is Origin.TOLD or one.replica not in seen}
    before = {one.id: one for one in state.stragglers}
    for replica, factor in factors.items():
        if factor >= NOTICEABLE and replica < state.job.replicas:
            name = f"{DETECTED}{replica}"
            since = before[name].since if name in before else now
            kept[name] = Straggler(name, replica, factor, Origin.DETECTED, since)
    after = _with(state, kept.values(), now)
    if after.drift != drift:
        after = replace(after if after is not state else _next(state, now), drift=drift)
    return after


def factors_of(state: JobState) -> dict[int, float]:
    """How many times as long as planned each straggler takes: the most that was said or seen of it."""
    found: dict[int, float] = {}
    for one in state.stragglers:
        found[one.replica] = max(one.factor, found.get(one.replica, 1.0))
    return found


def wall_s(target_s: float, factors: Mapping[int, float]) -> float:
    """How long an iteration of the job takes [s]: as long as its slowest replica.

    Args:
        target_s: What a healthy replica is planned to take [s].
        factors: Of stragglers.
    """
    return target_s * max(factors.values(), default=1.0)


def deadline_s(target_s: float, factors: Mapping[int, float], replica: int) -> float:
    """Until when a replica may take, by its own time as planned [s]."""
    return wall_s(target_s, factors) / factors.get(replica, 1.0)


def check_generation(state: JobState, generation: int) -> None:
    """Refuse what is of another generation of a job.

    Raises:
        UsageError: If it is.
    """
    if generation != state.generation:
        seen = f"generation {generation}, the job is at {state.generation}"
        raise UsageError("the job has another topology by now", seen, "describe it again, if this is the right one")


def digest_of(profile: PipelineProfile) -> str:
    """What tells profiles apart."""
    text = json.dumps(asdict(profile), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _with(state: JobState, stragglers: Collection[Straggler], now: float) -> JobState:
    after = tuple(sorted(stragglers, key=lambda one: one.id))
    return state if after == state.stragglers else _next(state, now, stragglers=after)


def _next(state: JobState, now: float, **fields: object) -> JobState:
    return replace(state, version=state.version + 1, updated_at=now, **fields)  # type: ignore[arg-type]
