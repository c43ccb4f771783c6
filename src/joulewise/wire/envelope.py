"""The first field of every document that we write: which schema it follows, in which version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulewise.errors import UsageError

PREFIX = "joulewise."


def schema_tag(name: str, version: int) -> str:
    """Value of the field ``schema``.

    Example:
        >>> schema_tag("frontier", 1)
        'joulewise.frontier/1'
    """
    return f"{PREFIX}{name}/{version}"


def open_envelope(document: object, name: str, version: int) -> Mapping[str, Any]:
    """Check that a parsed JSON document follows a schema in a version that we read.

    Args:
        document: What a JSON parser returned.
        name: Wanted schema, for example ``frontier``.
        version: The version that we read.

    Returns:
        The document.

    Raises:
        UsageError: If it is no object, or another schema, or another version.
    """
    tag = schema_tag(name, version)
    if not isinstance(document, Mapping):
        seen = f"a JSON value of type {type(document).__name__}"
        raise UsageError(f"this is not a {name} document", seen, f'give an object with "schema": "{tag}"')
    seen_tag = document.get("schema")
    if seen_tag == tag:
        return document
    seen = f'"schema": {seen_tag!r}' if "schema" in document else "no field schema"
    family, _, number = seen_tag.partition("/") if isinstance(seen_tag, str) else ("", "", "")
    if family != PREFIX + name:
        raise UsageError(f"this is not a {name} document", seen, f'give one with "schema": "{tag}"')
    newer = number.isdecimal() and int(number) > version
    fix = "upgrade joulewise to read it" if newer else f"write it again with a version that makes {tag}"
    raise UsageError(f"this {name} document has a version that we do not read", seen, fix)
