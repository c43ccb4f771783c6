"""Deny by default, first rule decides, and a file that is wrong is refused to the last key."""

from __future__ import annotations

import math
import os
import tomllib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Capabilities, Capability, Kind
from joulewise.devices.device import Identity, Scope
from joulewise.devices.settings import CLASSES, nearest_allowed
from joulewise.errors import InputFileError, UsageError
from joulewise.services.agent.policy import Policy, Principal, Rule, own_user_only
from joulewise.services.agent.policy_file import parse_policy, read_policy
from joulewise.services.agent.tokens import make_token, read_tokens, who_has, write_tokens
from joulewise.testing import FakeDevice

GPU = Identity("GPU-5f", "nvidia", "A100", Scope.BOARD, driver="nvidia", aliases=("0000:c1:00.0",))
ALICE, BOB = Principal("uid 1000", uid=1000, gids=frozenset({100, 7})), Principal("uid 1001", uid=1001)
CI = Principal("token ci", token="ci")
LIMIT = Kind.POWER_LIMIT
HEAD = 'schema = "joulewise.agent-policy/1"\n'


def policy_of(text):
    return parse_policy(tomllib.loads(HEAD + text), "agent.toml")


def test_what_no_rule_allows_is_denied():
    for policy in (Policy(), policy_of("")):
        for who in (ALICE, CI, Principal("uid 0", uid=0)):
            assert not policy.may_read(who, GPU)
            assert [policy.bounds(who, GPU, kind) for kind in CLASSES] == [None] * len(CLASSES)


@pytest.mark.parametrize(
    ("who", "devices", "fits"),
    [
        ('["uid:1000"]', '["*"]', (True, False, False)),
        ('["gid:7"]', '["GPU-5f"]', (True, False, False)),
        ('["*"]', '["0000:c1:00.0"]', (True, True, False)),  # anyone at the socket, never a token
        ('["token:ci"]', '["nvidia:*"]', (False, False, True)),
        ('["uid:1001", "token:ci"]', '["*"]', (False, True, True)),
        ('["*", "token:ci"]', '["amd:*", "GPU-5", "nvidia"]', (False, False, False)),
    ],
)
def test_who_and_which(who, devices, fits):
    policy = policy_of(f"[[allow]]\nwho = {who}\ndevices = {devices}\nread = true\n")
    assert tuple(policy.may_read(one, GPU) for one in (ALICE, BOB, CI)) == fits


def test_first_rule_that_speaks_of_a_knob_decides():
    policy = policy_of(
        '[[allow]]\nwho = ["uid:1000"]\ndevices = ["*"]\nset = { power_limit = [100, 150] }\n'
        '[[allow]]\nwho = ["*"]\ndevices = ["*"]\nset = { power_limit = [300, 400], core_clock = true }\n'
    )
    assert policy.bounds(ALICE, GPU, LIMIT) == (100.0, 150.0)
    assert policy.bounds(BOB, GPU, LIMIT) == (300.0, 400.0)
    assert policy.bounds(ALICE, GPU, Kind.CORE_CLOCK) == (0.0, math.inf)
    assert policy.bounds(ALICE, GPU, Kind.MEMORY_CLOCK) is None


def test_scopes_of_a_token_bound_what_the_policy_says():
    rule = Rule(tokens=frozenset({"ci"}), devices=frozenset({"*"}), read=True, bounds={LIMIT: (100.0, 200.0)})
    reader = Principal("token ci", token="ci", scopes=frozenset({"read"}))
    setter = Principal("token ci", token="ci", scopes=frozenset({"set"}))
    assert (Policy((rule,)).may_read(reader, GPU), Policy((rule,)).bounds(reader, GPU, LIMIT)) == (True, None)
    assert (Policy((rule,)).may_read(setter, GPU), Policy((rule,)).bounds(setter, GPU, LIMIT)) == (False, (100, 200))


def test_own_user_alone_is_served_without_a_policy():
    policy = own_user_only(1000)
    assert policy.may_read(ALICE, GPU)
    assert policy.bounds(ALICE, GPU, LIMIT) == (0.0, math.inf)
    assert not policy.may_read(BOB, GPU)


WRONG = {
    "who = []": "who is no list of texts",
    'who = ["alice"]': "this is nobody",
    'who = ["uid:-1"]': "this is nobody",
    'who = ["user:no-such-user-here"]': "this machine has no such name",
    'who = ["*"]\ndevices = [1]': "devices is no list",
    'who = ["*"]\ndevices = ["*"]\nread = 1': "read is neither",
    'who = ["*"]\ndevices = ["*"]\nread = "yes"': "read is neither",
    'who = ["*"]\ndevices = ["*"]\nwrite = true': "unknown keys",
    'who = ["*"]\ndevices = ["*"]\nset = { power = true }': "no such knob",
    'who = ["*"]\ndevices = ["*"]\nset = { power_limit = false }': "is no range",
    'who = ["*"]\ndevices = ["*"]\nset = { power_limit = [300, 200] }': "is no range",
    'who = ["*"]\ndevices = ["*"]\nset = { power_limit = [100, nan] }': "is no range",
    'who = ["*"]\ndevices = ["*"]\nset = { power_limit = [-1, 200] }': "is no range",
    'who = ["*"]\ndevices = ["*"]\nset = "all"': "set is no table",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_rule_is_refused(text):
    rest = "" if "devices" in text else '\ndevices = ["*"]'
    with pytest.raises(InputFileError, match=WRONG[text]):
        policy_of(f"[[allow]]\n{text}{rest}\n")


@pytest.mark.parametrize(
    "text", ["", 'schema = "joulewise.agent-policy/2"', HEAD + "allow = 1", HEAD + "longest_ttl_s = 0", HEAD + "x = 1"]
)
def test_wrong_policy_is_refused(text):
    with pytest.raises(InputFileError):
        parse_policy(tomllib.loads(text), "agent.toml")


def test_file_that_others_may_write_is_refused(tmp_path):
    file = tmp_path / "agent.toml"
    file.write_text(HEAD)
    file.chmod(0o664)
    with pytest.raises(InputFileError, match="others may write it"):
        read_policy(file)
    file.chmod(0o644)
    assert read_policy(file) == Policy()
    file.write_text("no toml")
    with pytest.raises(InputFileError, match="cannot be read as TOML"):
        read_policy(file)


@given(
    st.floats(0, 500), st.floats(0, 500), st.floats(0, 300), st.floats(0, 300), st.sampled_from([None, 1.0, 5.0, 0.125])
)
def test_what_a_client_is_offered_the_device_takes_and_the_policy_allows(low, high, least, span, step):
    low, high = sorted((low, high))
    entry = Capability(LIMIT, "W", "test", minimum=least, maximum=least + span, step=step)
    who, rule = (
        Principal("uid 1", uid=1),
        Rule(uids=frozenset({1}), devices=frozenset({"*"}), bounds={LIMIT: (low, high)}),
    )
    offered = Policy((rule,)).seen_by(who, GPU, Capabilities({LIMIT: entry}))[LIMIT]
    if not offered.permitted:
        return
    assert offered.minimum is not None
    assert offered.maximum is not None
    assert low - 0.01 <= offered.minimum <= offered.maximum <= high
    assert math.isclose(nearest_allowed(entry, offered.minimum), offered.minimum, abs_tol=0.01)
    assert entry.minimum - 0.01 <= offered.minimum
    assert offered.maximum <= entry.maximum


def test_knob_without_a_rule_is_shown_as_not_permitted():
    device = FakeDevice(VirtualClock(), denied=[Kind.CORE_CLOCK])
    rule = Rule(uids=frozenset({1}), devices=frozenset({"*"}), read=True, bounds={Kind.CORE_CLOCK: (0.0, math.inf)})
    seen = Policy((rule,)).seen_by(Principal("uid 1", uid=1), device.identity, device.capabilities)
    assert (seen[LIMIT].permitted, seen[LIMIT].privilege) == (False, "a rule in the agent's policy")
    assert (seen[Kind.CORE_CLOCK].permitted, seen[Kind.CORE_CLOCK].privilege) == (False, "root")
    assert not any(entry.outlives_process for kind, entry in seen.items() if kind in CLASSES)


NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_token_lets_in_until_it_expires_and_is_kept_only_as_a_hash(tmp_path):
    text, token = make_token("ci", frozenset({"read"}), 2, NOW)
    file = tmp_path / "tokens.json"
    write_tokens(file, (token,))
    assert read_tokens(file) == (token,)
    assert text.partition(".")[2] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    who = who_has(text, (token,), NOW, 5)
    assert (who.name, who.token, who.scopes, who.uid) == ("token ci", "ci", {"read"}, None)
    assert who.until_ns == 5 + 2 * 86400 * 10**9
    assert who_has(text, (token,), NOW + timedelta(days=2), 5) is None
    for wrong in ("", "ci", text + "x", text[:-1], "\udcff"):
        assert who_has(wrong, (token,), NOW, 5) is None


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [("", {"read"}, 1), ("a b", {"read"}, 1), ("a", set(), 1), ("a", {"x"}, 1), ("a", {"set"}, 0)],
)
def test_token_that_means_nothing_is_refused(name, scopes, days):
    with pytest.raises(UsageError):
        make_token(name, frozenset(scopes), days, NOW)


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "joulewise.agent-tokens/1"}', '{"schema": 1, "tokens": []}'])
def test_file_of_tokens_that_is_none_is_refused(tmp_path, text):
    file = tmp_path / "tokens.json"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(InputFileError):
        read_tokens(file)
    assert os.path.exists(file)
