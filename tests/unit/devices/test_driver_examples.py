"""Examples in docstrings of drivers hold."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = ["amdsmi_binding", "amdsmi_seats", "amdsmi_validation", "redfish_power"]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    found = doctest.testmod(importlib.import_module(f"joulewise.devices.{name}"))
    assert (found.failed, found.attempted > 0) == (0, True)
