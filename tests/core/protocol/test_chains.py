"""Chains, loops and herds: where a job may go, and whom it is offered to."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec

from hanse.core.events import SetDrain
from hanse.core.federation.routing import may_go_on
from hanse.core.messages import (
    Commit,
    Decision,
    Locate,
    Located,
    Offer,
    OfferAnswer,
    Solicit,
    Status,
    Verdict,
)
from hanse.core.model.jobs import Reason, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import (
    HOPS_MAX,
    LOCATE_SWEEP_US,
    LOCATE_SWEEP_US_MAX,
    PATH_MAX,
    REFUSAL_PAUSE_US_MAX,
)
from hanse.core.model.regions import QueuedShape, RegionRecord, Timings
from hanse.core.model.time import FOR_EVER_US, MILLISECOND_US, SECOND_US
from tests.core.protocol.league import League, pass_through_south
from tests.core.protocol.rows import row
from tests.core.protocol.station import shape_of
from tests.core.protocol.test_target import commit_of, refusal, target

FAR = ("west", "p1", "p2", "p3", "p4")


@row("chains", "hops", "at most 4")
def test_a_job_that_was_handed_on_too_often_is_burned() -> None:
    league = target()
    commit = commit_of(path=tuple(f"p{number}" for number in range(PATH_MAX + 1)))
    assert refusal(league, commit) is ReasonCode.BURNED_HOPS


@row("chains", "hops", "at most 4")
def test_an_offer_of_a_job_that_was_handed_on_too_often_is_declined() -> None:
    league = target()
    path = tuple(f"p{number}" for number in range(PATH_MAX))
    league.say("west", "south", Offer(1, shape_of(), 1, path[:-1], "team"))
    league.say("west", "south", Offer(2, shape_of(), 1, path, "team"))
    league.settle()
    last, beyond = league.puppets["west"].heard(OfferAnswer)
    assert isinstance(last, OfferAnswer)
    assert isinstance(beyond, OfferAnswer)
    assert last.slots == 1
    assert beyond.reason is not None
    assert beyond.reason.code is ReasonCode.BURNED_HOPS


@row("chains", "hops", "at most 4")
def test_after_four_hops_a_job_stays_even_if_others_ask_for_it() -> None:
    league = League(puppets=["west", "east"], south=1)
    league.submit("south", "filler")
    league.say("west", "south", commit_of(path=FAR[:HOPS_MAX]))
    wanted = (QueuedShape(shape_key=shape_of().key, count=1, resources=shape_of().total),)
    for number in range(3):
        league.advance(SECOND_US)
        league.say("east", "south", Solicit(number + 1, wanted, SECOND_US))
    league.settle()
    assert league.messages(Offer) == []
    league.end("south", "filler")
    league.settle()
    assert league.running("job-1") == ["south"]


@row("chains", "path", "may return")
def test_a_job_may_return_to_a_region_where_it_waited_before() -> None:
    league = League(north=1, south=1)
    league.submit("south", "filler")
    league.submit("north", "other")
    league.submit("north", "job-1")
    league.hand_over("north", "job-1", "south")
    league.run_until(lambda: league.states("job-1") == {"north": "MOVED", "south": "QUEUED"})
    league.end("north", "other")
    league.run_until(lambda: league.running("job-1") == ["north"])
    assert league["north"].books.jobs["job-1"].path == ("north", "south")
    league.check_tokens()


@row("chains", "hops", "at most 4")
def test_beyond_four_hops_a_job_goes_on_only_if_it_can_not_run_where_it_is() -> None:
    path = tuple(f"p{number}" for number in range(HOPS_MAX))
    assert may_go_on(path[:-1], SECOND_US)
    assert not may_go_on(path, SECOND_US)
    assert may_go_on(path, FOR_EVER_US)
    assert not may_go_on(tuple(f"p{number}" for number in range(PATH_MAX)), FOR_EVER_US)


@row("chains", "gain", "a hop must promise one")
def test_a_job_is_not_offered_where_it_would_wait_as_long() -> None:
    league = League(north=1, south=1)
    for number in range(3):
        league.submit("south", f"south-{number}")
    league.submit("north", "north-0")
    league.advance(3 * SECOND_US)
    league.submit("north", "job-1")
    league.advance(3 * SECOND_US)
    assert league.messages(Offer, sender="north") == []
    league.end("south", "south-0")
    league.settle()
    league.end("south", "south-1")
    league.settle()
    league.end("south", "south-2")
    league.run_until(lambda: league.running("job-1") == ["south"])


def test_a_region_does_not_ask_again_and_again_for_what_it_must_decline_while_its_slot_is_held() -> None:
    league = League(puppets=["west"], north=0, south=1)
    league.say("west", "south", Offer(1, shape_of(), 1, (), "team"))
    league.settle()
    assert league["south"].intake.holds == 1
    league.submit("north", "job-1")
    league.advance(5 * SECOND_US)
    assert len(league.messages(Solicit, sender="south", to="north")) <= 10, "one a second, as records say"
    league.run_until(lambda: league.running("job-1") == ["south"], Timings().hold_ttl_us)


def test_a_region_is_not_offered_what_it_may_not_have_even_if_it_asks() -> None:
    league = League(north=1, south=1)
    league.submit("north", "filler")
    league.submit("north", "job-1", shape_of(regions_deny=("south",)))
    league.advance(5 * SECOND_US)
    assert league.messages(Solicit, sender="south")
    assert league.messages(Offer) == []


def test_what_is_declined_for_another_reason_than_capacity_is_not_asked_for() -> None:
    league = target()
    league.say("west", "south", Offer(1, shape_of(regions_deny=("south",)), 1, (), "team"))
    league.advance(5 * SECOND_US)
    assert league.puppets["west"].heard(Solicit) == []


@row("chains", "LOCATE", "follows MOVED")
def test_locate_followed_hop_by_hop_leads_to_the_owner() -> None:
    league = League(puppets=["east"], north=0, south=1, west=1)
    pass_through_south(league)
    region, route = "north", []
    while region:
        route.append(region)
        league.say("east", region, Locate("job-1", len(route)))
        league.settle()
        located = league.puppets["east"].heard(Located)[-1]
        assert isinstance(located, Located)
        region = located.next_hop
    assert route == ["north", "south", "west"]


@row("chains", "home", "is told")
def test_the_home_is_told_by_whoever_owns_the_job_now() -> None:
    league = League(north=0, south=1, west=1)
    pass_through_south(league)
    league.advance(SECOND_US)
    remote = league.job("north", "job-1").remote
    assert remote is not None
    assert (remote.region, remote.state.name, remote.epoch) == ("west", "RUNNING", 3)


def test_a_hop_lets_go_of_a_final_job_although_the_home_has_restarted_since() -> None:
    league = League(north=0, south=1, west=1)
    pass_through_south(league)
    league.hold(Status, to="south")
    league.end("west", "job-1")
    league.settle()
    league.lose(Status, to="south")
    assert league.state("north", "job-1") is JobState.SUCCEEDED
    league.crash("north")
    league.restart("north")
    league.advance(2 * LOCATE_SWEEP_US + SECOND_US)
    assert league.messages(Located, to="south")
    assert "job-1" not in league["south"].books.jobs


@row("chains", "LOCATE", "follows MOVED")
def test_a_hop_that_missed_the_end_asks_the_home_and_lets_go() -> None:
    league = League(north=0, south=1, west=1)
    pass_through_south(league)
    league.hold(Status, to="south")
    league.end("west", "job-1")
    league.settle()
    league.lose(Status, to="south")
    league.advance(LOCATE_SWEEP_US + SECOND_US)
    assert "job-1" not in league["south"].books.jobs
    assert league.stations["south"].ledger.jobs["job-1"].spec == b""


def test_a_hop_at_rest_stops_asking_after_sweeps_in_vain_and_goes_on_when_it_is_stirred() -> None:
    league = League(north=0, south=1, west=1)
    pass_through_south(league)
    league["south"].desk.tracking.rest()
    league.advance(3 * LOCATE_SWEEP_US_MAX)
    asked = len(league.messages(Locate))
    assert asked
    league.advance(3 * LOCATE_SWEEP_US_MAX)
    assert len(league.messages(Locate)) == asked
    league.hold(Status, to="south")
    league.end("west", "job-1")
    league.settle()
    league.lose(Status, to="south")
    league["south"].desk.tracking.stir(league.now)
    league.advance(LOCATE_SWEEP_US + SECOND_US)
    assert "job-1" not in league["south"].books.jobs


def with_waits(league: League, **waits_us: int) -> None:
    """north believes these waits of its peers, in microseconds."""
    inventory = league["north"].inventory
    for region, wait_us in waits_us.items():
        record = inventory.get(region)
        assert record is not None
        newer: RegionRecord = msgspec.structs.replace(
            record,
            version=record.version + 1_000,
            predicted_wait_us=wait_us,
            classes=tuple(msgspec.structs.replace(each, free=(), free_max=()) for each in record.classes),
        )
        inventory.merge([newer], league.now)


@row("chains", "peers", "power of two choices")
def test_peers_are_drawn_by_power_of_two_choices_never_best_first() -> None:
    league = League(north=0, a=1, b=1, c=1, d=1)
    with_waits(league, a=SECOND_US, b=2 * SECOND_US, c=3 * SECOND_US, d=4 * SECOND_US)
    north = league["north"]
    drawn = Counter(north.router.choose(league.now, shape_of(), (), 1 << 60, []) for _ in range(600))
    # Of the six pairs a is in three, b is the better one of two, c of one, d of none.
    assert drawn["d"] == 0
    assert 250 <= drawn["a"] <= 350
    assert 150 <= drawn["b"] <= 250
    assert 50 <= drawn["c"] <= 150


@row("chains", "peers", "minus one's own offers in flight")
def test_what_is_in_flight_to_a_peer_counts_as_taken_there() -> None:
    league = League(north=0, south=1)
    own_wait_us = Timings().hop_cost_us * 2 - 10 * MILLISECOND_US
    router = league["north"].router
    other = shape_of(estimate_us=1)
    assert router.choose(league.now, other, (), own_wait_us, []) == "south"
    league.hold(Offer)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Offer)))
    assert router.choose(league.now, other, (), own_wait_us, []) is None


@row("chains", "peers", "memory of declines, jittered")
def test_a_peer_that_declined_is_left_alone_for_a_while_that_is_never_the_same() -> None:
    pauses = set()
    for seed in range(8):
        league = League(seed=seed, north=1, south=1)
        league.submit("north", "runner")
        league.submit("south", "filler")
        league.submit("north", "job-1")
        league.run_until(lambda league=league: bool(league.messages(OfferAnswer)))  # type: ignore[misc]
        league.run_until(lambda league=league: bool(league["north"].router._refusals))  # type: ignore[misc]
        (refusal,) = league["north"].router._refusals.values()
        pauses.add(refusal.until_us - refusal.at_us)
    memory_us = Timings().decline_memory_us
    assert all(memory_us <= pause <= 1.25 * memory_us for pause in pauses)
    assert len(pauses) >= 3


def test_a_peer_that_goes_on_declining_is_asked_ever_more_rarely() -> None:
    league = League(seed=1, north=1, south=1)
    league.submit("north", "runner")
    league.submit("south", "filler")
    league.submit("north", "job-1")
    router = league["north"].router
    league.run_until(lambda: bool(router._refusals))
    shape = league.job("north", "job-1").shape
    pauses = []
    for _ in range(12):
        router.refused(
            league.now, "south", shape, Reason(ReasonCode.NO_CAPACITY), Timings().decline_memory_us
        )
        (refusal,) = router._refusals.values()
        pauses.append(refusal.until_us - refusal.at_us)
        league.now_us = refusal.until_us
    assert all(after > before for before, after in pairwise(pauses[:8]))
    assert pauses[-1] <= 1.25 * REFUSAL_PAUSE_US_MAX
    router.accepted("south", shape)
    assert not router._refusals


@row("chains", "admission", "the target's own is the truth")
def test_what_was_accepted_is_still_judged_by_the_target_when_the_commit_comes() -> None:
    league = League(north=0, south=1)
    league.hold(Commit)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Commit)))
    league.step("south", SetDrain(request_id=1, draining=True, cause="operator"))
    league.let_go()
    league.settle()
    (decision,) = league.messages(Decision)
    assert isinstance(decision, Decision)
    assert (decision.verdict, decision.reason.code) == (Verdict.BURNED, ReasonCode.DRAINING)
    assert league.states("job-1") == {"north": "QUEUED"}
    assert league.job("north", "job-1").epoch == 2
