"""What each method of attribution says and refuses; the laws are in tests/properties."""

from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest

from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Capabilities
from joulewise.devices.device import Identity, Scope
from joulewise.devices.nvml_gpu import NvmlSlice
from joulewise.devices.nvml_library import NvmlLibrary
from joulewise.devices.processes import ProcessUtilisation
from joulewise.errors import CapabilityError, CounterError, UsageError
from joulewise.measure.attribution import (
    Batch,
    GpuProcessRecorder,
    MigSlice,
    Spent,
    Use,
    by_gpu_process,
    by_request,
    by_slice,
    by_use,
    container_of,
    spent_by,
)
from joulewise.measure.attribution.groups import pod_of
from joulewise.measure.curve import EnergyCurve
from joulewise.measure.energy import Energy, Method
from joulewise.measure.measurement import DeviceEnergy, Measurement
from joulewise.measure.timeline import Series, Timeline, Track
from joulewise.testing.fake import FakeDevice

SECOND = 10**9
GPU = Identity("GPU-a", "nvidia", "A100", Scope.BOARD)
ENERGY = Energy(100.0, 90.0, 110.0, 1.0, Method.COUNTER)
SPENT = Spent(ENERGY, 0, 10 * SECOND, EnergyCurve.even(100.0, 0, 10 * SECOND))


class Gpu(FakeDevice):
    """Tells who computes on it."""

    samples: tuple[ProcessUtilisation, ...] = ()

    def read_process_utilisation(self, since_us: int) -> tuple[ProcessUtilisation, ...]:
        return tuple(one for one in self.samples if one.at_us > since_us)


def test_gpu_time_between_two_questions_is_what_the_driver_told() -> None:
    clock = VirtualClock()
    gpu = Gpu(clock, uid="GPU-a")
    gpu.samples = (ProcessUtilisation(11, 5, 0.9),)
    recorder = GpuProcessRecorder(gpu, clock)
    assert recorder.mark() == ()
    clock.sleep(2.0)
    gpu.samples = (ProcessUtilisation(11, 5, 0.9), ProcessUtilisation(11, 9, 0.5), ProcessUtilisation(12, 9, 0.25))
    assert recorder.mark() == [Use("11", 0, 2 * SECOND, 1.0), Use("12", 0, 2 * SECOND, 0.5)]
    clock.sleep(8.0)
    assert recorder.mark() == []
    found = by_gpu_process(SPENT, recorder.uses)
    assert [share.energy_j for share in found.shares] == pytest.approx([10.0, 5.0])
    above = by_gpu_process(SPENT, recorder.uses, idle_w=4.0)
    assert [share.energy_j for share in above.shares] == pytest.approx([8.0, 4.0])


def test_a_gpu_that_cannot_tell_is_refused() -> None:
    with pytest.raises(CapabilityError, match="telling its processes"):
        GpuProcessRecorder(FakeDevice(VirtualClock()), VirtualClock())


def test_slices_by_size_and_by_activity() -> None:
    held = by_slice(SPENT, [MigSlice("a", 3, 0, 10 * SECOND), MigSlice("b", 2, 5 * SECOND, 10 * SECOND)], 7)
    assert [share.energy_j for share in held.shares] == pytest.approx([300 / 7, 100 / 7])
    assert held.unattributed.energy_j == pytest.approx(300 / 7)
    active = by_slice(SPENT, [MigSlice("a", 3, 0, 10 * SECOND, 0.5), MigSlice("b", 4, 0, 10 * SECOND, 0.0)], 7)
    assert [share.energy_j for share in active.shares] == pytest.approx([150 / 7, 0.0])
    assert "activity" in active.method


@pytest.mark.parametrize(
    "slices",
    [
        [MigSlice("a", 3, 0, SECOND, 0.5), MigSlice("b", 3, 0, SECOND)],
        [MigSlice("a", 8, 0, SECOND)],
        [MigSlice("a", 1, 0, SECOND, 1.5)],
    ],
)
def test_slices_that_do_not_fit_are_refused(slices: list[MigSlice]) -> None:
    with pytest.raises(UsageError):
        by_slice(SPENT, slices, 7)


def test_a_slice_tells_its_size() -> None:
    binding = SimpleNamespace(  # the few calls of nvidia-ml-py that this takes; the twins' library lacks the last
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlSystemGetDriverVersion=lambda: "570.1",
        nvmlDeviceGetAttributes_v2=lambda handle: SimpleNamespace(gpuInstanceSliceCount=3),
    )
    part = NvmlSlice(NvmlLibrary(binding), object(), Identity("MIG", "nvidia", "A100", Scope.DIE), Capabilities())
    assert part.read_compute_slices() == 3


def test_continuous_batching() -> None:
    batches = [
        Batch(0, SECOND, prompt_tokens={"p": 90, "q": 10}),
        Batch(1 * SECOND, 3 * SECOND, {"p": 2, "q": 2}),
        Batch(3 * SECOND, 4 * SECOND, {"q": 1}),
    ]
    found, (p, q) = by_request(SPENT, batches)
    assert (p.share.energy_j, q.share.energy_j) == pytest.approx((9 + 10, 1 + 10 + 10))
    assert found.unattributed.energy_j == pytest.approx(60.0)
    assert (p.tokens, p.prompt_tokens, q.tokens) == (2, 90, 3)
    assert q.joules_per_token == pytest.approx(7.0)
    assert "a prompt token as 1" in found.method
    _, (p, q) = by_request(SPENT, [Batch(0, SECOND, {"q": 1}, {"p": 10})], prompt_weight=0.1)
    assert (p.share.energy_j, q.share.energy_j) == pytest.approx((5.0, 5.0))
    assert p.joules_per_token is None


def test_overlapping_batches_share_by_tokens_per_second() -> None:
    _, (p, q) = by_request(SPENT, [Batch(0, 2 * SECOND, {"p": 6}), Batch(SECOND, 2 * SECOND, {"q": 1})])
    assert (p.share.energy_j, q.share.energy_j) == pytest.approx((10 + 7.5, 2.5))


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_cannot_be_meant_is_refused(weight: float) -> None:
    with pytest.raises(UsageError, match="not a weight"):
        by_request(SPENT, [], prompt_weight=weight)


@pytest.mark.parametrize(
    "use", [Use("a", 5, 5, 1.0), Use("a", 5, 4, 1.0), Use("a", 0, 5, -1.0), Use("a", 0, 5, float("nan"))]
)
def test_a_use_that_cannot_be_meant_is_refused(use: Use) -> None:
    with pytest.raises(UsageError, match="a use cannot be meant"):
        by_use(SPENT, [use], "m")


def test_capacity_and_idle_power_hold_at_every_instant() -> None:
    crowd = [Use("a", 0, 5 * SECOND, 5.0), Use("b", 0, 5 * SECOND, 15.0)]
    found = by_use(SPENT, crowd, "m", capacity_per_s=1.0)
    assert [share.energy_j for share in found.shares] == pytest.approx([12.5, 37.5])
    steps = EnergyCurve(np.array([0, 5, 10]) * SECOND, np.array([0.0, 90.0, 100.0]))
    uneven = Spent(ENERGY, 0, 10 * SECOND, steps)
    found = by_use(uneven, [Use("a", 0, 10 * SECOND, 1.0)], "m", idle_w=8.0)  # more than it draws in the second half
    assert found.by_key["a"].energy_j == pytest.approx(50.0)


def test_order_does_not_show_in_the_last_digit() -> None:
    used = [Use("a", 0, 7 * SECOND, amount) for amount in (0.1, 0.2, 0.3, 0.7, 1e-3)] + [Use("b", 0, SECOND, 0.3)]
    found = {by_use(SPENT, order, "m").shares for order in permutations(used)}
    assert len(found) == 1


def test_a_timeline_says_when() -> None:
    power = Series((0, 8 * SECOND), (0.0, 50.0))
    timeline = Timeline(0.0, 0, 10 * SECOND, (Track(GPU, power),))
    measurement = Measurement("w", 0.0, 0, 10 * SECOND, (DeviceEnergy(GPU, ENERGY, idle_w=3.0),))
    spent = spent_by(measurement, timeline=timeline)
    assert spent.idle_w == 3.0
    found = by_use(spent, [Use("early", 0, 8 * SECOND, 1.0), Use("late", 8 * SECOND, 10 * SECOND, 1.0)], "m")
    assert found.by_key["early"].energy_j == 0.0
    assert found.by_key["late"].energy_j == pytest.approx(100.0)


def test_what_was_not_measured_cannot_be_divided() -> None:
    measurement = Measurement("w", 0.0, 0, SECOND, (DeviceEnergy(GPU, None, failure="lost"),))
    with pytest.raises(CounterError, match="lost"):
        spent_by(measurement)
    with pytest.raises(UsageError, match="no such device"):
        spent_by(measurement, ["GPU-b"])
    told = Measurement("w", 0.0, 0, SECOND, (DeviceEnergy(GPU, ENERGY),))
    with pytest.raises(UsageError, match="the timeline lacks"):
        spent_by(told, timeline=Timeline(0.0, 0, SECOND, ()))


def test_a_counter_that_starts_anew_leaves_a_mark() -> None:
    counter = Series((0, SECOND, 2 * SECOND), (0.0, 50.0, 3.0))
    track = Track(GPU, energy_j=counter, epochs=(2 * SECOND,))
    timeline = Timeline(0.0, 0, 2 * SECOND, (track,))
    measurement = Measurement("w", 0.0, 0, 2 * SECOND, (DeviceEnergy(GPU, ENERGY),))
    spent = spent_by(measurement, timeline=timeline)
    assert any("started anew" in text for text in spent.curve.warnings)
    np.testing.assert_allclose(spent.curve.used_j, [0.0, 50.0, 50.0])


@pytest.mark.parametrize(
    ("cgroup", "name"),
    [
        ("/docker/" + "ab" * 32, "ab" * 6),
        ("/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + "cd" * 32 + ".scope", "cd" * 6),
        ("/system.slice/docker-" + "ab" * 32 + ".scope/init", "ab" * 6),
        ("/user.slice", "/user.slice"),
        ("/", "/"),
    ],
)
def test_names_of_containers(cgroup: str, name: str) -> None:
    assert container_of(cgroup) == name


def test_names_of_pods() -> None:
    cgroup = "/kubepods.slice/kubepods-burstable-pod0b1c2d3e_1111_2222_3333_444455556666.slice/x"
    assert pod_of(cgroup) == "0b1c2d3e-1111-2222-3333-444455556666"
    assert pod_of("/user.slice") is None
