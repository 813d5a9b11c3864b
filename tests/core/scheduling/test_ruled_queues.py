"""Jobs that a rule has put into another queue than their tenant's: there they wait, and its quota is charged."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from hanse.core.events import PolicyChanged
from hanse.core.model.jobs import Ruled, make_shape
from hanse.core.policy.model import FairShare, Policy, Queue, Quota, Tier
from hanse.policies.virtual import VirtualJob, VirtualRegion
from tests.core.scheduling.regions import one, virtual

TIERS = (Tier(name="standard"),)
BY_AGE = FairShare(order="off")


def cpu(name: str, nominal: int, *tenants: str) -> Queue:
    return Queue(name=name, tenants=tenants, quotas=(Quota(kind="cpu", nominal=nominal),))


def ruled(job: VirtualJob, queue: str) -> VirtualJob:
    """The job as a rule leaves it."""
    body = msgspec.structs.replace(job.shape.body, ruled=Ruled(queue))
    return replace(job, shape=make_shape(body))


def starts(region: VirtualRegion) -> list[str]:
    return [start.job_id for start in region.starts]


def test_its_quota_is_charged_and_not_that_of_the_tenant() -> None:
    policy = Policy(tiers=TIERS, fair_share=BY_AGE, queues=(cpu("team", 1, "team"), cpu("night", 2)))
    jobs = [one("a", 1, run=100), ruled(one("b", 2, run=100), "night"), one("c", 1, run=100)]
    jobs += [ruled(one("d", 1, run=100), "night")]
    region = virtual(policy, jobs, cpu=100)
    region.run(10)
    assert starts(region) == ["a", "b"]
    quotas = region.region.local.standing.quotas
    assert [charge.queue.name for charge in quotas.charges().values()] == ["team", "night"]
    region.run()
    assert sorted(starts(region)) == ["a", "b", "c", "d"]


def test_one_tenants_jobs_in_two_queues_don_t_hold_each_other_up() -> None:
    policy = Policy(tiers=TIERS, fair_share=BY_AGE, queues=(cpu("team", 1, "team"), cpu("night", 1)))
    jobs = [one(f"t{n}", 1, run=100) for n in range(3)] + [
        ruled(one(f"n{n}", 1, run=100), "night") for n in range(3)
    ]
    region = virtual(policy, jobs, cpu=100)
    region.run(10)
    assert sorted(starts(region)) == ["n0", "t0"]
    region.run()
    assert len(starts(region)) == 6


def test_a_queue_that_a_new_policy_has_not_falls_back_to_the_tenants() -> None:
    queues = (cpu("team", 1, "team"), cpu("night", 1))
    region = virtual(Policy(tiers=TIERS, fair_share=BY_AGE, queues=queues), cpu=100)
    region.add([ruled(one(f"n{n}", 1, run=100), "night") for n in range(2)])
    region.run(10)
    job = region.region.books.jobs["n1"]
    quotas = region.region.local.standing.quotas
    assert getattr(quotas.queue_of("team", job.shape), "name", "") == "night"
    after = Policy(tiers=TIERS, fair_share=BY_AGE, queues=queues[:1])
    region.step(PolicyChanged(request_id=10**6, policy=after, cause="test"))
    quotas = region.region.local.standing.quotas
    assert getattr(quotas.queue_of("team", job.shape), "name", "") == "team"
    region.run()
    assert len(starts(region)) == 2


def test_what_placement_cannot_tell_apart_is_one_class_all_the_same() -> None:
    policy = Policy(tiers=TIERS, fair_share=BY_AGE, queues=(cpu("night", 9),))
    region = virtual(policy, [one("a", 4), one("b", 4), ruled(one("c", 4), "night")], cpu=4)
    region.run(0)
    assert len(list(region.region.local.queue.classes())) == 1
