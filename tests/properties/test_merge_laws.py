"""Laws of merging: shared devices count once, others add up, order is nothing, failures are seen."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulewise.devices.device import Identity, Scope
from joulewise.errors import UsageError
from joulewise.measure.attribution import by_rank
from joulewise.measure.energy import Energy, Method
from joulewise.measure.joined import Seen, join
from joulewise.measure.measurement import DeviceEnergy, Measurement
from joulewise.measure.merge import Rank, merge
from joulewise.measure.rank_document import merged_to_dict, rank_from_dict, rank_to_dict
from measured_records import measurements

POWER_W, MOST_W = 100.0, 3000.0


def energy_of(duration_s: float) -> Energy:
    """Of a load of 100 W, known to 1 %."""
    joules = POWER_W * duration_s
    return Energy(joules, joules * 0.99, joules * 1.01, 1.0, Method.COUNTER)


def device(uid: str, energy: Energy | None, parent: str | None = None) -> DeviceEnergy:
    return DeviceEnergy(Identity(uid, "nvidia", "A100", Scope.BOARD, parent), energy)


def measured(begin_s: float, duration_s: float, *devices: DeviceEnergy) -> Measurement:
    boot_ns = 123  # monotonic clocks of machines have nothing in common
    return Measurement("train", 1000.0 + begin_s, boot_ns, boot_ns + round(duration_s * 1e9), devices)


@st.composite
def rank_lists(draw: st.DrawFn) -> list[Rank]:
    found = []
    for rank in range(draw(st.integers(1, 5))):
        boot = draw(st.sampled_from(["boot-a", "boot-b"]))
        begin_s, duration_s = draw(st.integers(0, 20)), draw(st.integers(1, 20))
        uids = draw(st.sets(st.sampled_from(["GPU-0", "GPU-1", "cpu"])))
        devices = [device(uid, energy_of(duration_s)) for uid in sorted(uids)]
        told = measured(begin_s, duration_s, *devices) if rank == 0 or draw(st.booleans()) else None
        found.append(Rank(rank, f"node-{boot[-1]}", boot, told, failure="" if told else "out of memory"))
    return found


@given(rank_lists(), st.randoms())
def test_order_of_ranks_does_not_matter(ranks, random):
    shuffled = list(ranks)
    random.shuffle(shuffled)
    assert merge(shuffled) == merge(ranks)


@given(rank_lists())
def test_steady_load_is_the_union_of_windows_whatever_ranks_overlap(ranks):
    merged = merge(ranks)
    seconds: dict[tuple[str, str], set[int]] = {}
    for rank in ranks:
        if rank.measurement is not None:
            begin = round(rank.measurement.began_at)
            for one in rank.measurement.devices:
                covered = seconds.setdefault((rank.boot, one.identity.uid), set())
                covered.update(range(begin, begin + round(rank.measurement.duration_s)))
    assert len(merged.measurement.devices) == len(seconds)
    true_j = POWER_W * sum(map(len, seconds.values()))
    if true_j:
        assert merged.measurement.energy_j == pytest.approx(true_j)
        assert merged.measurement.lo_j <= true_j <= merged.measurement.hi_j


@given(rank_lists())
def test_failures_stay_visible(ranks):
    merged = merge(ranks)
    failed = {one.rank for one in ranks if one.measurement is None}
    assert set(merged.failures) == failed
    assert merged.complete == (not failed)
    for rank in failed:
        assert any(f"rank {rank} is missing: out of memory" in text for text in merged.measurement.warnings)


@given(rank_lists())
def test_ranks_and_rest_are_the_total(ranks):
    merged = merge(ranks)
    if merged.measurement.total is None:
        return
    found = by_rank(merged)
    assert sum(share.energy_j for share in found.shares) + found.unattributed.energy_j == found.total.energy_j
    assert found.total.energy_j == pytest.approx(merged.measurement.energy_j)
    assert {share.key for share in found.shares} == {str(one.rank) for one in ranks if one.measurement}


@given(st.integers(0, 9), measurements() | st.none(), st.text(max_size=5))
def test_what_a_rank_hands_in_survives(rank, measurement, text):
    one = Rank(rank, text, text, measurement, (text,), text)
    assert rank_from_dict(json.loads(json.dumps(rank_to_dict(one), allow_nan=False))) == one


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 50)).map(lambda one: (one[0], one[0] + one[1])),
        min_size=1,
        max_size=5,
    )
)
def test_one_device_over_any_windows(windows):
    seen = [Seen(rank, b * 10**9, e * 10**9, energy_of(e - b)) for rank, (b, e) in enumerate(windows)]
    energy, _ = join(seen, MOST_W)
    true_j = POWER_W * len({second for b, e in windows for second in range(b, e)})
    assert energy.energy_j == pytest.approx(true_j)
    assert energy.lo_j <= true_j <= energy.hi_j
    assert energy.warnings == ()


def test_two_ranks_that_measured_one_gpu_count_it_once_and_say_from_whom():
    ranks = [
        Rank(0, "node", "boot", measured(0, 10, device("GPU-x", energy_of(10)))),
        Rank(1, "pod", "boot", measured(1, 8, device("GPU-x", energy_of(8)))),
    ]
    merged = merge(ranks)
    assert merged.measurement.energy_j == pytest.approx(1000.0)
    (shared,) = merged.shared
    assert (shared.uid, shared.ranks) == ("GPU-x", (0, 1))
    assert shared.method == "taken from rank 0, beside 1 other rank that measured it"


def test_one_gpu_under_two_names_counts_once():
    by_uuid = replace(
        device("GPU-x", energy_of(10)), identity=Identity("GPU-x", "amd", "x", Scope.BOARD, aliases=("pci",))
    )
    by_bus = replace(device("pci", energy_of(10)), identity=Identity("pci", "amd", "x", Scope.BOARD))
    merged = merge([Rank(0, "n", "b", measured(0, 10, by_uuid)), Rank(1, "n", "b", measured(0, 10, by_bus))])
    assert merged.measurement.energy_j == pytest.approx(1000.0)
    assert merged.uids == {0: ("GPU-x",), 1: ("GPU-x",)}


def test_the_same_uid_on_two_machines_is_two_devices():
    ranks = [Rank(n, f"node-{n}", f"boot-{n}", measured(0, 10, device("cpu", energy_of(10)))) for n in range(2)]
    merged = merge(ranks)
    assert set(merged.measurement.by_device) == {"node-0/cpu", "node-1/cpu"}
    assert merged.measurement.energy_j == pytest.approx(2000.0)
    assert merged.uids == {0: ("node-0/cpu",), 1: ("node-1/cpu",)}


def test_machines_of_one_name_are_told_apart_by_their_boot():
    ranks = [Rank(n, "node", f"{n}" * 36, measured(0, 10, device("cpu", energy_of(10)))) for n in range(2)]
    assert set(merge(ranks).measurement.by_device) == {"node-00000000/cpu", "node-11111111/cpu"}


def test_a_part_is_not_counted_beside_its_whole_of_another_rank():
    ranks = [
        Rank(0, "n", "b", measured(0, 10, device("module", energy_of(10)))),
        Rank(1, "n", "b", measured(0, 10, device("GPU", energy_of(7), parent="module"))),
    ]
    assert merge(ranks).measurement.energy_j == pytest.approx(1000.0)
    silent = replace(ranks[0], measurement=measured(0, 10, device("module", None)))
    assert merge([silent, ranks[1]]).measurement.energy_j == pytest.approx(700.0)


def test_ranks_that_disagree_about_one_device_are_named():
    ranks = [Rank(n, "n", "b", measured(0, 10, device("GPU", energy_of(10 + 5 * n)))) for n in range(2)]
    (warning,) = merge(ranks).measurement.by_device["GPU"].energy.warnings
    assert warning.startswith("ranks 0 and 1 read 1000 and 1500 J")


def test_each_rank_has_its_own_gpu_and_half_of_the_cpu():
    devices = [device(uid, energy_of(10)) for uid in ("GPU-0", "GPU-1", "cpu")]
    ranks = [Rank(n, "n", "b", measured(0, 10, *devices), (f"GPU-{n}", "cpu")) for n in range(2)]
    found = by_rank(merge(ranks))
    assert [share.energy_j for share in found.shares] == pytest.approx([1500.0, 1500.0])
    assert found.unattributed.energy_j == pytest.approx(0.0, abs=1e-9)


def test_a_merged_result_is_a_json_document():
    merged = merge([Rank(0, "n", "b", measured(0, 10, device("GPU", energy_of(10)))), Rank(1, failure="dead")])
    document = json.loads(json.dumps(merged_to_dict(merged), allow_nan=False))
    assert (document["schema"], document["complete"]) == ("joulewise.merged/1", False)
    assert document["measurement"]["devices"][0]["energy"]["energy_j"] == 1000.0


@pytest.mark.parametrize("ranks", [[], [Rank(0, failure="dead")], [Rank(1), Rank(1)]])
def test_what_cannot_be_merged_is_refused(ranks):
    with pytest.raises(UsageError):
        merge(ranks)


def test_windows_far_apart_are_told():
    ranks = [Rank(n, "n", f"b{n}", measured(5 * n, 10, device("cpu", energy_of(10)))) for n in range(2)]
    assert any("begin up to 5 s apart" in text for text in merge(ranks).measurement.warnings)
    assert math.isclose(merge(ranks).measurement.duration_s, 15.0)
