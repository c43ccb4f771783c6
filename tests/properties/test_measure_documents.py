"""Measurements and timelines survive being written as strict JSON, whatever is in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.errors import UsageError
from joulewise.measure.document import (
    measurement_from_dict,
    measurement_to_dict,
    timeline_from_dict,
    timeline_to_dict,
)
from joulewise.measure.measurement import Measurement
from joulewise.measure.timeline import Timeline
from measured_records import measurements, timelines


def through_json(document: dict[str, Any]) -> Any:
    return json.loads(json.dumps(document, allow_nan=False))


@given(measurements())
def test_a_measurement_survives(measurement: Measurement) -> None:
    assert measurement_from_dict(through_json(measurement_to_dict(measurement))) == measurement


@given(timelines())
def test_a_timeline_survives(timeline: Timeline) -> None:
    assert timeline_from_dict(through_json(timeline_to_dict(timeline))) == timeline


@given(measurements(), st.data())
def test_a_document_that_lacks_a_field_is_refused_by_name(measurement: Measurement, data: st.DataObject) -> None:
    document = through_json(measurement_to_dict(measurement))
    gone = data.draw(st.sampled_from(sorted(set(document) - {"schema"})))
    del document[gone]
    with pytest.raises(UsageError, match=f"no field '{gone}'"):
        measurement_from_dict(document)


@pytest.mark.parametrize("read", [measurement_from_dict, timeline_from_dict])
@pytest.mark.parametrize("document", [None, [], {}, {"schema": "joulewise.frontier/1"}])
def test_another_document_is_refused(read: Callable[[object], object], document: object) -> None:
    with pytest.raises(UsageError, match="this is not a"):
        read(document)


@pytest.mark.parametrize("value", ["soon", None, True, [1]])
def test_a_field_of_another_type_is_refused(value: object) -> None:
    document = measurement_to_dict(Measurement("w", 0.0, 0, 1, ())) | {"began_at": value}
    with pytest.raises(UsageError, match="not usable"):
        measurement_from_dict(document)
