"""The envelope: what does not come from this league, this session and this protocol is dropped."""

from __future__ import annotations

import msgspec

from hanse.core.messages import Commit, Decision, RosterAnnounce
from tests.core.protocol.league import League
from tests.core.protocol.rows import row
from tests.core.protocol.station import Parcel
from tests.core.roster.league import chain, following, founded


def with_commit_under_way() -> tuple[League, Parcel]:
    """A COMMIT from north to south that has not arrived."""
    league = League(north=0, south=1)
    league.hold(Commit)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Commit)))
    return league, league.take(Commit)


def is_dropped(league: League, parcel: Parcel, **changes: object) -> None:
    """South takes no notice of it under such an envelope, and counts it; under its own it is taken."""
    wrong = msgspec.structs.replace(parcel.envelope, **changes)
    dropped = league["south"].sessions.dropped
    league.deliver(msgspec.structs.replace(parcel, envelope=wrong))
    assert league["south"].sessions.dropped == dropped + 1
    assert league.states("job-1") == {"north": "XFER"}
    assert league.messages(Decision) == []
    league.deliver(parcel)
    assert league.states("job-1") == {"north": "XFER", "south": "RUNNING"}


@row("envelope", "cluster id", "another one is dropped")
def test_a_wrong_cluster_is_dropped() -> None:
    league, parcel = with_commit_under_way()
    is_dropped(league, parcel, cluster_id="another")


@row("envelope", "receiver", "another one is dropped")
def test_what_is_meant_for_another_is_dropped() -> None:
    league, parcel = with_commit_under_way()
    is_dropped(league, parcel, receiver="north")


@row("envelope", "sender", "a stranger is dropped")
def test_a_stranger_is_dropped() -> None:
    league, parcel = with_commit_under_way()
    is_dropped(league, parcel, sender="nobody")


@row("envelope", "roster epoch", "an older one is told, not heard")
def test_an_older_roster_is_told_and_nothing_else_is_heard() -> None:
    first = founded("north", "south")
    line = chain(first, following(first))
    league = League(roster=line, north=0, south=1)
    league.hold(Commit)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Commit)))
    parcel = league.take(Commit)
    old = msgspec.structs.replace(parcel.envelope, roster_epoch=1)
    league.deliver(msgspec.structs.replace(parcel, envelope=old))
    assert league.states("job-1") == {"north": "XFER"}
    (told,) = league.under_way(RosterAnnounce, sender="south", to="north")
    assert isinstance(told.message, RosterAnnounce)
    assert told.message.epoch == 2
    league.deliver(parcel)
    assert league.states("job-1") == {"north": "XFER", "south": "RUNNING"}


@row("envelope", "protocol", "an incompatible one is dropped")
def test_a_newer_protocol_without_overlap_is_dropped() -> None:
    league, parcel = with_commit_under_way()
    newest = league["south"].config.protocol_max
    is_dropped(league, parcel, protocol_min=newest + 1, protocol_max=newest + 2)


@row("envelope", "protocol", "an incompatible one is dropped")
def test_an_older_protocol_without_overlap_is_dropped() -> None:
    league, parcel = with_commit_under_way()
    oldest = league["south"].config.protocol_min
    is_dropped(league, parcel, protocol_min=oldest - 1, protocol_max=oldest - 1)


def test_a_protocol_that_overlaps_is_taken() -> None:
    league, parcel = with_commit_under_way()
    wider = msgspec.structs.replace(parcel.envelope, protocol_min=0, protocol_max=99)
    league.deliver(msgspec.structs.replace(parcel, envelope=wider))
    assert league.states("job-1") == {"north": "XFER", "south": "RUNNING"}


@row("envelope", "session", "a wrong one is dropped")
def test_a_wrong_nonce_of_the_sender_is_dropped() -> None:
    league, parcel = with_commit_under_way()
    is_dropped(league, parcel, sender_nonce=parcel.envelope.sender_nonce ^ 1)


@row("envelope", "session", "a wrong one is dropped")
def test_a_wrong_nonce_of_the_receiver_is_dropped() -> None:
    league, parcel = with_commit_under_way()
    is_dropped(league, parcel, receiver_nonce=parcel.envelope.receiver_nonce ^ 1)


@row("envelope", "session", "a wrong one is dropped")
def test_what_was_sent_before_a_restart_is_dropped_after_it() -> None:
    league, parcel = with_commit_under_way()
    league.crash("south")
    league.restart("south")
    league.hold(Commit)
    league.connect()
    dropped = league["south"].sessions.dropped
    league.deliver(parcel)
    assert league["south"].sessions.dropped == dropped + 1
    assert league.states("job-1") == {"north": "XFER"}
    league.let_go()
    league.run_until(lambda: league.running("job-1") == ["south"])
