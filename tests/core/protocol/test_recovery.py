"""Recovery, state by state: the daemon dies at the worst moment and starts again from its disk."""

from __future__ import annotations

import pytest

from hanse.core.effects import Launch
from hanse.core.events import SetDrain
from hanse.core.messages import Commit, Offer, OfferAnswer, Stable, Terminal, TerminalAck
from hanse.core.model.lifecycle import JobState
from hanse.core.model.time import SECOND_US
from hanse.core.replies import Submitted
from tests.core.protocol.league import League
from tests.core.protocol.rows import row
from tests.core.protocol.station import NoAnswerError


@row("recovery", "QUEUED", "schedule again")
def test_queued_is_scheduled_again_after_the_holds_and_offers_are_gone() -> None:
    league = League(north=0, south=1)
    league.hold(OfferAnswer)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(OfferAnswer)))
    league.crash("north")
    league.crash("south")
    league.let_go()
    league.restart("north")
    league.restart("south")
    assert league.states("job-1") == {"north": "QUEUED"}
    league.run_until(lambda: league.running("job-1") == ["south"])


@row("recovery", "QUEUED", "schedule again")
def test_a_submit_that_was_written_and_not_answered_exists_once_when_it_is_repeated() -> None:
    league = League(north=1, south=0)
    league.submit("north", "filler")
    league.stations["north"].crash_at = (False, object)
    with pytest.raises(NoAnswerError):
        league.submit("north", "job-1")
    league.restart("north")
    assert league.submit("north", "job-1") == Submitted("job-1", existed=True)
    assert league.states("job-1") == {"north": "QUEUED"}


@row("recovery", "QUEUED", "schedule again")
def test_a_submit_that_was_not_written_never_happened() -> None:
    league = League(north=1, south=0)
    league.stations["north"].crash_at = (True, object)
    with pytest.raises(NoAnswerError):
        league.submit("north", "job-1")
    league.restart("north")
    assert league.states("job-1") == {}
    assert league.running("job-1") == []


@row("recovery", "XFER", "COMMIT again")
def test_xfer_that_was_written_and_not_sent_is_sent_after_the_restart() -> None:
    league = League(north=0, south=1)
    league.crash_after_write("north", Commit)
    league.submit("north", "job-1")
    league.run_until(lambda: league.stations["north"].core is None)
    assert league.states("job-1") == {"north": "XFER"}
    assert league.messages(Commit) == []
    league.restart("north")
    league.run_until(lambda: league.running("job-1") == ["south"])
    assert league.states("job-1") == {"north": "MOVED", "south": "RUNNING"}
    assert {each.epoch for each in league.messages(Commit) if isinstance(each, Commit)} == {2}


@row("recovery", "XFER", "COMMIT again")
def test_xfer_that_was_answered_while_the_giver_was_down_is_resolved_by_the_repeated_answer() -> None:
    league = League(north=0, south=1)
    league.hold(Commit)
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Commit)))
    league.crash("north")
    league.let_go()
    league.settle()
    assert league.states("job-1") == {"north": "XFER", "south": "RUNNING"}
    league.restart("north")
    league.run_until(lambda: league.state("north", "job-1") is JobState.MOVED)
    assert len(league.stations["south"].launches) == 1


@row("recovery", "RUNNING", "adopt the process")
def test_running_adopts_the_process_that_outlived_the_daemon() -> None:
    league = League(north=1, south=0)
    league.submit("north", "job-1")
    league.crash("north")
    league.restart("north")
    assert league.state("north", "job-1") is JobState.RUNNING
    assert len(league.stations["north"].launches) == 1
    league.end("north", "job-1")
    league.settle()
    assert league.state("north", "job-1") is JobState.SUCCEEDED


@row("recovery", "RUNNING", "the process is gone: attempt + 1")
def test_running_whose_process_is_gone_starts_the_next_attempt() -> None:
    league = League(north=1, south=0)
    league.submit("north", "job-1")
    league.reboot("north")
    league.settle()
    job = league.job("north", "job-1")
    assert (job.state, job.epoch, job.attempt, job.failures) == (JobState.RUNNING, 1, 2, 0)
    assert league.running("job-1") == ["north"]


@row("recovery", "RUNNING", "the process is gone: attempt + 1")
def test_running_that_was_written_and_never_launched_starts_the_next_attempt() -> None:
    league = League(north=1, south=0)
    league.crash_after_write("north", Launch)
    with pytest.raises(NoAnswerError):
        league.submit("north", "job-1")
    assert league.running("job-1") == []
    league.restart("north")
    league.settle()
    assert [each.run.attempt for each in league.stations["north"].launches] == [2]
    assert league.running("job-1") == ["north"]


@pytest.mark.parametrize(("exit_code", "state"), [(0, JobState.SUCCEEDED), (7, JobState.FAILED)])
@row("recovery", "RUNNING", "it ended meanwhile")
def test_running_that_ended_meanwhile_is_settled_with_its_true_exit_code(
    exit_code: int, state: JobState
) -> None:
    league = League(north=1, south=0)
    league.submit("north", "job-1")
    league.crash("north")
    league.end("north", "job-1", exit_code)
    league.restart("north")
    written = league.row("north", "job-1")
    assert written is not None
    assert (written.state, written.exit_code) == (state, exit_code)
    assert league.stations["north"].processes == {}, "its records were reaped"


@pytest.mark.parametrize("cancelled", [False, True])
@row("recovery", "DONE", "TERMINAL again")
@row("recovery", "CANCELLED", "TERMINAL again")
def test_a_final_state_that_home_does_not_know_is_told_again(cancelled: bool) -> None:
    league = League(north=0, south=1)
    league.submit("north", "job-1")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.crash_after_write("south", Terminal)
    if cancelled:
        league.cancel("north", "job-1")
    else:
        league.end("south", "job-1")
    league.run_until(lambda: league.stations["south"].core is None)
    final = "CANCELLED" if cancelled else "SUCCEEDED"
    assert league.states("job-1") == {"north": "MOVED", "south": final}
    assert league.messages(Terminal) == []
    league.restart("south")
    league.run_until(lambda: league.state("north", "job-1") is JobState[final])
    league.settle()
    assert league.messages(TerminalAck)


@row("recovery", "MOVED", "STABLE again")
def test_moved_sends_stable_again() -> None:
    league = League(north=0, south=1)
    league.crash_after_write("north", Stable)
    league.submit("north", "job-1")
    league.run_until(lambda: league.stations["north"].core is None)
    assert league.states("job-1") == {"north": "MOVED", "south": "RUNNING"}
    decisions = league.stations["south"].ledger.decisions
    assert decisions["ledger-north"]
    league.restart("north")
    league.run_until(lambda: not decisions["ledger-north"])
    assert league.messages(Stable) == [Stable(2)]


@row("recovery", "MOVED", "STABLE again")
def test_a_moved_job_with_a_wish_to_end_is_cancelled_again() -> None:
    league = League(north=0, south=1)
    league.submit("north", "job-1")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.cut("north", "south")
    league.cancel("north", "job-1")
    league.settle()
    league.crash("north")
    league.heal()
    league.restart("north")
    league.run_until(lambda: set(league.states("job-1").values()) == {"CANCELLED"})


def test_burned_while_the_giver_was_down_is_told_again() -> None:
    league = League(north=0, south=1, west=1)
    league.hold(Commit)
    league.hold(Offer, to="west")
    league.submit("north", "job-1")
    league.run_until(lambda: bool(league.under_way(Commit)))
    league.step("south", SetDrain(request_id=1, draining=True, cause="operator"))
    league.crash("north")
    league.let_go()
    league.settle()
    assert league.states("job-1") == {"north": "XFER"}
    league.restart("north")
    league.run_until(lambda: league.running("job-1") == ["west"])
    league.advance(SECOND_US)
    assert league.states("job-1") == {"north": "MOVED", "west": "RUNNING"}
