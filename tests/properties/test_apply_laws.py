"""Laws of applied settings: the latest handle that is held rules, and the knob ends as the first handle found it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.clock import VirtualClock
from joulewise.devices.apply import Applied, apply
from joulewise.devices.capabilities import Kind
from joulewise.devices.journal import Journal, open_entries
from joulewise.devices.settings import CoreClock, PowerLimit, Unlocked, from_dict, make, read_setting, to_dict
from joulewise.testing import FakeDevice

limits = st.integers(100, 400).map(lambda limit_w: PowerLimit(float(limit_w)))
steps = st.tuples(st.integers(0, 80), st.integers(0, 80)).map(sorted)
locks = steps.map(lambda ends: CoreClock(210 + 15 * ends[0], 210 + 15 * ends[1]))
clocks = locks | st.just(Unlocked(Kind.CORE_CLOCK))


@settings(max_examples=60)
@given(limits, clocks, st.lists(limits | clocks | st.integers(0, 9), max_size=25))
def test_any_order_of_applying_and_restoring_ends_as_found(limit, core, actions):
    clock, state = VirtualClock(), {}
    device = FakeDevice(clock, state=state)
    device.set_power_limit_w(limit.limit_w)
    if isinstance(core, CoreClock):
        device.lock_core_clock(core.minimum_mhz, core.maximum_mhz)
    found = {Kind.POWER_LIMIT: limit, Kind.CORE_CLOCK: core}
    held: list[Applied] = []

    def check() -> None:
        for kind, first in found.items():
            mine = [handle.setting for handle in held if handle.setting.kind is kind]
            assert read_setting(device, kind) == (mine[-1] if mine else first)

    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        for action in actions:
            if not isinstance(action, int):
                held.append(apply(device, action, journal=journal, clock=clock, settle_s=0.0))
            elif held:
                held.pop(action % len(held)).restore()
            check()
        while held:
            held.pop(0).restore()
            check()
        assert open_entries(Path(folder)) == []


@given(limits | clocks)
def test_settings_come_back_from_json(setting):
    assert from_dict(to_dict(setting)) == setting
    assert make(setting.kind, *to_dict(setting)["values"]) == setting
