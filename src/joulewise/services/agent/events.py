"""What comes into the core of the agent, and what it wants done: its whole vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from joulewise.devices.capabilities import Kind
from joulewise.devices.settings import Setting
from joulewise.errors import JoulewiseError
from joulewise.services.agent.policy import Principal
from joulewise.wire.agent import Request

Knob = tuple[str, Kind]
"""Uid of the device, and kind."""


# Events ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """Somebody connected, and we know who it is."""

    session: int
    who: Principal


@dataclass(frozen=True, slots=True)
class Asked:
    """A question arrived."""

    session: int
    request: Request


@dataclass(frozen=True, slots=True)
class Closed:
    """A connection ended, however."""

    session: int


@dataclass(frozen=True, slots=True)
class Told:
    """A `Take` or `Tell` is over.

    Attributes:
        knob: Which.
        found: What was found before the lease began; None if it could not even be written down.
        error: Why it failed, or None.
    """

    knob: Knob
    found: Setting | None
    error: JoulewiseError | None = None


@dataclass(frozen=True, slots=True)
class WasPutBack:
    """A `PutBack` is over.

    Attributes:
        knob: Which.
        did: What was done, for people.
        error: Why it failed, or None.
    """

    knob: Knob
    did: str
    error: JoulewiseError | None = None


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The agent is to end."""


Event = Opened | Asked | Closed | Told | WasPutBack | Ticked | Stopping


# Effects -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Take:
    """Write down what is found, then tell; answer with `Told`."""

    knob: Knob
    setting: Setting


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell; answer with `Told`."""

    knob: Knob
    setting: Setting


@dataclass(frozen=True, slots=True)
class PutBack:
    """Put back what was found, and see that it is; answer with `WasPutBack`."""

    knob: Knob


@dataclass(frozen=True, slots=True)
class Look:
    """Read a device and answer the client with what it says."""

    session: int
    number: int
    uid: str
    what: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Answer the client with what is remembered of a device since an instant [ns]."""

    session: int
    number: int
    uid: str
    since_ns: int


@dataclass(frozen=True, slots=True)
class Follow:
    """Send the client what is read of some devices from now on."""

    session: int
    number: int
    uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the client."""

    session: int
    number: int
    result: Any = None
    error: JoulewiseError | None = None


@dataclass(frozen=True, slots=True)
class HangUp:
    """End a connection."""

    session: int


@dataclass(frozen=True, slots=True)
class Note:
    """A line of the audit log.

    Attributes:
        event: What happened.
        who: To whom, or at whose wish.
        facts: What else is worth knowing.
    """

    event: str
    who: Principal | None
    facts: dict[str, Any]


Effect = Take | Tell | PutBack | Look | Remember | Follow | Answer | HangUp | Note
