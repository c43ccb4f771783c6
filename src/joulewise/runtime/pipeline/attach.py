"""``with jw.pipeline(schedule, device="nvidia"):`` is all that a pipeline-parallel job must say."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from joulewise.clock import Clock, MonotonicClock
from joulewise.devices.device import Device, Host
from joulewise.devices.selection import find_devices
from joulewise.optimize.pipeline.plan import Plan
from joulewise.optimize.profiling.sweep import SweepPlan
from joulewise.runtime.knob import Knob, find_tunable
from joulewise.runtime.pipeline.adapter import PipelineAdapter, TorchPipeline
from joulewise.runtime.pipeline.clock_setter import ClockSetter, Mark
from joulewise.runtime.pipeline.engine import PipelineEngine
from joulewise.runtime.pipeline.gauge import Gauge, HostGauge
from joulewise.runtime.pipeline.hub_link import HubLink
from joulewise.runtime.pipeline.plan_source import PlanningThread, PlanSource
from joulewise.runtime.pipeline.profiling import Profiling
from joulewise.runtime.pipeline.sweep import SweepMaker
from joulewise.runtime.ranks import devices_of_rank

ACCELERATORS = ("cuda", "xpu")


def pipeline(
    schedule: Any,
    *,
    device: str | Device | Sequence[Device] | None = None,
    hub: PlanSource | None = None,
    plan: Plan | Mapping[str, Any] | None = None,
    slowdown: float = 1.0,
    profile: bool = True,
    group: Any = None,
    sweep: SweepMaker = SweepPlan,
    gauge: Gauge | None = None,
    clock: Clock | None = None,
) -> PipelineEngine:
    """Run a pipeline at the clocks of a plan that it makes by itself, and measure.

    Args:
        schedule: A schedule of ``torch.distributed.pipelining``, or this rank's stages; around iterations of stages
            alone call `PipelineEngine.begin_iteration` and `PipelineEngine.end_iteration`. For other engines an
            adapter: `joulewise.runtime.pipeline.megatron.MegatronPipeline`,
            `joulewise.runtime.pipeline.deepspeed.DeepSpeedPipeline`.
        device: This rank's devices, as text or as they are; by default what there is. Where a node's ranks see all of
            its devices, each takes its share.
        hub: Makes the plan; by default a thread of the first rank. A `HubLink` of this process goes on telling it which
            plan to follow, and is closed with the engine.
        plan: A plan to follow from the first iteration on; then nothing is profiled, and nothing exchanged.
        slowdown: By how much iterations may become longer, as a factor of their time at the highest clocks.
        profile: Whether to profile and plan; otherwise it waits for `PipelineEngine.follow`.
        group: The ranks of this pipeline, for what they tell each other between the first iterations; by default that
            of the stages.
        sweep: Makes what decides which clocks a rank tries, and for how long.
        gauge: What times computations; by default the host's clock and the counters of ``device``.
        clock: Time of the host.

    Returns:
        The engine, to be closed at the end; use it in a ``with`` statement.

    Raises:
        UsageError: If there are no stages, or the plan or the device means nothing.
        CapabilityError: If no device has a core clock that can be locked.
        PermissionDeniedError: If we may not lock it.

    Effects:
        Replaces methods of the schedule and its stages, not of their classes, until it is closed; with an adapter, what
        that one says. Locks core clocks.
    """
    clock = clock or MonotonicClock()
    adapter = schedule if isinstance(schedule, PipelineAdapter) else TorchPipeline(schedule)
    tunable = find_tunable(_devices(device, clock), Knob.CORE_CLOCK)
    profiling = None
    if profile and plan is None:
        profiling = Profiling(
            adapter.exchange(group),
            hub if hub is not None else PlanningThread(slowdown),
            sweep,
            clocks_mhz=[int(candidate) for candidate in tunable.candidates],  # type: ignore[call-overload]
            gpus=len(tunable.devices),
            name=adapter.name,
        )
    gauge = gauge if gauge is not None else HostGauge(tunable.devices, clock)
    setter = ClockSetter(tunable, clock=clock)
    engine = PipelineEngine(adapter.stages, setter, gauge, profiling, clock, mark=_marker(adapter.accelerator))
    try:
        if plan is not None:
            engine.follow(plan)
        engine.at_close(adapter.hook(engine))
        if isinstance(hub, HubLink):
            hub.watch(engine, [int(candidate) for candidate in tunable.candidates])  # type: ignore[call-overload]
            engine.at_close(hub.close)
    except BaseException:
        engine.close()
        raise
    return engine


def _devices(device: str | Device | Sequence[Device] | None, clock: Clock) -> Sequence[Device]:
    if device is None or isinstance(device, str):
        return devices_of_rank(find_devices(device, Host(clock=clock)), os.environ)
    return [*device] if isinstance(device, Sequence) else [device]


def _marker(kind: str) -> Callable[[], Mark] | None:
    """What records an event behind the work that the host has handed to an accelerator so far."""
    if kind not in ACCELERATORS:
        return None
    import torch  # noqa: PLC0415 (the pipeline is there, so it is)

    event_class = getattr(torch, kind).Event

    def mark() -> Mark:
        event: Mark = event_class()
        event.record()  # type: ignore[attr-defined]
        return event

    return mark
