"""Strategies for what meters hand out: identities, energies, measurements, timelines."""

from __future__ import annotations

from hypothesis import strategies as st

from joulewise.devices.device import Identity, Scope
from joulewise.measure.energy import Energy, Method
from joulewise.measure.measurement import DeviceEnergy, Measurement, SelfCost
from joulewise.measure.timeline import Series, Span, Timeline, Track
from joulewise.records import Provenance

DAY_NS = 86_400 * 10**9
joules = st.floats(0, 1e9)
watts = st.floats(0, 1e4)
texts = st.text(max_size=20)


@st.composite
def identities(draw: st.DrawFn, uid: str | None = None) -> Identity:
    return Identity(
        draw(st.text("abcGPU-0123", min_size=1, max_size=8)) if uid is None else uid,
        draw(st.sampled_from(["nvidia", "intel", "simulated"])),
        draw(texts),
        draw(st.sampled_from(Scope)),
        draw(st.none() | texts),
        aliases=tuple(draw(st.lists(texts, max_size=2))),
    )


@st.composite
def energies(draw: st.DrawFn) -> Energy:
    lo_j, energy_j, hi_j = sorted(draw(st.tuples(joules, joules, joules | st.just(float("inf")))))
    method, provenance = draw(st.sampled_from(Method)), draw(st.sampled_from(Provenance))
    return Energy(energy_j, lo_j, hi_j, draw(joules), method, provenance, tuple(draw(st.lists(texts, max_size=2))))


@st.composite
def device_energies(draw: st.DrawFn, uid: str | None = None) -> DeviceEnergy:
    return DeviceEnergy(
        draw(identities(uid)),
        draw(st.none() | energies()),
        draw(st.booleans()),
        draw(st.none() | watts),
        draw(st.none() | watts),
        draw(st.none() | st.floats(-40, 120)),
        failure=draw(texts),
    )


@st.composite
def measurements(draw: st.DrawFn) -> Measurement:
    begin_ns = draw(st.integers(0, 2**62))
    uids = draw(st.lists(st.sampled_from(["GPU-a", "GPU-b", "cpu", "node"]), unique=True))
    return Measurement(
        draw(texts),
        draw(st.floats(0, 4e9)),
        begin_ns,
        begin_ns + draw(st.integers(0, DAY_NS)),
        tuple(draw(device_energies(uid)) for uid in uids),
        draw(st.none() | st.booleans()),
        SelfCost(draw(st.floats(0, 100)), draw(st.none() | joules)),
        tuple(draw(st.lists(texts, max_size=2))),
    )


@st.composite
def rising(draw: st.DrawFn, begin_ns: int, end_ns: int, least: int = 0) -> tuple[int, ...]:
    inner = draw(st.lists(st.integers(begin_ns, end_ns), min_size=least, max_size=8, unique=True))
    return tuple(sorted(inner))


@st.composite
def tracks(draw: st.DrawFn, begin_ns: int, end_ns: int, uid: str | None = None) -> Track:
    """Either a counter that never falls, or a gauge, or both."""
    kind = draw(st.sampled_from(["counter", "gauge", "both"]))
    counter, gauge = Series(), Series()
    if kind != "gauge":
        at_ns = tuple(dict.fromkeys((begin_ns, *draw(rising(begin_ns, end_ns)), end_ns)))
        steps = [draw(st.floats(0, 1e5)) for _ in at_ns]
        counter = Series(at_ns, tuple(sum(steps[: i + 1]) for i in range(len(at_ns))))
    if kind != "counter":
        at_ns = tuple(dict.fromkeys((begin_ns, *draw(rising(begin_ns, end_ns)))))
        gauge = Series(at_ns, tuple(draw(watts) for _ in at_ns))
    return Track(draw(identities(uid)), gauge, counter, limit_w=draw(st.none() | watts))


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    begin_ns = draw(st.integers(0, 2**61))
    end_ns = begin_ns + draw(st.integers(1, 2 * DAY_NS))
    began_at = float(draw(st.integers(0, 4_000_000_000)))
    found = tuple(draw(tracks(begin_ns, end_ns, uid)) for uid in ("GPU-a", "GPU-b")[: draw(st.integers(1, 2))])
    return Timeline(began_at, begin_ns, end_ns, found, (Span("epoch", begin_ns, end_ns),))
