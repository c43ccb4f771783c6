"""A living agent for tests: in a thread of this process, on devices of the test."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from joulewise.clock import Clock, VirtualClock
from joulewise.devices.agent_connection import AgentConnection
from joulewise.devices.device import Device, Host
from joulewise.devices.journal import open_entries
from joulewise.services.agent.audit import Audit
from joulewise.services.agent.policy import Policy, own_user_only
from joulewise.services.agent.server import Agent, Options
from joulewise.wire.agent_address import Address

OWN = own_user_only(os.geteuid())


class Stage:
    """Where an agent is; `host` is a machine that has it at the default address."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder, self.state, self.audit_file = folder, folder / "state", folder / "audit.jsonl"
        self.socket = folder / "run" / "joulewise" / "agent.sock"
        self.host = Host(folder, {}, clock)
        self.agent: Agent | None = None

    def connection(self, **options: Any) -> AgentConnection:
        """A connection of its own, as another process would have."""
        return AgentConnection(Address(path=str(self.socket)), {}, **options)

    @property
    def audit(self) -> str:
        return self.audit_file.read_text()

    @property
    def left(self) -> int:
        return len(open_entries(self.state))


@contextmanager
def new_stage(clock: Clock | None = None) -> Iterator[Stage]:
    """A folder with a short name: paths of sockets may not be long."""
    with TemporaryDirectory(prefix="jw") as folder:
        yield Stage(Path(folder), clock or VirtualClock())


@contextmanager
def serving(
    stage: Stage, devices: Sequence[Device], policy: Policy = OWN, *, unix: bool = True, **options: Any
) -> Iterator[Agent]:
    """An agent that serves within, and has put everything back afterwards."""
    chosen = Options(**{"socket": stage.socket if unix else None, "period_s": 0.02, **options})
    agent = Agent(devices, policy, stage.state, chosen, audit=Audit(stage.audit_file))
    ready, failed = threading.Event(), list[BaseException]()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        await agent.serve(ready.set)

    def live() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    ready.wait(20)
    try:
        if failed:
            raise failed[0]
        stage.agent = agent
        yield agent
    finally:
        if thread.is_alive():
            loops[0].call_soon_threadsafe(agent.stop)
        thread.join(20)
        assert not thread.is_alive()
