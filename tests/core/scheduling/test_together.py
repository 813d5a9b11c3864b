"""Placement rules under policies: one choice of nodes and quota, and nothing that could start waits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.core.model.jobs import GroupShape, Shape, ShapeBody, make_shape
from hanse.core.model.regions import Topology
from hanse.core.model.resources import resources
from hanse.core.model.rules import Affinity, Alternative, Rules, Within
from hanse.core.policy.model import Backfill, BackfillMode, Policy, Preemption, Queue, Quota
from hanse.policies.virtual import VirtualJob, VirtualRegion
from tests.core.scheduling.regions import MS, quota_of, run_checked, started_at
from tests.core.scheduling.rule_worlds import RACKS, RULED_SHAPES, TENANT, racked, racked_nodes, single
from tests.core.scheduling.worlds import node

PLAIN = Policy(backfill=Backfill(mode="none"), preemption=Preemption(enabled=False))
ELSE_A100 = Rules(alternatives=(Alternative(resources({"cpu": 1, "gpu/a100": 1000})),))


def job(
    name: str, shape: Shape, *, at: int = 0, run: int = 100, tenant: str = TENANT, called: str = ""
) -> VirtualJob:
    return VirtualJob(
        id=name, shape=shape, at_us=at * MS, run_us=run * MS, tenant=tenant, name=called or name
    )


def wanting(**kinds: int) -> GroupShape:
    return GroupShape(1, 1, resources({kind.replace("_", "/"): most for kind, most in kinds.items()}))


def h100_else_a100() -> Shape:
    group = GroupShape(1, 1, resources({"cpu": 1, "gpu/h100": 1000}), (), ELSE_A100)
    return make_shape(ShapeBody(groups=(group,)))


def limited(**nominal: int) -> Policy:
    """A policy that limits the team to so many thousandths of devices of each model."""
    quotas = tuple(Quota(kind=f"gpu/{kind}", nominal=most) for kind, most in nominal.items())
    return Policy(tiers=PLAIN.tiers, queues=(Queue(name="q", tenants=(TENANT,), quotas=quotas),))


GPUS = (node("n1", cpu=100, gpu_h100=8000, gpu_a100=8000),)


def test_an_alternative_is_taken_and_charged_where_quota_not_nodes_keep_the_first_choice_out() -> None:
    region = VirtualRegion(GPUS, limited(h100=1000, a100=2000))
    region.add([job(f"j{at}", h100_else_a100(), at=at, run=50) for at in range(4)])
    region.run(10 * MS)
    running = [each for each in region.region.books.jobs.values() if each.allocation is not None]
    taken = {each.id: each.allocation.tasks[0].alternative for each in running if each.allocation}
    assert taken == {"j0": 0, "j1": 1, "j2": 1}
    queue = region.region.local.standing.quotas.queues["q"]
    used = {cell[1]: quantity for (_, cell), quantity in queue.root.usage.items()}
    assert used == {"gpu/h100": 1000, "gpu/a100": 2000}
    run_checked(region)
    assert started_at(region)["j3"] == 50


def test_a_job_is_refused_for_quota_only_if_no_alternative_could_ever_have_it() -> None:
    region = VirtualRegion(GPUS, limited(h100=0, a100=1000))
    region.add([job("fits", h100_else_a100())])
    region.run()
    assert not region.refused
    assert [each.job_id for each in region.starts] == ["fits"]
    region = VirtualRegion(GPUS, limited(h100=0, a100=500))
    region.add([job("never", h100_else_a100())])
    region.run()
    assert [(job_id, "queue q" in why.message) for job_id, why in region.refused] == [("never", True)]


def test_a_job_is_refused_if_its_quota_allows_only_what_no_node_has() -> None:
    region = VirtualRegion((node("n1", cpu=100, gpu_a100=8000),), limited(h100=1000, a100=0))
    region.add([job("never", h100_else_a100())])
    region.run()
    assert [(job_id, "as far as queue q goes" in why.message) for job_id, why in region.refused] == [
        ("never", True)
    ]


def test_a_cap_that_is_freed_on_one_node_lets_a_job_start_on_another() -> None:
    nodes = (racked("n1", "a", cpu=4, power=10), racked("n2", "a", cpu=8, power=10))
    region = VirtualRegion(nodes, PLAIN, topology=RACKS)
    region.add([job("first", single(cpu=4, power=5), run=20), job("wide", single(cpu=8, power=5), at=1)])
    region.run(1 * MS)
    first = region.region.books.jobs["first"].allocation
    assert first is not None
    assert first.tasks[0].node == "n1"
    run_checked(region)
    assert started_at(region) == {"first": 0, "wide": 20}


def test_a_start_makes_room_for_those_that_must_be_near_it() -> None:
    near = Rules(affinities=(Affinity(TENANT, "cache", "rack"),))
    nodes = (racked("n1", "a", cpu=2), racked("n2", "b", cpu=9))
    region = VirtualRegion(nodes, PLAIN, topology=Topology(levels=("pod", "rack")))
    first, second = single(cpu=2), single(cpu=3)
    region.add(
        [
            job("cache-a", first, called="cache", run=100),
            job("waits", single(near, cpu=1), at=1),
            job("cache-b", second, called="cache", at=5),
        ]
    )
    run_checked(region)
    # Rack a is full; a cache in rack b is what it waits for.
    assert started_at(region) == {"cache-a": 0, "waits": 5, "cache-b": 5}


def test_shapes_that_differ_only_in_where_all_groups_are_to_be_are_told_apart() -> None:
    pair = (GroupShape(2, 2, resources({"cpu": 3})),)
    nodes = (racked("n1", "a", cpu=3), racked("n2", "b", cpu=3))
    region = VirtualRegion(nodes, PLAIN, topology=Topology(levels=("pod", "rack")))
    together = make_shape(ShapeBody(groups=pair, within=Within("rack")))
    region.add([job("together", together), job("anywhere", make_shape(ShapeBody(groups=pair)), at=1)])
    region.run()
    assert [each.job_id for each in region.starts] == ["anywhere"]


@st.composite
def ruled_jobs(draw: st.DrawFn) -> list[VirtualJob]:
    shapes = draw(st.lists(RULED_SHAPES, min_size=1, max_size=3))
    return [
        job(
            f"j{number}",
            draw(st.sampled_from(shapes)),
            at=draw(st.integers(0, 15)),
            run=draw(st.integers(1, 12)),
            called=draw(st.sampled_from(["web", "db", "other"])),
        )
        for number in range(draw(st.integers(1, 10)))
    ]


@settings(max_examples=120, deadline=None)
@given(racked_nodes(), ruled_jobs())
def test_nothing_that_has_room_waits(nodes: tuple[object, ...], jobs: list[VirtualJob]) -> None:
    """Whatever the rules: what is parked is parked because it has no room, and is found when it has."""
    region = VirtualRegion(nodes, PLAIN, topology=RACKS)  # type: ignore[arg-type]
    region.add(jobs)
    while region.busy:
        region.advance()
        local = region.region.local
        for waiting in local.queue.in_order(100):
            assert local.capacity.place(waiting.shape) is None, f"{waiting.id} has room and waits"


@pytest.mark.parametrize("mode", ["easy", "conservative", "none"])
@settings(max_examples=40, deadline=None)
@given(racked_nodes(), ruled_jobs(), st.booleans(), st.integers(1, 6))
def test_rules_and_policies_together_keep_all_books_and_end_what_can_run(
    mode: BackfillMode, nodes: tuple[object, ...], jobs: list[VirtualJob], preempts: bool, nominal: int
) -> None:
    queues = (quota_of(TENANT, nominal, within_queue="lower_or_newer_equal_priority"),)
    rules = Preemption(enabled=preempts, patience_us=0, run_min_us=0, restarts_max=2)
    policy = Policy(tiers=PLAIN.tiers, queues=queues, backfill=Backfill(mode=mode), preemption=rules)
    region = VirtualRegion(nodes, policy, topology=RACKS)  # type: ignore[arg-type]
    region.add(jobs)
    run_checked(region)
    waiting = region.region.local.queue.in_order(100)
    for each in waiting:
        # Neighbours that never come, or a domain that can't be had: nothing runs any more, and still no room.
        assert region.region.local.capacity.place(each.shape) is None
    assert len(region.ends) == len(jobs) - len(region.refused) - len(waiting)
