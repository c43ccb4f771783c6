"""Fixtures of the command line's tests."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def bare_machine(tmp_path_factory):
    """Environment variables of a machine without any hardware."""
    folder = tmp_path_factory.mktemp("bare")
    folders = {"JOULEWISE_ROOT": str(folder / "root"), "JOULEWISE_STATE_DIR": str(folder / "state")}
    return {name: value for name, value in os.environ.items() if name != "JOULEWISE_DEVICE"} | folders
