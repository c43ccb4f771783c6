"""What was found on hardware, written down before it is changed, so that no end of a process loses it.

Theory of operation. Each process has one file of JSON lines. Before the first change of a knob the line "begin" goes to
the disk (fsync of the file, and of the folder when the file is new); after the knob was put back, and read to be, the
line "end" follows. A process that dies in between leaves a "begin" without an "end"; that is all that `left_behind`
looks for, in files of processes that no longer live. A torn last line is one whose change never began, or whose end is
simply made again. Files are only appended to; one whose changes have all ended is removed. Of several changes of one
knob the one begun first says what was there before any: a later one, begun on hardware that was already changed, never
replaces it. Two living processes cannot change one knob: the second is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any

from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device
from joulewise.devices.process import Process
from joulewise.devices.settings import Setting, describe, from_dict, read_setting, to_dict
from joulewise.errors import UsageError

PATTERN = "changes-*.jsonl"
_THREADS = RLock()  # a signal may come while its thread holds it


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of one knob.

    Attributes:
        file: The journal that it stands in.
        number: Rises from change to change, over all journals of the folder.
        at: When, for people: date and time.
        process: Who made it.
        uid: Device.
        driver: Driver of the device.
        model: Its name for people.
        found: What the knob was set to before.
        wanted: What it was set to.
        outlives_process: Whether the change lasts beyond its process; if not, it stands in no file.
    """

    file: Path
    number: int
    at: str
    process: Process
    uid: str
    driver: str
    model: str
    found: Setting
    wanted: Setting
    outlives_process: bool = True

    @property
    def kind(self) -> Kind:
        """Which knob."""
        return self.wanted.kind

    @property
    def knob(self) -> tuple[str, Kind]:
        """Which knob of which device."""
        return self.uid, self.kind


def state_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where journals lie: $JOULEWISE_STATE_DIR, else joulewise in $XDG_STATE_HOME, else in ~/.local/state."""
    environ = os.environ if environ is None else environ
    if environ.get("JOULEWISE_STATE_DIR"):
        return Path(environ["JOULEWISE_STATE_DIR"])
    base = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".local" / "state")
    return Path(base) / "joulewise"


class Journal:
    """The changes of one process.

    Args:
        folder: Where journals lie; made when the first change is written.
        process: Whose it is; this one by default.
    """

    def __init__(self, folder: Path | None = None, process: Process | None = None) -> None:
        """Write nothing yet."""
        self.folder, self.process = folder or state_folder(), process or Process.this()
        name = f"changes-{self.process.machine}-{self.process.pid}-{self.process.started or '0'}"
        self.path = self.folder / f"{name}.{self.process.boot[:8] or '0'}.jsonl"

    def begin(self, device: Device, wanted: Setting) -> Entry:
        """Write down what is there, before it is changed; on the disk when this returns.

        A change that ends with its process needs no journal, and is not written. What is there is read only when no
        other process can hold the knob, lest its change be taken for what was found.

        Raises:
            UsageError: If it cannot be written, or another living process has changed the same knob.
            JoulewiseError: If the device cannot be read.
        """
        who, kind = device.identity, wanted.kind
        at = datetime.now(UTC).isoformat(timespec="seconds")
        if not device.capabilities[kind].outlives_process:
            found = read_setting(device, kind)
            return Entry(self.path, 0, at, self.process, who.uid, who.driver, who.model, found, wanted, False)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _THREADS, _folder_lock(self.folder):
                sweep(self.folder)
                others = open_entries(self.folder)
                number = 1 + max((other.number for other in others), default=0)
                self._refuse_two((who.uid, kind), others)
                facts = (self.process, who.uid, who.driver, who.model, read_setting(device, kind), wanted)
                entry = Entry(self.path, number, at, *facts)
                _append(self.path, _begin_line(entry))
        except OSError as error:
            raise UsageError(
                f"{describe(wanted)} was not set: what was found cannot be written down first",
                f"{self.path}: {error.strerror or error}",
                "name a folder that you can write to in JOULEWISE_STATE_DIR",
            ) from error
        return entry

    def _refuse_two(self, knob: tuple[str, Kind], others: list[Entry]) -> None:
        for other in in_living_hands(knob, others):
            if other.process != self.process:
                raise UsageError(
                    f"{knob[1]} of {knob[0]} is in another process's hands",
                    f"process {other.process.pid} has set {describe(other.wanted)}",
                    f"wait until process {other.process.pid} ends, or end it",
                )


def end(entry: Entry) -> None:
    """Write down that a knob was put back.

    Raises:
        OSError: If it cannot be written; the change then counts as left behind, which does no harm.
    """
    if not entry.outlives_process:
        return
    with _THREADS:
        _append(entry.file, {"event": "end", "number": entry.number})
        if not _read_file(entry.file):
            entry.file.unlink(missing_ok=True)


def open_entries(folder: Path) -> list[Entry]:
    """Changes that have begun and not ended, in all journals of a folder, in the order in which they began."""
    found = [entry for path in folder.glob(PATTERN) for entry in _read_file(path)]
    return sorted(found, key=lambda entry: entry.number)


def in_living_hands(knob: tuple[str, Kind], entries: Iterable[Entry]) -> list[Entry]:
    """Those changes of a knob whose process lives, on this machine."""
    mine = [entry for entry in entries if entry.knob == knob]
    return [entry for entry in mine if entry.process.is_here and entry.process.lives]


def left_behind(folder: Path | None = None) -> list[Entry]:
    """Changes of this machine's processes that no longer live, oldest first."""
    found = open_entries(folder or state_folder())
    return [entry for entry in found if entry.process.is_here and not entry.process.lives]


def sweep(folder: Path) -> None:
    """Remove journals of dead processes in which nothing is left to put back."""
    for path in folder.glob(PATTERN):
        owners = {entry.process for entry in _read_file(path, ended=True)}
        if owners and not _read_file(path) and all(owner.is_here and not owner.lives for owner in owners):
            path.unlink(missing_ok=True)


def _begin_line(entry: Entry) -> dict[str, Any]:
    return {
        "event": "begin",
        "number": entry.number,
        "at": entry.at,
        "process": asdict(entry.process),
        "uid": entry.uid,
        "driver": entry.driver,
        "model": entry.model,
        "found": to_dict(entry.found),
        "wanted": to_dict(entry.wanted),
    }


def _append(path: Path, line: Mapping[str, Any]) -> None:
    """Append a line and wait until it is on the disk; a torn line before it is ended first."""
    text = (json.dumps(line) + "\n").encode()
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = b"\n" + text
        written = os.write(descriptor, text)
        if written != len(text):
            raise OSError(28, "the disk is full")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        _sync_folder(path.parent)


def _read_file(path: Path, *, ended: bool = False) -> list[Entry]:
    """Changes of one journal that have not ended, or all; lines that are torn are left out."""
    entries: dict[int, Entry] = {}
    with suppress(OSError):
        for text in path.read_bytes().split(b"\n"):
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                line = json.loads(text)
                if line["event"] == "begin":
                    entries[line["number"]] = _entry(path, line)
                elif line["event"] == "end" and not ended:
                    entries.pop(line["number"], None)
    return list(entries.values())


def _entry(path: Path, line: Mapping[str, Any]) -> Entry:
    return Entry(
        path,
        int(line["number"]),
        str(line["at"]),
        Process(**line["process"]),
        str(line["uid"]),
        str(line["driver"]),
        str(line["model"]),
        from_dict(line["found"]),
        from_dict(line["wanted"]),
    )


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot; the file itself is on the disk
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes that begin a change."""
    try:
        import fcntl  # noqa: PLC0415 (not on Windows, where there is no knob either)
    except ImportError:
        yield
        return
    with (folder / "lock").open("w") as stream:
        with suppress(OSError):  # file systems without locks
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
