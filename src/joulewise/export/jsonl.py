"""Measurements as lines of JSON: one file, one line per window, as logs and other languages like it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from joulewise.errors import InputFileError, UsageError
from joulewise.measure.document import measurement_from_dict, measurement_to_dict
from joulewise.measure.measurement import Measurement


class JsonLines:
    """Appends measurements to a file; call it with one.

    Args:
        path: File to append to; made if it is not there.

    Effects:
        Each call writes one whole line at once, so that several processes may share the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     keep = JsonLines(f"{folder}/windows.jsonl")
        ...     keep(Measurement("step", 0.0, 0, 1_000_000_000, ()))
        ...     [one.duration_s for one in read_lines(f"{folder}/windows.jsonl")]
        [1.0]
    """

    def __init__(self, path: str | Path) -> None:
        """Write nothing yet."""
        self.path = Path(path)

    def __call__(self, measurement: Measurement) -> None:
        """Append a line.

        Raises:
            UsageError: If the file cannot be written.
        """
        line = json.dumps(measurement_to_dict(measurement), allow_nan=False) + "\n"
        try:
            with self.path.open("ab", buffering=0) as stream:
                stream.write(line.encode())
        except OSError as error:
            fix = "name a file in a directory you can write to"
            raise UsageError(f"cannot write {self.path}", f"seen: {error}", fix) from error


def read_lines(path: str | Path) -> Iterator[Measurement]:
    """The measurements of a file, in its order; empty lines mean nothing.

    Raises:
        InputFileError: If the file cannot be read, or a line of it is no measurement.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError(str(path), None, "cannot be read", str(error), "name a file of measurements") from error
    for row, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield measurement_from_dict(json.loads(line))
            except (json.JSONDecodeError, UsageError) as error:
                fix = "leave the line out, or write the file again"
                raise InputFileError(str(path), row, "is no measurement", str(error), fix) from error
