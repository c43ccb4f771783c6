"""What the report of a run shows, as frozen records that carry no drawing."""

from __future__ import annotations

from dataclasses import dataclass

from joulewise.frontier import Point
from joulewise.measure.measurement import Measurement
from joulewise.measure.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Figure:
    """Something computed from the energy, such as its cost.

    Attributes:
        name: What it is.
        value: With its unit.
        source: From what it was computed.
        bounds: Between which it lies, if that is known.
    """

    name: str
    value: str
    source: str
    bounds: str = ""


@dataclass(frozen=True)
class Table:
    """Lines of text under a heading; the first row says what the columns are."""

    heading: str
    caption: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class StepSettings:
    """What a step took and used at every setting that was tried.

    Attributes:
        points: Time [s] and energy [J] of one step; the setting is its name for people.
        chosen, found: Names of what was chosen, and of what was there before.
        caption: What to know of them.
    """

    points: tuple[Point, ...]
    chosen: str
    found: str
    caption: str = ""


@dataclass(frozen=True)
class RunReport:
    """Everything that the report of a run shows.

    Attributes:
        title: What ran.
        subtitle: When, and how it ended.
        measurement: What was used.
        timeline: What was read meanwhile.
        figures: Cost, carbon and the like; none that were not asked for.
        tables: What else there is to compare.
        notes: What to know to read it, beside the warnings of the measurement.
        headline: What stands largest, as pairs of a figure and what it is, in place of energy, time and power.
        step: Time and energy of a step by setting, if something was tuned; None or without points if not.
    """

    title: str
    subtitle: str
    measurement: Measurement
    timeline: Timeline
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    headline: tuple[tuple[str, str], ...] = ()
    step: StepSettings | None = None
