"""What a stranger may send to the core of an agent, and whether anything was served to him. Also a fuzzer.

As a program it runs for ten minutes (``--seconds`` for another time) on whatever atheris thinks of, or on random
changes of right questions where atheris is not installed, and prints how many lines it has tried.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from joulewise.clock import MonotonicClock, VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.devices.settings import PowerLimit
from joulewise.errors import UsageError
from joulewise.services.agent import events
from joulewise.services.agent.core import Core
from joulewise.services.agent.policy import Policy, Principal, Rule
from joulewise.testing import FakeDevice
from joulewise.wire.agent import OPERATIONS, error_line, parse_request, result_line
from joulewise.wire.agent_address import split_selector
from joulewise.wire.agent_scrape import parse_scrape

OWNER, STRANGER = 1, 2
SECRETS = (b"Fake", b"400", b"250", b"uid 1000", b"process 41")
HARMLESS = (events.Answer, events.Note)
SEEDS = [
    b'{"id":1,"op":"hello","schema":"joulewise.agent/1"}',
    b'{"id":2,"op":"devices"}',
    b'{"id":3,"op":"read","device":"fake-0","what":"read_power_w"}',
    b'{"id":4,"op":"set","device":"fake-0","kind":"power_limit","values":[200.0],"ttl_s":5}',
    b'{"id":5,"op":"check","device":"fake-0","kind":"core_clock","values":[300,900]}',
    b'{"id":6,"op":"release","device":"fake-0","kind":"power_limit"}',
    b'{"id":7,"op":"history","device":"fake-0","since_ns":0}',
    b'{"id":8,"op":"status"}',
    b'{"id":9,"op":"stream"}',
    b"GET /metrics HTTP/1.1\r\nAuthorization: Bearer x\r\n\r\n",
]


def hostile_core() -> Core:
    """A core whose owner holds a knob, and that knows a stranger, who may nothing."""
    bounds = {Kind.POWER_LIMIT: (100.0, 400.0), Kind.CORE_CLOCK: (210.0, 1410.0)}
    policy = Policy((Rule(uids=frozenset({1000}), devices=frozenset({"*"}), read=True, bounds=bounds),))
    core = Core(policy, [FakeDevice(VirtualClock(), uid=f"fake-{index}") for index in range(2)])
    core.step(events.Opened(OWNER, Principal("uid 1000", uid=1000, pid=41)), 0)
    core.step(events.Opened(STRANGER, Principal("uid 2000", uid=2000, pid=42)), 0)
    core.step(events.Asked(OWNER, parse_request(SEEDS[3])), 0)
    core.step(events.Told(("fake-0", Kind.POWER_LIMIT), PowerLimit(250.0)), 0)
    return core


def serves_nothing(core: Core, session: int, line: bytes) -> str:
    """What a stranger got with a line that he must not get; empty if nothing.

    His own words may come back to him, as what was seen of them.
    """
    try:
        request = parse_request(line)
    except UsageError as error:
        return secret(error_line(None, error), line)
    leases = {knob: (lease.stage, lease.setting) for knob, lease in core.leases.items()}
    for effect in core.step(events.Asked(session, request), 1):
        if not isinstance(effect, HARMLESS):
            return f"{effect} for {line!r}"
        if isinstance(effect, events.Answer):
            sent = error_line(1, effect.error) if effect.error else result_line(1, effect.result)
            if found := secret(sent, line):
                return found
    after = {knob: (lease.stage, lease.setting) for knob, lease in core.leases.items()}
    return "" if after == leases else f"leases are {after} after {line!r}"


def secret(sent: bytes, line: bytes) -> str:
    for word in SECRETS:
        if word in sent and word not in line:
            return f"{sent!r} says {word!r} after {line!r}"
    return ""


def try_one(core: Core, line: bytes) -> None:
    found = serves_nothing(core, STRANGER, line)
    if found:
        raise AssertionError(found)
    for parse in (parse_scrape, lambda head: split_selector(head.decode("utf-8", "replace"))):
        with suppress(UsageError):
            parse(line)


def mutate(chance: random.Random) -> bytes:
    """A right question, changed in a few places."""
    line = bytearray(chance.choice(SEEDS))
    words = [
        *map(str.encode, OPERATIONS),
        b"null",
        b"[]",
        b"{}",
        b"1e999",
        b"-1",
        b'"',
        b"\\u0000",
        b"\xff",
        b"[" * 999,
    ]
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(len(line) + 1)
        line[at : at + chance.choice((0, 1, 8))] = chance.choice((chance.choice(words), bytes([chance.randrange(256)])))
    return bytes(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    core, clock, count = hostile_core(), MonotonicClock(), 0
    end_ns = clock.now_ns() + options.seconds * 10**9
    try:
        import atheris  # noqa: PLC0415 (nightly only)
    except ImportError:
        chance = random.Random(options.seed)
        while clock.now_ns() < end_ns:
            try_one(core, mutate(chance))
            count += 1
        print(json.dumps({"tried": count, "seconds": options.seconds, "by": "random changes", "failed": 0}))
        return

    def fuzz(data: bytes) -> None:
        try_one(core, data)

    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as corpus:
        for index, seed in enumerate(SEEDS):
            (Path(corpus) / f"seed-{index}").write_bytes(seed)
        limits = [
            f"-max_total_time={options.seconds}",
            "-max_len=4096",
            "-print_final_stats=1",
            f"-seed={options.seed + 1}",
        ]
        atheris.instrument_all()
        atheris.Setup([sys.argv[0], corpus, *limits], fuzz)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
