"""Settings are checked, applied, looked at, and what was found comes back, however it ends."""

from __future__ import annotations

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.apply import apply
from joulewise.devices.capabilities import Kind
from joulewise.devices.journal import Journal, left_behind, open_entries
from joulewise.devices.settings import CoreClock, CpuFrequency, MemoryClock, PowerCap, PowerLimit, Unlocked, make
from joulewise.errors import CapabilityError, DeviceLostError, PermissionDeniedError, RestoreError, UsageError
from joulewise.testing import FakeDevice

SETTINGS = [
    PowerLimit(250.0),
    CoreClock(900, 1200),
    MemoryClock(810, 810),
    PowerCap(100.0),
    CpuFrequency(1000, 2000),
    Unlocked(Kind.CORE_CLOCK),
]


class Stage:
    """A device, a clock and a journal."""

    def __init__(self, folder, **device):
        self.clock, self.folder = VirtualClock(), folder / "state"
        self.state = {}
        self.device = FakeDevice(self.clock, state=self.state, **device)

    def apply(self, setting, **options):
        journal = Journal(self.folder)
        return apply(self.device, setting, journal=journal, clock=self.clock, **{"settle_s": 1.0, **options})


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_what_was_found_comes_back(stage, setting):
    before = dict(stage.state)
    with stage.apply(setting) as applied:
        assert applied.obeyed is True
        assert applied.seen == setting
        assert [entry.wanted for entry in open_entries(stage.folder)] == [setting]
        assert left_behind(stage.folder) == []  # we live
    assert stage.state == before
    assert applied.restored
    assert open_entries(stage.folder) == []


def test_limit_found_lowered_stays_lowered(stage):
    stage.device.set_power_limit_w(200.0)
    with stage.apply(PowerLimit(150.0)):
        pass
    assert stage.device.read_power_limit_w() == 200.0


def test_clock_found_locked_is_locked_again_and_found_free_is_freed(stage):
    with stage.apply(CoreClock(600, 600)):
        pass
    assert stage.device.read_core_clock_lock() is None
    stage.device.lock_core_clock(300, 900)
    with stage.apply(Unlocked(Kind.CORE_CLOCK)):
        assert stage.device.read_core_clock_lock() is None
    assert stage.device.read_core_clock_lock() == (300, 900)


def test_limit_found_off_is_switched_off_again_but_cannot_be_asked_for(stage):
    stage.device.set_power_limit_w(0)
    with stage.apply(PowerLimit(150.0)):
        assert stage.device.read_power_limit_w() == 150.0
    assert stage.device.read_power_limit_w() == 0
    with pytest.raises(UsageError, match="a power_limit must be positive"):
        stage.apply(PowerLimit(0.0))


def test_exception_restores(stage):
    with pytest.raises(ZeroDivisionError), stage.apply(PowerLimit(150.0)):
        raise ZeroDivisionError
    assert stage.device.read_power_limit_w() == 400.0


def test_handles_of_one_knob_end_as_the_first_found_it_in_whichever_order(stage):
    first = stage.apply(PowerLimit(300.0))
    second = stage.apply(PowerLimit(200.0))
    first.restore()
    assert stage.device.read_power_limit_w() == 200.0  # the later one still holds it
    assert len(open_entries(stage.folder)) == 2
    second.restore()
    assert stage.device.read_power_limit_w() == 400.0
    assert open_entries(stage.folder) == []
    second.restore()  # once more does nothing
    assert stage.device.read_power_limit_w() == 400.0


def test_handle_changes_its_knob_without_forgetting_what_was_found(stage):
    with stage.apply(PowerLimit(300.0)) as applied:
        assert applied.change(PowerLimit(200.0)).obeyed is True
        assert applied.setting == PowerLimit(200.0)
        assert len(open_entries(stage.folder)) == 1
        with pytest.raises(CapabilityError):
            applied.change(PowerLimit(99.0))
        with pytest.raises(UsageError, match="another knob"):
            applied.change(PowerCap(100.0))
        with stage.apply(PowerLimit(150.0)), pytest.raises(UsageError, match="in later hands"):
            applied.change(PowerLimit(250.0))
        assert stage.device.read_power_limit_w() == 200.0
    assert stage.device.read_power_limit_w() == 400.0
    with pytest.raises(UsageError, match="restored"):
        applied.change(PowerLimit(250.0))


def test_hardware_that_does_not_obey_is_seen(tmp_path):
    deaf = Stage(tmp_path, deaf=[Kind.POWER_LIMIT])
    with deaf.apply(PowerLimit(150.0)) as applied:
        assert applied.obeyed is False
        assert applied.seen == PowerLimit(400.0)
        assert applied.observation.why == "it shows power_limit 400 W, told power_limit 150 W"
    assert deaf.clock.now_ns() >= 1e9  # it was given time


def test_clock_that_is_not_achieved_is_seen_with_its_reason(tmp_path):
    class Throttled(FakeDevice):
        def read_core_clock_mhz(self):
            return 700

        def read_throttle_reasons(self):
            return frozenset({"thermal"})

    stage = Stage(tmp_path)
    stage.device = Throttled(stage.clock)
    with stage.apply(CoreClock(1200, 1200)) as applied:
        assert (applied.obeyed, applied.clock_mhz, applied.throttle_reasons) == (False, 700, {"thermal"})
        assert applied.observation.why == "its clock is 700 MHz, told at least 1200 MHz; throttled by thermal"


def test_slow_hardware_is_waited_for(tmp_path):
    class Slow(FakeDevice):
        def read_core_clock_mhz(self):
            return 1410 if clock.now_ns() < 0.3e9 else 600

    stage = Stage(tmp_path)
    clock = stage.clock
    stage.device = Slow(clock)
    with stage.apply(CoreClock(600, 600)) as applied:
        assert applied.obeyed is True
        assert 0.3e9 <= clock.now_ns() < 0.4e9


def test_power_above_the_limit_is_not_obedience(tmp_path):
    class Unlimited(FakeDevice):
        def true_power_w(self):
            return 300.0

    stage = Stage(tmp_path)
    stage.device = Unlimited(stage.clock)
    with stage.apply(PowerLimit(200.0)) as applied:
        assert applied.obeyed is False
        assert applied.observation.why == "it draws 300 W, told at most 200 W"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (PowerLimit(90.0), "power_limit of 100 to 400 W in steps of 1; the nearest that it takes is 100 W"),
        (PowerLimit(500.0), "the nearest that it takes is 400 W"),
        (PowerLimit(200.4), "the nearest that it takes is 200 W"),
        (CoreClock(1000, 1000), "the nearest that it takes is 1005 MHz"),
        (CpuFrequency(500, 2000), "the nearest that it takes is 800 MHz"),
    ],
    ids=str,
)
def test_what_it_does_not_take_is_refused_with_the_nearest(stage, setting, message):
    before = dict(stage.state)
    with pytest.raises(CapabilityError) as caught:
        stage.apply(setting)
    assert message in str(caught.value)
    assert stage.state == before
    assert not stage.folder.exists()


@pytest.mark.parametrize(
    "setting",
    [PowerLimit(-1.0), PowerLimit(float("nan")), CoreClock(1200, 900), Unlocked(Kind.POWER_LIMIT)],
    ids=str,
)
def test_what_means_nothing_is_refused(stage, setting):
    with pytest.raises(UsageError):
        stage.apply(setting)


def test_missing_knob_lists_what_there_is(tmp_path):
    stage = Stage(tmp_path, kinds=[Kind.POWER_INSTANT, Kind.POWER_LIMIT])
    with pytest.raises(CapabilityError, match="it has power_instant, power_limit"):
        stage.apply(CoreClock(900, 900))


def test_missing_privilege_is_named_before_anything_is_written(tmp_path):
    stage = Stage(tmp_path, denied=[Kind.POWER_LIMIT])
    with pytest.raises(PermissionDeniedError, match="it takes root"):
        stage.apply(PowerLimit(150.0))
    assert not stage.folder.exists()


def test_refusal_by_the_hardware_leaves_nothing_open(tmp_path):
    class Refusing(FakeDevice):
        def set_power_limit_w(self, limit_w):
            if limit_w != 400.0:
                raise PermissionDeniedError("setting a power limit", "root")

    stage = Stage(tmp_path)
    stage.device = Refusing(stage.clock, state={})
    with pytest.raises(PermissionDeniedError):
        stage.apply(PowerLimit(150.0))
    assert open_entries(stage.folder) == []


def test_hardware_that_cannot_be_put_back_is_loud_and_stays_in_the_journal(stage):
    applied = stage.apply(PowerLimit(150.0))
    stage.device.lost = True
    with pytest.raises(RestoreError, match="could not be put back; DeviceLostError") as caught:
        applied.restore()
    assert isinstance(caught.value.__cause__, DeviceLostError)
    assert len(open_entries(stage.folder)) == 1
    stage.device.lost = False
    applied.restore()
    assert stage.device.read_power_limit_w() == 400.0
    assert open_entries(stage.folder) == []


def test_read_back_that_differs_is_loud(tmp_path):
    class Stuck(FakeDevice):
        def set_power_limit_w(self, limit_w):
            super().set_power_limit_w(min(limit_w, self.read_power_limit_w()))

    stage = Stage(tmp_path)
    stage.device = Stuck(stage.clock, state={})
    applied = stage.apply(PowerLimit(150.0))
    with pytest.raises(RestoreError, match="it shows power_limit 150 W"):
        applied.restore()
    assert len(open_entries(stage.folder)) == 1
    FakeDevice.set_power_limit_w(stage.device, 400.0)
    applied.restore()


def test_without_a_place_to_write_nothing_is_changed(stage):
    stage.folder.write_text("in the way")
    with pytest.raises(UsageError, match=r"cannot be written down first; .*; name a folder .* JOULEWISE_STATE_DIR"):
        stage.apply(PowerLimit(150.0))
    assert stage.device.read_power_limit_w() == 400.0


def test_settings_are_made_of_whole_megahertz():
    assert make(Kind.CORE_CLOCK, 900.2, 1200.0) == CoreClock(900, 1200)
    assert make(Kind.POWER_LIMIT, 99.5) == PowerLimit(99.5)
    assert make(Kind.MEMORY_CLOCK) == Unlocked(Kind.MEMORY_CLOCK)
