"""The audit log: who was let in, who set what, what was denied, what was put back. JSON lines, only appended to."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from joulewise.errors import UsageError
from joulewise.services.agent.events import Note

_ENCODER = json.JSONEncoder(default=str)


class Audit:
    """Writes one line for each note; to the standard error stream if no file is given, where systemd's journal reads.

    Raises:
        UsageError: If the file cannot be opened.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, readable by its owner and group only; links are not followed."""
        self._descriptor, self._owned = 2, path is not None
        if path is not None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
            try:
                self._descriptor = os.open(path, flags, 0o640)
            except OSError as error:
                fix = "name a file in a folder that the agent may write"
                raise UsageError("the audit log cannot be written", f"{path}: {error.strerror}", fix) from error

    def write(self, note: Note) -> None:
        """Append a line; a full disk must not stop what is being put back, so it only complains."""
        who = {} if note.who is None else {"who": note.who.name, "pid": note.who.pid}
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": note.event, **who, **note.facts}
        try:
            os.write(self._descriptor, _ENCODER.encode(line).encode() + b"\n")
        except OSError as error:
            with suppress(OSError):
                sys.stderr.write(f"the audit log cannot be written: {error}: {line}\n")

    def close(self) -> None:
        """Close the file."""
        if self._owned:
            os.close(self._descriptor)
            self._owned = False
