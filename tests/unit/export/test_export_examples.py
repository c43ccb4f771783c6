"""The examples in docstrings of sinks are true."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("module", ["jsonl"])
def test_examples_of_sinks(module):
    found = doctest.testmod(importlib.import_module(f"joulewise.export.{module}"))
    assert (found.failed, found.attempted > 0) == (0, True)
