"""What a process of a pipeline does with its hub, here, gone, forgetful and wrong."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hub_pipelines import CLOCKS_MHZ, NearHub, Rank, Replica, a_job, a_profile, portraits
from joulewise.clock import VirtualClock
from joulewise.errors import UsageError
from joulewise.runtime.hub_client import HubAwayError, RefusedError
from joulewise.runtime.pipeline.hub_link import GOLDEN_FRAC, HubLink, pace_of
from joulewise.runtime.pipeline.plan_source import FAILED
from joulewise.wire.pipeline_hub import StragglerNotice

pytest.importorskip("sqlalchemy")


class Cluster:
    """Replicas with a link for each rank, and a hub; nothing happens but when it is told to."""

    def __init__(self, hub, replicas=3, ranks=4, patience_s=60.0):
        self.clock, self.hub, self.profile = VirtualClock(), hub, a_profile(ranks=ranks)
        self.job = a_job(replicas, ranks)
        self.replicas = [Replica(self.profile) for _ in range(replicas)]
        self.links = [
            [
                HubLink(hub, "job", self.job, replica=r, rank=k, patience_s=patience_s, clock=self.clock)
                for k in range(ranks)
            ]
            for r in range(replicas)
        ]
        for replica, links in zip(self.replicas, self.links, strict=True):
            for rank, link in enumerate(links):
                link._engine, link._clocks_mhz = Rank(replica, rank), frozenset(CLOCKS_MHZ)  # without its thread

    def begin(self):
        for links in self.links:
            links[0].submit(portraits(self.profile), "1f1b")
        self.beat()
        self.hub.plan()
        self.beat()

    def beat(self):
        for links in self.links:
            for link in links:
                link.exchange()

    def iterate(self, times=1):
        for _ in range(times):
            for replica in self.replicas:
                replica.step()
            self.beat()
            self.hub.hub.tick()


@pytest.fixture
def hub(tmp_path):
    hub = NearHub(tmp_path / "hub.db")
    yield hub
    hub.close()


def test_a_portrait_goes_to_the_hub_and_a_plan_for_all_ranks_comes_back(hub):
    cluster = Cluster(hub)
    first = cluster.links[0][0]
    assert first.poll() is None
    cluster.begin()
    answer = first.poll()
    assert [one["rank"] for one in answer["ranks"]] == [0, 1, 2, 3]
    assert cluster.links[2][0].poll() == answer
    assert all(link.plan == "1.1.0" for links in cluster.links for link in links)
    cluster.iterate(2)
    assert cluster.replicas[0].time_s == pytest.approx(hub.hub.look("job")[0].plans.target_s)


def test_told_of_a_straggler_every_replica_runs_its_plan_in_the_next_iteration_and_recovers_in_the_one_after(hub):
    cluster = Cluster(hub)
    cluster.begin()
    cluster.iterate()
    own_s = cluster.replicas[1].time_s
    hub.hub.hear_notice("job", "cap", StragglerNotice(0, factor=1.3, reason="power cap"))
    cluster.replicas[0].slowdown = 1.3
    cluster.beat()
    cluster.iterate()
    frontier = hub.hub.look("job")[0].plans.frontier
    wanted = frontier.at_straggler(1.3 * own_s)
    assert cluster.replicas[0].time_s == pytest.approx(1.3 * own_s)
    assert cluster.replicas[1].time_s <= wanted.time_s
    assert cluster.replicas[1].followed[0]["realised"]["time_s"] == pytest.approx(
        frontier.time_s[frontier._last_within(1.3 * own_s)]
    )
    hub.hub.hear_notice("job", "hot", StragglerNotice(2, clock_cap_mhz=1260, reason="thermal"))
    cluster.beat()
    assert cluster.links[2][0].plan not in (cluster.links[0][0].plan, cluster.links[1][0].plan)
    for name in ("cap", "hot"):
        hub.hub.take_back("job", name)
    cluster.replicas[0].slowdown = 1.0
    cluster.beat()
    cluster.iterate()
    assert [replica.time_s for replica in cluster.replicas] == pytest.approx([own_s] * 3)


def test_a_slow_replica_is_detected_and_so_is_its_recovery(hub):
    cluster = Cluster(hub)
    cluster.begin()
    cluster.iterate(4)
    cluster.replicas[2].slowdown = 1.4
    cluster.iterate(4)
    (found,) = hub.hub.look("job")[0].state.stragglers
    assert (found.replica, str(found.origin)) == (2, "detected")
    assert 1.37 < found.factor <= 1.4
    assert cluster.replicas[0].time_s > 1.2 * cluster.replicas[2].time_s / 1.4
    cluster.replicas[2].slowdown = 1.0
    cluster.iterate(6)
    assert hub.hub.look("job")[0].state.stragglers == ()


def test_savings_compare_counters_with_the_profile_and_count_each_iteration_once(hub):
    cluster = Cluster(hub, replicas=1)
    cluster.begin()
    cluster.iterate(6)
    cluster.beat()
    held, savings = hub.hub.look("job")
    assert savings.iterations == 5 * 4  # the one under way when the plan came counts for neither
    top_j, plan_j = sum(one.energy_j for one in held.plans.baselines), held.plans.frontier.energy_j[0]
    assert savings.unplanned_j / savings.iterations == pytest.approx(top_j / 4)
    assert savings.used_j / savings.iterations == pytest.approx(plan_j / 4, rel=0.01)
    assert savings.used_provenance == "simulated"


def test_without_a_hub_the_last_plan_stays_and_before_there_is_one_the_job_begins_without(hub):
    cluster = Cluster(hub, patience_s=30.0)
    hub.away = True
    link = cluster.links[0][0]
    link.submit(portraits(cluster.profile), "1f1b")
    with pytest.raises(HubAwayError):
        link.exchange()
    assert link.poll() is None
    cluster.clock.sleep(31.0)
    assert "30 s" in link.poll()[FAILED]
    hub.away = False
    cluster.begin()
    plan = link.plan
    assert plan
    hub.away = True
    with pytest.raises(HubAwayError):
        link.exchange()
    assert link.plan == plan


def test_a_hub_that_lost_its_memory_is_told_all_again(tmp_path, hub):
    cluster = Cluster(hub)
    cluster.begin()
    other = NearHub(tmp_path / "other.db")
    for links in cluster.links:
        for link in links:
            link._port = other
    cluster.hub = other
    cluster.beat()
    followed = cluster.replicas[0].followed[1]
    assert followed
    other.plan()
    cluster.beat()
    assert cluster.links[1][1].plan == "1.1.0"
    other.close()


def test_another_topology_leaves_the_old_processes_with_their_plan(hub):
    cluster = Cluster(hub)
    cluster.begin()
    hub.describe("job", a_job(2))
    link = cluster.links[0][0]
    with pytest.raises(RefusedError, match="generation"):
        link.exchange()
    assert link.plan == "1.1.0"


@pytest.mark.parametrize(("replicas", "ranks"), [(5, 4), (2, 4), (3, 2)])
def test_when_replicas_join_or_leave_or_pipelines_get_shorter_the_job_is_planned_again(hub, replicas, ranks):
    Cluster(hub).begin()
    hub.hub.hear_notice("job", "cap", StragglerNotice(2, factor=1.3))
    changed = Cluster(hub, replicas, ranks)
    changed.begin()
    state = hub.hub.look("job")[0].state
    assert (state.generation, state.planned_round, state.stragglers) == (2, 2, ())
    assert {link.plan for links in changed.links for link in links} == {"2.2.0"}
    assert [one["rank"] for one in changed.links[0][0].poll()["ranks"]] == list(range(ranks))
    changed.iterate(2)
    assert changed.replicas[-1].time_s == pytest.approx(hub.hub.look("job")[0].plans.target_s)


def test_a_new_profile_is_planned_while_the_old_plan_stays_in_force(hub):
    cluster = Cluster(hub)
    cluster.begin()
    cluster.links[0][0].submit(portraits(a_profile(scale=1.2)), "1f1b")
    cluster.beat()
    assert cluster.links[1][2].plan == "1.1.0"
    hub.plan()
    cluster.beat()
    assert cluster.links[1][2].plan == "1.2.0"


def test_drift_of_all_replicas_asks_for_a_profile(hub):
    cluster = Cluster(hub)
    cluster.begin()
    for replica in cluster.replicas:
        replica.slowdown = 1.1
    cluster.iterate(25)
    cluster.beat()
    assert cluster.links[1][1].orders.should_profile
    assert hub.hub.look("job")[0].state.stragglers == ()


def test_clocks_that_the_devices_have_not_are_never_followed(hub):
    cluster = Cluster(hub)
    link = cluster.links[0][1]
    link._clocks_mhz = frozenset({210})
    for links in cluster.links:
        links[0].submit(portraits(cluster.profile), "1f1b")
    for other in (cluster.links[0][0], link):
        other.exchange()
    hub.plan()
    with pytest.raises(HubAwayError, match="devices have not"):
        link.exchange()
    assert link.plan == ""


def test_paces_beat_at_least_once_in_an_iteration_and_replicas_at_different_moments():
    for iteration_s in (0.1, 0.13, 1.0, 4.9):
        assert iteration_s / 1.25 <= pace_of(iteration_s) * 1.0000001
        assert pace_of(iteration_s) <= iteration_s * 1.0000001
    assert pace_of(0.001) == 0.1
    assert pace_of(100.0) == 5.0
    moments = sorted(replica * GOLDEN_FRAC % 1 for replica in range(128))
    assert max(b - a for a, b in pairwise(moments)) < 0.02


def test_a_link_names_a_process_of_its_job(hub):
    with pytest.raises(UsageError, match="no such process"):
        HubLink(hub, "job", a_job(2, 4), replica=2)
    with pytest.raises(UsageError, match="no id of a job"):
        HubLink(hub, "a job/with slashes", a_job(2, 4))
