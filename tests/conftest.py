"""Settings for every test."""

from __future__ import annotations

from hypothesis import settings

# A law is not a stopwatch: a busy machine, or the first import inside a test, must not fail one.
settings.register_profile("joulewise", deadline=None)
settings.load_profile("joulewise")

pytest_plugins = ["joulewise.testing.fixtures"]
