"""Finished points of a sweep in Parquet, safe against being killed at any moment.

Theory of operation. Every batch of finished points is written at once as a file of its own into the folder
``NAME.parts`` beside the store, under another name first, then renamed: a reader finds it whole or not at all. When
the sweep ends, also by an error or an interruption, the parts are merged into the one file that was asked for, which is
renamed into place before they are removed. A point that is then found twice was found the same twice, and counts once.
Files carry the identity of what was evaluated; a store of something else is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from joulewise.errors import InputFileError, MissingExtraError
from joulewise.sim.sweep.identity import Identity
from joulewise.sim.sweep.row import Fields, Key, key_of
from joulewise.wire.atomic import check_writable, write_bytes_atomically

METADATA = b"joulewise.sweep"


class Store:
    """What is kept of a sweep on disk, and what was kept of it before.

    Attributes:
        rows: Values by point, as they were found when the store was opened.
    """

    def __init__(self, path: str | os.PathLike[str], identity: Identity, names: Sequence[str]) -> None:
        """Read what is there.

        Args:
            path: The Parquet file.
            identity: What is evaluated.
            names: Fields of the points.

        Raises:
            MissingExtraError: If pyarrow is not installed.
            InputFileError: If a file is no store, or one of something else.
            UsageError: If nothing can be written there.
        """
        try:
            self._arrow, self._parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        except ImportError:
            raise MissingExtraError("parquet") from None
        self._path, self._identity, self._names = Path(path), identity, list(names)
        self._folder = self._path.with_name(self._path.name + ".parts")
        self._written = 0
        check_writable(self._path, "no point was evaluated")
        self.rows: dict[Key, Fields] = dict(self._split(record) for record in self._records(self._files()))

    def add(self, found: Sequence[tuple[Fields, Fields]]) -> None:
        """Keep finished points; they are on the disk when this returns."""
        if not found:
            return
        self._folder.mkdir(exist_ok=True)
        self._written += 1
        self._write(self._folder / f"{os.getpid()}-{self._written:06d}.parquet", [{**p, **v} for p, v in found])

    def merge(self) -> None:
        """Make one file of all parts."""
        files = self._files()
        parts = [file for file in files if file != self._path]
        if not parts:
            return
        by_key = {self._split(record)[0]: record for record in self._records(files)}
        self._write(self._path, list(by_key.values()))
        for part in parts:
            part.unlink(missing_ok=True)
        with suppress(OSError):  # another sweep may be at work on the same store
            self._folder.rmdir()

    def _files(self) -> list[Path]:
        return [*([self._path] if self._path.exists() else []), *sorted(self._folder.glob("[!.]*.parquet"))]

    def _records(self, files: Sequence[Path]) -> Iterator[Fields]:
        for file in files:
            yield from self._read(file)

    def _read(self, file: Path) -> list[Fields]:
        try:
            table = self._parquet.read_table(str(file))
            kept = json.loads((table.schema.metadata or {})[METADATA])
        except (OSError, KeyError, self._arrow.ArrowInvalid, json.JSONDecodeError) as error:
            seen = f"{type(error).__name__}: {error}"
            raise InputFileError(str(file), None, "is no store of a sweep", seen, "name another file") from error
        differences = self._identity.differences(kept)
        if kept.get("point") != self._names:
            differences.append(f"fields of points were {kept.get('point')}, are {self._names}")
        if differences:
            fix = "name another file, or remove this one"
            raise InputFileError(str(file), None, "was kept of another sweep", "; ".join(differences), fix)
        records: list[Fields] = table.to_pylist()
        return records

    def _write(self, file: Path, records: list[Fields]) -> None:
        columns = {
            name: [record.get(name) for record in records] for name in dict.fromkeys(n for r in records for n in r)
        }
        kept = json.dumps({**asdict(self._identity), "point": self._names})
        table = self._arrow.table(columns).replace_schema_metadata({METADATA: kept.encode()})
        sink: Any = self._arrow.BufferOutputStream()
        self._parquet.write_table(table, sink, compression="zstd")
        write_bytes_atomically(file, sink.getvalue().to_pybytes())

    def _split(self, record: Fields) -> tuple[Key, Fields]:
        point = {name: record[name] for name in self._names}
        return key_of(point), {name: value for name, value in record.items() if name not in point}


@contextmanager
def opened(path: str | os.PathLike[str] | None, identity: Identity, names: Sequence[str]) -> Iterator[Store | None]:
    """A store that is merged whatever ends the sweep; None if none is wanted."""
    if path is None:
        yield None
        return
    store = Store(path, identity, names)
    try:
        yield store
    finally:
        store.merge()
