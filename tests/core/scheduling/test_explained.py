"""Whatever the policy: every job that waits says why, and what it says is true, by doing away with it."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hanse.core.events import Ask, CancelJobs, Event, PolicyChanged, Question, TaskEnded
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import JobState
from hanse.core.policy.model import FairShare, Policy, Queue, Quota
from hanse.core.replies import Blocker, Explanation
from hanse.core.scheduling.whatif import Outcome
from hanse.policies.virtual import VirtualJob, VirtualRegion
from tests.core.scheduling.regions import MS, jobs_strategy, one, quota_of, virtual
from tests.core.scheduling.test_policies import TIERS, policies

# More than any generated job needs.
_PLENTY = 1_000


def explained(region: VirtualRegion, job_id: str) -> Explanation:
    out = region.step(Ask(request_id=10**6, question=Question.EXPLAIN, job_id=job_id))
    answer = out.replies[0].answer
    assert isinstance(answer, Explanation)
    return answer


@settings(max_examples=150, deadline=None)
@given(
    policies(),
    jobs_strategy(tenants=("a", "b", "none")),
    st.integers(0, 40),
    st.integers(0, 20),
    st.integers(1, 3),
)
def test_a_job_runs_once_what_its_explanation_names_is_gone(
    policy: Policy, jobs: list[VirtualJob], until: int, pick: int, nodes: int
) -> None:
    policy = replace(policy, fair_share=FairShare(order="off"))
    region = virtual(policy, jobs, cpu=5 // nodes + 1, nodes=nodes)
    region.run(until * MS)
    queued = [job.id for job in region.region.books.jobs.values() if job.state is JobState.QUEUED]
    if not queued:
        return
    job_id = queued[pick % len(queued)]
    job = region.region.books.jobs[job_id]
    told = explained(region, job_id)
    blockers = told.regions[0].blockers
    assert blockers, "a job that waits says why"
    assert told.predicted_start_wall_us == 0 or (
        told.earliest_wall_us <= told.predicted_start_wall_us <= told.latest_wall_us
    )
    if "can never run" in blockers[0].message:
        assert told.predicted_start_wall_us == 0
        return
    if blockers[0].code == "PREEMPTING":
        while region.region.local.scheduler.stopping_for(job_id) is not None:
            region.advance()
        assert job.state is JobState.RUNNING
        return
    began = len(region.starts)
    remove(region, blockers, job)
    for _ in queued:
        if job.state is JobState.RUNNING:
            return
        # What ended gave quota back to somebody who goes first as long as he has some.
        assert len(region.starts) > began, blockers
        began = len(region.starts)
        remove(region, explained(region, job_id).regions[0].blockers, job)
    assert job.state is JobState.RUNNING, blockers


def remove(region: VirtualRegion, blockers: tuple[Blocker, ...], job: Job) -> None:
    """Whatever is named is gone."""
    queued = len(region.region.local.queue)
    ahead = [other.id for other in region.region.local.queue.before(job, queued)]
    events: list[Event] = []
    for blocker in blockers:
        events += removing(region, blocker, job, ahead)
    region.step(*events)
    while job.state is JobState.QUEUED and region.region.local.scheduler.stopping_for(job.id) is not None:
        region.advance()  # Rather than delay somebody else it may have others stopped.


def removing(region: VirtualRegion, blocker: Blocker, job: Job, ahead: list[str]) -> list[Event]:
    """What has to happen so that this is not in the way any more."""
    match blocker.code:
        case "PRIORITY":
            return [CancelJobs(request_id=10**6 + 1, job_ids=tuple(ahead), cause="test")]
        case "RESERVED":
            named = re.match(r"it would delay (\S+) ", blocker.message)
            # Otherwise it is the plan, which names some of those who have places in it.
            planned = [other.id for other in region.region.local.scheduler.planned_before(job)]
            gone = [named[1]] if named is not None else planned
            assert gone[0] in blocker.message
            return [CancelJobs(request_id=10**6 + 2, job_ids=tuple(gone), cause="test")]
        case "QUOTA":
            standing = region.region.local.standing
            queues = tuple(map(_without_limit, standing.policy.queues))
            return [
                PolicyChanged(request_id=10**6 + 3, policy=replace(standing.policy, queues=queues), cause="t")
            ]
        case _:
            return [*ends_on(region, blocker.nodes)]


def _without_limit(queue: Queue) -> Queue:
    return replace(queue, quotas=(Quota(kind="cpu", nominal=_PLENTY),))


def ends_on(region: VirtualRegion, nodes: tuple[str, ...]) -> list[Event]:
    """Everything that runs on these nodes ends."""
    events: list[Event] = []
    for job in region.region.books.jobs.values():
        if job.allocation is not None and any(task.node in nodes for task in job.allocation.tasks):
            events += [
                TaskEnded(run=job.run_id, task=number, exit_code=0)
                for number in range(len(job.allocation.tasks))
            ]
    return events


@settings(max_examples=100, deadline=None)
@given(policies(), jobs_strategy(tenants=("a", "b")), st.integers(0, 40), st.integers(0, 20))
def test_what_is_said_of_a_job_that_is_not_there_yet_comes_true(
    policy: Policy, jobs: list[VirtualJob], until: int, pick: int
) -> None:
    """The prospect of a job, and what becomes of it when it is submitted in the same instant."""
    region = virtual(policy, jobs, cpu=3, nodes=2)
    region.run(until * MS)
    wanted = jobs[pick % len(jobs)]
    supposed = replace_job(wanted, "late", until)
    queued = one_of(region, supposed)
    expected = region.region.local.explain(queued, region._now()).prospect
    region.add([supposed])
    region.advance()
    job = region.region.books.jobs.get("late")
    if job is None or expected.outcome is Outcome.NEVER:
        assert job is None
        assert expected.outcome is Outcome.NEVER
        return
    claim = region.region.local.scheduler.stopping_for("late")
    became = Outcome.START if job.state is JobState.RUNNING else Outcome.PREEMPT if claim else Outcome.WAIT
    assert became is expected.outcome
    if claim is not None:
        assert [victim.job.id for victim in claim.victims] == [victim.job.id for victim in expected.victims]


def replace_job(job: VirtualJob, job_id: str, at: int) -> VirtualJob:
    return VirtualJob(
        id=job_id,
        shape=job.shape,
        at_us=at * MS,
        run_us=job.run_us,
        tenant=job.tenant,
        name=job_id,
        grace_us=job.grace_us,
    )


def one_of(region: VirtualRegion, job: VirtualJob):  # type: ignore[no-untyped-def]
    from hanse.core.scheduling.whatif import supposed

    submitted = region._submit(job).submissions[0]  # type: ignore[union-attr]
    return supposed(submitted, "virtual", region._now())


def test_hints_know_of_quotas_tiers_and_priorities() -> None:
    policy = Policy(tiers=TIERS, queues=(quota_of("team", 2),), fair_share=FairShare(order="off"))
    region = virtual(policy, [one("runs", 1, tenant="team"), one("waits", 2, at=1, tenant="team")], cpu=8)
    region.run(2 * MS)
    told = explained(region, "waits")
    assert told.regions[0].blockers[0].message == (
        "queue team is 1 cpu short: it needs 2, and its own limit leaves 1 (policy 1)"
    )
    assert told.unblock[0] == "1 cpu fewer per task (1 instead of 2)"
    assert told.unblock[-1].startswith("after ")

    jobs = [one("runs", 3, run=100_000), one("head", 4, at=1), one("long", 1, at=2, run=200_000)]
    region = virtual(Policy(tiers=TIERS, fair_share=FairShare(order="off")), jobs)
    region.run(10 * MS)
    told = explained(region, "long")
    assert "tier premium" in told.unblock
    assert "priority 1 (instead of 0)" in told.unblock


def test_an_explanation_is_over_once_the_job_is_placed() -> None:
    region = virtual(Policy(tiers=TIERS), [one("runs", 4, run=10), one("waits", 4, at=1)])
    region.run(2 * MS)
    assert explained(region, "waits").regions
    region.run(11 * MS)
    told = explained(region, "waits")
    assert (told.state, told.regions, told.unblock, told.position) == (JobState.RUNNING, (), (), 0)
    assert told.summary.startswith("it runs here, attempt 1")
