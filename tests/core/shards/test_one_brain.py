"""Jobs of all desks of a region wait in one order, for one capacity, within one quota. A job counts where it runs."""

from __future__ import annotations

from hanse.core.model.jobs import OnLoss, ReasonCode, Shape
from hanse.core.model.lifecycle import JobState
from hanse.core.model.time import SECOND_US
from hanse.core.policy.model import Policy, Preemption, Queue, Quota
from tests.core.scheduling.worlds import group, shape
from tests.core.shards.trio import Trio

ADOPT = OnLoss.ADOPT
AT_ONCE = Preemption(patience_us=0, run_min_us=0)


def one_cpu(tier: str = "standard") -> Shape:
    """A job of one task; all its regions are north, so that none is handed on."""
    return shape(group(cpu=1), tier=tier)


def running(trio: Trio, region: str) -> set[str]:
    return {run.job_id for run in trio.living[region]}


def limited(cpu: int) -> Policy:
    """Whoever asks, the team has so many cpu in each region."""
    quota = Quota(kind="cpu", nominal=cpu)
    return Policy(queues=(Queue(name="team", tenants=("team",), quotas=(quota,)),), preemption=AT_ONCE)


def used(trio: Trio, region: str) -> int:
    """What of the team's quota is charged in a region."""
    charges = trio[region].local.standing.quotas.charges().values()
    return sum(quantity for charge in charges for (_, kind), quantity in charge.cells if kind == "cpu")


def whole(tier: str) -> Shape:
    """A job that needs all of a node of four."""
    return shape(group(cpu=4), tier=tier)


def test_wait_jobs_and_adoptable_ones_share_a_quota() -> None:
    trio = Trio(limited(2))
    for name in ("south", "west"):
        # Elsewhere it is used up, so that nothing is handed on.
        trio.submit(name, f"{name}-1", shape(group(cpu=2)))
    trio.submit("north", "north-1", one_cpu())
    trio.submit("north", "north-2", one_cpu(), ADOPT)
    trio.submit("north", "north-3", one_cpu(), ADOPT)
    trio.submit("north", "north-4", one_cpu())
    trio.advance(3 * SECOND_US)
    assert running(trio, "north") == {"north-1", "north-2"}
    assert used(trio, "north") == 2
    told = trio["north"].local.explain(trio.job("north", "north-3"), trio._now())
    assert [blocker.code for blocker in told.region.blockers] == ["QUOTA"]
    trio.ended("north", "north-1")
    assert running(trio, "north") == {"north-2", "north-3"}, "the older of the two, whatever kind it is"


def test_an_adoptable_job_is_preempted_through_its_own_desk() -> None:
    trio = Trio(Policy(preemption=AT_ONCE))
    for name in ("south", "west"):
        trio.submit(name, f"{name}-1", whole("premium"))
    trio.submit("north", "north-1", whole("basic"), ADOPT)
    trio.advance(SECOND_US)
    assert running(trio, "north") == {"north-1"}
    trio.submit("north", "north-2", whole("premium"))
    trio.advance(SECOND_US)
    assert running(trio, "north") == {"north-2"}
    victim = trio.job("north", "north-1")
    assert victim.shard == "north"
    assert victim.state is JobState.QUEUED
    assert victim.reason.code is ReasonCode.PREEMPTED
    # Its guardians have it on record.
    for name in ("south", "west"):
        shard = trio[name].shards.shards["north"]
        assert shard.log.end == trio["north"].shards.shards["north"].log.end
    trio.ended("north", "north-2")
    assert running(trio, "north") == {"north-1"}
    assert victim.attempt == 2


def test_an_adopted_job_counts_at_the_adopter() -> None:
    trio = Trio(limited(2))
    trio.submit("north", "north-1", shape(group(cpu=2)), ADOPT)
    trio.advance(SECOND_US)
    assert running(trio, "north") == {"north-1"}
    assert (used(trio, "north"), used(trio, "south"), used(trio, "west")) == (2, 0, 0)
    trio.lose("north")
    trio.run_until(lambda: running(trio, "south") | running(trio, "west") == {"north-1"})
    adopter = "south" if running(trio, "south") else "west"
    assert used(trio, adopter) == 2
    tenant = trio[adopter].local.standing.tenants.account("team")
    assert tenant.held > 0
    job = trio.job(adopter, "north-1")
    trio.advance(7 * SECOND_US)
    trio.ended(adopter, "north-1")
    assert used(trio, adopter) == tenant.held == 0
    assert 7 * SECOND_US <= trio[adopter].local.predictor.predict_us(job) < 8 * SECOND_US


def test_what_another_region_leads_counts_until_it_is_dead_and_is_no_victim() -> None:
    trio = Trio(Policy(preemption=AT_ONCE))
    trio.submit("north", "north-1", whole("basic"), ADOPT)
    trio.advance(SECOND_US)
    trio.silence("north")
    (run,) = trio.living["north"]
    # It does not obey: the order to stop it finds nobody.
    del trio.living["north"][run]
    trio.run_until(lambda: running(trio, "south") | running(trio, "west") == {"north-1"})
    trio.heal()
    trio.run_until(lambda: "north" not in trio["north"].shards.leading)
    local = trio["north"].local
    assert local.is_haunted("north-1")
    assert "north-1" in local.standing.running.leaving
    trio.submit("north", "north-2", whole("premium"))
    trio.advance(SECOND_US)
    assert not running(trio, "north"), "the ghost has the node, and is nobody's to stop"


def test_attempts_of_earlier_terms_are_held_against_nobody() -> None:
    trio = Trio(Policy())
    trio.submit("north", "north-1", one_cpu(), ADOPT)
    trio.advance(SECOND_US)
    trio.lose("north")
    trio.run_until(lambda: running(trio, "south") | running(trio, "west") == {"north-1"})
    adopter = "south" if running(trio, "south") else "west"
    job = trio.job(adopter, "north-1")
    assert job.attempt > 1 << 16
    assert job.attempts_begun == 1
    trio.ended(adopter, "north-1", exit_code=137, lost=True)
    assert trio.job(adopter, "north-1").failures == 0, "what its supervisor did is not its failure"
