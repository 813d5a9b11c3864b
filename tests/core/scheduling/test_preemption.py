"""Preemption: whose capacity is taken by which rule, never for nothing, never without an end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.core import invariants
from hanse.core.model.jobs import ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.policy.model import Flavour, Policy, Preemption, Queue, Quota, Tier
from hanse.policies.virtual import VirtualJob, VirtualRegion
from tests.core.scheduling.regions import (
    MS,
    jobs_strategy,
    one,
    quota_of,
    reason,
    run_checked,
    started_at,
    virtual,
)
from tests.core.scheduling.worlds import node

TIERS = (
    Tier(name="premium"),
    Tier(name="standard", preemptible_by=("premium",)),
    Tier(name="basic", preemptible_by=("premium", "standard")),
)
NOW = Preemption(patience_us=0, run_min_us=0)


def policy(preemption: Preemption = NOW, queues: tuple[Queue, ...] = ()) -> Policy:
    """Tiers without promises."""
    return Policy(version=7, tiers=TIERS, preemption=preemption, queues=queues)


def stopped(region: VirtualRegion) -> list[str]:
    """Jobs that were started more than once."""
    return sorted({start.job_id for start in region.starts if start.attempt > 1})


def test_a_job_of_a_better_tier_takes_the_capacity_of_a_worse_one() -> None:
    jobs = [one("low", 4, run=1000, tier="basic", grace=5), one("high", 3, at=10, run=20, tier="premium")]
    region = virtual(policy(), jobs)
    region.run(12 * MS)
    assert region.region.books.jobs["low"].state is JobState.STOPPING
    assert reason(region, "low").code is ReasonCode.PREEMPTED
    assert reason(region, "low").detail == "for high (high): tier premium before basic, policy 7"
    region.run(16 * MS)
    assert started_at(region)["high"] == 15
    assert "1 jobs were stopped for it: tier premium before basic, policy 7" in reason(region, "high").detail
    low = region.region.books.jobs["low"]
    assert (low.state, low.reason.code, low.failures) == (JobState.QUEUED, ReasonCode.PREEMPTED, 0)
    assert low.reason.detail.startswith("attempt 1: for high")
    run_checked(region)
    assert [end[0] for end in region.ends] == ["high", "low"]


@pytest.mark.parametrize(
    ("tier", "victim", "taken"),
    [
        ("premium", "standard", True),
        ("standard", "basic", True),
        ("standard", "standard", False),
        ("basic", "basic", False),
        ("standard", "premium", False),
    ],
)
def test_only_whom_the_victims_tier_names_may_take(tier: str, victim: str, taken: bool) -> None:
    jobs = [one("runs", 4, run=1000, tier=victim), one("waits", 4, at=1, run=10, tier=tier, priority=9)]
    region = virtual(policy(), jobs)
    run_checked(region)
    assert (stopped(region) == ["runs"]) == taken


def test_nobody_is_stopped_for_a_job_that_would_not_start() -> None:
    """Half of the node is held by somebody who may not be stopped."""
    jobs = [
        one("mine", 2, run=1000, tier="premium"),
        one("low", 2, run=1000, tier="basic"),
        one("high", 3, at=1, run=10, tier="premium"),
    ]
    region = virtual(policy(), jobs)
    run_checked(region)
    assert stopped(region) == []


def test_nobody_is_stopped_for_a_job_that_starts_soon_by_itself() -> None:
    jobs = [one("low", 4, run=100, tier="basic"), one("high", 4, at=10, run=10, tier="premium")]
    patient = virtual(policy(Preemption(patience_us=90 * MS, run_min_us=0)), jobs)
    run_checked(patient)
    assert stopped(patient) == []
    hasty = virtual(policy(Preemption(patience_us=89 * MS, run_min_us=0)), jobs)
    run_checked(hasty)
    assert stopped(hasty) == ["low"]


def test_the_cheapest_are_stopped_and_no_more_than_needed() -> None:
    """Worse tier first; then what would lose less; and two small ones stay if one large one does."""
    jobs = [
        one("standard", 4, run=5000, tier="standard"),
        one("old", 4, run=5000, tier="basic"),
        one("young", 4, at=50, run=5000, tier="basic"),
        one("small", 1, at=51, run=5000, tier="basic"),
        one("high", 4, at=100, run=10, tier="premium"),
    ]
    region = virtual(policy(), jobs, nodes=4)
    region.run(100 * MS)
    preempted = [job for job in region.region.books.jobs.values() if job.reason.code is ReasonCode.PREEMPTED]
    assert [job.id for job in preempted] == ["small"]
    crowded = virtual(
        policy(), [*jobs[:3], one("other", 2, at=51, run=5000, tier="standard"), jobs[4]], nodes=4
    )
    crowded.run(100 * MS)
    preempted = [job for job in crowded.region.books.jobs.values() if job.reason.code is ReasonCode.PREEMPTED]
    assert [job.id for job in preempted] == ["young"]


def test_a_gang_takes_what_it_needs_on_all_its_nodes() -> None:
    jobs = [one(f"b{at}", 4, run=5000, tier="basic") for at in range(3)]
    jobs.append(one("gang", 4, count=2, at=10, run=10, tier="premium"))
    region = virtual(policy(), jobs, nodes=3)
    run_checked(region)
    assert len(stopped(region)) == 2
    assert started_at(region)["gang"] == 10


def test_what_victims_leave_is_kept_for_the_preemptor() -> None:
    """While one victim ends at once and the other takes its time, a small job must not get in between."""
    jobs = [
        one("quick", 2, run=5000, tier="basic"),
        one("slow", 2, run=5000, tier="basic", grace=50),
        one("high", 4, at=10, run=10, tier="premium"),
        one("sneak", 2, at=20, run=500, tier="premium", priority=5),
    ]
    region = virtual(policy(), jobs)
    run_checked(region)
    starts = started_at(region)
    assert starts["high"] == 60
    assert starts["sneak"] == 70


def test_nothing_is_kept_for_a_preemptor_that_found_room_elsewhere() -> None:
    """Swarm seed 18: another job ended while the victim was still in its grace."""
    jobs = [
        one("victim", 2, run=1000, tier="basic", grace=50),
        one("ends", 2, run=20, tier="premium"),
        one("high", 2, at=10, run=100, tier="premium"),
    ]
    region = virtual(policy(), jobs)
    region.run(12 * MS)
    assert region.region.local.scheduler.claimed("high")
    region.run(21 * MS)
    assert started_at(region)["high"] == 20
    assert not region.region.local.scheduler.claimed("high")
    invariants.check(region.region, full=True)
    run_checked(region)
    assert [end[0] for end in region.ends] == ["ends", "high", "victim"]


def test_a_preempted_job_does_not_preempt() -> None:
    """Premium takes from standard; standard, put out, does not take from basic."""
    jobs = [
        one("standard", 4, run=300, tier="standard"),
        one("basic", 4, run=300, tier="basic"),
        one("premium", 4, at=10, run=10, tier="premium"),
    ]
    policy_ = Policy(
        tiers=(
            TIERS[0],
            Tier(name="standard", preemptible_by=("premium",)),
            Tier(name="basic", preemptible_by=("standard",)),
        ),
        preemption=NOW,
    )
    region = virtual(policy_, jobs, nodes=2)
    run_checked(region)
    assert stopped(region) == ["standard"]
    assert started_at(region)["premium"] == 10


def test_young_jobs_and_jobs_that_were_stopped_often_are_spared() -> None:
    young = virtual(
        policy(Preemption(patience_us=0, run_min_us=50 * MS)),
        [one("low", 4, run=1000, tier="basic"), one("high", 4, at=10, run=10, tier="premium")],
    )
    young.run(20 * MS)
    assert started_at(young) == {"low": 0}
    often = virtual(
        policy(Preemption(patience_us=0, run_min_us=0, restarts_max=3)),
        [
            one("low", 4, run=100, tier="basic"),
            *[one(f"high{at}", 4, at=10 + 30 * at, run=1, tier="premium") for at in range(20)],
        ],
    )
    run_checked(often)
    attempts = [start for start in often.starts if start.job_id == "low"]
    assert len(attempts) == 4
    assert len(often.ends) == 21


def test_reclaim_takes_from_who_borrows_and_leaves_them_their_own() -> None:
    queues = (
        quota_of("a", 4, cohort="c", reclaim_within_cohort="any"),
        quota_of("b", 4, cohort="c"),
    )
    jobs = [one(f"b{at}", 2, run=1000, tenant="b", priority=5) for at in range(4)]
    jobs += [one(f"a{at}", 2, at=10, run=1000, tenant="a") for at in range(3)]
    region = virtual(policy(queues=queues), jobs, cpu=100)
    region.run(20 * MS)
    running = [job.id for job in region.region.books.jobs.values() if job.state is JobState.RUNNING]
    # Two of four were borrowed; the third job of "a" would borrow itself.
    assert len([name for name in running if name.startswith("a")]) == 2
    assert len([name for name in running if name.startswith("b")]) == 2
    detail = next(
        job.reason.detail
        for job in region.region.books.jobs.values()
        if job.reason.code is ReasonCode.PREEMPTED
    )
    assert "reclaim within cohort c (any)" in detail


@pytest.mark.parametrize(
    ("rule", "priority", "taken"),
    [("never", 0, False), ("lower_priority", 1, True), ("lower_priority", 9, False), ("any", 9, True)],
)
def test_reclaim_by_priority(rule: str, priority: int, taken: bool) -> None:
    queues = (quota_of("a", 4, cohort="c", reclaim_within_cohort=rule), quota_of("b", 0, cohort="c"))
    jobs = [
        one("borrows", 4, run=1000, tenant="b", priority=priority),
        one("owner", 4, at=1, run=10, tenant="a", priority=5),
    ]
    region = virtual(policy(queues=queues), jobs, cpu=100)
    run_checked(region)
    assert (stopped(region) == ["borrows"]) == taken


@pytest.mark.parametrize(
    ("rule", "priority", "taken"),
    [
        ("never", 0, False),
        ("lower_priority", 4, True),
        ("lower_priority", 5, False),
        ("lower_or_newer_equal_priority", 5, False),
        ("lower_or_newer_equal_priority", 4, True),
    ],
)
def test_within_a_queue(rule: str, priority: int, taken: bool) -> None:
    queues = (quota_of("a", 4, within_queue=rule),)
    jobs = [
        one("runs", 4, run=1000, tenant="a", priority=priority),
        one("waits", 4, at=1, run=10, tenant="a", priority=5),
    ]
    region = virtual(policy(queues=queues), jobs, cpu=100)
    run_checked(region)
    assert (stopped(region) == ["runs"]) == taken


def test_borrowing_while_others_borrow() -> None:
    lender = quota_of("lender", 8, cohort="c")
    borrower = quota_of("b", 0, cohort="c")
    for rule, most, taken in (
        ("never", None, False),
        ("lower_priority", None, True),
        ("lower_priority", 2, False),
    ):
        asking = Queue(
            name="a",
            tenants=("a",),
            cohort="c",
            quotas=(Quota(kind="cpu", nominal=0),),
            borrow_within_cohort=rule,  # type: ignore[arg-type]
            borrow_priority_max=most,
        )
        jobs = [
            one("runs", 8, run=1000, tenant="b", priority=3),
            one("waits", 4, at=1, run=10, tenant="a", priority=5),
        ]
        region = virtual(policy(queues=(lender, borrower, asking)), jobs, cpu=100)
        run_checked(region)
        assert (stopped(region) == ["runs"]) == taken, (rule, most)


def test_flavours_are_taken_in_order_and_charged_apart() -> None:
    flavours = (
        Flavour(name="new", constraints=("model = new",)),
        Flavour(name="old", constraints=("model = old",)),
    )
    quotas = (Quota(kind="cpu", nominal=4, flavour="new"), Quota(kind="cpu", nominal=8, flavour="old"))
    rules = Policy(
        tiers=TIERS, flavours=flavours, queues=(Queue(name="q", tenants=("team",), quotas=quotas),)
    )
    nodes = (node("n1", {"model": "old"}, cpu=100), node("n2", {"model": "new"}, cpu=100))
    region = VirtualRegion(nodes, rules)
    region.add([one(f"j{at}", 4, at=at, run=100) for at in range(4)])
    region.run(10 * MS)
    where = {
        job.id: (job.allocation.tasks[0].node, job.allocation.flavour)
        for job in region.region.books.jobs.values()
        if job.allocation is not None
    }
    assert where == {"j0": ("n2", "new"), "j1": ("n1", "old"), "j2": ("n1", "old")}
    run_checked(region)
    assert started_at(region)["j3"] == 100


@settings(max_examples=80, deadline=None)
@given(jobs_strategy(), st.sampled_from([0, 3]), st.booleans())
def test_never_for_nothing_and_all_come_to_an_end(
    jobs: list[VirtualJob], patience: int, quotas: bool
) -> None:
    """Whoever others were stopped for starts when they are gone, before anybody else gets what they left."""
    queues = (
        quota_of("a", 3, cohort="c", reclaim_within_cohort="any", within_queue="lower_priority"),
        quota_of("b", 3, cohort="c", reclaim_within_cohort="lower_priority"),
    )
    rules = Preemption(patience_us=patience * MS, run_min_us=0, restarts_max=4)
    region = virtual(policy(rules, queues if quotas else ()), jobs)
    awaited: dict[str, list[str]] = {}
    seen = 0
    for _ in range(5_000):
        if not region.busy:
            break
        region.advance()
        for preempted in region.region.local.scheduler.preempted:
            awaited.setdefault(preempted.waiting.id, []).append(preempted.victim.job.id)
        for start in region.starts[seen:]:
            awaited.pop(start.job_id, None)
            assert all(start.job_id not in victims for victims in awaited.values()), (
                "a victim is back too early"
            )
        seen = len(region.starts)
        for waiting, victims in awaited.items():
            gone = all(victim not in region.region.local.standing.running.jobs for victim in victims)
            assert not gone, f"{waiting} did not start although all that were stopped for it are gone"
    assert not awaited
    assert len(region.ends) == len(jobs) - len(region.refused)
    assert all(succeeded for _, _, succeeded in region.ends)
