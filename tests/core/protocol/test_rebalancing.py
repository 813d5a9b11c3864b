"""Long queues are relieved by much shorter ones: halfway, not back and forth, and at the cost of few hops."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.events import PolicyChanged, SetDrain
from hanse.core.federation.handoff.rebalancing import places, worth_up_to_us
from hanse.core.messages import Offer, OfferAnswer
from hanse.core.model.jobs import Shape
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import RELIEF_GAIN_HOPS, RELIEF_HOPS_MAX, RELIEF_RATIO
from hanse.core.model.regions import Timings
from hanse.core.model.time import FOR_EVER_US, SECOND_US
from hanse.core.policy.model import Policy, Queue, Quota
from tests.core.protocol.league import League
from tests.core.protocol.puppet import Puppet
from tests.core.protocol.station import SLOT, shape_of

MINUTE_US = 60 * SECOND_US
HOP_US = Timings().hop_cost_us


@pytest.mark.parametrize(
    ("own_us", "worth_us"),
    [
        (0, -RELIEF_GAIN_HOPS * HOP_US),
        (RELIEF_GAIN_HOPS * HOP_US, 0),
        (RELIEF_GAIN_HOPS * HOP_US + 7, 7),
        (MINUTE_US, MINUTE_US // RELIEF_RATIO),
    ],
)
def test_a_relief_wins_half_of_the_wait_and_never_little(own_us: int, worth_us: int) -> None:
    assert worth_up_to_us(own_us, HOP_US) == worth_us


@pytest.mark.parametrize(
    ("longer", "shorter", "each", "count"),
    [(100, 0, 10, 5), (100, 0, 11, 4), (100, 95, 10, 0), (0, 100, 10, 0), (100, 0, 0, 50)],
)
def test_nobody_passes_the_middle(longer: int, shorter: int, each: int, count: int) -> None:
    assert places(longer, shorter, each) == count


WAITS_US = st.integers(0, 10_000 * MINUTE_US)
EACH_US = st.integers(0, 10 * MINUTE_US)


@given(own_us=WAITS_US, told_us=WAITS_US, true_us=WAITS_US, here_us=EACH_US, there_us=EACH_US)
def test_the_longer_queue_stays_the_longer_one_but_for_half_of_what_the_record_was_off(
    own_us: int, told_us: int, true_us: int, here_us: int, there_us: int
) -> None:
    """The owner counts by what it was told, the taker by what is so."""
    given_count = places(own_us, told_us, here_us) if told_us <= worth_up_to_us(own_us, HOP_US) else 0
    taken_count = places(own_us, true_us, there_us) if true_us <= worth_up_to_us(own_us, HOP_US) else 0
    count = min(given_count, taken_count)
    off_us = max(0, true_us - told_us)
    assert not count or own_us - count * here_us >= true_us + count * there_us - off_us // 2 - 1
    assert own_us - given_count * here_us >= min(own_us, told_us)
    assert true_us + taken_count * there_us <= max(own_us, true_us)


def minutes(count: int) -> Shape:
    """What a job asks for that runs so long."""
    return shape_of(estimate_us=count * MINUTE_US)


def queue_up(league: League, region: str, jobs: int, shape: Shape) -> None:
    """One job runs, so many wait."""
    for number in range(jobs + 1):
        league.submit(region, f"{region}-{number:02}", shape)


def waiting(league: League, region: str) -> list[str]:
    return sorted(job.id for job in league[region].books.jobs.values() if job.state is JobState.QUEUED)


def reliefs(league: League) -> list[Offer]:
    return [each for each in league.messages(Offer) if isinstance(each, Offer) and each.is_relief]


def apart(north: int, south: int) -> League:
    """Two regions that can't hear each other while their queues grow."""
    league = League(north=1, south=1)
    league.cut("north", "south")
    queue_up(league, "north", north, minutes(1))
    queue_up(league, "south", south, minutes(1))
    league.advance(20 * SECOND_US)
    league.heal()
    return league


def test_waits_that_diverge_meet_halfway_and_stay() -> None:
    league = apart(30, 4)
    league.run_until(lambda: len(waiting(league, "north")) <= 20)
    league.advance(3 * MINUTE_US)
    north, south = waiting(league, "north"), waiting(league, "south")
    assert len(north) + len(south) == 34
    assert len(south) <= len(north) <= RELIEF_RATIO * len(south) + 5
    assert not [job_id for job_id in north if job_id.startswith("south")]
    offers = len(reliefs(league))
    league.advance(5 * MINUTE_US)
    assert len(reliefs(league)) == offers, "nothing goes on while nothing changes"


def ruled_south(league: League, nominal: int) -> None:
    """The south gives the team so many GPUs, and no more."""
    quota = Quota(kind="gpu", nominal=nominal * SLOT)
    policy = Policy(queues=(Queue(name="team", tenants=("team",), quotas=(quota,)),))
    league.step("south", PolicyChanged(request_id=1, policy=policy, cause="operator"))


@pytest.mark.parametrize("nominal", [0, 1])
def test_nobody_goes_where_his_tenant_has_no_quota_or_has_used_it_up(nominal: int) -> None:
    """With one GPU for the team, a job of its runs in the south."""
    league = League(north=1, south=1)
    league.cut("north", "south")
    queue_up(league, "north", 30, minutes(1))
    queue_up(league, "south", 1, minutes(1))
    for number in range(3):
        league.submit("south", f"south-other-{number}", minutes(1), tenant="others")
    ruled_south(league, nominal)
    league.advance(20 * SECOND_US)
    league.heal()
    league.advance(3 * MINUTE_US)
    assert reliefs(league)
    assert len(waiting(league, "north")) == 30


def test_a_relief_is_of_one_tenant() -> None:
    league = League(north=1, south=1)
    league.cut("north", "south")
    for number in range(31):
        league.submit("north", f"north-{number:02}", minutes(1), tenant=("team", "others")[number % 2])
    queue_up(league, "south", 4, minutes(1))
    league.advance(20 * SECOND_US)
    league.heal()
    league.run_until(lambda: bool(reliefs(league)))
    league.run_until(lambda: len(waiting(league, "south")) > 4)
    came = [league[region].books.jobs[job_id] for region in ("south",) for job_id in waiting(league, region)]
    first = reliefs(league)[0].tenant
    assert {job.tenant for job in came if job.home == "north"} == {first}


def test_who_goes_is_spread_over_what_would_wait_longer_here_than_there() -> None:
    league = apart(30, 4)
    league.run_until(lambda: bool(waiting(league, "south")) and len(waiting(league, "north")) < 30)
    gone = sorted(int(job_id[6:]) for job_id in waiting(league, "south") if job_id.startswith("north"))
    assert gone[0] >= 3, "what starts here before it could there stays"
    steps = [later - earlier for earlier, later in pairwise(gone)]
    assert max(steps) <= 3


def test_even_queues_are_left_alone() -> None:
    league = apart(12, 8)
    league.advance(5 * MINUTE_US)
    assert (len(waiting(league, "north")), len(waiting(league, "south"))) == (12, 8)
    assert not reliefs(league)


def test_a_region_without_a_queue_pulls_and_is_given_nothing_to_wait() -> None:
    league = apart(30, 0)
    league.advance(5 * MINUTE_US)
    assert not reliefs(league)
    assert not waiting(league, "south")


def told(
    league: League, own_wait_us: int, count: int = 50, offer_id: int = 1, path: tuple[str, ...] = ()
) -> int:
    """How many places west is given in south's queue for jobs that would wait so long."""
    league.say("west", "south", Offer(offer_id, minutes(1), count, path, "team", own_wait_us=own_wait_us))
    league.settle()
    answer = west(league).heard(OfferAnswer)[-1]
    assert isinstance(answer, OfferAnswer)
    return answer.slots


def west(league: League) -> Puppet:
    return league.puppets["west"]


def crowded(jobs: int, queue_depth_max: int = 1_000_000) -> League:
    league = League(puppets=["west"], queue_depth_max=queue_depth_max, south=1)
    queue_up(league, "south", jobs, minutes(1))
    league.settle()
    return league


def test_the_taker_decides_by_its_own_queue_and_counts_what_it_holds() -> None:
    league = crowded(4)
    own_us = league["south"].local.predicted_wait_us(minutes(1))
    assert told(league, 2 * own_us - 1) == 0
    assert told(league, own_us + 10 * MINUTE_US, offer_id=2) == 5
    held_us = own_us + 5 * MINUTE_US
    assert told(league, own_us + 10 * MINUTE_US, offer_id=3) == 0, (
        "the places that it holds are as good as taken"
    )
    assert told(league, 2 * held_us, offer_id=4) == held_us // 2 // MINUTE_US
    league.advance(2 * Timings().hold_ttl_us)
    assert told(league, own_us + 10 * MINUTE_US, offer_id=5) == 5


def test_what_can_not_start_where_it_is_waits_in_any_queue_that_has_a_place() -> None:
    league = crowded(4, queue_depth_max=10)
    assert told(league, FOR_EVER_US) == 6
    assert told(league, FOR_EVER_US, offer_id=2) == 0


def test_queued_jobs_leave_a_drained_region_at_once_though_all_others_are_full() -> None:
    league = League(north=1, south=1)
    queue_up(league, "north", 20, minutes(10))
    queue_up(league, "south", 2, minutes(10))
    league.advance(20 * SECOND_US)
    league.step("north", SetDrain(request_id=1, draining=True, cause="operator"))
    league.advance(10 * SECOND_US)
    assert not waiting(league, "north")
    assert len(waiting(league, "south")) >= 20


def test_a_job_is_not_carried_on_for_a_shorter_queue_once_it_has_spent_its_hops_for_that() -> None:
    league = apart(30, 4)
    for job in league["north"].books.jobs.values():
        if job.state is JobState.QUEUED:
            job.path = ("east", "west")[:RELIEF_HOPS_MAX]
    league.advance(3 * MINUTE_US)
    assert not reliefs(league)


def test_a_job_is_not_carried_back_for_a_shorter_queue() -> None:
    league = apart(30, 4)
    for job in league["north"].books.jobs.values():
        if job.state is JobState.QUEUED:
            job.path = ("south",)
    league.advance(3 * MINUTE_US)
    assert not reliefs(league)


def test_a_peer_that_has_no_shorter_queue_is_left_alone_until_it_has_told_more() -> None:
    league = League(puppets=["south"], north=1)
    queue_up(league, "north", 30, minutes(1))
    rebalancing = league["north"].offers.rebalancing
    rebalancing.declined(league.now, "south", 1)
    assert "south" in rebalancing._declined
    league.now_us += Timings().record_refresh_us
    rebalancing.next(league.now)
    assert "south" not in rebalancing._declined
