"""A fake device whose settings lie in a file, so that they outlive the process that changed them."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from joulewise.clock import Clock, VirtualClock
from joulewise.testing import FakeDevice


class FileState(MutableMapping[str, Any]):
    """A mapping that is a file; each change is whole or not at all, as that of a register."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            path.write_text("{}")

    def _read(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._path.read_text())
        return content

    def _write(self, content: dict[str, Any]) -> None:
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(content))
        beside.replace(self._path)

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._write({**self._read(), key: value})

    def __delitem__(self, key: str) -> None:
        self._write({known: value for known, value in self._read().items() if known != key})

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def file_device(path: Path, clock: Clock | None = None) -> FakeDevice:
    return FakeDevice(clock or VirtualClock(), uid="file-0", state=FileState(path))
