"""A document of capabilities says only what can be true; anything else is refused, with what to write instead."""

from __future__ import annotations

import json

import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Capabilities, Kind
from joulewise.devices.capability_checks import RULES, UNITS
from joulewise.devices.simulated.driver import make_chips
from joulewise.devices.simulated.model import model_names
from joulewise.errors import UsageError

COUNTER = {"kind": "energy_counter", "unit": "J", "source": "here"}


def read(*entries):
    return Capabilities.from_dict({"schema": "joulewise.capabilities/1", "capabilities": list(entries)})


@pytest.mark.parametrize(
    "change",
    [
        {"resolution": "0.001"},
        {"resolution": -1},
        {"resolution": 0},
        {"resolution": True},
        {"update_period_s": float("nan")},
        {"maximum": float("inf")},
        {"minimum": 2, "maximum": 1},
        {"duty_frac": 1.5},
        {"gain_error_frac": -0.1},
        {"values": [2, 1]},
        {"values": "12"},
        {"values": 3},
        {"switch_latencies_s": [[1]]},
        {"switch_latencies_s": [[210, -1]]},
        {"source": None},
        {"privilege": 3},
        {"permitted": "yes"},
        {"permitted": None},
        {"unit": "W"},
        {"unit": ["J"]},
        {"kind": ["energy_counter"]},
        {"colour": "green"},
    ],
)
def test_what_cannot_be_true_is_refused(change):
    with pytest.raises(UsageError) as refused:
        read({**COUNTER, **change})
    assert refused.value.seen
    assert refused.value.fix


@pytest.mark.parametrize("entries", [None, {}, 3, "J", [3], [None], [[]], [{"kind": "energy_counter"}]])
def test_what_is_no_list_of_capabilities_is_refused(entries):
    with pytest.raises(UsageError):
        Capabilities.from_dict({"schema": "joulewise.capabilities/1", "capabilities": entries})


def test_a_kind_that_is_there_twice_is_refused():
    with pytest.raises(UsageError, match="more than once; energy_counter; keep one"):
        read(COUNTER, {**COUNTER, "resolution": 1.0})


def test_null_is_not_known_as_is_what_is_left_out():
    assert read({**COUNTER, "resolution": None, "privilege": None}) == read(COUNTER)


def test_every_kind_and_field_has_a_rule():
    assert set(UNITS) == set(Kind)
    assert {*RULES, "kind", "unit"} == set(type(read(COUNTER)[Kind.ENERGY_COUNTER]).__dataclass_fields__)


@pytest.mark.parametrize("name", model_names())
def test_what_twins_say_of_themselves_is_taken(name):
    (chip,) = make_chips(name, VirtualClock())
    assert Capabilities.from_dict(json.loads(json.dumps(chip.capabilities.to_dict()))) == chip.capabilities
