"""The example on the page for authors of drivers runs."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-driver.md"


def test_example_passes():
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(textwrap.dedent("   " + example.lstrip()), str(PAGE), "exec"), {})
