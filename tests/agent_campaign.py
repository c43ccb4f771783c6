"""Kills a client, an agent, or both at every line of the protocol, cuts their connection, and breaks the device.

Run as a program: ``agent_campaign.py section stride folder``; the section ``sample`` is one point of each. The
device's settings lie in a file, so that they outlive whoever is killed; they were lowered by an administrator before
anybody came. At every point a fresh agent and a fresh client are forked, the client sets three settings, and something
happens; then the agent is told to end (or a new one starts, if it was killed), and the file must hold what was found.
Prints as JSON how many points there were, at how many something was left changed for a moment, and every point after
which the device was not as found.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from file_device import FileState
from joulewise.clock import MonotonicClock, VirtualClock
from joulewise.devices import agent_client
from joulewise.devices.apply import apply
from joulewise.devices.capabilities import Kind
from joulewise.devices.journal import open_entries
from joulewise.devices.selection import find_devices
from joulewise.devices.settings import CoreClock, PowerLimit
from joulewise.errors import DeviceLostError, JoulewiseError, PermissionDeniedError
from joulewise.services.agent.audit import Audit
from joulewise.services.agent.policy import own_user_only
from joulewise.services.agent.server import Agent, Options
from joulewise.testing import FakeDevice

FOUND = {"power_limit": [300.0], "core_clock": None}
OF_AGENT = ("/core.py", "/server.py", "/hand.py", "/journal.py", "/apply.py", "/left_behind.py", "file_device.py")
OF_CLIENT = ("agent_connection.py", "agent_device.py", "agent_client.py", "/apply.py", "wire/agent.py")
PATIENCE = 400  # looks, of 10 ms
Action = Callable[[], None]


class BreakingDevice(FakeDevice):
    """A device in a file that breaks at its n-th call."""

    def __init__(self, path: Path, failure: str = "", at: int = 0) -> None:
        self._left, self._failure = 0, ""
        super().__init__(VirtualClock(), uid="file-0", state=FileState(path))
        self._left, self._failure = at, failure

    def _broken(self, failure: str) -> bool:
        return self._failure == failure and self._left < 0

    def _answer(self) -> None:
        self._left -= 1
        if self._broken("lost"):
            raise DeviceLostError("file-0 is lost", "it answers nothing", "look at the machine")

    def _set(self, kind: Kind, values: list[float] | None) -> None:
        if self._broken("denied"):
            raise PermissionDeniedError(f"setting {kind} of file-0", "root")
        if self._broken("deaf"):
            self._answer()
            return
        super()._set(kind, values)


def run_agent(place: Path, ready: int, *, action: Action | None, point: int, when: str, broken: str) -> None:
    device = BreakingDevice(place / "device.json", broken, point)
    options = Options(socket=place / "s", period_s=3600.0)
    agent = Agent([device], own_user_only(os.geteuid()), place / "state", options, audit=Audit(place / "audit.jsonl"))
    trace = tracer(OF_AGENT, point, action) if action else None

    def stop() -> None:
        if when == "stop":
            sys.settrace(trace)
            sys._getframe().f_trace = trace
        agent.stop()

    async def serve() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        if when == "stop":  # frames that are already there are traced too, once the signal has come
            sys.settrace(lambda *_: None)
        await agent.serve(lambda: os.write(ready, b"r"))

    if trace and when == "start":
        threading.settrace(trace)
        sys.settrace(trace)
    asyncio.run(serve())


def run_client(place: Path, held: int | None, action: Action | None, point: int) -> None:
    if action:
        sys.settrace(tracer(OF_CLIENT, point, action))
    clock = MonotonicClock()
    (device,) = find_devices(f"agent:{place / 's'}")
    with (
        apply(device, PowerLimit(250.0), clock=clock, settle_s=0.0),
        apply(device, CoreClock(900, 1200), clock=clock, settle_s=0.0),
        apply(device, PowerLimit(200.0), clock=clock, settle_s=0.0),
    ):
        device.read_power_w()  # type: ignore[attr-defined]
        if held is not None:
            os.write(held, b"h")
            signal.pause()


def tracer(files: tuple[str, ...], point: int, action: Action) -> Callable[..., Any]:
    left = point

    def trace(frame: Any, event: str, argument: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(files):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                action()
        return trace

    return trace


def kill_me() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_both() -> None:
    os.killpg(os.getpgid(0), signal.SIGKILL)


def cut() -> None:
    for connection in list(agent_client._connections.values()):
        if connection._socket is not None:
            with suppress(OSError):
                connection._socket.shutdown(2)


class Stage:
    """One try: a place, and the processes that are there."""

    def __init__(self, place: Path) -> None:
        self.place, self.children = place, set[int]()
        self.state = FileState(place / "device.json")
        self.state.update(FOUND)
        self.group = 0

    def fork(self, work: Callable[[int], None]) -> tuple[int, int]:
        """A child, and where it says that it is ready."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.setpgid(0, self.group)
            code = 0
            try:
                work(writing)
            except JoulewiseError as error:
                with (self.place / "errors.txt").open("a") as stream:
                    stream.write(f"{type(error).__name__}: {error}\n")
            except BaseException as error:
                sys.stderr.write(f"{self.place.name}: {type(error).__name__}: {error}\n")
                code = 1
            finally:
                os._exit(code)
        with suppress(OSError):
            os.setpgid(child, self.group)
        self.group = self.group or child
        self.children.add(child)
        os.close(writing)
        return child, reading

    def agent(self, action: Action | None = None, point: int = 0, when: str = "start", broken: str = "") -> int | None:
        """A serving agent, or None if it died before."""
        options = {"action": action, "point": point, "when": when, "broken": broken}
        child, reading = self.fork(lambda writing: run_agent(self.place, writing, **options))
        said = os.read(reading, 1)
        os.close(reading)
        if said:
            return child
        self.wait(child)
        return None

    def client(self, action: Action | None = None, point: int = 0, hold: bool = False) -> int:
        """A client; with ``hold`` one that has set everything, and waits."""
        child, reading = self.fork(lambda writing: run_client(self.place, writing if hold else None, action, point))
        if hold:
            os.read(reading, 1)
        os.close(reading)
        return child

    def wait(self, child: int) -> bool:
        """Whether it was killed."""
        _, status = os.waitpid(child, 0)
        self.children.discard(child)
        if not self.children:
            self.group = 0
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise RuntimeError(f"{self.place}: a child failed by itself")
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    def end(self, child: int, number: int = signal.SIGTERM) -> bool:
        with suppress(ProcessLookupError):
            os.kill(child, number)
        return self.wait(child)

    @property
    def settings(self) -> dict[str, Any]:
        return {key: self.state[key] for key in FOUND}

    @property
    def rests(self) -> bool:
        """Whether all is as found, and nothing stands in a journal as changed."""
        return self.settings == FOUND and not open_entries(self.place / "state")

    def comes_to_rest(self) -> bool:
        clock = MonotonicClock()
        for _ in range(PATIENCE):
            if self.rests:
                return True
            clock.sleep(0.01)
        return False


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    with TemporaryDirectory(dir=folder) as place:
        made = Stage(Path(place))
        try:
            yield made
        finally:
            for child in list(made.children):
                made.end(child, signal.SIGKILL)


# Sections: each says whether something happened at its n-th point, whether it left a change, and what is wrong -------

Outcome = tuple[bool, bool, str]


def client_is_killed(s: Stage, point: int) -> Outcome:
    agent = s.agent()
    assert agent
    killed = s.wait(s.client(kill_me, point))
    changed = not s.rests
    good = s.comes_to_rest()  # by the closed connection alone
    s.end(agent)
    return killed, changed, "" if good else f"{s.settings} after the client was killed"


def connection_is_cut(s: Stage, point: int) -> Outcome:
    agent = s.agent()
    assert agent
    happened = []
    reading, writing = os.pipe()

    def cut_and_say() -> None:
        cut()
        os.write(writing, b"c")

    s.wait(s.client(cut_and_say, point))
    os.close(writing)
    happened = os.read(reading, 1)
    os.close(reading)
    changed = not s.rests
    good = s.comes_to_rest()
    s.end(agent)
    return bool(happened), changed, "" if good else f"{s.settings} after the connection was cut"


def agent_is_killed(s: Stage, point: int) -> Outcome:
    return _killed_agent(s, kill_me, point)


def both_are_killed(s: Stage, point: int) -> Outcome:
    return _killed_agent(s, kill_both, point)


def _killed_agent(s: Stage, action: Action, point: int) -> Outcome:
    agent, killed = s.agent(action, point), True
    if agent is not None:
        s.wait(s.client())
        killed = s.end(agent)
    return killed, not s.rests, _next_start(s)


def agent_is_killed_while_it_ends(s: Stage, point: int) -> Outcome:
    agent = s.agent(kill_me, point, "stop")
    assert agent
    client = s.client(hold=True)
    killed = s.end(agent)
    changed = not s.rests
    s.end(client, signal.SIGKILL)
    return killed, changed, _next_start(s)


def agent_is_killed_while_it_starts(s: Stage, point: int) -> Outcome:
    agent = s.agent()
    assert agent
    client = s.client(hold=True)
    s.end(agent, signal.SIGKILL)
    s.end(client, signal.SIGKILL)
    assert not s.rests
    agent, killed = s.agent(kill_me, point), True
    if agent is not None:
        killed = s.end(agent)
    return killed, not s.rests, _next_start(s)


def device_breaks(failure: str) -> Callable[[Stage, int], Outcome]:
    def section(s: Stage, point: int) -> Outcome:
        agent = s.agent(None, point, broken=failure)
        assert agent
        s.wait(s.client())
        s.end(agent)
        return point < 40, not s.rests, _next_start(s)

    return section


def _next_start(s: Stage) -> str:
    """What is wrong after the next agent has started, which puts back before it serves."""
    agent = s.agent()
    if agent is None:
        return "the next agent did not start"
    seen = "" if s.rests else f"{s.settings} after the next start"
    s.end(agent)
    return seen


SECTIONS: dict[str, Callable[[Stage, int], Outcome]] = {
    "client killed": client_is_killed,
    "connection cut": connection_is_cut,
    "agent killed": agent_is_killed,
    "both killed": both_are_killed,
    "agent killed while it ends": agent_is_killed_while_it_ends,
    "agent killed while it starts": agent_is_killed_while_it_starts,
    "device lost": device_breaks("lost"),
    "device denies": device_breaks("denied"),
    "device deaf": device_breaks("deaf"),
}


def run(section: str, stride: int, folder: Path, most: int = 10**9) -> dict[str, Any]:
    points, changed, wrong = 0, 0, []
    while points < most:
        with stage(folder) as s:
            happened, left, seen = SECTIONS[section](s, (points + 1) * stride)
        if seen:
            wrong.append([(points + 1) * stride, seen])
        if not happened:
            break
        points += 1
        changed += left
    return {"section": section, "stride": stride, "points": points, "changed": changed, "wrong": wrong}


SAMPLE = {
    "client killed": 500,
    "connection cut": 600,
    "agent killed": 1000,
    "both killed": 1300,
    "agent killed while it ends": 60,
    "agent killed while it starts": 300,
    "device lost": 9,
    "device denies": 12,
    "device deaf": 7,
}
"""A stride for each section whose first two points lie well inside."""


if __name__ == "__main__":
    section, stride, place = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    if section == "sample":
        for name, far in SAMPLE.items():
            print(json.dumps(run(name, far, place, 1)), flush=True)
    else:
        print(json.dumps(run(section, stride, place)), flush=True)
