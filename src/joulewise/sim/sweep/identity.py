"""What a sweep evaluates, as a fingerprint that is the same in every process.

Theory of operation. Kept points may only be used again if the same function would give them again. So a store knows
the function's name, a digest of the inputs that are fixed by `functools.partial`, and the version. The digest walks
values as `copy` would take them apart, so that it depends on what they are and not on which of their parts happen to
be the same object, as a digest of their pickle would. Of files that are named by a `Path` it takes the content. The
function's own code is not in it: who changes it without changing the version begins another store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

from joulewise.errors import UsageError


@dataclass(frozen=True, slots=True)
class Identity:
    """What is evaluated.

    Attributes:
        function: Its module and name.
        inputs: Digest of what is fixed.
        version: Of joulewise.
    """

    function: str
    inputs: str
    version: str

    def differences(self, kept: Mapping[str, Any]) -> list[str]:
        """How what was kept differs from this, for people."""
        mine = asdict(self)
        return [f"{name} was {kept.get(name)}, is {mine[name]}" for name in mine if kept.get(name) != mine[name]]


def identity_of(evaluate: Callable[..., Any]) -> Identity:
    """The identity of a function, or of a `functools.partial` of one.

    Raises:
        UsageError: If a fixed input cannot be taken apart.
    """
    fixed: list[object] = []
    while isinstance(evaluate, partial):
        fixed += [evaluate.args, evaluate.keywords]
        evaluate = evaluate.func
    digest = hashlib.sha256()
    try:
        _feed(digest, fixed)
    except (TypeError, RecursionError) as error:
        fix = "fix only plain data, dataclasses, arrays and paths"
        raise UsageError("the sweep cannot tell its fixed inputs apart", f"seen: {error}", fix) from error
    return Identity(_name(evaluate), digest.hexdigest(), _version())


def _name(function: object) -> str:
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{getattr(named, '__qualname__', '')}"


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 (costs 20 ms)

    try:
        return version("joulewise")
    except PackageNotFoundError:
        return "not installed"


def _feed(digest: Any, value: Any) -> None:
    """Add a value to a digest: what kind it is, and its parts, each closed."""
    digest.update(f"<{type(value).__qualname__}".encode())
    if value is None or isinstance(value, bool | int | float | str):
        digest.update(repr(value).encode())
    elif isinstance(value, bytes | bytearray):
        digest.update(hashlib.sha256(value).digest())
    elif isinstance(value, type) or hasattr(value, "__qualname__"):
        digest.update(_name(value).encode())
    else:
        for part in _parts(value):
            _feed(digest, part)
    digest.update(b">")


def _parts(value: Any) -> Iterable[object]:
    if isinstance(value, Path):
        return [str(value), value.read_bytes() if value.is_file() else None]
    if isinstance(value, Mapping | set | frozenset):
        return sorted(value.items() if isinstance(value, Mapping) else value, key=repr)
    if isinstance(value, tuple | list):
        return value
    if is_dataclass(value):
        return [(one.name, getattr(value, one.name)) for one in fields(value)]
    taken = value.__reduce_ex__(2)
    if not isinstance(taken, tuple):
        return [str(taken)]
    return [*taken[:3], *(list(part) for part in taken[3:5] if part is not None)]
