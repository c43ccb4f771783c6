"""What a job learned about its devices, in a file beside it: the frontier of a step, and of what it is the frontier."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from joulewise.errors import UsageError
from joulewise.frontier import Frontier
from joulewise.runtime.knob import Tunable
from joulewise.wire.atomic import write_text_atomically
from joulewise.wire.envelope import open_envelope, schema_tag

DOCUMENT, VERSION = "tuning", 1


@dataclass(frozen=True)
class TuningRecord:
    """What was learned.

    Attributes:
        knob: What was turned.
        models: Of the devices, sorted.
        frontier: Time and energy of one step by setting; None if it is of no use here.
        note: Why it is of no use here, or nothing.
    """

    knob: str
    models: tuple[str, ...]
    frontier: Frontier | None
    note: str = ""

    @classmethod
    def of(cls, tunable: Tunable, frontier: Frontier | None) -> TuningRecord:
        """What is learned of these devices."""
        return cls(str(tunable.knob), tuple(sorted(one.identity.model for one in tunable.devices)), frontier)


def save_record(path: Path, record: TuningRecord) -> None:
    """Write it, whole or not at all.

    Raises:
        UsageError: If the file cannot be written.
    """
    document = {
        "schema": schema_tag(DOCUMENT, VERSION),
        "knob": record.knob,
        "models": record.models,
        "frontier": None if record.frontier is None else record.frontier.to_dict(),
    }
    write_text_atomically(path, json.dumps(document, indent=2) + "\n")


def load_record(path: Path, tunable: Tunable) -> TuningRecord | None:
    """What an earlier run learned; without its frontier if that was of other devices or another knob.

    Returns:
        None if there is no file yet.

    Raises:
        UsageError: If the file is not one of ours.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError("what was learned cannot be read", f"{path}: {error.strerror}", "name another file") from error
    try:
        document = open_envelope(json.loads(text), DOCUMENT, VERSION)
        frontier = None if document["frontier"] is None else Frontier.from_dict(document["frontier"])
        found = TuningRecord(str(document["knob"]), tuple(map(str, document["models"])), frontier)
    except (UsageError, KeyError, TypeError, ValueError) as error:
        fix = "remove it, or name another file"
        raise UsageError("this file holds no tuning", f"{path}: {type(error).__name__}: {error}", fix) from error
    here = TuningRecord.of(tunable, None)
    if (found.knob, found.models) != (here.knob, here.models):
        of = f"{found.knob} of {', '.join(found.models)}"
        return TuningRecord(here.knob, here.models, None, f"{path} is about {of}: beginning anew")
    return found
