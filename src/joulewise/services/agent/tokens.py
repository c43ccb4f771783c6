"""Tokens for clients that come over the network: random, scoped, expiring; the file holds only their hashes.

A token is ``name.secret``; the secret has 256 random bits, so that a plain SHA-256 of it gives nothing away.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from joulewise.errors import InputFileError, UsageError
from joulewise.services.agent.policy import READ, SET, Principal
from joulewise.services.agent.policy_file import refuse_writable
from joulewise.wire.atomic import write_text_atomically
from joulewise.wire.envelope import open_envelope, schema_tag

DOCUMENT, VERSION = "agent-tokens", 1
SCOPES = frozenset({READ, SET})


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token.

    Attributes:
        name: Whom the policy calls ``token:name``.
        sha256: Hash of the whole token.
        scopes: What it is good for at most: "read", "set".
        expires: When it ends.
    """

    name: str
    sha256: str
    scopes: frozenset[str]
    expires: datetime


def make_token(name: str, scopes: frozenset[str], days: float, now: datetime) -> tuple[str, Token]:
    """A new token, and what is kept of it.

    Raises:
        UsageError: If the name, the scopes or the days mean nothing.
    """
    if not name or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError("this is no name of a token", repr(name), "use letters, digits, - and _")
    if not scopes or not scopes <= SCOPES:
        raise UsageError("these are no scopes", ", ".join(sorted(scopes)) or "none", "use read, set or both")
    if not 0 < days <= 3660:
        raise UsageError("a token must expire", f"{days!r} days", "give more than 0 and at most 3660 days")
    text = f"{name}.{secrets.token_urlsafe(32)}"
    return text, Token(name, _hash(text), scopes, now + timedelta(days=days))


def who_has(text: str, tokens: tuple[Token, ...], now: datetime, now_ns: int) -> Principal | None:
    """Whom a token lets in, or None; takes the same time whichever token is nearly right."""
    given, found = _hash(text), None
    for token in tokens:
        if hmac.compare_digest(given, token.sha256):
            found = token
    if found is None or found.expires <= now:
        return None
    until_ns = now_ns + round((found.expires - now).total_seconds() * 1e9)
    return Principal(f"token {found.name}", token=found.name, scopes=found.scopes, until_ns=until_ns)


def read_tokens(path: Path) -> tuple[Token, ...]:
    """The tokens in a file.

    Raises:
        InputFileError: If it cannot be read, others may write it, or it holds anything else.
    """
    try:
        refuse_writable(path)
        document = open_envelope(json.loads(path.read_text(encoding="utf-8")), DOCUMENT, VERSION)
        return tuple(_from_dict(entry) for entry in document["tokens"])
    except InputFileError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "make it with joulewise agent token"
        raise InputFileError(str(path), None, "cannot be read as tokens", str(error), fix) from error


def write_tokens(path: Path, tokens: tuple[Token, ...]) -> None:
    """Replace a file of tokens.

    Raises:
        UsageError: If it cannot be written.
    """
    entries = [
        {"name": t.name, "sha256": t.sha256, "scopes": sorted(t.scopes), "expires": t.expires.isoformat()}
        for t in tokens
    ]
    document = {"schema": schema_tag(DOCUMENT, VERSION), "tokens": entries}
    write_text_atomically(path, json.dumps(document, indent=2) + "\n")
    path.chmod(0o600)


def _from_dict(entry: dict[str, Any]) -> Token:
    expires, scopes = datetime.fromisoformat(entry["expires"]), frozenset(entry["scopes"])
    if expires.tzinfo is None or not scopes <= SCOPES or len(bytes.fromhex(entry["sha256"])) != 32:
        raise ValueError(f"token {entry['name']!r} is not as it should be")
    return Token(str(entry["name"]), str(entry["sha256"]), scopes, expires.astimezone(UTC))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
