"""Points and frontiers whose figures are whole numbers, so that sums are exact and laws hold to the last bit."""

from __future__ import annotations

from hypothesis import strategies as st

from joulewise.frontier import Bound, Frontier, Point
from joulewise.records import Provenance

wholes = st.integers(0, 24).map(float)
powers_w = st.integers(0, 4).map(float)


@st.composite
def point_lists(draw: st.DrawFn, max_size: int = 12) -> list[Point]:
    """Points with distinct settings, dominated ones and ties included."""
    figures = draw(st.lists(st.tuples(wholes, wholes), min_size=1, max_size=max_size))
    provenance = draw(st.sampled_from(Provenance))
    samples = draw(st.integers(1, 3))
    return [Point(t, e, setting, provenance, samples) for setting, (t, e) in enumerate(figures)]


@st.composite
def frontiers(draw: st.DrawFn, max_size: int = 6, wait_power_w: float | None = None) -> Frontier:
    """Frontiers with some waiting power."""
    power_w = draw(powers_w) if wait_power_w is None else wait_power_w
    return Frontier.from_points(draw(point_lists(max_size)), wait_power_w=power_w)


@st.composite
def bounded_frontiers(draw: st.DrawFn, wait_power_w: float | None = None) -> Frontier:
    """Frontiers, some with a stated bound below their points."""
    frontier = draw(frontiers(wait_power_w=wait_power_w))
    if draw(st.booleans()):
        return frontier
    own, lower_j = frontier.bound, draw(wholes)
    return Frontier(frontier.columns, frontier.wait_power_w, Bound(own.time_s, own.energy_j - lower_j))


def figures(frontier: Frontier) -> tuple[list[float], list[float], float]:
    """What laws are about: times, energies and waiting power."""
    return frontier.time_s.tolist(), frontier.energy_j.tolist(), frontier.wait_power_w
