"""What a hub has not been told yet, in files: one per trial, so that another run can tell it later.

A file holds all that it takes to tell a trial from its beginning: the job, what was asked for, every report that was
not heard. Telling it twice does no harm, so nobody needs to know how far another got. Beside them lies the best batch
size that each job is known to have, for when the hub cannot be asked.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from joulewise.errors import JoulewiseError, UsageError
from joulewise.wire.atomic import write_text_atomically
from joulewise.wire.envelope import open_envelope, schema_tag
from joulewise.wire.hub import JobDescription, TrialReport, TrialRequest, check_trial_id

DOCUMENT, VERSION = "untold-trial", 1
MOST_FILES = 1000


@dataclass(frozen=True)
class Untold:
    """A trial, and what of it was not heard."""

    description: JobDescription
    trial: str
    request: TrialRequest
    reports: tuple[TrialReport, ...]


class Spool:
    """A folder of what was not told.

    Args:
        folder: Where; made when it is first needed. What cannot be written there is lost, and nobody is stopped by it.
    """

    def __init__(self, folder: Path) -> None:
        """Touch nothing yet."""
        self.folder = folder
        self.note = ""

    @classmethod
    def of(cls, hub: str, folder: str | os.PathLike[str] | None = None) -> Spool:
        """The usual one of a hub, by its address or file."""
        if folder is not None:
            return cls(Path(folder))
        state = os.environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
        return cls(Path(state) / "joulewise" / "untold" / hashlib.sha256(hub.encode()).hexdigest()[:16])

    def keep(self, untold: Untold) -> None:
        """Write a trial down, in place of what was written of it before."""
        document = {
            "schema": schema_tag(DOCUMENT, VERSION),
            "description": untold.description.to_dict(),
            "trial": untold.trial,
            "request": asdict(untold.request),
            "reports": [report.to_dict() for report in untold.reports],
        }
        self._write(self._file(untold.trial), json.dumps(document) + "\n")

    def forget(self, trial: str) -> None:
        """All of a trial was heard."""
        with suppress(OSError):
            self._file(trial).unlink(missing_ok=True)

    def others(self, but: str = "") -> list[Untold]:
        """What was written down of other trials, oldest first; files that are none of ours are left alone."""
        found: list[tuple[float, Untold]] = []
        with suppress(OSError):
            for path in sorted(self.folder.glob("trial-*.json"))[:MOST_FILES]:
                with suppress(OSError, ValueError, KeyError, TypeError):
                    untold = _read(path)
                    if untold.trial != but:
                        found.append((path.stat().st_mtime, untold))
        return [untold for _, untold in sorted(found, key=lambda pair: pair[0])]

    def keep_best(self, job: str, best: int) -> None:
        """Remember the best size of a job, if that is news."""
        if self.best(job) != best:
            self._write(self.folder / f"best-{job}.json", json.dumps({"best": best}) + "\n")

    def best(self, job: str) -> int | None:
        """The best size that a job is known to have, or None."""
        try:
            best = json.loads((self.folder / f"best-{job}.json").read_text(encoding="utf-8"))["best"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return best if isinstance(best, int) else None

    def _file(self, trial: str) -> Path:
        return self.folder / f"trial-{trial}.json"

    def _write(self, path: Path, text: str) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text_atomically(path, text)
        except (OSError, JoulewiseError) as error:
            self.note = f"what the hub has not heard could not be written down: {error}"


def _read(path: Path) -> Untold:
    document = open_envelope(json.loads(path.read_text(encoding="utf-8")), DOCUMENT, VERSION)
    if not isinstance(document["reports"], Sequence):
        raise UsageError("this is no trial", str(path), "remove it")
    return Untold(
        JobDescription.from_dict(document["description"]),
        check_trial_id(document["trial"]),
        TrialRequest(**document["request"]),
        tuple(TrialReport.from_dict(report) for report in document["reports"]),
    )
