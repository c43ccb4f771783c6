"""Frontier documents: what cannot be written, and what is refused on reading."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from joulewise.errors import UsageError
from joulewise.frontier import Bound, Frontier
from joulewise.records import Provenance

FRONTIER = Frontier.from_arrays(
    [1, 2], [4, 3], [(1410, ("a", True)), None], Provenance.MODELLED, wait_power_w=1.5, bound=Bound([1, 2], [3, 2])
)


def test_the_document_is_plain_and_versioned():
    document = FRONTIER.to_dict()
    assert document["schema"] == "joulewise.frontier/1"
    assert document["settings"] == [[1410, ["a", True]], None]
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize("setting", [np.int64(3), frozenset(), (1, b"x"), math.nan, (math.inf,)])
def test_a_setting_that_json_has_no_word_for_is_refused(setting):
    with pytest.raises(UsageError, match="setting cannot be written"):
        Frontier.from_arrays([1], [1], [setting], Provenance.MEASURED).to_dict()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": "joulewise.frontier/2"}, "upgrade joulewise"),
        ({"schema": "joulewise.plan/1"}, "not a frontier document"),
        ({"provenance": ["guessed", "measured"]}, "unusable field"),
        ({"provenance": ["measured"]}, "unusable field"),
        ({"samples": [1, "x"]}, "unusable field"),
        ({"samples": [1, 2.5]}, "unusable field"),
        ({"samples": [1]}, "samples"),
        ({"time_s": [1, None]}, "time_s"),
        ({"time_s": 3}, "shape"),
        ({"settings": [{}, 1]}, "setting cannot be read"),
        ({"energy_j": [4, 9]}, "1 are non-dominated"),
        ({"time_s": [2, 1], "energy_j": [3, 4]}, "does not hold a frontier"),
        ({"bound": {"time_s": [1]}}, "unusable field"),
        ({"bound": {"time_s": [1, 2, 3], "energy_j": [1, 3, 1]}}, "convex"),
        ({"wait_power_w": None}, "unusable field"),
        ({"wait_power_w": -1}, "wait_power_w"),
    ],
)
def test_a_document_that_holds_no_frontier_is_refused(change, reason):
    with pytest.raises(UsageError, match=reason):
        Frontier.from_dict({**FRONTIER.to_dict(), **change})


@pytest.mark.parametrize("field", sorted(set(FRONTIER.to_dict()) - {"schema"}))
def test_a_field_that_is_absent_is_named(field):
    document = FRONTIER.to_dict()
    del document[field]
    with pytest.raises(UsageError, match=field):
        Frontier.from_dict(document)
