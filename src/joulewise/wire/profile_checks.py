"""Whether the readings of a profile make sense together."""

from __future__ import annotations

from collections.abc import Sequence

from joulewise.errors import InputFileError
from joulewise.records import Reading


def check_readings(file: str, readings: Sequence[Reading], lines: Sequence[int] | None = None) -> None:
    """Raise unless the readings make a usable profile.

    Args:
        file: Path as the user gave it, for messages.
        readings: Every reading, in file order.
        lines: Line number of each reading, if it came from a file.

    Raises:
        InputFileError: At the first thing that cannot be meant.
    """
    if not readings:
        raise InputFileError(file, None, "the profile has no readings", "no row", "add one row per stage and clock")
