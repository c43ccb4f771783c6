"""Documents of another kind or version are refused with the reason."""

from __future__ import annotations

import pytest

from joulewise.errors import UsageError
from joulewise.wire.envelope import open_envelope, schema_tag


def test_a_document_of_the_wanted_schema_is_returned():
    document = {"schema": schema_tag("plan", 2), "time_s": 1.0}
    assert open_envelope(document, "plan", 2) is document


@pytest.mark.parametrize(
    ("document", "what", "seen", "fix"),
    [
        ([], "not a plan document", "type list", "joulewise.plan/2"),
        ({}, "not a plan document", "no field schema", "joulewise.plan/2"),
        ({"schema": 3}, "not a plan document", "3", "joulewise.plan/2"),
        ({"schema": "joulewise.frontier/2"}, "not a plan document", "joulewise.frontier/2", "joulewise.plan/2"),
        ({"schema": "other.plan/2"}, "not a plan document", "other.plan/2", "joulewise.plan/2"),
        ({"schema": "joulewise.plan/3"}, "version", "joulewise.plan/3", "upgrade joulewise"),
        ({"schema": "joulewise.plan/1"}, "version", "joulewise.plan/1", "write it again"),
        ({"schema": "joulewise.plan/x"}, "version", "joulewise.plan/x", "write it again"),
    ],
)
def test_another_document_is_refused_with_the_reason(document, what, seen, fix):
    with pytest.raises(UsageError) as refusal:
        open_envelope(document, "plan", 2)
    assert what in refusal.value.what
    assert seen in refusal.value.seen
    assert fix in refusal.value.fix
