"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("module", ["frontier.frontier", "frontier.compose", "frontier.fit", "wire.envelope"])
def test_examples_in_docstrings_are_true(module):
    result = doctest.testmod(importlib.import_module(f"joulewise.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
