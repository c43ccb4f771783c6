"""Laws of the core, whatever happens in whatever order: it is pure, so thousands of lives take seconds."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.settings import PowerLimit, make, numbers
from joulewise.errors import DeviceLostError, PermissionDeniedError, UsageError
from joulewise.services.agent import events
from joulewise.services.agent.core import RETRY_S, Core
from joulewise.services.agent.policy import Policy, Principal, Rule
from joulewise.testing import FakeDevice
from joulewise.wire.agent import Request

KINDS = (Kind.POWER_LIMIT, Kind.CORE_CLOCK)
DEVICES = [FakeDevice(VirtualClock(), uid=f"fake-{index}") for index in range(2)]
BOUNDS = {Kind.POWER_LIMIT: (150.0, 300.0), Kind.CORE_CLOCK: (300.0, 1200.0)}
POLICY = Policy((Rule(uids=frozenset({1, 2}), devices=frozenset({"*"}), read=True, bounds=BOUNDS),), 10.0)
FOUND = {Kind.POWER_LIMIT: PowerLimit(400.0), Kind.CORE_CLOCK: make(Kind.CORE_CLOCK)}
VALUES = {
    Kind.POWER_LIMIT: [[200.0], [250.0], [350.0], [400.0]],
    Kind.CORE_CLOCK: [[300, 900], [600, 600], [210, 900], []],
}
BROKEN = DeviceLostError("it is lost", "it answers nothing", "look")


class Lives(RuleBasedStateMachine):
    """Sessions come, ask, and go; hardware answers late, and sometimes fails. A model of the hardware is kept."""

    def __init__(self):
        super().__init__()
        self.core, self.now_ns, self.number, self.session = Core(POLICY, DEVICES), 0, 0, 0
        self.sessions, self.under_way, self.answered, self.asked = {}, {}, set(), set()
        self.hardware = {(d.identity.uid, kind): FOUND[kind] for d in DEVICES for kind in KINDS}
        self.written = {}

    def step(self, event):
        for effect in self.core.step(event, self.now_ns):
            match effect:
                case events.Take(knob, setting) | events.Tell(knob, setting):
                    assert knob not in self.under_way
                    lease = self.core.leases[knob]
                    assert lease.who.uid in (1, 2), "somebody without a right set something"
                    if setting != self.written.get(knob):
                        low, high = BOUNDS[knob[1]]
                        assert all(low <= value <= high for value in numbers(setting))
                    self.under_way[knob] = effect
                case events.PutBack(knob):
                    assert knob not in self.under_way
                    assert knob in self.written
                    self.under_way[knob] = effect
                case events.Answer(session, number):
                    assert (session, number) in self.asked
                    assert (session, number) not in self.answered, "a question was answered twice"
                    self.answered.add((session, number))
                case events.Look(session, number):
                    assert self.sessions[session].uid in (1, 2)
                    self.answered.add((session, number))

    @rule(uid=st.sampled_from([1, 2, 3]))
    def come(self, uid):
        self.session += 1
        self.sessions[self.session] = Principal(f"uid {uid}", uid=uid, pid=self.session)
        self.step(events.Opened(self.session, self.sessions[self.session]))

    def ask(self, data, operation, fields):
        if self.sessions:
            session = data.draw(st.sampled_from(sorted(self.sessions)))
            self.number += 1
            self.asked.add((session, self.number))
            self.step(events.Asked(session, Request(self.number, operation, fields)))

    @rule(
        data=st.data(),
        device=st.sampled_from(DEVICES),
        kind=st.sampled_from(KINDS),
        ttl_s=st.sampled_from([0.1, 5, 99]),
    )
    def set(self, data, device, kind, ttl_s):
        values = data.draw(st.sampled_from(VALUES[kind]))
        self.ask(data, "set", {"device": device.identity.uid, "kind": kind, "values": values, "ttl_s": ttl_s})

    @rule(data=st.data(), device=st.sampled_from(DEVICES), kind=st.sampled_from(KINDS))
    def release(self, data, device, kind):
        self.ask(data, "release", {"device": device.identity.uid, "kind": kind})

    @rule(data=st.data(), operation=st.sampled_from(["heartbeat", "status", "devices"]))
    def ask_simply(self, data, operation):
        self.ask(data, operation, {})

    @rule(data=st.data())
    def go(self, data):
        if self.sessions:
            session = data.draw(st.sampled_from(sorted(self.sessions)))
            del self.sessions[session]
            self.step(events.Closed(session))

    @rule(data=st.data(), fails=st.booleans(), before=st.booleans())
    def finish(self, data, fails, before):
        if not self.under_way:
            return
        knob = data.draw(st.sampled_from(sorted(self.under_way)))
        effect = self.under_way.pop(knob)
        error = BROKEN if fails else None
        match effect:
            case events.Take(_, setting):
                if fails and before:  # nothing could be written down
                    self.step(events.Told(knob, None, error))
                    return
                self.written[knob] = self.hardware[knob]
                self.hardware[knob] = self.hardware[knob] if fails else setting
                self.step(events.Told(knob, self.written[knob], error))
            case events.Tell(_, setting):
                self.hardware[knob] = self.hardware[knob] if fails else setting
                self.step(events.Told(knob, None, error))
            case events.PutBack():
                if not fails:
                    self.hardware[knob] = self.written.pop(knob)
                self.step(events.WasPutBack(knob, "restored", error))

    @rule(seconds=st.sampled_from([0.05, 1.0, RETRY_S, 11.0]))
    def wait(self, seconds):
        self.now_ns += round(seconds * 1e9)
        self.step(events.Ticked())

    @invariant()
    def whoever_holds_a_knob_is_there_or_it_is_being_put_back(self):
        for lease in self.core.leases.values():
            assert lease.session in self.sessions or lease.ending

    @invariant()
    def what_is_changed_is_written_down_and_somebody_is_responsible(self):
        for knob, setting in self.hardware.items():
            if setting != FOUND[knob[1]]:
                assert self.written[knob] == FOUND[knob[1]]
                assert knob in self.core.leases

    def teardown(self):
        """The agent is told to end; hardware works again: everything is as found, every question was answered."""
        self.step(events.Stopping())
        for _ in range(20):
            for knob, effect in list(self.under_way.items()):
                del self.under_way[knob]
                if isinstance(effect, events.PutBack):
                    self.hardware[knob] = self.written.pop(knob)
                    self.step(events.WasPutBack(knob, "restored"))
                else:
                    found = None
                    if isinstance(effect, events.Take):
                        found = self.written[knob] = self.hardware[knob]
                    self.hardware[knob] = effect.setting
                    self.step(events.Told(knob, found))
        assert self.core.at_rest
        assert self.core.leases == {}
        assert all(setting == FOUND[knob[1]] for knob, setting in self.hardware.items())
        assert {item for item in self.asked - self.answered if item[0] in self.sessions} == set()


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def asked(core, session, operation, now_ns=0, **fields):
    return core.step(events.Asked(session, Request(1, operation, fields)), now_ns)


SET = {"device": "fake-0", "kind": "power_limit", "values": [200.0], "ttl_s": 5.0}


@pytest.fixture
def core():
    made = Core(POLICY, DEVICES)
    for session in (1, 2, 3):
        made.step(events.Opened(session, Principal(f"uid {session}", uid=session, pid=40 + session)), 0)
    return made


def test_failed_restoring_is_tried_again_for_ever(core):
    knob = ("fake-0", Kind.POWER_LIMIT)
    asked(core, 1, "set", **SET)
    core.step(events.Told(knob, PowerLimit(400.0)), 0)
    assert events.PutBack(knob) in core.step(events.Closed(1), 0)
    now_ns = 0
    for _ in range(5):
        core.step(events.WasPutBack(knob, "", BROKEN), now_ns)
        (answer,) = [e for e in asked(core, 2, "set", now_ns, **SET) if isinstance(e, events.Answer)]
        assert "is being put back" in str(answer.error)
        assert core.step(events.Ticked(), now_ns) == []
        now_ns += round(RETRY_S * 1e9)
        assert core.step(events.Ticked(), now_ns) == [events.PutBack(knob)]
    core.step(events.WasPutBack(knob, "restored"), now_ns)
    assert core.leases == {}


def test_who_may_nothing_is_told_nothing(core):
    for operation, fields in (
        ("set", SET),
        ("check", SET),
        ("release", SET),
        ("read", {**SET, "what": "read_power_w"}),
    ):
        effects = asked(core, 3, operation, **fields)
        (answer,) = [effect for effect in effects if isinstance(effect, events.Answer)]
        assert isinstance(answer.error, PermissionDeniedError)
        assert {type(effect) for effect in effects} == {events.Note, events.Answer}
    (answer,) = asked(core, 3, "devices")
    assert answer.result == []


def test_token_that_expires_ends_its_session_and_its_leases(core):
    rule = Rule(tokens=frozenset({"ci"}), devices=frozenset({"*"}), read=True, bounds=BOUNDS)
    core = Core(Policy((rule,)), DEVICES)
    core.step(events.Opened(7, Principal("token ci", token="ci", until_ns=1000)), 0)
    assert isinstance(asked(core, 7, "set", **SET)[-1], events.Take)
    assert core.step(events.Ticked(), 1000) == [events.HangUp(7)]
    (*_, answer) = asked(core, 7, "heartbeat", 1000)
    assert isinstance(answer.error, PermissionDeniedError)


def test_agent_that_ends_lends_nothing_any_more(core):
    core.step(events.Stopping(), 0)
    (answer,) = asked(core, 1, "set", **SET)
    assert isinstance(answer.error, UsageError)
    assert core.leases == {}
