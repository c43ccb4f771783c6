"""The fake device keeps the rules, and every way of breaking them is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Capabilities, Kind
from joulewise.devices.device import Finding, Host
from joulewise.errors import DeviceLostError, PermissionDeniedError
from joulewise.testing import ConformanceError, FakeDevice, FakeDriver, check_device, check_driver, examine_device

CLOCK = VirtualClock()
HOST = Host(environ={}, clock=CLOCK)


@pytest.mark.parametrize(
    "options",
    [{}, {"wrap_j": 20_000.0}, {"denied": [Kind.POWER_LIMIT]}, {"kinds": [Kind.POWER_INSTANT]}, {"load_w": 0.0}],
    ids=str,
)
def test_fake_device_conforms(options):
    check_device(FakeDevice(CLOCK, **options), CLOCK, advance=CLOCK.sleep)


def test_fake_driver_conforms():
    fakes = [FakeDevice(CLOCK, uid=f"fake-{index}") for index in range(2)]
    check_driver(FakeDriver(fakes), HOST, advance=CLOCK.sleep, devices=2)
    check_driver(FakeDriver(), HOST, devices=0)


def test_knobs_are_as_found_afterwards():
    state = {"power_limit": [200.0], "core_clock": [600, 900]}
    check_device(FakeDevice(CLOCK, state=state), CLOCK)
    assert (state["power_limit"], state["core_clock"]) == ([200.0], [600, 900])


def test_knobs_are_left_alone_if_asked():
    class Untouchable(FakeDevice):
        def set_power_limit_w(self, limit_w):
            raise AssertionError(limit_w)

    check_device(Untouchable(CLOCK), CLOCK, turn=False)


class Backward(FakeDevice):
    def read_energy_j(self):
        return 1e6 - super().read_energy_j()


class Half(FakeDevice):
    def read_energy_j(self):
        return super().read_energy_j() / 2


class Hot(FakeDevice):
    def read_temperature_c(self):
        return 65_000


class Words(FakeDevice):
    def read_throttle_reasons(self):
        return ["thermal"]


class Careless(FakeDevice):
    def set_power_limit_w(self, limit_w):
        self._state["power_limit"] = [limit_w]


class WrongError(FakeDevice):
    def set_power_limit_w(self, limit_w):
        if not 100 <= limit_w <= 400:
            raise ValueError(limit_w)
        super().set_power_limit_w(limit_w)


class OneWay(FakeDevice):
    def set_power_limit_w(self, limit_w):
        super().set_power_limit_w(limit_w)
        self._state["power_limit"] = [min(limit_w, 150.0)]


class Broken(FakeDevice):
    def read_power_w(self):
        raise KeyError("power1_input")


class Methodless:
    def __init__(self, clock):
        real = FakeDevice(clock, kinds=[Kind.TEMPERATURE])
        self.identity, self.capabilities = real.identity, real.capabilities


class BareIndex(FakeDevice):
    def __init__(self, clock):
        super().__init__(clock, uid="0")


class Misdescribed(FakeDevice):
    def __init__(self, clock):
        super().__init__(clock)
        changed = self.capabilities.with_(Kind.ENERGY_COUNTER, unit="mJ").with_(Kind.POWER_LIMIT, minimum=500.0)
        self.capabilities = changed.with_(Kind.TEMPERATURE, permitted=False).with_(Kind.CORE_CLOCK, values=(3.0, 2.0))


class Incapable(FakeDevice):
    def __init__(self, clock):
        super().__init__(clock)
        self.capabilities = Capabilities()


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (Backward, "the counter reads what can be true"),
        (Half, "energy agrees with power under constant load"),
        (Hot, "read_temperature_c is a number from -60 to 200: 65000"),
        (Words, "throttle_reasons is a frozenset of words"),
        (Careless, "power_limit out of range raises CapabilityError or UsageError: power_limit 25 W was taken"),
        (WrongError, "power_limit 1600 W: ValueError: 1600"),
        (OneWay, "power_limit goes back to what was found: power_limit 150 W, found power_limit 400 W"),
        (Broken, "readings can be checked: KeyError: 'power1_input'"),
        (Methodless, "temperature has the methods of Thermometer"),
        (BareIndex, "uid is a name that survives a reboot, no bare index: '0'"),
        (Misdescribed, "energy_counter is in J: 'mJ'"),
        (Misdescribed, "power_limit minimum is not above maximum"),
        (Misdescribed, "temperature says which privilege is missing"),
        (Misdescribed, "core_clock values rise"),
        (Incapable, "a device can something"),
    ],
)
def test_breaking_a_rule_is_noticed(kind, problem):
    problems = examine_device(kind(CLOCK), CLOCK, advance=CLOCK.sleep)
    assert problem in "\n".join(map(str, problems))


def test_all_problems_are_in_one_error():
    with pytest.raises(ConformanceError) as caught:
        check_device(Misdescribed(CLOCK), CLOCK)
    assert len(caught.value.problems) >= 4
    assert all(str(problem) in str(caught.value) for problem in caught.value.problems)


class Raising(FakeDriver):
    def find(self, host):
        raise DeviceLostError("no library")


class Moody(FakeDriver):
    def find(self, host):
        return [FakeDevice(CLOCK, uid=f"fake-{id(object())}-{CLOCK.sleep(1.0) or CLOCK.now_ns()}")]


class Mute(FakeDriver):
    def examine(self, host):
        return [Finding("fake", "a card", False, "", "")]


class Helpless(FakeDriver):
    def examine(self, host):
        return [Finding("fake", "a card", False, "none")]


def alien():
    device = FakeDevice(CLOCK)
    device.identity = replace(device.identity, driver="other")
    return device


@pytest.mark.parametrize(
    ("driver", "problem"),
    [
        (Raising(), "find never raises, on an empty host: DeviceLostError"),
        (Moody(), "finds the same devices in the same order"),
        (Mute(), "a finding says what was looked for and seen"),
        (Helpless(), "a finding of something missing says what to do"),
        (Helpless([FakeDevice(CLOCK)]), "examine says found where find finds devices"),
        (FakeDriver([FakeDevice(CLOCK), FakeDevice(CLOCK)]), "uids are unique"),
        (FakeDriver([alien()]), "identity.driver is 'fake': 'other'"),
        (FakeDriver(), "finds 1 devices: 0; examine says ['0 given']"),
        (FakeDriver(name=""), "has a name"),
    ],
)
def test_driver_that_breaks_a_rule_is_noticed(driver, problem):
    with pytest.raises(ConformanceError) as caught:
        check_driver(driver, HOST, turn=False, devices=1)
    assert problem in str(caught.value)


def test_refusal_without_privilege_must_be_the_right_error():
    class Sealed(FakeDevice):
        def read_power_w(self):
            raise self.error

    sealed = Sealed(CLOCK, kinds=[Kind.POWER_INSTANT, Kind.TEMPERATURE])
    sealed.capabilities = sealed.capabilities.with_(Kind.POWER_INSTANT, permitted=False, privilege="root")
    sealed.error = PermissionDeniedError("reading power", "root")
    assert examine_device(sealed, CLOCK) == []
    sealed.error = DeviceLostError("power")
    assert "without privilege raises PermissionDeniedError" in str(examine_device(sealed, CLOCK))
