"""Write a file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from joulewise.errors import UsageError


def write_text_atomically(path: str | Path, text: str | Iterable[str]) -> None:
    """Write ``text`` to ``path`` so that a reader sees the old file or the new one, never a part.

    Args:
        path: File to write; its directory must exist.
        text: Content, or its parts in order, written as UTF-8 with newlines as they are.

    Raises:
        UsageError: If the file cannot be written there. Nothing is left behind.

    Effects:
        Writes a temporary file beside ``path``, flushes it to the disk and renames it over ``path``.
    """
    _write_atomically(path, (part.encode() for part in ([text] if isinstance(text, str) else text)))


def write_bytes_atomically(path: str | Path, content: bytes) -> None:
    """The same for bytes as they are.

    Raises:
        UsageError: If the file cannot be written there. Nothing is left behind.
    """
    _write_atomically(path, [content])


def check_writable(path: str | Path, otherwise: str) -> None:
    """Find out whether a file can be written, before work is done whose result it is to hold.

    Args:
        path: The file.
        otherwise: What has not happened if it cannot, for people.

    Raises:
        UsageError: If it cannot.

    Effects:
        Makes an empty file beside it, and removes it.
    """
    target = Path(path)
    trial = _beside(target)
    try:
        if target.exists() and not target.is_file():  # a folder, or a device such as /dev/null: never replaced
            raise OSError("it is there, and is no file")
        trial.open("wb").close()
        trial.unlink()
    except (OSError, ValueError) as error:
        seen = f"seen: {error}; {otherwise}"
        raise UsageError(f"cannot write {target}", seen, "name a file in a directory you can write to") from error


def _beside(target: Path) -> Path:
    return target.parent / f".{target.name}.{os.getpid()}.tmp"


def _write_atomically(path: str | Path, parts: Iterable[bytes]) -> None:
    target = Path(path)
    temporary = _beside(target)
    try:
        if target.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        with temporary.open("wb") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot write {target}", f"seen: {error}", "name a file in a directory you can write to"
        ) from error
    finally:
        with suppress(OSError, ValueError):
            temporary.unlink()
