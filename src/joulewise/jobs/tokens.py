"""Tokens that let clients of a hub in: random, scoped, expiring; the database holds only their hashes.

A token is ``name.secret``; the secret has 256 random bits, so that a plain SHA-256 of it gives nothing away.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from joulewise.errors import UsageError
from joulewise.jobs.database import Database
from joulewise.jobs.tables import TOKENS

DAY_S = 86400.0


class Scope(StrEnum):
    """What a token is good for; each includes those before it."""

    READ = "read"
    """Look at everything."""
    REPORT = "report"
    """Make jobs known, ask for trials, and report."""
    ADMIN = "admin"
    """Export and import."""

    def includes(self, other: Scope) -> bool:
        """Whether it is good for that, too."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token.

    Attributes:
        sha256: Hash of the whole token.
        name: Whose it is, for people.
        scope: What it is good for.
        expires_at: When it ends [s since 1970, UTC].
    """

    sha256: str
    name: str
    scope: Scope
    expires_at: float


class Tokens:
    """The tokens of a database."""

    def __init__(self, database: Database) -> None:
        """Keep it."""
        self.database = database

    def make(self, name: str, scope: Scope, days: float, now: float) -> str:
        """A new token; its text is shown once.

        Raises:
            UsageError: If the name is taken or none, or the days mean nothing.
        """
        if not name or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or len(name) > 64:
            raise UsageError("this is no name of a token", repr(name), "use at most 64 letters, digits, - and _")
        if not 0 < days <= 3660:
            raise UsageError("a token must expire", f"{days!r} days", "give more than 0 and at most 3660 days")
        text = f"{name}.{secrets.token_urlsafe(32)}"
        values = asdict(Token(_hash(text), name, scope, now + days * DAY_S)) | {"scope": str(scope)}
        try:
            with self.database.writing() as connection:
                connection.execute(sa.insert(TOKENS).values(values))
        except IntegrityError:
            fix = "revoke it first, or take another name"
            raise UsageError("there is a token of this name", name, fix) from None
        return text

    def revoke(self, name: str) -> None:
        """End a token now.

        Raises:
            UsageError: If there is none of that name.
        """
        with self.database.writing() as connection:
            gone = connection.execute(sa.delete(TOKENS).where(TOKENS.c.name == name)).rowcount
        if not gone:
            raise UsageError("there is no token of this name", repr(name), "see joulewise hub token list")

    def all(self) -> list[Token]:
        """All of them, by name."""
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(TOKENS).order_by(TOKENS.c.name)).mappings()
            return [Token(**{**row, "scope": Scope(row["scope"])}) for row in rows]

    def who_has(self, text: str, now: float) -> Token | None:
        """Whose token this is, or None if it is none, or has expired. It is looked up by its hash."""
        with self.database.reading() as connection:
            query = sa.select(TOKENS).where(TOKENS.c.sha256 == _hash(text))
            row = connection.execute(query).mappings().one_or_none()
        if row is None or row["expires_at"] <= now:
            return None
        return Token(**{**row, "scope": Scope(row["scope"])})


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
