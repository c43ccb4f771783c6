"""Opening a database: SQLite in WAL mode by path, or PostgreSQL by URL; migrations run by themselves.

Transactions that write take their lock when they begin (SQLite: BEGIN IMMEDIATE), so that none fails for having read
first; those that read see one state. Within a process, those who write to SQLite come to it one after the other. Many
processes may open one database at once, also a new one: only one migrates.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joulewise.clock import Clock, MonotonicClock
from joulewise.errors import MissingExtraError, UsageError
from joulewise.jobs.first_come import FirstComeLock

try:
    import sqlalchemy as sa
    from sqlalchemy import event
    from sqlalchemy.exc import DBAPIError, OperationalError
except ImportError:
    raise MissingExtraError("recurring") from None

HEAD = "0002"
"""The newest migration."""
BUSY_S = 30.0
"""How long to wait for another process's write [s]."""
MIGRATION_LOCK = 0x6A6F756C
"""Key of the lock of PostgreSQL under which we migrate."""
MOST_CONNECTIONS = 16
IDLE_NS = 1_000_000_000
"""Whether PostgreSQL still hears a connection is asked only if that has not been used for so long."""


class Database:
    """A database that is as the last migration left it.

    Args:
        where: Path of a SQLite file, or a URL, as in ``postgresql://user:password@host/name``.
        busy_s: How long to wait for another process's write [s].

    Raises:
        UsageError: If it cannot be opened, or was written by a newer joulewise.
        MissingExtraError: If PostgreSQL's driver is absent.
    """

    def __init__(self, where: str | os.PathLike[str], *, busy_s: float = BUSY_S, clock: Clock | None = None) -> None:
        """Open and migrate."""
        self._clock, self._busy_s, self._writing = clock or MonotonicClock(), busy_s, FirstComeLock()
        url = url_of(where)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.name = url.render_as_string(hide_password=True)
        try:
            if self.is_sqlite:
                self.engine = sa.create_engine(url, connect_args={"timeout": busy_s}, pool_size=MOST_CONNECTIONS)
                event.listen(self.engine, "connect", _prepare_sqlite)
            else:
                self.engine = sa.create_engine(url, pool_size=4, max_overflow=MOST_CONNECTIONS - 4, pool_timeout=busy_s)
                event.listen(self.engine, "checkin", self._note_use)
                event.listen(self.engine, "checkout", self._ask_whether_heard)
        except ImportError:
            raise MissingExtraError("postgresql") from None
        except sa.exc.SQLAlchemyError as error:
            raise UsageError("this database cannot be opened", f"{self.name}: {error}", _FIX) from error
        try:
            self._migrate()
        except DBAPIError as error:
            self.close()
            raise UsageError("this database cannot be opened", f"{self.name}: {error.orig}", _FIX) from error

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state."""
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def writing(self, *, of_one_moment: bool = False) -> Iterator[sa.Connection]:
        """A transaction that is committed at its end, and rolled back by an exception.

        Args:
            of_one_moment: Whether all that it reads is of one moment, and what has changed since cannot be written. On
                SQLite this is so anyway.
        """
        with self._turn(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif of_one_moment:
                connection.execution_options(isolation_level="REPEATABLE READ")
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Threads that write to SQLite take turns here; there they would ask again at random, some for very long."""
        if not self.is_sqlite:
            yield
            return
        if not self._writing.acquire(self._busy_s):
            raise sa.exc.TimeoutError(f"nothing could be written for {self._busy_s:g} s")
        try:
            yield
        finally:
            self._writing.release()

    def _note_use(self, _: object, record: sa.pool.ConnectionPoolEntry) -> None:
        record.info["used_ns"] = self._clock.now_ns()

    def _ask_whether_heard(self, connection: Any, record: sa.pool.ConnectionPoolEntry, _: object) -> None:
        """Have a connection that lay idle, and all others, replaced if it is broken."""
        now_ns = self._clock.now_ns()
        if now_ns - record.info.get("used_ns", now_ns) > IDLE_NS:
            try:
                self.engine.dialect.do_ping(connection)
            except self.engine.dialect.loaded_dbapi.Error as error:
                raise sa.exc.InvalidatePoolError from error

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def _migrate(self) -> None:
        if self._revision() == HEAD:
            return
        if self.is_sqlite:
            self._turn_wal_on()
        with self.writing() as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            _run_migrations(connection, self.name)

    def _revision(self) -> str | None:
        with self.reading() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()

    def _turn_wal_on(self) -> None:
        """Only once in a file's life; SQLite does not wait for others here, so we do."""
        for attempt in range(100):
            try:
                with self.engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                return
            except OperationalError:
                if attempt == 99:
                    raise
                self._clock.sleep(0.05)


_FIX = "give a file in a folder that you can write to, or postgresql://user:password@host/name"


def url_of(where: str | os.PathLike[str]) -> sa.URL:
    """A database's URL; what has no scheme is a file of SQLite.

    Raises:
        UsageError: If it is of another kind.
    """
    text = os.fspath(where)
    if "://" not in text:
        return sa.URL.create("sqlite", database=str(Path(text).expanduser()))
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise UsageError("this is no URL of a database", "its text does not parse", _FIX) from None
    kind = url.get_backend_name()
    if kind == "postgres":
        url, kind = url.set(drivername="postgresql"), "postgresql"
    if kind not in ("sqlite", "postgresql"):
        raise UsageError("a hub cannot keep its memory there", kind, _FIX)
    return url.set(drivername="postgresql+psycopg") if kind == "postgresql" else url


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")  # what was answered survives a loss of power
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _run_migrations(connection: sa.Connection, name: str) -> None:
    try:
        from alembic import command  # noqa: PLC0415 (slow to import, and needed once in a database's life)
        from alembic.config import Config  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("recurring") from None
    config = Config()
    config.set_main_option("script_location", "joulewise.jobs:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        fix = "upgrade joulewise, or name another database"
        raise UsageError("this database was written by a newer joulewise", f"{name}: {error}", fix) from error
