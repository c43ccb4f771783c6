"""A frontier written in parts is the document of `to_dict`."""

from __future__ import annotations

import json

from frontier_strategies import bounded_frontiers
from hypothesis import given

from joulewise.frontier import Frontier


@given(bounded_frontiers())
def test_parts_make_the_document(frontier: Frontier) -> None:
    assert json.loads("".join(frontier.json_parts())) == json.loads(json.dumps(frontier.to_dict()))
