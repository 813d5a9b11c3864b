"""Orders about jobs and nodes, jobs that wait for jobs, and retries by rule: in a Region under virtual time."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hanse.core.events import (
    Ask,
    CancelJobs,
    ExecutorRecovered,
    NodeOrder,
    Order,
    OrderJobs,
    OrderKind,
    OrderNodes,
    Question,
    Submit,
    TaskEnded,
)
from hanse.core.invariants import check
from hanse.core.model.jobs import (
    After,
    JobTerms,
    ReasonCode,
    RetryRules,
    Submission,
    When,
    unpacked_terms,
)
from hanse.core.model.lifecycle import JobState
from hanse.core.policy.model import FairShare, Policy
from hanse.core.region import Region
from hanse.core.replies import Done, Explanation, OrdersOutcome, Refused, SubmitOutcome, Submitted
from hanse.core.rows import Snapshot
from hanse.policies.virtual import VirtualRegion
from tests.core.scheduling.regions import MS, one, quota_of, virtual
from tests.core.scheduling.test_policies import TIERS

PLAIN = Policy(tiers=TIERS, fair_share=FairShare(order="off"))


def order(world: VirtualRegion, kind: OrderKind, *job_ids: str, **fields: Any) -> list[Any]:
    """The results of an order."""
    event = OrderJobs(request_id=99, job_ids=job_ids, order=Order(kind=kind, **fields), cause="test")
    out = world.step(event)
    check(world.region, full=True)
    answer = next(reply.answer for reply in out.replies if reply.request_id == 99)
    assert isinstance(answer, OrdersOutcome)
    return list(answer.results)


def state(region: VirtualRegion, job_id: str) -> JobState:
    return region.region.books.jobs[job_id].state


def explained(region: VirtualRegion, job_id: str) -> Explanation:
    answer = region.step(Ask(request_id=98, question=Question.EXPLAIN, job_id=job_id)).replies[0].answer
    assert isinstance(answer, Explanation)
    return answer


def submit(region: VirtualRegion, job_id: str, **fields: Any) -> Submitted | Refused:
    """One job, now; the virtual region ends it after a millisecond."""
    job = one(job_id, 1, run=1)
    event = region._submit(job)
    assert isinstance(event, Submit)
    submission = event.submissions[0]
    changed = Submission(
        **{name: getattr(submission, name) for name in submission.__struct_fields__} | fields
    )
    out = region.step(Submit(request_id=event.request_id, submissions=(changed,), cause="test"))
    check(region.region, full=True)
    answer = next(reply.answer for reply in out.replies if reply.request_id == event.request_id)
    assert isinstance(answer, SubmitOutcome)
    return answer.results[0]


# --- hold, release, requeue ---


def test_a_held_job_waits_until_it_is_released() -> None:
    region = virtual(PLAIN, [one("runs", 4, run=10), one("held", 4, at=1)])
    region.run(2 * MS)
    assert order(region, OrderKind.HOLD, "held", why="maintenance") == [JobState.QUEUED]
    assert order(region, OrderKind.HOLD, "held") == [JobState.QUEUED], "a second time changes nothing"
    region.run(50 * MS)
    assert state(region, "held") is JobState.QUEUED
    blocker = explained(region, "held").regions[0].blockers[0]
    assert (blocker.code, blocker.message) == ("HELD", "it is held (maintenance), until it is released")
    assert order(region, OrderKind.RELEASE, "held") == [JobState.QUEUED]
    assert state(region, "held") is JobState.RUNNING


def test_what_runs_of_a_held_job_is_stopped_and_waits() -> None:
    region = virtual(PLAIN, [one("runs", 4, run=100)])
    region.run(2 * MS)
    assert order(region, OrderKind.HOLD, "runs") == [JobState.RUNNING]
    region.run(5 * MS)
    job = region.region.books.jobs["runs"]
    assert (job.state, job.reason.code, job.failures) == (JobState.QUEUED, ReasonCode.HELD, 0)
    order(region, OrderKind.RELEASE, "runs")
    assert (state(region, "runs"), job.attempt) == (JobState.RUNNING, 2)


def test_a_requeued_job_starts_again_and_it_is_no_failure() -> None:
    region = virtual(PLAIN, [one("runs", 4, run=100)])
    region.run(2 * MS)
    assert order(region, OrderKind.REQUEUE, "runs") == [JobState.RUNNING]
    [refused] = order(region, OrderKind.HOLD, "runs")
    assert refused.code == "NOT_NOW"
    region.run(5 * MS)
    job = region.region.books.jobs["runs"]
    assert (job.state, job.attempt, job.failures) == (JobState.RUNNING, 2, 0)


def test_a_held_job_can_be_cancelled_and_what_has_ended_takes_no_orders() -> None:
    region = virtual(PLAIN, [one("runs", 4, run=5), one("held", 4, at=1)])
    region.run(2 * MS)
    order(region, OrderKind.HOLD, "held")
    region.step(CancelJobs(request_id=1, job_ids=("held",), cause="c"))
    check(region.region, full=True)
    assert [result.code for result in order(region, OrderKind.RELEASE, "held", "never-was")] == [
        "NOT_FOUND"
    ] * 2


def test_orders_survive_a_restart() -> None:
    region = virtual(PLAIN, [one("runs", 4, run=100), one("held", 4, at=1), one("urgent", 4, at=2)])
    region.run(3 * MS)
    order(region, OrderKind.HOLD, "held")
    order(region, OrderKind.SET_PRIORITY, "urgent", priority=7)
    core = region.region
    # The rows are what recovery reads: the jobs as they are.
    snapshot = Snapshot(
        ledger_id="virtual",
        incarnation=2,
        write_sequence=core.sequence,
        jobs=list(core.books.jobs.values()),
    )
    again = Region(core.config, snapshot, region._now(), random.Random(1), policy=PLAIN)
    again.step(region._now(), [ExecutorRecovered(found=())])
    assert "held" not in again.local.queue
    assert "urgent" in again.local.queue or again.books.jobs["urgent"].state is not JobState.QUEUED
    assert again.books.jobs["urgent"].shape.body.priority == 7


# --- priority and place ---


def test_a_priority_changes_the_order_of_the_queue_and_of_what_runs() -> None:
    region = virtual(
        PLAIN, [one("runs", 4, run=10), one("first", 4, at=1, run=5), one("second", 4, at=2, run=5)]
    )
    region.run(3 * MS)
    assert order(region, OrderKind.SET_PRIORITY, "second", "runs", priority=5) == [
        JobState.QUEUED,
        JobState.RUNNING,
    ]
    region.run(40 * MS)
    assert [start.job_id for start in region.starts] == ["runs", "second", "first"]


def test_a_running_job_may_have_another_priority_within_its_queue() -> None:
    policy = Policy(tiers=TIERS, queues=(quota_of("team", 4),), fair_share=FairShare(order="off"))
    region = virtual(policy, [one("runs", 2, run=20, tenant="team"), one("other", 2, run=20, tenant="team")])
    region.run(1 * MS)
    assert order(region, OrderKind.SET_PRIORITY, "runs", priority=5) == [JobState.RUNNING]
    region.run(40 * MS)
    assert sorted(job_id for job_id, _, _ in region.ends) == ["other", "runs"]


@pytest.mark.parametrize("priority", [1001, -1001])
def test_a_priority_out_of_bounds_is_refused(priority: int) -> None:
    region = virtual(PLAIN, [one("runs", 4, run=10)])
    region.run(1 * MS)
    [refused] = order(region, OrderKind.SET_PRIORITY, "runs", priority=priority)
    assert (refused.code, refused.field) == ("INVALID", "set_priority")


@pytest.mark.parametrize(("target", "told"), [("virtual", "already"), ("nowhere", "no region")])
def test_a_move_that_leads_nowhere_is_refused(target: str, told: str) -> None:
    region = virtual(PLAIN, [one("runs", 4, run=10)])
    region.run(1 * MS)
    [refused] = order(region, OrderKind.MOVE, "runs", region=target)
    assert refused.code == "INVALID"
    assert told in refused.message


# --- nodes ---


def node_order(region: VirtualRegion, kind: NodeOrder, *nodes: str) -> Any:
    out = region.step(OrderNodes(request_id=96, nodes=nodes, order=kind, cause="test", why="disk"))
    check(region.region, full=True)
    return next(reply.answer for reply in out.replies if reply.request_id == 96)


def test_nothing_starts_on_a_cordoned_node_and_what_runs_there_goes_on() -> None:
    region = virtual(
        PLAIN, [one("a", 4, run=20), one("b", 4, at=5, run=5), one("c", 4, at=6, run=5)], nodes=2
    )
    region.run(1 * MS)
    held_by_a = region.region.local.capacity.held("a")[1].tasks[0].node
    other = "n1" if held_by_a == "n0" else "n0"
    assert node_order(region, NodeOrder.CORDON, other) == Done()
    region.run(10 * MS)
    assert (state(region, "a"), state(region, "b")) == (JobState.RUNNING, JobState.QUEUED)
    because = explained(region, "b").regions[0].blockers[0].because[0].because
    assert ("CORDONED", (other,)) in [(blocker.code, blocker.nodes) for blocker in because]
    [cordoned] = [view for view in region.region.local.capacity.nodes() if view.cordoned is not None]
    assert (cordoned.node.name, cordoned.cordoned, cordoned.free) == (other, "disk", ())
    assert node_order(region, NodeOrder.UNCORDON, other) == Done()
    assert state(region, "b") is JobState.RUNNING


def test_a_drained_node_is_left_by_what_runs_there() -> None:
    region = virtual(PLAIN, [one("a", 4, run=50)], nodes=2)
    region.run(1 * MS)
    node = region.region.local.capacity.held("a")[1].tasks[0].node
    assert node_order(region, NodeOrder.DRAIN, node) == Done()
    region.run(5 * MS)
    assert state(region, "a") is JobState.RUNNING
    assert region.region.local.capacity.held("a")[1].tasks[0].node != node
    assert region.region.books.jobs["a"].failures == 0


def test_an_order_about_an_unknown_node_is_refused_whole() -> None:
    region = virtual(PLAIN)
    answer = node_order(region, NodeOrder.CORDON, "n0", "n9")
    assert isinstance(answer, Refused)
    assert not region.region.local.capacity.cordoned()


# --- jobs that wait for jobs ---


def after(*pairs: tuple[str, When]) -> JobTerms:
    return JobTerms(after=tuple(After(job_id, when) for job_id, when in pairs))


def test_a_job_starts_after_those_that_it_waits_for() -> None:
    region = virtual(PLAIN, [one("a", 1, run=10), one("b", 1, run=20)])
    region.run(1 * MS)
    assert isinstance(submit(region, "then", terms=after(("a", When.OK), ("b", When.ANY))), Submitted)
    region.run(15 * MS)
    job = region.region.books.jobs["then"]
    assert (job.state, job.reason.code) == (JobState.QUEUED, ReasonCode.WAITS_FOR_JOBS)
    assert explained(region, "then").regions[0].blockers[0].message == "it waits until b has ended"
    region.run(60 * MS)
    assert [start.job_id for start in region.starts] == ["a", "b", "then"]


def test_a_job_whose_turn_can_never_come_ends_and_so_do_those_behind_it() -> None:
    region = virtual(PLAIN, [one("a", 1, run=10)])
    region.run(1 * MS)
    submit(region, "if-it-fails", terms=after(("a", When.FAILED)))
    submit(region, "behind", terms=after(("if-it-fails", When.OK)))
    submit(region, "anyway", terms=after(("if-it-fails", When.ANY)))
    region.run(60 * MS)
    assert dict(region.region.books.closed)["if-it-fails"] is JobState.CANCELLED
    assert dict(region.region.books.closed)["behind"] is JobState.CANCELLED
    assert dict(region.region.books.closed)["anyway"] is JobState.SUCCEEDED


def test_what_has_ended_already_counts_and_what_is_unknown_is_refused() -> None:
    region = virtual(PLAIN, [one("a", 1, run=1)])
    region.run(5 * MS)
    assert isinstance(submit(region, "then", terms=after(("a", When.OK))), Submitted)
    region.run(10 * MS)
    assert region.region.books.closed["then"] is JobState.SUCCEEDED
    refused = submit(region, "too-late", terms=after(("a", When.FAILED)))
    assert isinstance(refused, Refused)
    assert "could never start" in refused.message
    refused = submit(region, "lost", terms=after(("who", When.ANY)))
    assert isinstance(refused, Refused)
    assert refused.field == "spec.after[0].job_id"
    known = submit(region, "told", terms=after(("who", When.ANY)), ended=(("who", JobState.FAILED),))
    assert isinstance(known, Submitted)


def test_a_job_that_waits_may_be_held_and_then_waits_on() -> None:
    region = virtual(PLAIN, [one("a", 1, run=10)])
    region.run(1 * MS)
    submit(region, "then", terms=after(("a", When.OK)))
    order(region, OrderKind.HOLD, "then")
    order(region, OrderKind.RELEASE, "then")
    assert region.region.books.jobs["then"].reason.code is ReasonCode.WAITS_FOR_JOBS
    order(region, OrderKind.HOLD, "then")
    region.run(30 * MS)
    assert state(region, "then") is JobState.QUEUED
    order(region, OrderKind.RELEASE, "then")
    assert state(region, "then") is JobState.RUNNING


def test_terms_are_the_same_after_the_disk() -> None:
    terms = JobTerms((After("a", When.FAILED),), RetryRules(((1, 2),), ((77, 77),), ("SIGNAL",)))
    assert unpacked_terms(terms.packed) == terms
    assert unpacked_terms(JobTerms().packed) == JobTerms()
    assert JobTerms().packed == b""


# --- retries ---


@pytest.mark.parametrize(
    ("rules", "reason", "code", "worth"),
    [
        (RetryRules(), ReasonCode.EXIT_CODE, 1, True),
        (RetryRules(exit_codes=((75, 75),)), ReasonCode.EXIT_CODE, 75, True),
        (RetryRules(exit_codes=((75, 75),)), ReasonCode.EXIT_CODE, 1, False),
        (RetryRules(exit_codes=((75, 75),)), ReasonCode.SIGNAL, 137, True),
        (RetryRules(final_exit_codes=((64, 78),)), ReasonCode.EXIT_CODE, 70, False),
        (RetryRules(final_exit_codes=((64, 78),)), ReasonCode.EXIT_CODE, 1, True),
        (RetryRules(reasons=("LOST_TASK",)), ReasonCode.EXIT_CODE, 1, False),
        (RetryRules(reasons=("LOST_TASK",)), ReasonCode.LOST_TASK, 1, True),
    ],
)
def test_which_failures_are_worth_another_attempt(
    rules: RetryRules, reason: ReasonCode, code: int, worth: bool
) -> None:
    assert rules.allow(reason, code) is worth


@pytest.mark.parametrize(("code", "state_then"), [(75, JobState.RUNNING), (3, JobState.FAILED)])
def test_a_job_is_tried_again_only_after_such_a_failure(code: int, state_then: JobState) -> None:
    region = virtual(PLAIN)
    submit(region, "fails", retries_max=3, terms=JobTerms(retry=RetryRules(exit_codes=((75, 75),))))
    job = region.region.books.jobs["fails"]
    region.step(TaskEnded(run=job.run_id, task=0, exit_code=code))
    assert job.state is state_then
