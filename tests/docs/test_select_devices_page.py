"""The page on selecting devices names the drivers and variables that there are."""

from __future__ import annotations

import re
from pathlib import Path

from joulewise.devices import redfish_client
from joulewise.devices.catalog import driver_names

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "select-devices.md").read_text(encoding="utf-8")


def test_selectors_begin_with_drivers():
    (table,) = re.findall(r"\| text \| means \|\n\| --- \| --- \|\n((?:\|.*\n)+)", PAGE)
    selectors = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert selectors
    assert {text.partition(":")[0] for text in selectors} <= set(driver_names())


def test_variables_of_redfish_are_those_that_it_reads():
    code = Path(redfish_client.__file__).read_text(encoding="utf-8")
    read = set(re.findall(r"\{PREFIX\}([A-Z_]+)", code))
    assert set(re.findall(r"JOULEWISE_REDFISH_([A-Z_]+)", PAGE)) == read
