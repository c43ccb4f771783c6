"""Kills a process at every line of apply and restore in turn, and restores what it left behind. Run as a program.

Prints, as JSON, at how many points it was killed, at how many of them something was left changed, and every point after
which the device was not as found. A tracing function counts the lines of our code and sends SIGKILL at the n-th; with a
stride, only every so manieth line is tried. ``restore`` kills the restoring of what another process left behind.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from file_device import FileState, file_device
from joulewise.clock import VirtualClock
from joulewise.devices.apply import apply
from joulewise.devices.journal import Journal
from joulewise.devices.left_behind import list_left_behind, restore_left_behind
from joulewise.devices.settings import CoreClock, PowerLimit

WATCHED = ("apply.py", "exit.py", "journal.py", "left_behind.py", "file_device.py")
FOUND = {"power_limit": [300.0], "core_clock": None}


def change_and_restore(folder: Path) -> None:
    clock = VirtualClock()
    device = file_device(folder / "device.json", clock)
    journal = Journal(folder / "state")
    with (
        apply(device, PowerLimit(250.0), journal=journal, clock=clock),
        apply(device, CoreClock(900, 1200), journal=journal, clock=clock),
        apply(device, PowerLimit(200.0), journal=journal, clock=clock),
    ):
        if folder.name.startswith("restore"):
            os._exit(0)


def restore(folder: Path) -> None:
    device = file_device(folder / "device.json")
    for item in list_left_behind(folder / "state"):
        restore_left_behind(item, [device], VirtualClock())


def killer(point: int) -> Callable[..., Any]:
    left = point

    def trace(frame: Any, event: str, argument: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(WATCHED):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def in_child(work: Callable[[Path], None], folder: Path, point: int | None = None) -> bool:
    """Whether it was killed."""
    child = os.fork()
    if child == 0:
        sys.settrace(None if point is None else killer(point))
        work(folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main(mode: str, stride: int, folder: Path) -> None:
    points, changed, wrong = 0, 0, []
    while True:
        place = folder / f"{mode}-{points}"
        place.mkdir()
        state = FileState(place / "device.json")
        state.update(FOUND)
        if mode == "restore":
            in_child(change_and_restore, place)
        if not in_child(restore if mode == "restore" else change_and_restore, place, 1 + points * stride):
            break
        points += 1
        left = {key: state[key] for key in FOUND} != FOUND
        items = list_left_behind(place / "state")
        changed += left
        restore(place)
        after = {key: state[key] for key in FOUND}
        if after != FOUND or (left and not items) or list_left_behind(place / "state"):
            wrong.append([points, after, [str(item) for item in items]])
    after = {key: state[key] for key in FOUND}
    print(json.dumps({"points": points, "changed": changed, "wrong": wrong, "undisturbed": after == FOUND}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
