"""Putting back what processes left changed when they were killed: the other half of the journal."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from joulewise.clock import Clock
from joulewise.devices.apply import SETTLE_S, put_back
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device
from joulewise.devices.journal import Entry, end, in_living_hands, left_behind, open_entries, state_folder
from joulewise.devices.settings import Setting, describe, read_setting, same
from joulewise.errors import UsageError


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """One knob that dead processes left changed.

    Attributes:
        entries: Their changes of it, oldest first.
    """

    entries: tuple[Entry, ...]

    @property
    def found(self) -> Setting:
        """What was there before the first of them."""
        return self.entries[0].found

    @property
    def left(self) -> Setting:
        """What the last of them set."""
        return self.entries[-1].wanted

    def __str__(self) -> str:
        """For people."""
        last = self.entries[-1]
        return (
            f"{last.model} ({last.uid}): {describe(self.left)}, found {describe(self.found)} "
            f"(process {last.process.pid}, {last.at})"
        )


def list_left_behind(folder: Path | None = None) -> list[LeftBehind]:
    """Knobs of this machine that dead processes left changed."""
    knobs: dict[tuple[str, Kind], list[Entry]] = {}
    for entry in left_behind(folder):
        knobs.setdefault(entry.knob, []).append(entry)
    return [LeftBehind(tuple(entries)) for entries in knobs.values()]


def restore_left_behind(item: LeftBehind, devices: Iterable[Device], clock: Clock, settle_s: float = SETTLE_S) -> str:
    """Put one knob back as it was found before the first of the dead processes changed it.

    Settings that the machine lost by starting again are not touched: what is there then is somebody else's.

    Args:
        item: Which.
        devices: Where its device is looked for.
        clock: Time.
        settle_s: How long at most to wait until the hardware shows it [s].

    Returns:
        What was done, for people.

    Raises:
        UsageError: If the device is not there, or a living process holds the knob.
        DeviceLostError: If the device answers nothing.
        RestoreError: If the hardware does not show what was found.
    """
    last = item.entries[-1]
    device = next((d for d in devices if d.identity.uid == last.uid), None)
    if device is None or last.kind not in device.capabilities:
        seen = f"{last.model} was found by driver {last.driver}"
        raise UsageError(
            f"{last.uid} is not there to be restored", seen, "run joulewise doctor; forget it with --forget"
        )
    for holder in in_living_hands(last.knob, open_entries(last.file.parent)):
        seen = f"process {holder.process.pid} has set {describe(holder.wanted)}"
        raise UsageError(
            f"{last.kind} of {last.uid} is in another process's hands", seen, "restore when that has ended"
        )
    done = f"{describe(item.found)} restored"
    now = read_setting(device, last.kind)
    changed = any(same(now, entry.wanted, device.capabilities[last.kind]) for entry in item.entries)
    if not last.process.same_boot and not changed:
        done = f"left at {describe(now)}: the machine has started again since"
    else:
        put_back(device, item.found, clock=clock, settle_s=settle_s)
    forget(item)
    return done


def forget(item: LeftBehind) -> None:
    """Count a knob as put back, without touching it."""
    for entry in reversed(item.entries):  # the oldest last: it says what was found
        end(entry)


def warning(folder: Path | None = None) -> str:
    """What a program should say when it starts: settings left behind, and how to restore them; empty if there are none.

    Never raises: a start must not fail for this.
    """
    with suppress(OSError):
        items = list_left_behind(folder or state_folder())
        if items:
            lines = [f"warning: killed processes left {len(items)} setting{'s' * (len(items) > 1)} behind:"]
            lines += [f"  {item}" for item in items]
            return "\n".join([*lines, "  put back what was found with: joulewise restore"])
    return ""
