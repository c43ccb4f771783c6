"""The fake device keeps the rules, and every way of breaking them is noticed."""

from joulewise.clock import VirtualClock
from joulewise.devices.device import Host
from joulewise.testing import FakeDevice, FakeDriver, check_device, check_driver


def test_fake_device_conforms():
    clock = VirtualClock()
    check_device(FakeDevice(clock), clock, advance=clock.sleep)
    check_device(FakeDevice(clock, wrap_j=20_000.0), clock, advance=clock.sleep)


def test_fake_driver_conforms():
    clock = VirtualClock()
    host = Host(environ={}, clock=clock)
    check_driver(
        FakeDriver([FakeDevice(clock, uid=f"fake-{i}") for i in range(2)]), host, advance=clock.sleep, devices=2
    )
    check_driver(FakeDriver(), host, devices=0)
