"""The owner's rows: what becomes of a job where it runs or waits, and of cancels."""

from __future__ import annotations

import msgspec

from hanse.core.messages import Cancel, CancelAck, Stable, Terminal, TerminalAck
from hanse.core.model.lifecycle import JobState
from hanse.core.model.time import SECOND_US
from hanse.core.replies import Refused
from tests.core.protocol.league import League
from tests.core.protocol.rows import row
from tests.core.protocol.station import SIGTERM
from tests.core.protocol.test_target import commit_of, target


def running_for_west() -> League:
    """job-1 of the puppet "west" runs in south."""
    league = target()
    league.say("west", "south", commit_of())
    league.settle()
    assert league.running("job-1") == ["south"]
    return league


@row("owner", "RUNNING", "the workload ended")
def test_when_the_workload_ended_done_is_written_and_terminal_repeated_until_the_ack() -> None:
    league = running_for_west()
    league.crash_before_write("south", Terminal)
    league.end("south", "job-1", exit_code=3)
    league.settle()
    assert league.messages(Terminal) == [], "nothing is told before it is written"
    league.restart("south")
    league.connect()
    assert league.state("south", "job-1") is JobState.FAILED
    league.advance(5 * SECOND_US)
    told = league.puppets["west"].heard(Terminal)
    assert len(told) > 2
    first = told[0]
    assert isinstance(first, Terminal)
    assert (first.outcome, first.exit_code, first.epoch, first.attempt) == (JobState.FAILED, 3, 2, 1)
    league.say("west", "south", TerminalAck("job-1", 2))
    league.settle()
    league.puppets["west"].received.clear()
    league.advance(60 * SECOND_US)
    assert league.puppets["west"].heard(Terminal) == []
    assert "job-1" not in league["south"].books.jobs


@row("owner", "RUNNING", "cancel")
def test_cancel_of_a_running_job_kills_confirms_and_only_then_writes_cancelled() -> None:
    league = running_for_west()
    league.stations["south"].obeys_stop = False
    league.say("west", "south", Cancel("job-1", "wish"))
    league.settle()
    assert league.puppets["west"].heard(CancelAck) == [CancelAck("job-1", "wish")]
    assert league.state("south", "job-1") is JobState.STOPPING
    league.advance(60 * SECOND_US)
    assert league.state("south", "job-1") is JobState.STOPPING, "not before it is known to be dead"
    league.end("south", "job-1", 128 + SIGTERM)
    league.settle()
    assert league.state("south", "job-1") is JobState.CANCELLED
    told = league.puppets["west"].heard(Terminal)[0]
    assert isinstance(told, Terminal)
    assert told.outcome is JobState.CANCELLED


@row("owner", "QUEUED", "cancel")
def test_cancel_of_a_queued_job_writes_cancelled_and_tells_home() -> None:
    league = target()
    league.submit("south", "filler")
    league.say("west", "south", commit_of())
    assert league.state("south", "job-1") is JobState.QUEUED
    league.say("west", "south", Cancel("job-1", "wish"))
    league.settle()
    assert league.state("south", "job-1") is JobState.CANCELLED
    assert len(league.puppets["west"].heard(Terminal)) == 1
    assert len(league.stations["south"].launches) == 1, "only the filler ran"


@row("owner", "unknown job", "CANCEL")
def test_cancel_of_an_unknown_job_is_remembered_and_acknowledged() -> None:
    league = target()
    league.say("west", "south", Cancel("job-1", "wish"))
    league.settle()
    assert league.puppets["west"].heard(CancelAck) == [CancelAck("job-1", "wish")]
    assert league.stations["south"].ledger.intents["job-1"].cancel_id == "wish"
    league.crash("south")
    league.restart("south")
    league.connect()
    league.say("west", "south", commit_of())
    league.settle()
    assert league.state("south", "job-1") is JobState.CANCELLED, "the intent met its job"
    assert league.stations["south"].ledger.intents == {}
    assert league.stations["south"].launches == []


def test_a_commit_that_carries_the_cancel_is_accepted_and_cancelled_at_once() -> None:
    league = target()
    league.say("west", "south", commit_of(cancel_id="wish"))
    league.settle()
    assert league.state("south", "job-1") is JobState.CANCELLED
    assert league.stations["south"].launches == []


@row("owner", "RUNNING", "a retry touches only the attempt")
def test_a_retry_touches_the_attempt_and_never_the_epoch() -> None:
    league = League(north=0, south=1)
    league.submit("north", "job-1", retries_max=1)
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.end("south", "job-1", exit_code=1)
    league.settle()
    job = league.job("south", "job-1")
    assert (job.state, job.epoch, job.attempt, job.failures) == (JobState.RUNNING, 2, 2, 1)
    assert [each.run.attempt for each in league.stations["south"].launches] == [1, 2]
    league.end("south", "job-1", exit_code=1)
    league.settle()
    assert set(league.states("job-1").values()) == {"FAILED"}


def test_failures_travel_with_the_job() -> None:
    league = target()
    league.say("west", "south", msgspec.structs.replace(commit_of(), failures=2, retries_max=2))
    league.settle()
    league.end("south", "job-1", exit_code=1)
    league.settle()
    assert league.state("south", "job-1") is JobState.FAILED, "no retry was left when it came"


def test_a_cancel_of_what_nobody_submitted_is_refused_to_callers() -> None:
    league = League(north=1, south=1)
    answer = league.cancel("north", "nothing")
    assert isinstance(answer, Refused)
    assert answer.code == "NOT_FOUND"


def test_a_stable_mark_never_goes_back() -> None:
    league = target()
    league.say("west", "south", Stable(5))
    league.say("west", "south", Stable(3))
    assert league.stations["south"].ledger.channels["ledger-west"].stable_sequence == 5
