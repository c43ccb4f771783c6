"""One knob in one client's hands, and how far it is with being put back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from joulewise.devices.settings import Setting
from joulewise.services.agent.events import Knob
from joulewise.services.agent.policy import Principal


class Stage(StrEnum):
    """How far a lease is. Only in `HELD` may its client change the setting.

    ::

        TAKING --told--> HELD <--told-- TELLING      PUTTING_BACK --done--> (gone)
          |               | ^---set------^   |          ^   |
          |               +------end---------|----------+   +--failed--> STUCK --later--> PUTTING_BACK
          +-----------told, but ended meanwhile---------+
    """

    TAKING = "taking"
    HELD = "held"
    TELLING = "telling"
    PUTTING_BACK = "putting back"
    STUCK = "stuck"


@dataclass(slots=True)
class Lease:
    """See `Stage`. Owned by the core.

    Attributes:
        knob: Which knob of which device.
        session: Whose connection; 0 for what an earlier agent left behind.
        who: Whose it is.
        setting: What was last told.
        ttl_s: How long it lives without a heartbeat [s].
        until_ns: When it expires [ns].
        stage: How far it is.
        found: What was there before it, and comes back.
        number: The question that waits for an answer, if one does.
        ending: Why it ends, or empty while it does not.
        retry_ns: When to try again to put back what was found [ns].
    """

    knob: Knob
    session: int
    who: Principal
    setting: Setting
    ttl_s: float
    until_ns: int
    stage: Stage = Stage.TAKING
    found: Setting | None = None
    number: int | None = None
    ending: str = ""
    retry_ns: int = 0

    @property
    def works(self) -> bool:
        """Whether hardware is being told right now."""
        return self.stage in (Stage.TAKING, Stage.TELLING, Stage.PUTTING_BACK)
