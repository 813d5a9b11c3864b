"""What looks ahead heeds windows: plans, predictions, preemption, what others are offered; and hands on nodes."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.core.events import Ask, NodeOrder, OrderNodes, PlanJob, Question
from hanse.core.invariants import check
from hanse.core.model.jobs import Submission
from hanse.core.model.lifecycle import JobState
from hanse.core.model.reservations import Before, WantedReservation
from hanse.core.policy.model import Backfill, BackfillMode
from hanse.core.replies import Explanation, JobPlan, Reserved
from hanse.policies.virtual import REGION, VirtualJob, VirtualRegion
from tests.core.scheduling.regions import MS, one, run_checked, virtual
from tests.core.scheduling.test_preemption import policy, stopped
from tests.core.scheduling.test_reservations import PLAIN, SECOND, bookings, job, reserve, starts, wanted

_EPOCH_US = 1_700_000_000_000_000


def planned(region: VirtualRegion, asked: VirtualJob) -> JobPlan:
    submission = Submission(
        job_id=asked.id,
        client_key=asked.id,
        tenant=asked.tenant,
        name=asked.name,
        spec=b"virtual",
        spec_sha256=b"",
        shape=asked.shape,
        grace_us=0,
        retries_max=0,
    )
    event = PlanJob(request_id=1, submission=submission, home=REGION, cause="test")
    answer = region.step(event).replies[0].answer
    assert isinstance(answer, JobPlan), answer
    return answer


def explained(region: VirtualRegion, job_id: str) -> Explanation:
    out = region.step(Ask(request_id=1, question=Question.EXPLAIN, job_id=job_id))
    answer = out.replies[0].answer
    assert isinstance(answer, Explanation), answer
    return answer


@pytest.mark.parametrize("mode", ["none", "easy", "conservative"])
def test_a_plan_says_what_a_submission_would_meet(mode: BackfillMode) -> None:
    """For each of these jobs alike: the plan says START if and only if it starts at once when it comes."""
    rules = msgspec.structs.replace(PLAIN, backfill=Backfill(mode=mode))
    asked = [
        job("short", 4, 0, 10),
        job("crosses", 4, 0, 500),
        job("theirs", 4, 0, 10),
        job("ours", 4, 0, 10, tenant="mill/weavers"),
        job("large", 4, 0, 10, tenant="mill"),
    ]
    for at, each in ((50, asked[0]), (50, asked[1]), (120, asked[2]), (120, asked[3]), (120, asked[4])):
        region = virtual(rules)
        assert isinstance(reserve(region, wanted(cpu=4 if each.name != "large" else 2)), Reserved)
        region.run(at * SECOND * MS)
        plan = planned(region, each)
        region.add([dataclasses.replace(each, at_us=region.now_us)])
        region.run(at * SECOND * MS)
        starts_now = each.id in starts(region)
        assert (plan.regions[0].outcome == "START") is starts_now, each.name
        assert starts_now is (each.name in ("short", "ours", "large"))
        if not starts_now:
            codes = [blocker.code for blocker in plan.regions[0].blockers]
            assert "RESERVATION" in codes, (each.name, codes)


def test_a_waiting_job_is_told_when_the_window_ends() -> None:
    region = virtual(PLAIN, [job("theirs", 4, 120, 10)])
    assert isinstance(reserve(region, wanted()), Reserved)
    region.run(130 * SECOND * MS)
    assert explained(region, "theirs").predicted_start_wall_us == _EPOCH_US + 200 * SECOND * MS
    region.run(300 * SECOND * MS)
    assert starts(region)["theirs"] == 200


def test_what_runs_and_what_is_set_aside_are_both_named() -> None:
    """The job would need the whole node: half of it is in use, half is set aside."""
    region = virtual(PLAIN, [job("runs", 2, 10, 170), job("whole", 4, 120, 10)])
    assert isinstance(reserve(region, wanted(cpu=2)), Reserved)
    region.run(130 * SECOND * MS)
    codes = [blocker.code for blocker in explained(region, "whole").regions[0].blockers]
    assert codes == ["CAPACITY", "RESERVATION"]
    region.run(300 * SECOND * MS)
    assert starts(region)["whole"] == 200


def test_nobody_is_stopped_for_room_that_a_window_would_have() -> None:
    """A job in its window leaves room for its tenant only; one beside it leaves room for everybody."""
    ours = one("ours", 2, at=110 * SECOND, run=50 * SECOND, tenant="mill", tier="basic")
    beside = one("beside", 2, at=110 * SECOND, run=80 * SECOND, tenant="yard", tier="basic")
    high = one("high", 2, at=120 * SECOND, run=10 * SECOND, tenant="yard", tier="premium")
    region = virtual(policy(), [ours, high])
    assert isinstance(reserve(region, wanted(cpu=4)), Reserved)
    run_checked(region)
    assert stopped(region) == []
    region = virtual(policy(), [ours, beside, high])
    assert isinstance(reserve(region, wanted(cpu=2)), Reserved)
    run_checked(region)
    assert stopped(region) == ["beside"]
    assert starts(region)["high"] == 120


def test_the_first_that_waits_is_not_promised_what_a_window_takes_back() -> None:
    """What a tenant's job leaves in its window is not room for the one that waits; the window's end is."""
    jobs = [job("ours", 4, 110, 20, tenant="mill"), job("theirs", 4, 112, 60), job("other", 4, 120, 10)]
    for mode in ("easy", "conservative"):
        rules = msgspec.structs.replace(PLAIN, backfill=Backfill(mode=mode))
        region = virtual(rules, jobs, nodes=2)
        assert isinstance(reserve(region, wanted()), Reserved)
        region.run(125 * SECOND * MS)
        waiting = region.region.books.jobs["other"]
        assert region.region.local.scheduler.foreseen_us(waiting) == 172 * SECOND * MS
        if mode == "conservative":
            assert region.region.local.scheduler.reserved_start_us(waiting) == 172 * SECOND * MS
        run_checked(region)
        assert starts(region)["other"] == 172


def test_other_regions_are_offered_only_what_windows_leave() -> None:
    region = virtual(PLAIN)
    local = region.region.local
    short, long = job("s", 4, 0, 10).shape, job("l", 4, 0, 500).shape
    assert isinstance(reserve(region, wanted(starts=(100,))), Reserved)
    region.run(50 * SECOND * MS)
    region.step()
    assert local.slots(short, 10, "yard") >= 1
    assert local.slots(long, 10, "mill") >= 1
    assert local.slots(long, 10, "yard") == 0
    region.run(120 * SECOND * MS)
    region.step()
    assert local.slots(short, 10, "yard") == 0


def test_a_drained_node_of_a_window_is_used_again_once_it_is_back() -> None:
    region = virtual(PLAIN, [job("ours", 4, 110, 60, tenant="mill"), job("theirs", 4, 112, 10)])
    assert isinstance(reserve(region, wanted()), Reserved)
    region.run(115 * SECOND * MS)
    assert starts(region) == {"ours": 110}
    region.step(OrderNodes(request_id=1, nodes=("n0",), order=NodeOrder.DRAIN, cause="test"))
    region.run(120 * SECOND * MS)
    assert region.region.books.jobs["ours"].state is JobState.QUEUED
    check(region.region, full=True)
    region.step(OrderNodes(request_id=2, nodes=("n0",), order=NodeOrder.UNCORDON, cause="test"))
    region.run(130 * SECOND * MS)
    assert region.region.books.jobs["ours"].state is JobState.RUNNING
    run_checked(region)
    assert starts(region)["theirs"] >= 180


@st.composite
def tiered(draw: st.DrawFn) -> list[VirtualJob]:
    """Jobs of all tiers, some of them of a tenant with reservations."""
    return [
        one(
            f"j{number}",
            draw(st.integers(1, 4)),
            at=draw(st.integers(0, 120)) * SECOND,
            run=draw(st.integers(1, 60)) * SECOND,
            tenant=draw(st.sampled_from(["mill", "mill/weavers", "yard", "yard"])),
            tier=draw(st.sampled_from(["premium", "standard", "basic"])),
            grace=draw(st.sampled_from([0, 2])) * SECOND,
        )
        for number in range(draw(st.integers(2, 12)))
    ]


@settings(max_examples=60, deadline=None)
@given(tiered(), bookings())
def test_nobody_is_stopped_for_nothing_beside_windows(
    jobs: list[VirtualJob], asked: list[WantedReservation]
) -> None:
    """Whoever others were stopped for starts when they are gone, whatever windows take."""
    region = virtual(policy(), jobs, nodes=2)
    for each in asked:
        reserve(region, msgspec.structs.replace(each, before=Before.FINISH))
    awaited: dict[str, list[str]] = {}
    for _ in range(5_000):
        if not region.busy:
            break
        region.advance()
        check(region.region, full=True)
        local = region.region.local
        for preempted in local.scheduler.preempted:
            awaited.setdefault(preempted.waiting.id, []).append(preempted.victim.job.id)
        for start in region.starts:
            awaited.pop(start.job_id, None)
        for waiting, victims in awaited.items():
            gone = all(victim not in local.standing.running.jobs for victim in victims)
            assert not gone, f"{waiting} did not start although all that were stopped for it are gone"
    assert not awaited
