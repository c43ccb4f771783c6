"""Whatever arrives, nothing is served to who has no right to it, and the agent lives on."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_fuzz import STRANGER, hostile_core, serves_nothing
from agent_stage import new_stage, serving
from joulewise import errors
from joulewise.clock import VirtualClock
from joulewise.devices.settings import CLASSES
from joulewise.errors import CapabilityError, JoulewiseError, PermissionDeniedError, RestoreError, UsageError
from joulewise.services.agent.core import READERS
from joulewise.services.agent.policy import Policy
from joulewise.testing import FakeDevice
from joulewise.wire.agent import (
    OPERATIONS,
    REQUEST_BYTES,
    RefusedLineError,
    encode,
    error_from_dict,
    error_to_dict,
    parse_request,
)
from joulewise.wire.agent_address import parse_address, split_selector
from joulewise.wire.agent_scrape import parse_scrape

TEXT = st.text(max_size=30)
NUMBER = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False)
NAMES = st.sampled_from(["fake-0", "fake-1", "", "*"]) | TEXT
PLAIN = st.none() | st.booleans() | NUMBER | TEXT
JSON = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(TEXT, PLAIN, max_size=2)
FIELDS = {
    "schema": st.just("joulewise.agent/1") | TEXT,
    "token": TEXT,
    "device": NAMES,
    "kind": st.sampled_from(list(CLASSES)) | TEXT,
    "what": st.sampled_from(list(READERS)) | TEXT,
    "values": st.lists(NUMBER, max_size=3),
    "ttl_s": NUMBER,
    "since_ns": NUMBER,
}


@st.composite
def nearly_right(draw):
    operation = draw(st.sampled_from(list(OPERATIONS)))
    document = {"id": draw(st.integers(0, 9)), "op": operation}
    for name in OPERATIONS[operation]:
        document[name] = draw(FIELDS[name])
    if draw(st.booleans()):
        document[draw(st.sampled_from(["id", "op", *FIELDS]))] = draw(JSON)
    return json.dumps(document).encode() + b"\n"


@settings(max_examples=80)
@given(st.lists(nearly_right() | st.binary(max_size=200), max_size=6))
def test_core_serves_a_stranger_nothing_whatever_he_sends(lines):
    core = hostile_core()
    for line in lines:
        assert serves_nothing(core, STRANGER, line) == ""


@settings(max_examples=80)
@given(nearly_right())
def test_question_is_understood_or_refused(line):
    try:
        request = parse_request(line)
    except RefusedLineError:
        return
    assert set(request.fields) == set(OPERATIONS[request.operation])
    again = {"id": request.number, "op": request.operation, **request.fields}
    assert parse_request(encode(again)) == request


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b"[" * 10_000 + b"\n",
        b'{"id": 1e999, "op": "heartbeat"}\n',
        b'{"id": NaN, "op": "heartbeat"}\n',
        b'{"id": ' + b"9" * 5000 + b', "op": "heartbeat"}\n',
        b'{"id": true, "op": "heartbeat"}\n',
        b'{"id": -1, "op": "heartbeat"}\n',
        b'{"id": 1, "op": "__init__"}\n',
        b'{"id": 1, "op": ["heartbeat"]}\n',
        b'{"id": 1, "op": "heartbeat", "more": 1}\n',
        b'{"id": 1, "op": "read", "device": "' + b"x" * 2000 + b'", "what": ""}\n',
        b'{"id": 1, "op": "set", "device": "", "kind": "", "values": [1, 2, 3]}\n',
        b'{"id": 1, "op": "set", "device": "", "kind": "", "values": [1e999]}\n',
        b"\xff\xfe\n",
        b" " * (REQUEST_BYTES + 1),
    ],
)
def test_line_that_is_no_question_is_refused(line):
    with pytest.raises(RefusedLineError):
        parse_request(line)


def knock(path, content, hear=True):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(20)
        stream.connect(str(path))
        try:
            stream.sendall(content)
            stream.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: stream.recv(65536), b"")) if hear else b""
        except (BrokenPipeError, ConnectionResetError):  # it hung up before we had said all
            return b""


HELLO = b'{"id": 0, "op": "hello", "schema": "joulewise.agent/1"}\n'


def test_socket_lives_through_anything():
    device = FakeDevice(VirtualClock(), state={})
    with new_stage() as stage, serving(stage, [device], Policy()):

        @settings(max_examples=25)
        @given(st.booleans(), st.lists(nearly_right() | st.binary(max_size=300), max_size=4))
        def knocks(greets, lines):
            heard = knock(stage.socket, (HELLO if greets else b"") + b"\n".join(lines))
            assert b"Fake" not in heard
            for line in heard.splitlines():
                if line.startswith(b"{"):
                    answer = json.loads(line)
                    assert (
                        "error" in answer
                        or answer["result"] in ([], {"held": []})
                        or "version" in answer["result"]
                        or (answer["result"].get("leases") == [])
                    )

        knocks()
        for content in (b"x" * 10**6, HELLO + b"x" * 10**6, b"GET " + b"x" * 10**6, HELLO + b"{" * 10**5, b"\n" * 1000):
            knock(stage.socket, content)
            knock(stage.socket, content, hear=False)
        assert b'"version"' in knock(stage.socket, HELLO)
        assert device.read_power_limit_w() == 400.0


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        (b'{"id": 3, "op": "devices"}\n', "nobody has said hello"),
        (
            b'{"id": 3, "op": "hello", "schema": "joulewise.agent/2"}\n',
            "write it again with a version|upgrade joulewise",
        ),
        (b'{"id": 3, "op": "hello", "schema": "x"}\n', "this is not a agent document"),
        (b'{"id": 3, "op": "hello", "schema": "joulewise.agent/1", "token": "ci.x"}\n', "a token that is known"),
        (b"nonsense\n", "is no JSON"),
    ],
)
def test_who_begins_wrong_is_told_so_and_left(line, seen):
    with new_stage() as stage, serving(stage, [FakeDevice(VirtualClock())]):
        answer = json.loads(knock(stage.socket, line + HELLO))
        error = error_from_dict(answer["error"])
        with pytest.raises(JoulewiseError, match=seen):
            raise error


@given(st.sampled_from([UsageError, CapabilityError, RestoreError, JoulewiseError]), st.tuples(TEXT, TEXT, TEXT))
def test_errors_cross_the_wire(kind, parts):
    error = kind.__new__(kind)
    JoulewiseError.__init__(error, *parts)
    again = error_from_dict(json.loads(json.dumps(error_to_dict(error))))
    assert (type(again), again.what, again.seen, again.fix) == (kind, *parts)


def test_error_of_an_unknown_class_stays_ours():
    for name in ("Exception", "SystemExit", "annotations", "", None, 3):
        assert type(error_from_dict({"error": name, "what": "x"})) is JoulewiseError
    assert type(error_from_dict([])) is JoulewiseError
    assert error_to_dict(RefusedLineError(1, "a", "b", "c"))["error"] == "UsageError"
    assert isinstance(error_from_dict(error_to_dict(PermissionDeniedError("x", "y"))), errors.PermissionDeniedError)


@given(TEXT)
def test_any_selector_is_an_address_or_a_device_or_refused(text):
    try:
        address, which = split_selector(text)
    except UsageError:
        return
    assert address is None or parse_address(str(address)) == address
    assert which in text


@given(st.binary(max_size=300))
def test_any_request_of_http_is_understood_or_refused(head):
    with suppress(UsageError):
        assert parse_scrape(head).path


def test_addresses():
    assert str(parse_address("[::1]:9000")) == "[::1]:9000"
    assert parse_address("node7:9000").port == 9000
    for text in ("", "node7", "node7:", "node7:0", "node7:99999", "a/b:1", "::1"):
        with pytest.raises(UsageError):
            parse_address(text)
    assert os.path.isabs(str(parse_address("/x")))
