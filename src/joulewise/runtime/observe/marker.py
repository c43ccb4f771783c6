"""Steps as lines of a program's output that match a pattern; the output passes through unchanged."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import BinaryIO

from joulewise.errors import UsageError

LONGEST_LINE = 1 << 16


def compile_marker(pattern: str) -> re.Pattern[bytes]:
    """A pattern that a user gave.

    Raises:
        UsageError: If it is no regular expression, or matches every line.
    """
    try:
        compiled = re.compile(pattern.encode())
    except re.error as error:
        raise UsageError(
            "the marker is no regular expression", f"{pattern!r}: {error}", "escape what is meant literally"
        ) from error
    if compiled.search(b""):
        raise UsageError("the marker matches every line", repr(pattern), "name what only the end of a step prints")
    return compiled


def pass_on(source: BinaryIO, sink: BinaryIO, marker: re.Pattern[bytes], on_step: Callable[[], None]) -> Thread:
    """Copy a stream until it ends, and say when a line matches.

    A line is looked at when it ends, by newline or carriage return (progress bars); bytes are passed on as they come.

    Args:
        source: The program's output; closed at its end.
        sink: Ours.
        marker: What the end of a step prints.
        on_step: Called in the copying thread.

    Returns:
        The copying thread, running.
    """

    def copy() -> None:
        line = b""
        while chunk := os.read(source.fileno(), LONGEST_LINE):
            with suppress(OSError):  # nobody reads us any more; the program is not to be disturbed
                sink.write(chunk)
                sink.flush()
            *whole, line = re.split(rb"[\r\n]", line + chunk)
            line = line[-LONGEST_LINE:]
            for one in whole:
                if marker.search(one):
                    on_step()
        source.close()

    thread = Thread(target=copy, name="joulewise-marker", daemon=True)
    thread.start()
    return thread
