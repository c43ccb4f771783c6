"""Clocks are told in their turn, the latest wins, and what was found comes back whatever happens."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_stage import new_stage, serving
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.journal import Journal
from joulewise.devices.selection import find_devices
from joulewise.errors import CapabilityError, RestoreError
from joulewise.runtime.knob import Knob, find_tunable
from joulewise.runtime.pipeline.clock_setter import ClockSetter
from joulewise.testing import FakeDevice


class Mark:
    """A point that a device has not passed yet."""

    def __init__(self) -> None:
        self._passed = threading.Event()

    def query(self) -> bool:
        return self._passed.is_set()

    def synchronize(self) -> None:
        self._passed.wait()

    def passed(self) -> None:
        self._passed.set()


class Recorder(FakeDevice):
    """Remembers what it was told."""

    def __init__(self, clock: VirtualClock, uid: str = "recorder-0") -> None:
        super().__init__(clock, uid=uid)
        self.told: list[int] = []
        self.breaks_at: int | None = None

    def lock_core_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        if maximum_mhz == self.breaks_at:
            self.lost = True
        super().lock_core_clock(minimum_mhz, maximum_mhz)
        self.told.append(maximum_mhz)


def setter_of(*devices: FakeDevice, journal: Journal | None = None) -> ClockSetter:
    return ClockSetter(find_tunable(devices, Knob.CORE_CLOCK), clock=VirtualClock(), journal=journal)


def test_only_changes_are_told() -> None:
    device = Recorder(VirtualClock())
    setter = setter_of(device)
    for clock_mhz in (1410, 1410, 990, 990, 1410):
        setter.request(clock_mhz)
        setter.drain()
    assert device.told == [1410, 990, 1410]
    assert setter.told == 3
    setter.close()
    assert device.read_core_clock_lock() is None


def test_all_devices_of_a_rank_are_told() -> None:
    devices = [Recorder(VirtualClock(), f"recorder-{index}") for index in range(3)]
    setter = setter_of(*devices)
    setter.request(990)
    setter.drain()
    assert [device.read_core_clock_lock() for device in devices] == [(990, 990)] * 3
    setter.close()
    assert [device.read_core_clock_lock() for device in devices] == [None] * 3


def test_a_clock_waits_for_its_mark_and_late_ones_are_skipped() -> None:
    device, marks = Recorder(VirtualClock()), [Mark() for _ in range(4)]
    setter = setter_of(device)
    for clock_mhz, mark in zip((1410, 1200, 990, 705), marks, strict=True):
        setter.request(clock_mhz, mark)
    assert device.told == []
    for mark in marks[1:3]:  # the device has come as far as the third, while nobody looked
        mark.passed()
    marks[0].passed()
    while not device.told:
        pass
    assert device.told == [990]
    marks[3].passed()
    setter.drain()
    assert (device.told, setter.skipped) == ([990, 705], 2)
    setter.close()


def test_a_mark_that_never_passes_holds_up_nobody_who_closes() -> None:
    device, stuck = Recorder(VirtualClock()), Mark()
    setter = ClockSetter(find_tunable([device], Knob.CORE_CLOCK), clock=VirtualClock(), end_wait_s=0.05)
    setter.request(990)
    setter.drain()
    setter.request(1410, stuck)
    setter.close()
    assert device.read_core_clock_lock() is None
    setter.drain()  # nobody will tell anything any more
    stuck.passed()
    setter._thread.join()
    assert device.told == [990]
    assert device.read_core_clock_lock() is None


class Silent(Recorder):
    """Its driver does not answer for a while."""

    answers = threading.Event()

    def lock_core_clock(self, minimum_mhz: int, maximum_mhz: int) -> None:
        self.answers.wait()
        super().lock_core_clock(minimum_mhz, maximum_mhz)


def test_a_driver_that_does_not_answer_is_told_of_and_put_back_later() -> None:
    device = Silent(VirtualClock())
    setter = ClockSetter(find_tunable([device], Knob.CORE_CLOCK), clock=VirtualClock(), end_wait_s=0.05)
    setter.request(990)
    while not setter._hardware.locked():
        pass
    with pytest.raises(RestoreError, match="has not answered"):
        setter.close()
    device.answers.set()
    setter._thread.join()
    assert device.read_core_clock_lock() is None


def test_nobody_waits_for_a_setter_that_is_closed() -> None:
    setter = setter_of(Recorder(VirtualClock()))
    setter.close()
    setter.drain()


def test_none_is_what_was_found() -> None:
    device = Recorder(VirtualClock())
    device.lock_core_clock(210, 1200)
    setter = setter_of(device)
    for clock_mhz in (900, None, 705):
        setter.request(clock_mhz)
        setter.drain()
        if clock_mhz is None:
            assert device.read_core_clock_lock() == (210, 1200)
    setter.close()
    assert device.read_core_clock_lock() == (210, 1200)


def test_a_lost_device_stops_nobody_and_is_told_of_at_the_end() -> None:
    device = Recorder(VirtualClock())
    device.breaks_at = 990
    setter = setter_of(device)
    for clock_mhz in (1410, 990, 705):
        setter.request(clock_mhz)
        setter.drain()
    assert setter.failure
    assert device.told == [1410]
    device.breaks_at = None
    with pytest.raises(RestoreError):
        setter.close()
    device.lost = False


def test_what_cannot_be_written_down_is_not_told(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    device = FakeDevice(VirtualClock(), uid="journalled-0", state={})
    setter = setter_of(device, journal=Journal(blocked))
    setter.request(990)
    setter.drain()
    assert "cannot be written down" in setter.failure
    assert device.read_core_clock_lock() is None
    setter.close()


@given(st.lists(st.sampled_from([None, 705, 990, 1200, 1410]), max_size=30))
def test_the_last_one_asked_for_is_in_force(asked: list[int | None]) -> None:
    device = Recorder(VirtualClock(), "recorder-law")
    setter = setter_of(device)
    for clock_mhz in asked:
        setter.request(clock_mhz)
    setter.drain()
    last = asked[-1] if asked else None
    assert device.read_core_clock_lock() == (None if last is None else (last, last))
    assert all(before != after for before, after in zip(device.told, device.told[1:], strict=False)) or None in asked
    setter.close()
    assert device.read_core_clock_lock() is None


def test_devices_without_the_knob_are_refused_before_training() -> None:
    with pytest.raises(CapabilityError):
        find_tunable([FakeDevice(VirtualClock(), kinds=[Kind.ENERGY_COUNTER])], Knob.CORE_CLOCK)


def test_a_dead_agent_stops_nobody_and_has_put_back_what_it_found() -> None:
    device = FakeDevice(VirtualClock(), uid="GPU-1", state={})
    with new_stage() as stage:
        with serving(stage, [device]):
            (lent,) = find_devices("agent:", stage.host)
            setter = ClockSetter(find_tunable([lent], Knob.CORE_CLOCK), clock=VirtualClock())
            setter.request(990)
            setter.drain()
            assert setter.failure == ""
            assert device.read_core_clock_lock() == (990, 990)
        assert device.read_core_clock_lock() is None
        setter.request(1200)
        setter.drain()
        assert "agent" in setter.failure
        setter.close()  # nothing of ours is left changed
