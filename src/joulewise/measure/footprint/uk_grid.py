"""Great Britain's half-hourly carbon intensity, from the National Energy System Operator; no key needed.

Source: Carbon Intensity API v2, ``/intensity/{from}/{to}``; emissions of generation, without the life cycle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joulewise.errors import UsageError
from joulewise.measure.footprint.intensity import Intensity, Scope
from joulewise.measure.footprint.live import Question
from joulewise.measure.footprint.rate import History, Step

SLOT_S, MOST_S = 1800, 14 * 86_400


@dataclass(frozen=True)
class UkGrid:
    """The service.

    Attributes:
        address: Where it is.
    """

    address: str = "https://api.carbonintensity.org.uk"

    @property
    def name(self) -> str:
        """For people."""
        return "uk-carbon-intensity"

    def ask(self, begin_s: float, end_s: float) -> Question:
        """Half-hours that hold the window."""
        first_s, last_s = math.floor(begin_s / SLOT_S) * SLOT_S, math.ceil(end_s / SLOT_S) * SLOT_S
        if last_s - first_s > MOST_S:
            raise UsageError(
                f"{self.name} answers for 14 days at most", f"{last_s - first_s} s", "give a shorter window"
            )
        edges = (datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%MZ") for at_s in (first_s, last_s))
        return Question(f"{self.address}/intensity/{'/'.join(edges)}")

    def read(self, answer: Any) -> Intensity:
        """Actual figures, or forecasts where there are none yet; a note says so."""
        steps, forecasts = [], 0
        for row in answer["data"]:
            actual = row["intensity"]["actual"]
            forecasts += actual is None
            g_per_kwh = float(row["intensity"]["forecast"] if actual is None else actual)
            begin_s, end_s = (datetime.fromisoformat(row[key]).timestamp() for key in ("from", "to"))
            steps.append(Step(begin_s, end_s, g_per_kwh))
        return Intensity(
            History(tuple(steps)),
            "Carbon Intensity API of the National Energy System Operator (Great Britain)",
            scope=Scope.DIRECT,
            region="Great Britain",
            licence="CC BY 4.0",
            notes=(f"{forecasts} of {len(steps)} half-hours are forecasts",) if forecasts else (),
        )
