"""The giver's table, row by row."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from hanse.core.events import Order, OrderJobs, OrderKind
from hanse.core.messages import (
    Cancel,
    CancelAck,
    Commit,
    Decision,
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
from hanse.core.model.jobs import Reason, ReasonCode, Ruled, make_shape
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import OFFER_PEERS_MAX, PATH_MAX, TRANSFERS_UNDECIDED_MAX
from hanse.core.model.regions import Timings
from hanse.core.model.time import MILLISECOND_US, SECOND_US
from tests.core.protocol.league import League, pass_through_south
from tests.core.protocol.rows import row
from tests.core.protocol.station import NoAnswerError

HOUR_US = 3_600 * SECOND_US


def in_transfer(league: League, job_id: str = "job-1") -> Commit:
    """north has written XFER and its COMMIT is under way to south."""
    league.hold(Commit)
    league.submit("north", job_id)
    league.run_until(lambda: bool(league.under_way(Commit)))
    commit = league.under_way(Commit)[0].message
    assert isinstance(commit, Commit)
    return commit


def decide(league: League, commit: Commit, verdict: Verdict) -> None:
    """The puppet "south" answers a COMMIT."""
    ledger_id = league.stations["north"].ledger.ledger_id
    reason = Reason(ReasonCode.ACCEPTED if verdict is Verdict.COMMITTED else ReasonCode.BURNED_NO_ROOM)
    decision = Decision(commit.job_id, commit.epoch, ledger_id, commit.sequence, verdict, reason)
    league.say("south", "north", decision)


def puppet_in_transfer(league: League) -> Commit:
    """north has given job-1 to the puppet "south", which has not answered."""
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.puppets["south"].heard(Offer)))
    offer = league.puppets["south"].heard(Offer)[0]
    assert isinstance(offer, Offer)
    league.say("south", "north", OfferAnswer(offer.id, 1, SECOND_US))
    league.settle()
    commit = league.puppets["south"].heard(Commit)[0]
    assert isinstance(commit, Commit)
    return commit


def status_of(region: str, epoch: int) -> Status:
    """A STATUS of job-1 as its owner tells it."""
    return Status(
        job_id="job-1",
        epoch=epoch,
        attempt=1,
        state=JobState.RUNNING,
        region=region,
        reason=Reason(ReasonCode.STARTED),
        sequence=1,
        at_wall_us=1,
    )


def accept_all(league: League) -> None:
    """The puppet "south" accepts whatever it is offered just now."""
    south = league.puppets["south"]
    league.run_until(lambda: bool(south.heard(Offer)) or not league["north"].desk.giver.room("south"))
    for offer in south.heard(Offer):
        assert isinstance(offer, Offer)
        south.received.remove(offer)
        league.say("south", "north", OfferAnswer(offer.id, offer.count, SECOND_US))
    league.settle()


@row("giver", "QUEUED", "cannot start soon")
def test_queued_cannot_start_soon_offers_to_two_peers_and_writes_nothing() -> None:
    league = League(north=0, south=1, west=1, east=1)
    league.hold(Offer)
    jobs = [f"job-{number}" for number in range(4)]
    for job in jobs:
        league.submit("north", job)
    sequence = league.stations["north"].ledger.write_sequence
    league.advance(500 * MILLISECOND_US)
    offers = league.under_way(Offer, sender="north")
    assert len(offers) == len({each.to for each in offers}) == OFFER_PEERS_MAX
    assert league.stations["north"].ledger.write_sequence == sequence
    assert {league.state("north", job) for job in jobs} == {JobState.QUEUED}


def test_a_job_is_offered_to_one_peer_at_a_time_if_that_has_room_by_its_record() -> None:
    league = League(north=0, south=1, west=1, east=1)
    league.hold(Offer)
    league.submit("north", "job-1")
    league.advance(500 * MILLISECOND_US)
    assert len(league.under_way(Offer, sender="north")) == 1


@row("giver", "QUEUED", "cannot start soon")
def test_an_offer_without_an_answer_is_given_up_after_its_deadline_of_one_second() -> None:
    league = League(north=0, south=1)
    league.hold(Offer)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Offer)))
    assert league["north"].offers.outstanding == 1
    league.advance(Timings().offer_deadline_us)
    assert league["north"].offers.outstanding == 0
    league.hold(Commit)
    league.deliver(Offer)
    league.settle()
    assert league.messages(Release) == [Release(1)]
    assert league.state("north", "job-1") is JobState.QUEUED


@row("giver", "QUEUED", "solicited")
def test_queued_and_solicited_offers_to_the_one_who_asked() -> None:
    league = League(north=1, south=1)
    league.submit("north", "runner")
    league.submit("south", "filler")
    league.submit("north", "job-1")
    league.advance(3 * SECOND_US)
    assert league.state("north", "job-1") is JobState.QUEUED
    offers = len(league.messages(Offer))
    league.hold(Offer)
    league.end("south", "filler")
    league.settle()
    assert len(league.messages(Solicit, sender="south")) >= 1
    newest = league.messages(Offer)[-1]
    assert len(league.messages(Offer)) == offers + 1
    assert isinstance(newest, Offer)
    assert newest.solicit_id > 0
    league.let_go()
    league.run_until(lambda: league.running("job-1") == ["south"])


@row("giver", "QUEUED", "ACCEPT, and still queued")
def test_accept_while_queued_writes_xfer_and_then_sends_commit() -> None:
    league = League(north=0, south=1)
    commit = in_transfer(league)
    written = league.row("north", "job-1")
    assert written is not None
    assert (written.state, written.transfer_to, written.transfer_epoch) == (JobState.XFER, "south", 2)
    assert written.transfer_sequence == commit.sequence == 1
    assert (commit.job_id, commit.epoch, commit.home, commit.path) == ("job-1", 2, "north", ("north",))
    assert league.stations["north"].ledger.outbound["south"].next_sequence == 2


@row("giver", "QUEUED", "ACCEPT, and not queued any more")
def test_accept_when_no_longer_queued_gives_nothing_and_releases() -> None:
    league = League(north=0, south=1)
    league.hold(OfferAnswer)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(OfferAnswer)))
    league.cancel("north", "job-1")
    assert league["south"].intake.holds == 1
    league.let_go()
    league.settle()
    assert league.messages(Commit) == []
    assert league.messages(Release) == [Release(1)]
    assert league["south"].intake.holds == 0


@row("giver", "QUEUED", "ACCEPT, and not queued any more")
def test_of_two_that_accept_one_gets_the_job_and_the_other_a_release() -> None:
    league = League(north=0, south=1, west=1)
    league.hold(Offer)
    league.submit("north", "job-1")
    league.submit("north", "job-2")
    league.advance(100 * MILLISECOND_US)
    league.cancel("north", "job-2")
    league.let_go()
    league.settle()
    assert len(league.messages(OfferAnswer)) == 2
    assert len(league.messages(Commit)) == len(league.messages(Release)) == 1
    taker, other = (
        next(each.to for each in league.sent if isinstance(each.message, kind)) for kind in (Commit, Release)
    )
    assert {taker, other} == {"south", "west"}
    assert league.states("job-1") == {"north": "MOVED", taker: "RUNNING"}
    assert league[other].intake.holds == 0


@row("giver", "QUEUED", "a local slot")
def test_a_local_slot_writes_running_and_launches() -> None:
    league = League(north=1, south=1)
    league.submit("north", "job-1")
    assert league.state("north", "job-1") is JobState.RUNNING
    assert league.running("job-1") == ["north"]
    assert league.messages(Offer) == []


@row("giver", "QUEUED", "a local slot")
def test_a_job_that_starts_here_while_it_is_on_offer_is_not_given_away() -> None:
    league = League(north=1, south=1)
    league.hold(Offer)
    league.submit("north", "filler")
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Offer)))
    league.end("north", "filler")
    league.settle()
    assert league.running("job-1") == ["north"]
    league.let_go()
    league.settle()
    assert league.messages(Commit) == []
    assert league.messages(Release) == [Release(1)]


@row("giver", "XFER", "timer")
def test_xfer_sends_commit_again_after_0_2_s_doubled_up_to_30_s_for_ever() -> None:
    patient = Timings(withdraw_after_us=HOUR_US)
    league = League(puppets=["south"], timings=patient, north=0)
    puppet_in_transfer(league)
    times: list[int] = [league.now_us]
    for _ in range(12):
        count = len(league.puppets["south"].heard(Commit))
        league.run_until(lambda count=count: len(league.puppets["south"].heard(Commit)) > count)  # type: ignore[misc]
        times.append(league.now_us)
    gaps = [(later - earlier) / SECOND_US for earlier, later in pairwise(times)]
    expected = [min(0.2 * 2**n, 30.0) for n in (0, *range(1, 12))]
    assert gaps == pytest.approx(expected, abs=0.1)
    assert league.state("north", "job-1") is JobState.XFER


@row("giver", "XFER", "COMMITTED")
def test_committed_writes_moved_keeps_the_spec_and_sends_stable() -> None:
    league = League(puppets=["south"], north=0)
    decide(league, puppet_in_transfer(league), Verdict.COMMITTED)
    league.settle()
    moved = league.row("north", "job-1")
    assert moved is not None
    assert (moved.state, moved.transfer_epoch, moved.transfer_to) == (JobState.MOVED, 2, "south")
    assert league.stations["north"].ledger.jobs["job-1"].spec == b"spec of job-1"
    assert league.puppets["south"].heard(Stable) == [Stable(2)]


@row("giver", "XFER", "a COMMIT with a higher epoch")
def test_a_commit_with_a_higher_epoch_implies_committed() -> None:
    league = League(puppets=["south"], north=1)
    league.submit("north", "filler")
    commit = puppet_in_transfer(league)
    back = Commit(
        job_id="job-1",
        epoch=3,
        sequence=1,
        home="north",
        tenant=commit.tenant,
        spec=commit.spec,
        spec_sha256=commit.spec_sha256,
        path=("north", "south"),
        submitted_wall_us=commit.submitted_wall_us,
        shape=commit.shape,
    )
    league.say("south", "north", back)
    assert league.job("north", "job-1").epoch == 3
    assert league.state("north", "job-1") is JobState.QUEUED
    assert not league["north"].desk.giver.tracks("job-1")
    league.settle()
    assert league.puppets["south"].heard(Stable) == [Stable(2)]
    # The answer that it overtook changes nothing any more.
    decide(league, commit, Verdict.COMMITTED)
    assert league.job("north", "job-1").epoch == 3


def test_a_job_that_comes_back_is_as_it_was_ordered_elsewhere_meanwhile() -> None:
    """Two regions handed a job back and forth: each went by what it remembered of it (orders, seed 3)."""
    league = League(puppets=["south"], north=1)
    league.submit("north", "filler")
    commit = puppet_in_transfer(league)
    assert commit.shape is not None
    body = msgspec.structs.replace(commit.shape.body, regions_allow=("north",), priority=7, ruled=Ruled())
    back = msgspec.structs.replace(
        commit, epoch=3, sequence=1, path=("north", "south"), shape=make_shape(body)
    )
    league.say("south", "north", back)
    known = league.job("north", "job-1").shape.body
    assert (known.regions_allow, known.priority) == (("north",), 7)


def test_who_moves_a_job_does_not_care_how_far_it_has_come() -> None:
    league = League(puppets=["south"], north=0)
    league.submit("north", "job-1")
    league.job("north", "job-1").path = ("south", "north") * (PATH_MAX // 2)
    order = Order(kind=OrderKind.MOVE, region="south")
    league.step("north", OrderJobs(request_id=1, job_ids=("job-1",), order=order, cause="test"))

    def offered() -> list[Offer]:
        heard = league.puppets["south"].heard(Offer)
        return [each for each in heard if isinstance(each, Offer) and each.shape.body.regions_allow]

    league.run_until(lambda: bool(offered()))
    assert offered()[0].path == ()


@row("giver", "XFER", "BURNED")
def test_burned_writes_queued_at_that_epoch_and_the_next_transfer_uses_the_next() -> None:
    league = League(puppets=["south"], north=0)
    decide(league, puppet_in_transfer(league), Verdict.BURNED)
    written = league.row("north", "job-1")
    assert written is not None
    assert (written.state, written.epoch, written.attempt) == (JobState.QUEUED, 2, 0)
    league.run_until(lambda: len(league.puppets["south"].heard(Offer)) == 2)
    offer = league.puppets["south"].heard(Offer)[1]
    assert isinstance(offer, Offer)
    league.say("south", "north", OfferAnswer(offer.id, 1, SECOND_US))
    league.settle()
    again = league.puppets["south"].heard(Commit)[-1]
    assert isinstance(again, Commit)
    assert (again.epoch, again.sequence) == (3, 2)


@row("giver", "XFER", "BURNED")
def test_burned_offers_the_job_elsewhere() -> None:
    league = League(north=0, south=1, west=1)
    league.hold(Commit)
    league.hold(Offer, to="west")
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Commit, to="south")))
    league.submit("south", "filler")
    league["south"].intake.closed = Reason(ReasonCode.DRAINING, "closed by the test")
    league.let_go()
    league.run_until(lambda: league.running("job-1") == ["west"])
    assert league.job("west", "job-1").epoch == 3


@row("giver", "XFER", "30 s in doubt")
def test_30_s_in_doubt_sends_withdraw_and_stays_in_xfer() -> None:
    league = League(puppets=["south"], north=0)
    puppet_in_transfer(league)
    league.advance(29 * SECOND_US)
    assert league.puppets["south"].heard(Withdraw) == []
    league.advance(SECOND_US)
    assert league.puppets["south"].heard(Withdraw) == [Withdraw("job-1", 2, 1)]
    commits = len(league.puppets["south"].heard(Commit))
    league.advance(5 * 60 * SECOND_US)
    assert len(league.puppets["south"].heard(Withdraw)) > 1
    assert len(league.puppets["south"].heard(Commit)) == commits, "WITHDRAW takes the place of COMMIT"
    assert league.state("north", "job-1") is JobState.XFER


@row("giver", "XFER", "cancel")
def test_cancel_in_xfer_writes_the_wish_and_sends_withdraw() -> None:
    league = League(puppets=["south"], north=0)
    commit = puppet_in_transfer(league)
    assert league.cancel("north", "job-1") is JobState.XFER
    written = league.row("north", "job-1")
    assert written is not None
    assert (written.state, written.cancel_id) == (JobState.XFER, "cancel-job-1")
    league.settle()
    assert league.puppets["south"].heard(Withdraw) == [Withdraw("job-1", 2, 1)]
    decide(league, commit, Verdict.BURNED)
    assert league.state("north", "job-1") is JobState.CANCELLED


@row("giver", "XFER", "cancel")
def test_a_cancel_in_xfer_survives_a_crash_and_is_still_withdrawn() -> None:
    league = League(puppets=["south"], north=0)
    puppet_in_transfer(league)
    league.crash_after_write("north", Withdraw)
    league.step("north")
    with pytest.raises(NoAnswerError):
        league.cancel("north", "job-1")
    league.restart("north")
    league.run_until(lambda: bool(league.puppets["south"].heard(Withdraw)))
    assert league.state("north", "job-1") is JobState.XFER


@row("giver", "XFER", "a STATUS with its epoch, or a higher one")
@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        pytest.param(1, JobState.XFER, id="of before the transfer"),
        pytest.param(2, JobState.MOVED, id="of the target"),
        pytest.param(3, JobState.MOVED, id="of who has it from the target"),
    ],
)
def test_an_owner_at_the_epoch_of_the_transfer_or_a_later_one_shows_that_it_was_accepted(
    epoch: int, expected: JobState
) -> None:
    """Else the target, had it lost its disk, would be asked to accept the job a second time."""
    league = League(puppets=["south", "west"], north=0)
    puppet_in_transfer(league)
    league.say("west", "north", status_of("west", epoch))
    league.settle()
    assert league.state("north", "job-1") is expected
    league.puppets["south"].received.clear()
    league.advance(60 * SECOND_US)
    assert bool(league.puppets["south"].heard(Commit) + league.puppets["south"].heard(Withdraw)) is (
        expected is JobState.XFER
    )
    league.crash("north")
    league.restart("north")
    assert league.state("north", "job-1") is expected


@row("giver", "XFER", "a STATUS with its epoch, or a higher one")
def test_a_wish_of_a_caller_goes_after_a_job_that_was_accepted_as_a_status_shows() -> None:
    league = League(puppets=["south", "west"], north=0)
    puppet_in_transfer(league)
    league.cancel("north", "job-1")
    league.say("west", "north", status_of("west", 3))
    league.run_until(lambda: bool(league.puppets["south"].heard(Cancel)))
    assert league.state("north", "job-1") is JobState.MOVED


@row("giver", "XFER", "time alone")
def test_time_alone_never_reverts_a_transfer() -> None:
    league = League(north=0, south=1)
    in_transfer(league)
    league.cut("north", "south")
    league.advance(5 * 60 * SECOND_US)
    assert league.states("job-1") == {"north": "XFER"}
    league.heal()
    league.let_go()
    league.run_until(lambda: league.state("north", "job-1") is not JobState.XFER)


@row("giver", "MOVED", "cancel")
def test_cancel_of_a_moved_job_is_written_and_sent_to_the_next_hop_until_acknowledged() -> None:
    league = League(north=0, south=1)
    league.submit("north", "job-1")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.hold(Cancel)
    assert league.cancel("north", "job-1") is JobState.MOVED
    written = league.row("north", "job-1")
    assert written is not None
    assert (written.state, written.cancel_id) == (JobState.MOVED, "cancel-job-1")
    league.advance(SECOND_US)
    assert len(league.messages(Cancel)) > 1, "it is repeated"
    league.let_go()
    league.settle()
    assert league.messages(CancelAck, sender="south")
    assert set(league.states("job-1").values()) == {"CANCELLED"}
    count = len(league.messages(Cancel))
    league.advance(60 * SECOND_US)
    assert len(league.messages(Cancel)) == count


@row("giver", "MOVED", "the outcome is stable at home")
def test_an_earlier_hop_keeps_the_spec_until_the_outcome_is_stable_at_home() -> None:
    league = League(north=0, south=1, west=1)
    pass_through_south(league)
    assert league.states("job-1") == {"north": "MOVED", "south": "MOVED", "west": "RUNNING"}
    league.hold(TerminalAck)
    league.end("west", "job-1")
    league.settle()
    ledger = league.stations["south"].ledger
    assert ledger.jobs["job-1"].spec == b"spec of job-1"
    league.let_go()
    league.settle()
    assert ledger.jobs["job-1"].spec == b""
    assert "job-1" not in league["south"].books.jobs
    assert any(isinstance(each, Status) and each.settled for each in league.messages(Status, to="south"))


@row("giver", "any", "at most 256 undecided transfers per peer")
def test_at_most_256_transfers_to_a_peer_are_undecided() -> None:
    league = League(puppets=["south"], north=0)
    for number in range(TRANSFERS_UNDECIDED_MAX + 10):
        league.submit("north", f"job-{number}")
    for _ in range(5):
        accept_all(league)
    assert league["north"].desk.giver.undecided("south") == TRANSFERS_UNDECIDED_MAX
    assert league["north"].books.counts[JobState.QUEUED] == 10


@row("giver", "any", "COMMITs are resent in order, only after HELLO")
def test_after_a_restart_commits_wait_for_hello_and_then_go_in_order() -> None:
    league = League(puppets=["south"], north=0)
    for number in (3, 1, 2):
        league.submit("north", f"job-{number}")
    accept_all(league)
    accept_all(league)
    assert league["north"].desk.giver.undecided("south") == 3
    league.crash("north")
    league.restart("north")
    league.puppets["south"].received.clear()
    league.cut("north", "south")
    before = len(league.messages(Commit))
    league.advance(10 * SECOND_US)
    assert len(league.messages(Commit)) == before, "nothing is sent to a peer without a session"
    league.heal()
    league.run_until(lambda: len(league.puppets["south"].heard(Commit)) >= 3)
    sequences = [each.sequence for each in league.puppets["south"].heard(Commit) if isinstance(each, Commit)]
    assert sequences[:3] == [1, 2, 3]
