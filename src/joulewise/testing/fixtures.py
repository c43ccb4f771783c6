"""Fixtures for pytest: time that jumps, a device on it, a host with nothing on it.

Ask for them with ``pytest_plugins = ["joulewise.testing.fixtures"]`` in a ``conftest.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.device import Host
from joulewise.devices.journal import Journal
from joulewise.testing.fake import FakeDevice


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """Time that stands still until somebody sleeps."""
    return VirtualClock()


@pytest.fixture
def fake_device(virtual_clock: VirtualClock) -> FakeDevice:
    """A device that can do everything, on that clock."""
    return FakeDevice(virtual_clock)


@pytest.fixture
def empty_host(tmp_path: Path, virtual_clock: VirtualClock) -> Host:
    """A machine with no hardware and no environment, on that clock."""
    root = tmp_path / "empty_host"
    root.mkdir()
    return Host(root, {}, virtual_clock)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal of this process in a folder of the test."""
    return Journal(tmp_path / "journal")
