"""Hourly carbon intensity of about any grid zone, from Electricity Maps; needs a key.

Source: Electricity Maps API v3, ``/carbon-intensity/past-range``; flow-traced averages over the life cycle unless the
answer says direct.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from joulewise.errors import UsageError
from joulewise.measure.footprint.intensity import Intensity, Scope
from joulewise.measure.footprint.live import Question
from joulewise.measure.footprint.rate import History, Step

HOUR_S, MOST_S = 3600, 10 * 86_400


@dataclass(frozen=True)
class ElectricityMaps:
    """The service.

    Attributes:
        zone: Of the grid, such as DE or US-CAL-CISO.
        key: The user's.
        address: Where it is.
    """

    zone: str
    key: str = field(repr=False)
    address: str = "https://api.electricitymaps.com/v3"

    @property
    def name(self) -> str:
        """For people."""
        return "electricitymaps"

    def ask(self, begin_s: float, end_s: float) -> Question:
        """Hours that hold the window."""
        first_s, last_s = math.floor(begin_s / HOUR_S) * HOUR_S, math.ceil((end_s + 1) / HOUR_S) * HOUR_S
        if last_s - first_s > MOST_S:
            raise UsageError(
                f"{self.name} answers for 10 days at most", f"{last_s - first_s} s", "give a shorter window"
            )
        start, end = (datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%MZ") for at_s in (first_s, last_s))
        query = urlencode({"zone": self.zone, "start": start, "end": end})
        return Question(f"{self.address}/carbon-intensity/past-range?{query}", {"auth-token": self.key})

    def read(self, answer: Any) -> Intensity:
        """One figure an hour; a note tells of estimates."""
        rows = [row for row in answer["data" if "data" in answer else "history"] if row["carbonIntensity"] is not None]
        steps = []
        for row in rows:
            at_s = datetime.fromisoformat(row["datetime"]).timestamp()
            steps.append(Step(at_s, at_s + HOUR_S, float(row["carbonIntensity"])))
        estimated = sum(bool(row.get("isEstimated")) for row in rows)
        scopes = {row.get("emissionFactorType") for row in rows}
        scope = scopes.pop() if len(scopes) == 1 else None
        return Intensity(
            History(tuple(steps)),
            "Electricity Maps",
            scope=Scope(scope) if scope in list(Scope) else Scope.UNKNOWN,
            region=str(answer.get("zone", self.zone)),
            licence="terms of Electricity Maps",
            notes=(f"{estimated} of {len(rows)} hours are estimates",) if estimated else (),
        )
