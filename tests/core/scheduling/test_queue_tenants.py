"""The queue with many tenants: the best job is the first by the keys that are shown, whatever was parked or changed."""

from __future__ import annotations

import random

import msgspec
import pytest

from hanse.core.model.jobs import Job
from hanse.core.model.time import Now
from hanse.core.policy.model import FairShare, Policy, Quota, ShareOrder, Tier
from hanse.core.policy.model import Queue as QueueRules
from hanse.core.scheduling.experience import Experience
from hanse.core.scheduling.fairness import SHARE_UNIT
from hanse.core.scheduling.queue import JobQueue
from hanse.core.scheduling.quota import QuotaBook
from hanse.core.scheduling.tenants import Tenants
from tests.core.scheduling.worlds import group, job, shape

TENANTS = ("org/a", "org/b", "other/c", "d")
SHAPES = [
    shape(group(cpu=cpu), tier=tier, priority=priority)
    for tier in ("premium", "basic")
    for priority in (0, 5)
    for cpu in (1, 2)
]


def rules(order: ShareOrder) -> Policy:
    """Two tenants have queues, in one cohort. No tier has a longest wait: that counts only when all
    keys are worked out anew."""
    queues = tuple(
        QueueRules(name=name, tenants=(name,), cohort="c", quotas=(Quota(kind="cpu", nominal=2),))
        for name in TENANTS[:2]
    )
    return Policy(
        tiers=(Tier(name="premium"), Tier(name="basic")),
        queues=queues,
        fair_share=FairShare(order=order, half_life_us=5_000_000),
    )


@pytest.mark.parametrize("order", ["before_priority", "after_priority", "after_expected", "off"])
@pytest.mark.parametrize("seed", range(6))
def test_the_best_is_the_first_by_the_keys_that_are_shown(seed: int, order: ShareOrder) -> None:
    draw = random.Random(seed)
    policy = rules(order)
    tenants, quotas = Tenants(policy), QuotaBook(policy)
    experience = Experience()
    queue = JobQueue(policy, tenants, quotas, experience)
    held: list[Job] = []
    now_us = 0
    for at in range(500):
        now_us += draw.choice([0, 1_000, 100_000, 2_000_000])
        queue.tick(Now(mono_us=now_us, wall_us=now_us))
        match draw.choice(["add", "add", "start", "start", "end", "learn", "park", "park lane", "reopen"]):
            case "add":
                fresh = job(f"j{at:04}", draw.choice(SHAPES), now_us)
                fresh = msgspec.structs.replace(fresh, tenant=draw.choice(TENANTS))
                queue.add(fresh)
            case "start" if (best := queue.best()) is not None:
                queue.discard(best.id)
                tenants.account(best.tenant).take(SHARE_UNIT // 50, now_us)
                member = quotas.queue_of(best.tenant)
                if member is not None:
                    quotas.charge(best.id, member.charged("", best.shape.total), resumed=True)
                held.append(best)
            case "end" if held:
                ended = held.pop(draw.randrange(len(held)))
                tenants.account(ended.tenant).take(-SHARE_UNIT // 50, now_us)
                quotas.release(ended.id)
                experience.learn(ended, draw.choice([1_000, 100_000, 10_000_000]))
                queue.tenant_changed(ended.tenant, ended.shape)
            case "learn":
                # Something that ran elsewhere: it counts when all keys are worked out anew.
                other = job("elsewhere", draw.choice(SHAPES), now_us)
                other = msgspec.structs.replace(other, tenant=draw.choice(TENANTS))
                experience.learn(other, draw.choice([1_000, 100_000, 10_000_000]))
            case "park" if (lane := queue.best_lane()) is not None:
                queue.park(lane)
            case "park lane" if (lane := queue.best_lane()) is not None:
                root = lane.quota.root if lane.quota is not None else None
                (queue.park_lane if draw.random() < 0.5 else queue.park_group)(lane, root)
            case "reopen":
                queue.reopen()
                for root in quotas.roots:
                    queue.reopen_root(root)
        # First, since it may have to work out all keys anew.
        best_lane = queue.best_lane()
        lanes = [lane for lane in queue._lanes.values() if lane.parked_by is None and lane.group.is_open]
        assert best_lane is min(lanes, key=queue.key, default=None)
        everybody = queue.in_order(10_000)
        assert len(everybody) == len(queue)
        assert everybody == sorted(queue._jobs.values(), key=queue._key_of)
        assert [queue.position(each.id) for each in everybody[:5]] == list(range(1, 1 + len(everybody[:5])))
