"""The cycle asks for rights of global quotas last: who has none leaves the queue, and nothing is kept for it."""

from __future__ import annotations

from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import JobState
from hanse.core.policy.model import Policy, Preemption, Tier
from hanse.policies.virtual import VirtualJob, VirtualRegion
from tests.core.scheduling.regions import MS, one, started_at, virtual

TIERS = (Tier(name="premium"), Tier(name="basic", preemptible_by=("premium",)))
AT_ONCE = Preemption(patience_us=0, run_min_us=0)


class Rights:
    """A gate for tests: jobs of these names have none."""

    def __init__(self, *without: str) -> None:
        self.without = without
        self.aside: list[Job] = []

    def may_start(self, job: Job) -> bool:
        return job.name not in self.without

    def take(self, job: Job) -> None:
        assert self.may_start(job)

    def set_aside(self, job: Job) -> None:
        self.aside.append(job)

    def forget(self, job: Job) -> None:
        self.aside.remove(job)

    def waits(self, job_id: str) -> bool:
        return any(job.id == job_id for job in self.aside)


def gated(rights: Rights, *jobs: VirtualJob) -> VirtualRegion:
    """One node of four under tiers that promise nothing."""
    region = virtual(Policy(version=7, tiers=TIERS, preemption=AT_ONCE), jobs)
    region.region.local.scheduler.gate = rights
    return region


def test_who_has_room_and_no_rights_leaves_the_queue_and_others_start() -> None:
    rights = Rights("without")
    region = gated(rights, one("without", 4, run=10, tier="basic"), one("with", 4, run=10, tier="basic"))
    region.run()
    assert started_at(region) == {"with": 0}
    assert [job.id for job in rights.aside] == ["without"]
    assert "without" not in region.region.local.queue


def test_no_room_is_kept_for_the_first_that_is_blocked_once_it_has_left() -> None:
    rights = Rights("large")
    region = gated(
        rights,
        one("runs", 4, run=20, tier="basic"),
        one("large", 4, at=1, run=10, tier="basic"),
        one("small", 1, at=2, run=1000, tier="basic"),
    )
    region.run(30 * MS)
    assert started_at(region) == {"runs": 0, "small": 20}
    assert not region.region.local.scheduler.reservations()


def test_nobody_is_stopped_for_a_job_without_rights() -> None:
    region = gated(
        Rights("high"), one("low", 4, run=100, tier="basic"), one("high", 4, at=10, run=10, tier="premium")
    )
    region.run(50 * MS)
    assert region.region.books.jobs["low"].state is JobState.RUNNING
    assert not region.region.local.scheduler.claimed("high")


def test_what_victims_leave_is_not_kept_for_one_that_has_lost_its_rights() -> None:
    rights = Rights()
    region = gated(
        rights,
        one("low", 4, run=100, tier="basic", grace=5),
        one("high", 4, at=10, run=10, tier="premium"),
    )
    region.run(12 * MS)
    assert region.region.local.scheduler.claimed("high")
    rights.without = ("high",)
    region.run(16 * MS)
    assert not region.region.local.scheduler.claimed("high")
    assert rights.waits("high")
    assert region.region.books.jobs["low"].attempt == 2
