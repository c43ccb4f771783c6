"""Carbon intensities as they were, from a service on the network: only when asked, and never in the way of a job.

Theory of operation. A provider says what to ask for and how to read the answer; it does no I/O. We ask in a daemon
thread and wait for it no longer than told, whatever the far side does: names that do not resolve, connections that
hang, answers that drip. What fails is a sentence in the result, beside which the caller may put a figure of its own.
Redirects are not followed, so that a key goes only where it was meant for. Answers about the past do not change, so
those that are complete and final are kept in a folder and asked for only once; keys are not in them.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.message import Message
from http.client import HTTPException
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from joulewise.errors import JoulewiseError, UsageError
from joulewise.measure.footprint.intensity import Intensity
from joulewise.wire.atomic import write_text_atomically

GROUP = "joulewise.intensities"
MOST_BYTES = 16_000_000
DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask for.

    Attributes:
        url: Where; http or https.
        headers: What goes with it, such as a key; kept out of messages and files.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Provider(Protocol):
    """One service. Third parties add theirs under the entry point group ``joulewise.intensities``."""

    @property
    def name(self) -> str:
        """For people, and for the folder of answers."""

    def ask(self, begin_s: float, end_s: float) -> Question:
        """What to ask for to know the intensity over a window, in seconds since 1970 (UTC) [s].

        Raises:
            UsageError: If the service does not answer for such a window.
        """

    def read(self, answer: Any) -> Intensity:
        """The intensity that an answer tells; its notes say what of it is not final.

        Raises:
            UsageError, KeyError, TypeError, ValueError: If it is not an answer of the service.
        """


@dataclass(frozen=True, slots=True)
class Live:
    """What came of asking.

    Attributes:
        intensity: Or None if there is none for the whole window.
        failure: Why not; empty if there is.
        kept: Whether the answer was known already.
    """

    intensity: Intensity | None
    failure: str = ""
    kept: bool = False

    def or_else(self, fallback: Intensity) -> Intensity:
        """The live intensity, or another that says why it stands in."""
        if self.intensity is not None:
            return self.intensity
        return replace(fallback, notes=(*fallback.notes, f"in place of live figures: {self.failure}"))


def live_intensity(
    provider: Provider,
    begin_s: float,
    end_s: float,
    *,
    deadline_s: float = DEADLINE_S,
    folder: str | Path | None = None,
) -> Live:
    """Ask a service for the carbon intensity over a window in the past.

    Args:
        provider: The service.
        begin_s, end_s: The window, in seconds since 1970 (UTC) [s].
        deadline_s: After which to give up [s].
        folder: Where to keep answers; by default ``joulewise/intensity`` in the user's cache folder.

    Returns:
        The intensity, or why there is none; a failure of the service never raises.

    Raises:
        UsageError: If the window or the deadline cannot be meant.

    Effects:
        Network, for ``deadline_s`` at most; writes one small file.
    """
    if not (0 <= begin_s <= end_s < float("inf") and 0 < deadline_s < float("inf")):
        seen = f"{begin_s!r} to {end_s!r} s, {deadline_s!r} s"
        raise UsageError("a window or deadline cannot be meant", seen, "give seconds since 1970 in order, and seconds")
    question = provider.ask(begin_s, end_s)
    if not question.url.startswith(("https://", "http://")):
        raise UsageError("not an address of a service", repr(question.url), "give one that begins with https://")
    digest = hashlib.sha256(question.url.encode()).hexdigest()[:32]
    path = (cache_folder() if folder is None else Path(folder)) / f"{provider.name}-{digest}.json"
    with suppress(OSError, ValueError):
        kept = _understood(provider, json.loads(path.read_text(encoding="utf-8")), begin_s, end_s)
        if kept.intensity is not None:
            return replace(kept, kept=True)
    answer = _within(deadline_s, lambda gone: _fetch(question, deadline_s, gone))
    if isinstance(answer, str):
        return Live(None, f"{provider.name} {answer}")
    try:
        document = json.loads(answer)
    except ValueError:
        return Live(None, f"{provider.name} answered what is no JSON")
    live = _understood(provider, document, begin_s, end_s)
    if live.intensity is not None and not live.intensity.notes:
        with suppress(OSError, UsageError):  # a folder that cannot be written is no reason to fail
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text_atomically(path, json.dumps(document))
    return live


def load_provider(name: str, **options: Any) -> Provider:
    """A provider by name, ours or one that another package adds.

    Args:
        name: ``electricitymaps``, ``uk``, or the name of an entry point.
        options: Of the provider, such as ``zone`` and ``key``.

    Raises:
        UsageError: If there is none of that name, or it takes other options.
    """
    from joulewise.measure.footprint.electricity_maps import ElectricityMaps  # noqa: PLC0415 (they import this module)
    from joulewise.measure.footprint.uk_grid import UkGrid  # noqa: PLC0415

    ours: dict[str, Callable[..., Provider]] = {"electricitymaps": ElectricityMaps, "uk": UkGrid}
    others = {point.name: point for point in entry_points(group=GROUP)}
    if name not in ours and name not in others:
        raise UsageError(f"no provider {name!r}", "none of that name", f"use {', '.join(sorted({*ours, *others}))}")
    make = ours[name] if name in ours else others[name].load()
    try:
        provider: Provider = make(**options)
    except TypeError as error:
        seen = f"{error}".partition("() ")[2] or str(error)
        raise UsageError(f"provider {name!r} takes other options", seen, "see its documentation") from error
    return provider


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where answers are kept."""
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "joulewise" / "intensity"


def _understood(provider: Provider, document: Any, begin_s: float, end_s: float) -> Live:
    try:
        intensity = provider.read(document)
        intensity.rate.steps(begin_s, end_s)
    except UsageError as error:
        return Live(None, f"{provider.name}: {error.what} ({error.seen})")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Live(None, f"{provider.name} answered in another form than it is known for: {error!r}")
    return Live(intensity)


class _NoRedirects(HTTPRedirectHandler):
    """Takes a redirect for an error."""

    def redirect_request(  # noqa: PLR0917 (as the standard library calls it)
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        """None, so that the answer is an error."""
        return None


def _fetch(question: Question, timeout_s: float, gone: threading.Event) -> bytes | str:
    """The answer, or why there is none."""
    request = Request(question.url, headers={"Accept": "application/json", **question.headers})
    try:
        with build_opener(_NoRedirects).open(request, timeout=timeout_s) as response:
            parts, size = [], 0
            while part := response.read1(65536):
                size += len(part)
                if size > MOST_BYTES or gone.is_set():
                    return "answered too much"
                parts.append(part)
            return b"".join(parts)
    except HTTPError as error:
        error.close()
        return f"refused with HTTP status {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        return f"could not be reached: {error}"


def _within(deadline_s: float, act: Callable[[threading.Event], bytes | str]) -> bytes | str:
    """What an act returns, or that it took too long; it is left alone then."""
    done, gone = threading.Event(), threading.Event()
    found: list[bytes | str] = []

    def run() -> None:
        try:
            found.append(act(gone))
        except JoulewiseError as error:
            found.append(str(error))
        finally:
            done.set()

    threading.Thread(target=run, name="joulewise-live", daemon=True).start()
    if not done.wait(deadline_s):
        gone.set()
        return f"did not answer within {deadline_s:g} s"
    return found[0] if found else "could not be asked"
