"""What the fields of records may hold: checked when a record is made, on either side of a wire."""

from __future__ import annotations

from joulewise.errors import UsageError

LONGEST_TEXT, LARGEST, LARGEST_FLOAT = 200, 2**31 - 1, 1e300


def check_text(name: str, value: object, least: int = 0, longest: int = LONGEST_TEXT) -> None:
    """Refuse what is no printable text.

    Raises:
        UsageError: If so.
    """
    if not (isinstance(value, str) and least <= len(value) <= longest and value.isprintable()):
        seen = f"{len(value)} characters" if isinstance(value, str) else type(value).__name__
        fix = f"give {least} to {longest} printable characters"
        raise UsageError(f"{name} is not usable", seen, fix)


def check_number(name: str, value: object, least: float, most: float = LARGEST_FLOAT) -> None:
    """Refuse what is no finite number, or lies without bounds.

    Raises:
        UsageError: If so.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not (least <= value <= most):
        raise UsageError(f"{name} is not usable", repr(value)[:80], f"give a finite number of at least {least:g}")


def check_whole(name: str, value: object, least: int, most: int = LARGEST) -> None:
    """Refuse what is no integer, or lies without bounds.

    Raises:
        UsageError: If so.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UsageError(f"{name} is not usable", repr(value)[:80], f"give an integer from {least} to {most}")
