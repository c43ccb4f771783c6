"""Speaks with a hub on behalf of a training run, so that the run never waits for long, and never ends, because of it.

Theory of operation. One thread does all the talking, in order: first who we are and what to run, then reports, then, if
there is nothing to say, heartbeats, which keep the lease of the trial. The run waits for an answer as long as its
patience lasts, and not at all while the hub does not answer; then it goes on with what it knows, and what the hub has
not heard is written down. Whoever speaks with the same hub next tells it, too.

If the hub has not said what to run in time, the run takes the best size that it knows, under a new id, for the hub may
yet have heard of the first; that one's lease then ends by itself.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from dataclasses import replace

from joulewise.errors import JoulewiseError
from joulewise.runtime.hub_client import Port, RefusedError, UnknownToHubError
from joulewise.runtime.spool import Spool, Untold
from joulewise.wire.hub import Assignment, JobDescription, TrialReport, TrialRequest, Verdict

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
AWAY_AFTER = 2
"""After so many failures in a row the run no longer waits for answers."""
START_ATTEMPTS = 4
"""So often it asks what to run."""
MOST_WAITING = 256
HEARTBEATS_PER_LEASE = 4


class Courier:
    """Talks about one trial.

    Args:
        port: The hub.
        spool: Where to write down what it has not heard.
        description: The job.
        request: What to ask for.
        patience_s: How long the run waits for an answer [s].
        start_patience_s: How long it waits to be told what to run [s].
        linger_s: How long its end waits for the last report to be heard [s].

    Attributes:
        trial: Id of the trial.
        assignment: What the hub said to run, or None if it could not be asked in time.
        note: What went wrong last, or nothing.
    """

    def __init__(
        self,
        port: Port,
        spool: Spool,
        description: JobDescription,
        request: TrialRequest,
        *,
        patience_s: float = 5.0,
        start_patience_s: float = 10.0,
        linger_s: float = 5.0,
    ) -> None:
        """Say nothing yet."""
        self._port, self._spool, self._description, self._request = port, spool, description, request
        self._job = description.id
        self._patience_s, self._start_patience_s, self._linger_s = patience_s, start_patience_s, linger_s
        self._changed = threading.Condition()
        self._waiting: deque[TrialReport] = deque()
        self._verdict: Verdict | None = None
        self._heard = 0  # number of the last report that was answered
        self._is_introduced = self._is_closed = self._has_told_others = False
        self._failures = 0  # in a row
        self._thread = threading.Thread(target=self._talk, name="joulewise-courier", daemon=True)
        self.trial = uuid.uuid4().hex
        self.assignment: Assignment | None = None
        self.note = ""

    def start(self) -> Assignment | None:
        """Ask what to run; None if nobody says so in time. Then call `choose`."""
        self._thread.start()
        with self._changed:
            self._changed.wait_for(
                lambda: self.assignment is not None or self._failures >= START_ATTEMPTS, self._start_patience_s
            )
            return self.assignment

    def choose(self, batch_size: int) -> None:
        """Run this size without having been told to, as another trial."""
        with self._changed:
            self.trial = uuid.uuid4().hex
            self._request = replace(self._request, batch_size=batch_size)
            self._is_introduced, self.assignment = False, None
            self._failures = max(self._failures, AWAY_AFTER)
            self._changed.notify_all()

    def tell(self, report: TrialReport) -> Verdict | None:
        """Say what happened; the answer, or None if it does not come in time."""
        with self._changed:
            self._waiting.append(report)
            while len(self._waiting) > MOST_WAITING:
                del self._waiting[1]  # each holds all that was before
            self._changed.notify_all()
            if not self._is_away:
                self._changed.wait_for(lambda: self._heard >= report.number or self._is_away, self._patience_s)
            verdict = self._verdict if self._heard >= report.number else None
        if verdict is None:
            self._write_down()
        return verdict

    def close(self) -> None:
        """End; waits a little for what was not heard yet, and leaves the rest written down."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting or not self._thread.is_alive(), self._linger_s)
        if self._waiting:
            self._write_down()
        else:
            self._spool.forget(self.trial)

    # --- the thread

    @property
    def _is_away(self) -> bool:
        return self._failures >= AWAY_AFTER

    def _talk(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                self._say_all()
                pause_s = FIRST_PAUSE_S
                with self._changed:
                    self._failures = 0
                    self._changed.notify_all()
                    if self._is_closed and not self._waiting:
                        return
                    beat_s = self._request.lease_s / HEARTBEATS_PER_LEASE
                    is_woken = self._changed.wait_for(self._is_wanted, beat_s)
                if not is_woken and self._is_introduced:
                    self._port.renew(self._job, self.trial)
            except Exception as error:  # whatever it is, training goes on, and the hub is told later
                if self._put_off(error, pause_s):
                    return
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _is_wanted(self) -> bool:
        return bool(self._waiting) or self._is_closed

    def _put_off(self, error: Exception, pause_s: float) -> bool:
        """Wait until it is worth to try again; whether it never will be."""
        with self._changed:
            self.note = str(error) if isinstance(error, JoulewiseError) else f"{type(error).__name__}: {error}"
            self._failures += 1
            if isinstance(error, UnknownToHubError):
                self._is_introduced = False
            self._changed.notify_all()
            count, was_closed = len(self._waiting), self._is_closed
            if was_closed and self._is_away:
                return True
            self._changed.wait_for(lambda: self._is_closed != was_closed or len(self._waiting) > count, pause_s)
            return False

    def _say_all(self) -> None:
        """Say all that is to be said.

        Raises:
            HubAwayError: If the hub cannot be asked.
        """
        with self._changed:
            trial, request = self.trial, self._request
        if not self._is_introduced:
            self._introduce(trial, request)
        while True:
            with self._changed:
                if not self._waiting or self.trial != trial:
                    break
                report = self._waiting[0]
            verdict: Verdict | None = None
            try:
                verdict = self._port.report(self._job, trial, report)
            except UnknownToHubError:
                raise
            except RefusedError as error:
                self.note = str(error)
            with self._changed:
                self._heard = report.number
                if verdict is not None:
                    self._verdict = verdict
                    self._remember_best(verdict.best)
                if self._waiting and self._waiting[0] is report:
                    self._waiting.popleft()
                self._changed.notify_all()
        if not self._waiting:
            self._spool.forget(trial)
        if not self._has_told_others:
            self._has_told_others = self._tell_others()

    def _introduce(self, trial: str, request: TrialRequest) -> None:
        self._port.open_job(self._description)
        found = self._port.open_trial(self._job, trial, request)
        with self._changed:
            if trial != self.trial:
                return  # too late: the run has chosen
            if found.batch_size not in self._description.batch_sizes:
                self.note = f"the hub said to run a batch size of {found.batch_size}, which the job has not"
                return
            self.assignment, self._is_introduced = found, True
            if request.batch_size is None:  # from now on it is what it is, whatever hub we speak to
                self._request = replace(request, batch_size=found.batch_size)
            self._remember_best(found.best)
            self._changed.notify_all()

    def _remember_best(self, best: int) -> None:
        if best in self._description.batch_sizes:
            self._spool.keep_best(self._job, best)

    def _tell_others(self) -> bool:
        """Tell what other runs could not, as far as the hub listens and we have nothing to say; whether that is all."""
        for untold in self._spool.others(but=self.trial):
            if self._is_wanted():
                return False
            job = untold.description.id
            try:
                self._port.open_job(untold.description)
                self._port.open_trial(job, untold.trial, untold.request)
                for report in untold.reports:
                    self._port.report(job, untold.trial, report)
            except RefusedError as error:
                self.note = str(error)  # it never will be heard
            self._spool.forget(untold.trial)
        return True

    def _write_down(self) -> None:
        with self._changed:
            reports = tuple(self._waiting)
            untold = Untold(self._description, self.trial, self._request, reports)
        if reports:
            self._spool.keep(untold)
