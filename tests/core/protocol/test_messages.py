"""The table of messages: each one sent, and answered as it says."""

from __future__ import annotations

import pytest

from hanse.core.effects import Effects
from hanse.core.messages import (
    Cancel,
    CancelAck,
    Commit,
    Decision,
    Hello,
    Locate,
    Located,
    Offer,
    OfferAnswer,
    Release,
    Solicit,
    Stable,
    Status,
    TerminalAck,
    Verdict,
    Withdraw,
)
from hanse.core.model.jobs import Reason, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.regions import QueuedShape
from hanse.core.model.time import SECOND_US
from tests.core.protocol.league import League, pass_through_south
from tests.core.protocol.rows import row
from tests.core.protocol.station import shape_of
from tests.core.protocol.test_target import commit_of, target


@row("message", "SOLICIT", "OFFER or nothing")
def test_solicit_is_answered_by_an_offer_if_something_waits_and_by_nothing_if_not() -> None:
    league = League(puppets=["west"], north=1)
    shape = shape_of()
    wanted = (QueuedShape(shape_key=shape.key, count=3, resources=shape.total),)
    league.say("west", "north", Solicit(1, wanted, SECOND_US))
    league.settle()
    assert league.puppets["west"].heard(Offer) == []
    league.hold(Offer)
    league.submit("north", "filler")
    for number in range(5):
        league.submit("north", f"job-{number}")
    league.advance(2 * SECOND_US)
    league.wire.clear()
    league.let_go()
    league.say("west", "north", Solicit(2, wanted, SECOND_US))
    league.settle()
    offer = league.puppets["west"].heard(Offer)[0]
    assert isinstance(offer, Offer)
    assert (offer.shape, offer.count) == (shape, 3)


@row("message", "OFFER", "ACCEPT or DECLINE")
def test_offer_is_answered_by_accept_with_slots_or_by_decline_with_a_reason() -> None:
    league = target(gpus=2)
    league.say("west", "south", Offer(1, shape_of(), 1, (), "team"))
    league.say("west", "south", Offer(2, shape_of(regions_deny=("south",)), 1, (), "team"))
    league.settle()
    accept, decline = league.puppets["west"].heard(OfferAnswer)
    assert isinstance(accept, OfferAnswer)
    assert isinstance(decline, OfferAnswer)
    assert (accept.slots, accept.reason) == (1, None)
    assert accept.hold_ttl_us > 0
    assert decline.slots == 0
    assert decline.reason is not None
    assert decline.retry_after_us > 0


@row("message", "RELEASE", "frees the hold")
def test_release_frees_the_hold_and_is_not_answered() -> None:
    league = target(gpus=1)
    league.say("west", "south", Offer(1, shape_of(), 1, (), "team"))
    league.settle()
    league.puppets["west"].received.clear()
    league.say("west", "south", Release(1))
    league.say("west", "south", Release(7))
    league.settle()
    assert league["south"].intake.holds == 0
    assert league.puppets["west"].received == []


@pytest.mark.parametrize("verdict", Verdict)
@row("message", "COMMIT", "COMMITTED or BURNED, with the same name")
def test_commit_is_answered_with_the_same_ledger_id_and_sequence(verdict: Verdict) -> None:
    league = target(gpus=1 if verdict is Verdict.COMMITTED else 0)
    league.say("west", "south", commit_of(epoch=4, sequence=9))
    league.settle()
    (answer,) = league.puppets["west"].heard(Decision)
    assert isinstance(answer, Decision)
    assert (answer.ledger_id, answer.sequence) == ("ledger-west", 9)
    assert (answer.job_id, answer.epoch, answer.verdict) == ("job-1", 4, verdict)


@pytest.mark.parametrize("verdict", Verdict)
@row("message", "WITHDRAW", "COMMITTED or BURNED")
def test_withdraw_is_answered_by_what_was_decided_or_is_now(verdict: Verdict) -> None:
    league = target()
    if verdict is Verdict.COMMITTED:
        league.say("west", "south", commit_of())
    league.say("west", "south", Withdraw("job-1", 2, 1))
    league.settle()
    answer = league.puppets["west"].heard(Decision)[-1]
    assert isinstance(answer, Decision)
    assert answer.verdict is verdict


@row("message", "STABLE", "none")
def test_stable_is_written_and_not_answered() -> None:
    league = target()
    league.say("west", "south", Stable(4))
    league.settle()
    assert league.stations["south"].ledger.channels["ledger-west"].stable_sequence == 4
    assert league.puppets["west"].received == []


def status_of(epoch: int, sequence: int, state: JobState) -> Status:
    """A STATUS of job-1 as south would tell it."""
    return Status(
        job_id="job-1",
        epoch=epoch,
        attempt=1,
        state=state,
        region="south",
        reason=Reason(ReasonCode.STARTED),
        sequence=sequence,
        at_wall_us=1,
    )


@row("message", "STATUS", "coalesced, the latest wins")
def test_status_is_coalesced_and_tells_only_the_newest_state() -> None:
    league = target()
    league.say("west", "south", commit_of())
    assert league.puppets["west"].heard(Status) == []
    league.advance(SECOND_US)
    (status,) = league.puppets["west"].heard(Status)
    assert isinstance(status, Status)
    assert (status.state, status.epoch, status.attempt) == (JobState.RUNNING, 2, 1)


@row("message", "STATUS", "coalesced, the latest wins")
def test_of_statuses_in_any_order_the_latest_wins_and_none_is_answered() -> None:
    league = League(north=0, south=1)
    league.submit("north", "job-1")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.advance(SECOND_US)
    known = league.job("north", "job-1").remote
    assert known is not None
    assert known.state is JobState.RUNNING
    north = league["north"].desk.tracking
    for stale in (status_of(2, known.sequence - 1, JobState.QUEUED), status_of(1, 99, JobState.QUEUED)):
        north.on_status(league.now, stale, Effects())
    assert league.job("north", "job-1").remote is known
    north.on_status(league.now, status_of(2, known.sequence + 1, JobState.STOPPING), Effects())
    newer = league.job("north", "job-1").remote
    assert newer is not None
    assert newer.state is JobState.STOPPING


@row("message", "STATUS", "coalesced, the latest wins")
def test_a_status_that_was_lost_is_told_again_to_a_home_that_is_met_again() -> None:
    league = League(north=0, south=1)
    league.hold(Status)
    league.submit("north", "job-1")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.run_until(lambda: bool(league.under_way(Status)))
    league.lose(Status)
    league.let_go()
    assert league.job("north", "job-1").remote is None
    league.crash("north")
    league.restart("north")
    league.connect()
    league.advance(SECOND_US)
    known = league.job("north", "job-1").remote
    assert known is not None
    assert known.state is JobState.RUNNING


@row("message", "CANCEL", "ACK")
def test_cancel_is_acknowledged_once_the_wish_is_on_disk_and_whenever_it_is_repeated() -> None:
    league = target()
    league.say("west", "south", commit_of())
    league.settle()
    league.crash_after_write("south", CancelAck)
    league.say("west", "south", Cancel("job-1", "wish"))
    written = league.row("south", "job-1")
    assert written is not None
    assert written.cancel_id == "wish"
    league.restart("south")
    league.connect()
    for _ in range(2):
        league.say("west", "south", Cancel("job-1", "wish"))
    league.settle()
    assert league.puppets["west"].heard(CancelAck) == [CancelAck("job-1", "wish")] * 2


@row("message", "TERMINAL", "ACK")
def test_terminal_is_acknowledged_once_the_outcome_is_on_disk_and_whenever_it_is_repeated() -> None:
    league = League(north=0, south=1)
    league.submit("north", "job-1")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.crash_before_write("north", TerminalAck)
    league.end("south", "job-1")
    league.settle()
    assert league.messages(TerminalAck) == []
    league.hold(TerminalAck)
    league.restart("north")
    league.run_until(lambda: len(league.under_way(TerminalAck)) == 3)
    assert league.state("north", "job-1") is JobState.SUCCEEDED
    league.let_go()
    league.settle()
    assert "job-1" not in league["south"].books.jobs


@row("message", "LOCATE", "state, epoch, next hop")
def test_locate_is_answered_with_state_epoch_and_next_hop() -> None:
    league = League(puppets=["east"], north=0, south=1, west=1)
    pass_through_south(league)
    for number, region in enumerate(("north", "south", "west")):
        league.say("east", region, Locate("job-1", number))
    league.say("east", "north", Locate("nothing", 3))
    league.settle()
    assert league.puppets["east"].heard(Located) == [
        Located("job-1", 0, JobState.MOVED, 2, "south"),
        Located("job-1", 1, JobState.MOVED, 3, "west"),
        Located("job-1", 2, JobState.RUNNING, 3),
        Located("nothing", 3, None, 0),
    ]
    league.end("west", "job-1")
    league.settle()
    league.say("east", "north", Locate("job-1", 4))
    league.settle()
    assert league.puppets["east"].heard(Located)[-1] == Located("job-1", 4, JobState.SUCCEEDED, 0)


@row("message", "HELLO", "a new session")
def test_hello_opens_a_new_session_and_nothing_else_is_said_before() -> None:
    league = League(north=0, south=1, connect=False)
    league.submit("north", "job-1")
    league.hold(Hello)
    league.advance(2 * SECOND_US)
    assert {type(each.message) for each in league.sent} == {Hello}
    assert not league["north"].sessions.established("south")
    league.let_go()
    league.run_until(lambda: league.running("job-1") == ["south"])
    assert league["north"].sessions.established("south")
    assert league["south"].sessions.established("north")
    assert league.messages(Commit)
