"""Tell a device a setting, see whether it obeys, and put back what was found.

Theory of operation. `apply` checks the setting, reads what is there, writes that to the journal, and only then tells
the device. Success of the call is not obedience: the setting is read back, and the achieved clock, the power drawn
and the reasons for throttling are looked at until they agree with it or ``settle_s`` has passed. What was found comes
back when the handle is restored, when its ``with`` block ends, when the interpreter exits, and on SIGTERM and SIGHUP;
if even that is not given time, the journal has it. Handles of one knob are a stack: one that is restored while a
later one holds the knob waits for that, so that the knob ends as the first found it. A forked child owns none of it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from threading import RLock
from types import TracebackType

from joulewise.clock import Clock, MonotonicClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Device, Lent
from joulewise.devices.exit import restore_on_exit
from joulewise.devices.journal import Entry, Journal, end
from joulewise.devices.obedience import Observation, observe
from joulewise.devices.settings import Setting, check, describe, read_setting, same, tell
from joulewise.errors import RestoreError, UsageError

SETTLE_S = 2.0
LOOKS = 20

_LOCK = RLock()  # a signal may come while its thread holds it
_STACKS: defaultdict[tuple[str, Kind], list[Applied]] = defaultdict(list)


class Applied:
    """A setting in force, until it is restored; `apply` makes it. A context manager.

    Attributes:
        device: Who was told.
        setting: What.
        found: What was there before, and comes back.
        observation: What was last looked at.
    """

    def __init__(self, device: Device, setting: Setting, entry: Entry, clock: Clock, settle_s: float) -> None:
        """What was found is written down, and nothing is told yet."""
        self.device, self.setting, self.found = device, setting, entry.found
        self._clock, self._settle_s, self._pid = clock, settle_s, os.getpid()
        self._entry, self._released = entry, False
        self.observation = Observation(entry.found, None)

    @property
    def obeyed(self) -> bool | None:
        """Whether the hardware did as told when last looked at; None if it cannot be known."""
        return self.observation.obeyed

    @property
    def seen(self) -> Setting:
        """The setting as last read back."""
        return self.observation.seen

    @property
    def throttle_reasons(self) -> frozenset[str]:
        """Why it did not run faster when last looked at."""
        return self.observation.throttle_reasons

    @property
    def clock_mhz(self) -> int | None:
        """The clock that was achieved when last looked at [MHz]; None for settings of power."""
        return self.observation.clock_mhz

    @property
    def restored(self) -> bool:
        """Whether it was given back; the knob is as found, or in the hands of a later handle."""
        return self._released

    def look(self) -> Observation:
        """Look again whether the hardware obeys; reads only."""
        self.observation = observe(self.device, self.setting)
        return self.observation

    def change(self, setting: Setting) -> Observation:
        """Tell the same knob something else; what was found before the first setting still comes back.

        Cheaper than a new handle: the journal already has what was found.

        Raises:
            UsageError: If it is another knob, or not in this handle's hands any more, or the setting means nothing.
            CapabilityError: If the device does not take it.
        """
        check(self.device, setting)
        with _LOCK:
            stack = _STACKS[self.device.identity.uid, self.setting.kind]
            if setting.kind is not self.setting.kind or self._released or not stack or stack[-1] is not self:
                seen = "another knob" if setting.kind is not self.setting.kind else "restored, or in later hands"
                raise UsageError(f"this handle cannot set {describe(setting)}", seen, "apply the setting anew")
            self.setting = setting
            tell(self.device, setting)
        return self._wait()

    def restore(self) -> None:
        """Put back what was found, and read that it is; does nothing the second time, or in a forked child.

        Raises:
            RestoreError: If the hardware does not show what was found. The journal keeps the change, and `restore` may
                be called again.
        """
        if os.getpid() != self._pid:
            return
        with _LOCK:
            stack = _STACKS[self.device.identity.uid, self.setting.kind]
            self._released = True
            released = []
            for handle in reversed(stack):
                if not handle._released:
                    break
                released.append(handle)
            if not released:
                return
            try:
                _put_back(released[-1].device, released[-1].found, self._clock, self._settle_s)
                if len(released) == len(stack) and isinstance(self.device, Lent):
                    self.device.give_back(self.setting.kind)
            except RestoreError:
                self._released = False
                raise
            del stack[-len(released) :]
            for handle in released:
                with suppress(OSError):  # it then counts as left behind, and is put back once more
                    end(handle._entry)

    def _tell(self) -> None:
        try:
            tell(self.device, self.setting)
            self._wait()
        except BaseException:
            if isinstance(self.device, Lent) and not self.device.holds(self.setting.kind):
                self._let_go()  # it was never lent to us, or is no more: not ours to put back
            else:
                self.restore()
            raise
        if self._released:  # by a signal, between the lines above; whoever handled it let us live
            _put_back(self.device, self.found, self._clock, self._settle_s)

    def _let_go(self) -> None:
        with _LOCK:
            self._released = True
            stack = _STACKS[self.device.identity.uid, self.setting.kind]
            if self in stack:
                stack.remove(self)
            with suppress(OSError):
                end(self._entry)

    def _wait(self) -> Observation:
        """Look until it obeys, or the time is over."""
        deadline_ns = self._clock.now_ns() + round(self._settle_s * 1e9)
        while self.look().obeyed is not True and self._clock.now_ns() < deadline_ns:
            self._clock.sleep(self._settle_s / LOOKS)
        return self.observation

    def __enter__(self) -> Applied:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore."""
        self.restore()


def apply(
    device: Device,
    setting: Setting,
    *,
    journal: Journal | None = None,
    clock: Clock | None = None,
    settle_s: float | None = None,
) -> Applied:
    """Tell a device a setting; what was found comes back with the handle.

    Args:
        device: Who is told.
        setting: What.
        journal: Where what was found is written first; the process's own by default.
        clock: Time; the machine's by default.
        settle_s: How long at most to wait until the hardware obeys [s]; by default three times the capability's switch
            latency, or 2 s if that is unknown. Obeying ends the wait.

    Returns:
        A handle that says what was seen, and restores; use it in a ``with`` statement.

    Raises:
        UsageError: If the setting means nothing, what was found cannot be written down, or another living process
            holds the knob. Nothing was changed.
        CapabilityError: If the device does not take it; names the nearest that it takes. Nothing was changed.
        PermissionDeniedError: If a privilege is missing.
        RestoreError: If telling failed, and what was found could not be put back.

    Effects:
        Changes hardware. Blocks up to ``settle_s``. Installs handlers for exit and signals (`exit.restore_on_exit`).
    """
    capability = check(device, setting)
    if settle_s is None:
        latency_s = capability.switch_latency_s
        settle_s = SETTLE_S if latency_s is None else 3 * latency_s
    restore_on_exit(restore_all)
    with _LOCK:
        entry = (journal or Journal()).begin(device, setting)
        handle = Applied(device, setting, entry, clock or MonotonicClock(), settle_s)
        _STACKS[device.identity.uid, setting.kind].append(handle)
    handle._tell()
    return handle


def restore_all() -> None:
    """Put back everything that this process has changed.

    Raises:
        RestoreError: If some of it could not be; the rest was.
    """
    errors = []
    with _LOCK:
        for stack in list(_STACKS.values()):
            for handle in reversed(list(stack)):
                try:
                    handle.restore()
                except RestoreError as error:
                    errors.append(error)
    if errors:
        raise errors[0]


def put_back(device: Device, found: Setting, *, clock: Clock | None = None, settle_s: float = SETTLE_S) -> None:
    """Tell a device what was once found on it, and read that it is so.

    Raises:
        RestoreError: If it is not.
    """
    _put_back(device, found, clock or MonotonicClock(), settle_s)


def _put_back(device: Device, found: Setting, clock: Clock, settle_s: float) -> None:
    uid, kind = device.identity.uid, found.kind
    what = f"{describe(found)} of {uid} could not be put back"
    fix = "look at the device, then run joulewise restore"
    try:
        tell(device, found)
        deadline_ns = clock.now_ns() + round(settle_s * 1e9)
        capability = device.capabilities.get(kind)
        while not same(seen := read_setting(device, kind), found, capability) and clock.now_ns() < deadline_ns:
            clock.sleep(settle_s / LOOKS)
    except Exception as error:  # whatever stopped it, the knob is not as it was found
        raise RestoreError(what, f"{type(error).__name__}: {error}", fix) from error
    if not same(seen, found, capability):
        raise RestoreError(what, f"it shows {describe(seen)}", fix)
