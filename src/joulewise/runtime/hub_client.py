"""A hub over HTTP, with nothing but the standard library: every call ends within a time, and fails in one of two ways.

`HubAwayError`: the hub is gone, slow, overloaded, does not let us in, or answers nonsense; ask again later.
`RefusedError`: it has understood, and will not; asking again is of no use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from http.client import HTTPException
from typing import Any, Protocol, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from joulewise.errors import JoulewiseError, UsageError
from joulewise.wire.agent import error_from_dict
from joulewise.wire.hub import PREFIX, Assignment, JobAnswer, JobDescription, TrialReport, TrialRequest, Verdict, parse

T = TypeVar("T")
MOST_BYTES = 4 * 1024 * 1024
_UNDERSTOOD = {400, 404, 409, 413, 422}


class HubAwayError(JoulewiseError):
    """The hub cannot be asked now."""


class RefusedError(UsageError):
    """The hub has understood, and will not."""


class UnknownToHubError(RefusedError):
    """The hub knows no such job or trial: its memory is not the one that we spoke to."""


class Port(Protocol):
    """What a client needs of a hub, near or far."""

    def open_job(self, description: JobDescription) -> JobAnswer:
        """Make a job known."""

    def open_trial(self, job: str, trial: str, request: TrialRequest) -> Assignment:
        """Ask what to run."""

    def report(self, job: str, trial: str, report: TrialReport) -> Verdict:
        """Tell what happened."""

    def renew(self, job: str, trial: str) -> object:
        """Say that a trial goes on."""


class HttpHub:
    """A hub over HTTP.

    Args:
        url: Its address, as in ``http://host:8642``.
        token: What lets us in, if it asks for that.
        timeout_s: How long to wait for each part of an answer [s].

    Raises:
        UsageError: If this is no such address.
    """

    def __init__(self, url: str, token: str = "", timeout_s: float = 5.0) -> None:
        """Nothing is asked yet."""
        try:
            parts = urlsplit(url)
            is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_one = False
        if not is_one:
            raise UsageError("this is no address of a hub", repr(url), "give one as http://host:8642")
        self.url, self._token, self._timeout_s = url.rstrip("/"), token, timeout_s
        self._opener = build_opener(_NoRedirects)

    def open_job(self, description: JobDescription) -> JobAnswer:
        """Make a job known."""
        return self._ask(JobAnswer, "POST", "/jobs", description.to_dict())

    def open_trial(self, job: str, trial: str, request: TrialRequest) -> Assignment:
        """Ask what to run."""
        return self._ask(Assignment, "PUT", f"/jobs/{quote(job)}/trials/{quote(trial)}", asdict(request))

    def report(self, job: str, trial: str, report: TrialReport) -> Verdict:
        """Tell what happened."""
        return self._ask(Verdict, "POST", f"/jobs/{quote(job)}/trials/{quote(trial)}/reports", report.to_dict())

    def renew(self, job: str, trial: str) -> object:
        """Say that a trial goes on."""
        return self._call("POST", f"/jobs/{quote(job)}/trials/{quote(trial)}/heartbeat", None)

    def _ask(self, kind: type[T], method: str, path: str, body: Mapping[str, Any]) -> T:
        try:
            return parse(kind, self._call(method, path, body))
        except (RefusedError, HubAwayError):
            raise
        except UsageError as error:  # an answer that is none
            raise HubAwayError(error.what, error.seen, error.fix) from error

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        request = Request(self.url + PREFIX + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                return json.loads(answer.read(MOST_BYTES))
        except HTTPError as error:
            raise self._translated(error) from error
        except (OSError, HTTPException, ValueError) as error:
            seen = f"{self.url}: {getattr(error, 'reason', error) or type(error).__name__}"
            raise HubAwayError("the hub cannot be asked", seen, "start it, or check its address") from error

    def _translated(self, error: HTTPError) -> JoulewiseError:
        with error:
            try:
                detail = json.loads(error.read(MOST_BYTES))["detail"]
            except (OSError, HTTPException, ValueError, KeyError, TypeError):
                detail = None
        if error.code in _UNDERSTOOD and isinstance(detail, dict | list):
            known = error_from_dict(detail)
            seen = known.seen or json.dumps(detail)[:500]
            kind = UnknownToHubError if error.code == 404 else RefusedError
            return kind(known.what or "the hub refused", seen, known.fix)
        fix = "check the token" if error.code in (401, 403) else "check its address and its log"
        return HubAwayError("the hub cannot be asked", f"{self.url}: HTTP {error.code}: {str(detail)[:200]}", fix)


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would send the token elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none; it ends as an error with its code."""
        return
