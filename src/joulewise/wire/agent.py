"""What the agent and its clients say to one another: one JSON object a line, versioned, bounded, checked.

Theory of operation. A client begins with ``hello``, and then asks; every question has a number, an operation and that
operation's fields and no others, and is answered by a line with the same number and either ``result`` or ``error``.
``stream`` is answered for ever, by lines with ``event``. A line of a client is at most `REQUEST_BYTES` long. Whatever
else a line may hold is refused here, with a `UsageError`, before anything looks at what it asks for. Server and client
share this file, and never import one another.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from joulewise import errors
from joulewise.errors import JoulewiseError, UsageError
from joulewise.wire.envelope import schema_tag

NAME, VERSION = "agent", 1
SCHEMA = schema_tag(NAME, VERSION)
REQUEST_BYTES = 16 * 1024
ANSWER_BYTES = 16 * 1024 * 1024
LONGEST_TEXT = 1024
LARGEST_NUMBER = 2**53


@dataclass(frozen=True, slots=True)
class Request:
    """One question of a client.

    Attributes:
        number: Its number, which the answer repeats.
        operation: What is asked, a key of `OPERATIONS`.
        fields: The fields of that operation, all of them, defaults filled in.
    """

    number: int
    operation: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """What one field of an operation may hold.

    Attributes:
        fits: Whether a value is one.
        is_: What it is, for people.
        default: What it is when left out; ``...`` if it must be given.
    """

    fits: Callable[[object], bool]
    is_: str
    default: Any = ...


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_NUMBER


def _is_values(value: object) -> bool:
    return isinstance(value, list) and len(value) <= 2 and all(map(_is_number, value))


def _is_period(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 3600


_TEXT = Field(_is_text, "a text")
_KNOB = {"device": _TEXT, "kind": _TEXT}
_SETTING = {**_KNOB, "values": Field(_is_values, "at most two numbers")}
OPERATIONS: Mapping[str, Mapping[str, Field]] = MappingProxyType(
    {
        "hello": {"schema": _TEXT, "token": Field(_is_text, "a text", "")},
        "devices": {},
        "read": {"device": _TEXT, "what": _TEXT},
        "set": {**_SETTING, "ttl_s": Field(_is_period, "a time, more than 0 and at most 3600 s", 10.0)},
        "check": _SETTING,
        "release": _KNOB,
        "heartbeat": {},
        "status": {},
        "history": {"device": _TEXT, "since_ns": Field(_is_whole, "a whole number", 0)},
        "stream": {},
    }
)
"""What can be asked, and with which fields."""


def parse_request(line: bytes) -> Request:
    """The question in a line.

    Raises:
        UsageError: If it is none. ``number`` of the error is the number of the question, or None if it has none.
    """
    if len(line) > REQUEST_BYTES:
        raise _refused("is too long", f"{len(line)} bytes", f"send at most {REQUEST_BYTES}")
    document = parse_object(line)
    number = document.get("id")
    if not _is_whole(number):
        raise _refused('has no "id"', repr(number)[:80], "number questions with whole numbers")
    operation = document.get("op")
    if not isinstance(operation, str) or operation not in OPERATIONS:
        raise _refused("asks for nothing known", repr(operation)[:80], f"ask for {', '.join(OPERATIONS)}", number)
    known = OPERATIONS[operation]
    if not document.keys() <= known.keys() | {"id", "op"}:
        unknown = sorted(set(document) - {"id", "op", *known})
        raise _refused(f"has fields that {operation} has not", repr(unknown)[:80], f"use {sorted(known)}", number)
    fields = {}
    for name, field in known.items():
        value = fields[name] = document.get(name, field.default)
        if value is ... or not field.fits(value):
            seen = "nothing" if value is ... else repr(value)[:80]
            raise _refused(f"must have {field.is_} in {name}", seen, f"see the fields of {operation}", number)
    return Request(int(document["id"]), operation, MappingProxyType(fields))


def parse_object(line: bytes) -> dict[str, Any]:
    """The JSON object in a line.

    Raises:
        UsageError: If there is none; numbers that are not finite are none.
    """
    try:
        document = _DECODER.decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _refused("is no JSON", type(error).__name__, "send one JSON object a line, as UTF-8") from error
    if not isinstance(document, dict):
        raise _refused("is no JSON object", type(document).__name__, "send one JSON object a line")
    return document


def encode(document: Mapping[str, Any]) -> bytes:
    """One line."""
    return _ENCODER.encode(document).encode() + b"\n"


def result_line(number: int, result: Any) -> bytes:
    """The line that answers a question."""
    return encode({"id": number, "result": result})


def error_line(number: int | None, error: JoulewiseError) -> bytes:
    """The line that refuses a question."""
    return encode({"id": number, "error": error_to_dict(error)})


def error_to_dict(error: JoulewiseError) -> dict[str, str]:
    """One of our errors as JSON, under the name of the class of `joulewise.errors` that it is."""
    known = next(kind for kind in type(error).__mro__ if vars(errors).get(kind.__name__) is kind)
    return {"error": known.__name__, "what": error.what, "seen": error.seen, "fix": error.fix}


def error_from_dict(document: object) -> JoulewiseError:
    """The error that the other side raised, as the same class here."""
    parts = document if isinstance(document, dict) else {}
    kind = getattr(errors, str(parts.get("error")), JoulewiseError)
    if not (isinstance(kind, type) and issubclass(kind, JoulewiseError)):
        kind = JoulewiseError
    error: JoulewiseError = kind.__new__(kind)  # constructors differ; the three parts of the sentence do not
    JoulewiseError.__init__(error, *(str(parts.get(part) or "") for part in ("what", "seen", "fix")))
    if isinstance(error, errors.PermissionDeniedError):
        error.privilege = "a rule in the agent's policy"
    return error


class RefusedLineError(UsageError):
    """A line that is no question.

    Args:
        number: The number of the question, if it has one.
        parts: The three parts of the sentence.
    """

    def __init__(self, number: int | None, *parts: str) -> None:
        """Keep the number, for the answer."""
        super().__init__(*parts)
        self.number = number


def _refused(what: str, seen: str, fix: str, number: object = None) -> RefusedLineError:
    return RefusedLineError(number if isinstance(number, int) else None, f"a message {what}", seen, fix)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value


# Made once: the functions of json make new ones at every call.
_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
