"""The policy file: TOML, checked to the last key, since what is misspelt would otherwise allow or deny in silence."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from joulewise.devices.capabilities import Kind
from joulewise.devices.settings import CLASSES
from joulewise.errors import InputFileError
from joulewise.services.agent.policy import ANY, Policy, Rule
from joulewise.wire.envelope import schema_tag

SCHEMA = schema_tag("agent-policy", 1)
KEYS = {"schema", "longest_ttl_s", "allow"}
RULE_KEYS = {"who", "devices", "read", "set"}


def read_policy(path: Path) -> Policy:
    """The policy in a file.

    Raises:
        InputFileError: If it cannot be read, others than its owner may write it, or it says something that is no
            policy; also if it names a user or group that this machine has not.
    """
    try:
        refuse_writable(path)
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputFileError(str(path), None, "cannot be read as TOML", str(error), "write a policy there") from error
    return parse_policy(document, str(path))


def parse_policy(document: Mapping[str, Any], file: str) -> Policy:
    """The policy in a parsed document.

    Raises:
        InputFileError: If it is none.
    """
    if document.get("schema") != SCHEMA:
        raise InputFileError(file, None, "is no policy", f"schema = {document.get('schema')!r}", f'"{SCHEMA}" is read')
    _known(file, "the policy", document, KEYS)
    ttl_s = document.get("longest_ttl_s", 60.0)
    if isinstance(ttl_s, bool) or not isinstance(ttl_s, int | float) or not 1 <= ttl_s <= 3600:
        raise InputFileError(file, None, "longest_ttl_s is no time", repr(ttl_s), "give 1 to 3600 seconds")
    entries = document.get("allow", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputFileError(file, None, "allow is no list of rules", repr(entries)[:80], "write [[allow]] tables")
    rules = [_rule(file, f"rule {number}", entry) for number, entry in enumerate(entries, start=1)]
    return Policy(tuple(rules), float(ttl_s))


def refuse_writable(path: Path) -> None:
    """Raise unless only its owner, who is root or us, can write a file.

    Raises:
        InputFileError: If anyone else can.
        OSError: If it is not there.
    """
    status = path.stat()
    if status.st_mode & 0o022 or status.st_uid not in (0, os.geteuid()):
        seen = f"mode {status.st_mode & 0o777:04o}, owner {status.st_uid}"
        fix = f"chown root {path.name} && chmod go-w {path.name}"
        raise InputFileError(str(path), None, "others may write it, and so give themselves rights", seen, fix)


def _rule(file: str, place: str, entry: Mapping[str, Any]) -> Rule:
    _known(file, place, entry, RULE_KEYS)
    who, devices, read = _texts(file, place, entry, "who"), _texts(file, place, entry, "devices"), entry.get("read")
    if not (read is None or isinstance(read, bool)):
        raise InputFileError(file, None, f"{place}: read is neither true nor false", repr(read), "write read = true")
    uids: set[int] = set()
    gids: set[int] = set()
    tokens: set[str] = set()
    for one in who:
        sort, _, name = one.partition(":")
        if sort in ("uid", "gid") and name.isdecimal() and name.isascii():
            (uids if sort == "uid" else gids).add(int(name))
        elif sort == "user" and name:
            uids.add(_look_up(file, place, one, _user))
        elif sort == "group" and name:
            gids.add(_look_up(file, place, one, _group))
        elif sort == "token" and name:
            tokens.add(name)
        elif one != ANY:
            fix = 'use "user:name", "uid:1000", "group:name", "gid:1000", "token:name" or "*"'
            raise InputFileError(file, None, f"{place}: this is nobody", repr(one), fix)
    bounds = _bounds(file, place, entry.get("set", {}))
    people = (frozenset(uids), frozenset(gids), frozenset(tokens), ANY in who)
    return Rule(*people, devices=frozenset(devices), read=bool(read), bounds=bounds)


def _bounds(file: str, place: str, entry: object) -> dict[Kind, tuple[float, float]]:
    if not isinstance(entry, dict):
        raise InputFileError(file, None, f"{place}: set is no table", repr(entry), "write set = { power_limit = true }")
    bounds = {}
    for name, value in entry.items():
        if name not in list(CLASSES):
            raise InputFileError(file, None, f"{place}: no such knob", repr(name), f"use {', '.join(CLASSES)}")
        pair = [0.0, math.inf] if value is True else value
        numbers = isinstance(pair, list) and len(pair) == 2
        numbers = numbers and all(isinstance(v, int | float) and not isinstance(v, bool) for v in pair)
        if not numbers or not 0 <= pair[0] <= pair[1]:
            fix = "give lowest and highest value, as in [200, 350], or true for all that the device takes"
            raise InputFileError(file, None, f"{place}: {name} is no range", repr(value), fix)
        bounds[Kind(name)] = (float(pair[0]), float(pair[1]))
    return bounds


def _texts(file: str, place: str, entry: Mapping[str, Any], name: str) -> list[str]:
    values = entry.get(name)
    if not isinstance(values, list) or not values or not all(isinstance(v, str) and v for v in values):
        raise InputFileError(file, None, f"{place}: {name} is no list of texts", repr(values), f'write {name} = ["*"]')
    return values


def _known(file: str, place: str, entry: Mapping[str, Any], keys: set[str]) -> None:
    unknown = sorted(set(entry) - keys)
    if unknown:
        raise InputFileError(file, None, f"{place}: unknown keys", ", ".join(unknown), f"use {', '.join(sorted(keys))}")


def _look_up(file: str, place: str, text: str, number: Callable[[str], int]) -> int:
    try:
        return number(text.partition(":")[2])
    except KeyError:
        fix = "correct the name, or give the number as uid: or gid:"
        raise InputFileError(file, None, f"{place}: this machine has no such name", repr(text), fix) from None


def _user(name: str) -> int:
    import pwd  # noqa: PLC0415 (not on Windows)

    return pwd.getpwnam(name).pw_uid


def _group(name: str) -> int:
    import grp  # noqa: PLC0415 (not on Windows)

    return grp.getgrnam(name).gr_gid
