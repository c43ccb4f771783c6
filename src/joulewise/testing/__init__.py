"""For authors of drivers, and for tests of programs that use joulewise: conformance checks, and a device to play with.

A driver is accepted once `check_driver` passes for it; it needs no test framework.
"""

from joulewise.testing.conformance import ConformanceError, Problem, check_device, check_driver, examine_device
from joulewise.testing.fake import FakeDevice, FakeDriver

__all__ = [
    "ConformanceError",
    "FakeDevice",
    "FakeDriver",
    "Problem",
    "check_device",
    "check_driver",
    "examine_device",
]
