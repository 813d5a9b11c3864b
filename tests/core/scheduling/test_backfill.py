"""Backfill: what overtakes a blocked job does not delay it; schedules of another simulator; wrong estimates."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.bench.schedules import differences, read_schedule, replayed
from hanse.core.events import Ask, Question
from hanse.core.policy.model import Backfill, BackfillMode, FairShare, Policy, Preemption, Tier
from hanse.core.replies import Explanation
from hanse.policies.virtual import VirtualJob
from tests.core.scheduling.regions import MS, jobs_strategy, one, quota_of, run_checked, started_at, virtual

_TIERS = tuple(Tier(name=name) for name in ("premium", "standard", "basic"))
_BY_AGE = FairShare(order="off")
_EASY = Policy(tiers=_TIERS, fair_share=_BY_AGE, preemption=Preemption(enabled=False))


def policy(mode: BackfillMode, **more: object) -> Policy:
    """By age; no preemption, no promises."""
    more = {"fair_share": _BY_AGE, **more}
    return Policy(tiers=_TIERS, preemption=Preemption(enabled=False), backfill=Backfill(mode=mode), **more)  # type: ignore[arg-type]


def test_a_short_job_overtakes_and_a_long_one_waits() -> None:
    jobs = [
        one("runs", 3, run=100),
        one("head", 4, at=1, run=10),
        one("long", 1, at=2, run=200),
        one("short", 1, at=3, run=90),
    ]
    for mode, long_at in (("none", 2), ("easy", 110), ("conservative", 110)):
        region = virtual(policy(mode), jobs)  # type: ignore[arg-type]
        run_checked(region)
        starts = started_at(region)
        assert starts["long"] == long_at, mode
        assert (starts["short"] == 3) == (mode != "none")
        assert (starts["head"] == 100) == (mode != "none")


def test_a_long_job_may_overtake_on_what_the_head_leaves() -> None:
    jobs = [one("runs", 3, run=100), one("head", 3, at=1, run=10), one("long", 1, at=2, run=500)]
    region = virtual(_EASY, jobs)
    run_checked(region)
    assert started_at(region) == {"runs": 0, "head": 100, "long": 2}
    assert region.region.local.scheduler.reservations() == []


def test_nodes_that_are_reserved_are_left_and_others_used() -> None:
    """The gang is to have n0 and n2; the long job fits on n2 now, and goes to n3 when that is free."""
    jobs = [
        one("first", 4, run=50),
        one("second", 4, run=500),
        one("small", 3, run=70),
        one("gang", 4, count=2, at=1, run=10),
        one("long", 1, at=2, run=900),
    ]
    region = virtual(_EASY, jobs, cpu=4, nodes=4)
    run_checked(region)
    starts = started_at(region)
    assert starts["gang"] == 50
    # Best fit is beside the small job, on a node that nobody has reserved.
    assert starts["long"] == 2


def test_when_the_head_starts_the_next_one_is_protected() -> None:
    """The second gang is of a class that gained nothing from what ended, and is head all the same."""
    jobs = [
        one("first", 4, run=50),
        one("second", 4, run=100),
        one("third", 4, run=150),
        one("head", 4, at=1, run=300),
        one("next", 4, count=2, at=2, run=10),
        one("long", 3, at=3, run=400),
        one("short", 3, at=4, run=40),
    ]
    region = virtual(_EASY, jobs, nodes=3)
    run_checked(region)
    starts = started_at(region)
    assert (starts["head"], starts["next"]) == (50, 150)
    assert starts["short"] == 100
    assert starts["long"] >= 150


def test_a_blocked_head_of_a_quota_is_not_delayed_within_its_cohort() -> None:
    queues = (quota_of("a", 4, cohort="c"), quota_of("b", 0, cohort="c"), quota_of("other", 2))
    jobs = [
        one("runs", 3, run=100, tenant="a"),
        one("head", 4, at=1, run=10, tenant="a"),
        one("long", 1, at=2, run=300, tenant="b"),
        one("short", 1, at=3, run=50, tenant="b"),
        one("elsewhere", 2, at=4, run=900, tenant="other"),
    ]
    region = virtual(policy("easy", queues=queues), jobs, cpu=100)
    run_checked(region)
    assert started_at(region) == {"runs": 0, "head": 100, "long": 110, "short": 3, "elsewhere": 4}


def test_an_overrun_moves_the_reservation_and_loses_nobody() -> None:
    """The job that the head waits for takes ten times as long as its user said."""
    jobs = [
        one("runs", 3, run=1000, estimate=100),
        one("head", 4, at=1, run=10),
        *[one(f"b{at}", 1, at=2, run=30) for at in range(20)],
    ]
    region = virtual(_EASY, jobs)
    run_checked(region)
    starts = started_at(region)
    assert starts["head"] == 1000
    assert len(region.ends) == len(jobs)
    # Backfill went on after the first estimate had come to nothing.
    assert max(starts[f"b{at}"] for at in range(20)) < 1000


def test_run_times_that_nobody_estimates_are_learnt() -> None:
    jobs = [one(f"train-{at}", 1, at=at * 100, run=20, estimate=0) for at in range(5)]
    jobs += [
        one("runs", 3, at=1000, run=50, estimate=50),
        one("head", 4, at=1001, run=10),
        one("train-99", 1, at=1002, run=20, estimate=0),
    ]
    region = virtual(_EASY, jobs)
    run_checked(region)
    assert started_at(region)["train-99"] == 1002
    assert started_at(region)["head"] == 1050


def test_who_waits_for_a_reservation_is_told_for_whom() -> None:
    jobs = [one("runs", 3, run=100_000), one("head", 4, at=1), one("long", 1, at=2, run=200_000)]
    region = virtual(_EASY, jobs)
    region.run(10 * MS)
    out = region.step(Ask(request_id=9, question=Question.EXPLAIN, job_id="long"))
    answer = out.replies[0].answer
    assert isinstance(answer, Explanation)
    assert answer.regions[0].blockers[0].code == "RESERVED"
    head = region.step(Ask(request_id=10, question=Question.EXPLAIN, job_id="head")).replies[0].answer
    assert isinstance(head, Explanation)
    begun_wall_us = region.region.books.jobs["runs"].started_wall_us
    assert head.predicted_start_wall_us == begun_wall_us + 100_000 * MS
    assert "it would delay head (head), which goes first and is to start in 100.0 s" in answer.summary


def test_who_comes_within_the_depth_of_a_plan_is_planned() -> None:
    """Nothing else happens meanwhile. (Seed 394 of a swarm.)"""
    plan = Backfill(mode="conservative", depth=2)
    region = virtual(
        Policy(tiers=_TIERS, preemption=Preemption(enabled=False), backfill=plan),
        [one(f"j{at}", 1, run=100) for at in range(5)],
    )
    region.run(50 * MS)
    assert len(region.starts) == 4


def test_the_oldest_that_is_blocked_is_the_head() -> None:
    """Found by the property below: when the head had started, who came then and was blocked took its place, although
    somebody older had been blocked for longer."""
    jobs = [
        *[one(f"runs{at}", 1, run=30) for at in range(3)],
        one("ends", 1, run=10),
        one("next", 1, at=1, run=10),
        one("older", 2, at=2, run=10),
        one("younger", 3, at=10, run=10),
    ]
    region = virtual(_EASY, jobs)
    region.run(15 * MS)
    assert [head.job.id for head in region.region.local.scheduler._heads.values()] == ["older"]


@settings(max_examples=60)
@given(jobs_strategy(tenants=("a",)), st.sampled_from(["easy", "conservative"]))
def test_no_backfill_delays_the_head(jobs: list[VirtualJob], mode: BackfillMode) -> None:
    """With exact estimates: from when a job is the first that is blocked, it starts no later than it would if nobody
    came behind it."""
    region = virtual(policy(mode), jobs)
    promised: dict[str, int] = {}
    while region.busy:
        region.advance()
        for reservation in region.region.local.scheduler.reservations():
            known = promised.get(reservation.job.id)
            promised[reservation.job.id] = min(known or reservation.starts_us, reservation.starts_us)
    first = {start.job_id: start.at_us for start in reversed(region.starts)}
    better = _may_be_overtaken(jobs)
    for job_id, at_us in promised.items():
        assert first[job_id] <= at_us or better[job_id]
    assert len(region.ends) == len(jobs)


def _may_be_overtaken(jobs: list[VirtualJob]) -> dict[str, bool]:
    """Whether somebody that goes before it in the order arrives later."""

    def place(job: VirtualJob) -> tuple[int, int]:
        body = job.shape.body
        return (("premium", "standard", "basic").index(body.tier), -body.priority)

    return {
        job.id: any(other.at_us > job.at_us and place(other) < place(job) for other in jobs) for job in jobs
    }


@pytest.mark.parametrize("mode", ["easy", "conservative"])
def test_schedules_of_batsim(mode: BackfillMode) -> None:
    """The first 160 of 801 jobs; later ones change nothing for them. The file says where it is from."""
    rows, nodes = read_schedule(Path(__file__).parent / "schedules" / f"batsim_{mode}.csv")
    assert (len(rows), nodes) == (160, 32)
    assert differences(rows, replayed(rows, nodes, mode)) == []
