"""The target's table, row by row. The giver is a puppet named "west" where its words are the point."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from hanse.core.messages import Commit, Decision, Offer, OfferAnswer, Stable, Verdict, Withdraw
from hanse.core.model.jobs import ReasonCode, Shape
from hanse.core.model.lifecycle import JobState
from hanse.core.model.regions import Timings
from hanse.core.model.time import SECOND_US
from hanse.core.rows import DecisionRow
from tests.core.protocol.league import League
from tests.core.protocol.rows import row
from tests.core.protocol.station import GPU, shape_of

SPEC = b"spec of job-1"


def commit_of(
    epoch: int = 2,
    sequence: int = 1,
    *,
    shape: Shape | None = None,
    path: tuple[str, ...] = ("west",),
    cancel_id: str = "",
) -> Commit:
    """A COMMIT of job-1 as its home "west" would send it."""
    return Commit(
        job_id="job-1",
        epoch=epoch,
        sequence=sequence,
        home="west",
        tenant="team",
        spec=SPEC,
        spec_sha256=hashlib.sha256(SPEC).digest(),
        path=path,
        submitted_wall_us=1,
        cancel_id=cancel_id,
        shape=shape or shape_of(),
        grace_us=SECOND_US,
    )


def target(gpus: int = 1, *, queue_depth_max: int = 1_000_000) -> League:
    """A real region "south" and a puppet "west"."""
    return League(puppets=["west"], south=gpus, queue_depth_max=queue_depth_max)


def answers(league: League) -> list[Decision]:
    """What "west" was told of its transfers."""
    league.settle()
    return [each for each in league.puppets["west"].heard(Decision) if isinstance(each, Decision)]


def decisions(league: League) -> list[DecisionRow]:
    """What is written in south about west's transfers."""
    return list(league.stations["south"].ledger.decisions.get("ledger-west", {}).values())


def refusal(league: League, commit: Commit) -> ReasonCode:
    """The reason with which this COMMIT is burned; the burn is on disk, the job is not."""
    league.say("west", "south", commit)
    (answer,) = answers(league)
    assert answer.verdict is Verdict.BURNED
    assert [each.verdict for each in decisions(league)] == [Verdict.BURNED]
    assert league.state("south", "job-1") is None
    return answer.reason.code


@row("target", "nothing", "OFFER")
def test_an_offer_is_held_in_memory_for_10_s_and_nothing_is_written() -> None:
    league = target(gpus=2)
    sequence = league.stations["south"].ledger.write_sequence
    league.say("west", "south", Offer(1, shape_of(), 5, (), "team"))
    league.settle()
    assert league.puppets["west"].heard(OfferAnswer) == [OfferAnswer(1, 2, Timings().hold_ttl_us)]
    assert league["south"].intake.holds == 1
    league.say("west", "south", Offer(2, shape_of(), 5, (), "team"))
    league.settle()
    declined = league.puppets["west"].heard(OfferAnswer)[1]
    assert isinstance(declined, OfferAnswer)
    assert declined.slots == 0
    assert declined.reason is not None
    assert declined.retry_after_us > 0
    league.advance(Timings().hold_ttl_us)
    assert league["south"].intake.holds == 0
    assert league.stations["south"].ledger.write_sequence == sequence


@row("target", "undecided", "COMMIT that it admits")
def test_a_commit_that_it_admits_writes_queued_and_accepted_in_one_transaction() -> None:
    league = target()
    league.crash_before_write("south", Decision)
    league.say("west", "south", commit_of())
    assert league.state("south", "job-1") is None
    assert decisions(league) == []
    league.restart("south")
    league.connect()
    league.crash_after_write("south", Decision)
    league.say("west", "south", commit_of())
    assert league.state("south", "job-1") is JobState.RUNNING
    assert [each.verdict for each in decisions(league)] == [Verdict.COMMITTED]
    assert answers(league) == [], "the crash came before the answer left"
    league.restart("south")
    league.connect()
    league.say("west", "south", commit_of())
    (answer,) = answers(league)
    assert answer.verdict is Verdict.COMMITTED


@row("target", "undecided", "COMMIT: no room and no queueing")
def test_a_commit_without_room_or_queueing_is_burned_by_a_write() -> None:
    league = target(queue_depth_max=0)
    assert refusal(league, commit_of()) is ReasonCode.BURNED_NO_ROOM


@row("target", "undecided", "COMMIT: no room and no queueing")
def test_a_commit_that_can_never_fit_is_burned_by_a_write() -> None:
    league = target()
    big = msgspec.structs.replace(GPU, resources=(("gpu", 9_000),))
    assert refusal(league, commit_of(shape=shape_of(big))) is ReasonCode.BURNED_NO_ROOM


@row("target", "undecided", "COMMIT: bad spec")
def test_a_commit_with_a_bad_spec_is_burned_by_a_write() -> None:
    league = target()
    unreadable = msgspec.structs.replace(commit_of(), shape=None)
    assert refusal(league, unreadable) is ReasonCode.BURNED_BAD_SPEC


@row("target", "undecided", "COMMIT: unknown required feature")
def test_a_commit_with_an_unknown_required_feature_is_burned_by_a_write() -> None:
    league = target()
    commit = commit_of(shape=shape_of(required_features=("teleport",)))
    assert refusal(league, commit) is ReasonCode.BURNED_FEATURE


@row("target", "undecided", "WITHDRAW")
def test_a_withdraw_of_an_undecided_epoch_burns_it() -> None:
    league = target()
    league.say("west", "south", Withdraw("job-1", 2, 1))
    (answer,) = answers(league)
    assert (answer.verdict, answer.reason.code) == (Verdict.BURNED, ReasonCode.BURNED_WITHDRAWN)
    league.say("west", "south", commit_of())
    assert [each.verdict for each in answers(league)] == [Verdict.BURNED] * 2
    assert league.state("south", "job-1") is None


@pytest.mark.parametrize("again", [commit_of(), Withdraw("job-1", 2, 1)])
@pytest.mark.parametrize("since", ["nothing", "a restart", "it ended", "it was cancelled"])
@row("target", "accepted", "COMMIT again")
@row("target", "accepted", "WITHDRAW")
@row("target", "accepted", "whatever happened since")
def test_an_acceptance_is_repeated_whatever_happened_since(again: Commit | Withdraw, since: str) -> None:
    league = target()
    league.say("west", "south", commit_of())
    league.settle()
    if since == "a restart":
        league.crash("south")
        league.restart("south")
        league.connect()
    elif since == "it ended":
        league.end("south", "job-1")
    elif since == "it was cancelled":
        league.cancel("south", "job-1")
    league.settle()
    before = answers(league)
    sequence = league.stations["south"].ledger.write_sequence
    league.say("west", "south", again)
    assert answers(league) == [*before, before[0]]
    assert before[0].verdict is Verdict.COMMITTED
    assert league.stations["south"].ledger.write_sequence == sequence
    assert len(league.stations["south"].launches) == 1


@row("target", "accepted", "whatever happened since")
def test_an_acceptance_is_repeated_after_the_job_has_moved_on() -> None:
    league = League(north=0, south=1, west=1)
    league.submit("south", "filler")
    league.hold(Offer, sender="north")
    league.hold(Decision, sender="south")
    league.submit("north", "job-1")
    league.hand_over("north", "job-1", "south")
    league.run_until(lambda: league.running("job-1") == ["west"])
    assert league.states("job-1") == {"north": "XFER", "south": "MOVED", "west": "RUNNING"}
    league.let_go()
    league.settle()
    assert league.states("job-1") == {"north": "MOVED", "south": "MOVED", "west": "RUNNING"}


@row("target", "burned", "again")
def test_a_burn_is_repeated_and_writes_nothing() -> None:
    league = target()
    league.say("west", "south", Withdraw("job-1", 2, 1))
    sequence = league.stations["south"].ledger.write_sequence
    for again in (Withdraw("job-1", 2, 1), commit_of(), Withdraw("job-1", 2, 1)):
        league.say("west", "south", again)
    assert [each.verdict for each in answers(league)] == [Verdict.BURNED] * 4
    assert league.stations["south"].ledger.write_sequence == sequence
    league.crash("south")
    league.restart("south")
    league.connect()
    league.say("west", "south", commit_of())
    assert answers(league)[-1].verdict is Verdict.BURNED


@pytest.mark.parametrize("late", [commit_of(), Withdraw("job-1", 2, 1)])
@pytest.mark.parametrize("first", [commit_of(), Withdraw("job-1", 2, 1)])
@row("target", "below the STABLE mark", "anything")
def test_below_the_stable_mark_anything_is_dropped(late: Commit | Withdraw, first: Commit | Withdraw) -> None:
    league = target()
    league.say("west", "south", first)
    league.say("west", "south", Stable(2))
    league.settle()
    assert decisions(league) == []
    before = answers(league)
    for life in range(2):
        league.say("west", "south", late)
        assert answers(league) == before
        assert decisions(league) == []
        assert len(league.stations["south"].launches) == (1 if isinstance(first, Commit) else 0)
        if life == 0:
            league.crash("south")
            league.restart("south")
            league.connect()


@row("target", "a hold that expired", "COMMIT")
def test_a_hold_that_expired_does_not_void_a_commit() -> None:
    league = target()
    league.say("west", "south", Offer(1, shape_of(), 1, (), "team"))
    league.advance(Timings().hold_ttl_us)
    league.submit("south", "filler")
    league.say("west", "south", msgspec.structs.replace(commit_of(), offer_id=1))
    (answer,) = answers(league)
    assert answer.verdict is Verdict.COMMITTED
    assert league.state("south", "job-1") is JobState.QUEUED
    league.end("south", "filler")
    league.settle()
    assert league.running("job-1") == ["south"]


def test_a_duplicate_of_an_offer_is_held_once() -> None:
    league = target(gpus=4)
    for _ in range(3):
        league.say("west", "south", Offer(1, shape_of(), 2, (), "team"))
    assert league["south"].intake.holds == 1
    league.advance(Timings().hold_ttl_us)
    league.puppets["west"].received.clear()
    league.say("west", "south", Offer(2, shape_of(), 4, (), "team"))
    league.settle()
    (answer,) = league.puppets["west"].heard(OfferAnswer)
    assert isinstance(answer, OfferAnswer)
    assert answer.slots == 4, "what was held for the duplicates is free again"
