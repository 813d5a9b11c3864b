"""A region is declared lost while its peers have jobs there, and it has jobs with them; and then it comes back."""

from __future__ import annotations

import pytest

from hanse.core.events import Ask, Question
from hanse.core.federation.roster.faults import FaultKind
from hanse.core.messages import Commit
from hanse.core.model.jobs import ReasonCode
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.roster import LostRegion, Roster, canonical
from hanse.core.model.time import SECOND_US
from hanse.core.replies import StatusView
from tests.core.protocol.league import League
from tests.core.protocol.station import Station
from tests.core.roster.league import following, founded, signed
from tests.core.roster.test_checks import faults_after
from tests.core.roster.test_keeper import ask, propose, run_until_at

NAMES = ("east", "north", "south", "west")
REST = NAMES[:-1]
FIRST = founded(*NAMES)
WITHOUT_WEST = following(FIRST, *REST, lost=(LostRegion(name="west", ledger_id="ledger-west"),))


class Bereft(League):
    """One of its regions may be lost, with all that it had."""

    def __init__(self) -> None:
        self.lost: dict[str, Station] = {}
        super().__init__(roster=(signed(FIRST),), east=1, north=1, south=1, west=1)

    def lose_region(self, name: str) -> None:
        """It is gone, and nothing of it runs any more."""
        self.crash(name, "for ever")
        self.lost[name] = self.stations.pop(name)
        self.lost[name].processes.clear()

    def check_tokens(self) -> None:
        """With a region that is lost a job has no owner for a while; it never runs twice."""
        if not self.lost:
            super().check_tokens()
            return
        for job_id in {job_id for each in self.stations.values() for job_id in each.ledger.jobs}:
            assert sum(station.alive(job_id) for station in self.stations.values()) <= 1

    def give(self, job_id: str, giver: str, to: str) -> None:
        """A job of the giver's, for which only this target has room that can be heard of."""
        self.submit(giver, f"{giver}-00")
        for other in NAMES:
            if other not in (giver, to):
                self.cut(*sorted((giver, other)))
        self.submit(giver, job_id)

    def state(self, region: str, job_id: str) -> JobState | None:
        row = self.stations[region].ledger.row(job_id)
        return None if row is None else JobState(row.state)

    def runs_in(self, job_id: str) -> list[str]:
        return [name for name, station in self.stations.items() if station.alive(job_id)]


@pytest.fixture
def league() -> Bereft:
    return Bereft()


def declare(league: Bereft) -> None:
    league.heal()
    league.let_go()
    propose(league, "north", WITHOUT_WEST)
    run_until_at(league, 2, *REST)


def test_a_job_that_ran_in_a_lost_region_runs_again_and_its_home_hears_of_it(league: Bereft) -> None:
    league.give("north-1", "north", "west")
    league.run_until(lambda: league.runs_in("north-1") == ["west"])
    league.run_until(lambda: league.state("north", "north-1") is JobState.MOVED)
    league.lose_region("west")
    league.heal()
    league.advance(60 * SECOND_US)
    assert league.runs_in("north-1") == [], "silence alone moves no job"
    declare(league)
    league.run_until(lambda: len(league.runs_in("north-1")) == 1)
    (region,) = league.runs_in("north-1")
    league.end(region, "north-1")
    league.run_until(lambda: league.state("north", "north-1") is JobState.SUCCEEDED)


def test_a_transfer_in_doubt_is_taken_back(league: Bereft) -> None:
    league.hold(Commit, to="west")
    league.give("north-1", "north", "west")
    league.run_until(lambda: league.state("north", "north-1") is JobState.XFER)
    league.lose_region("west")
    declare(league)
    league.run_until(lambda: len(league.runs_in("north-1")) == 1)
    job = league["north"].books.jobs.get("north-1")
    assert job is None or job.transfer_to != "west"


def test_nothing_is_taken_back_while_a_member_has_not_answered(league: Bereft) -> None:
    league.give("north-1", "north", "west")
    league.run_until(lambda: league.runs_in("north-1") == ["west"])
    league.run_until(lambda: league.state("north", "north-1") is JobState.MOVED)
    league.lose_region("west")
    league.heal()
    league.cut("north", "south")
    propose(league, "east", WITHOUT_WEST)
    run_until_at(league, 2, *REST)
    league.advance(60 * SECOND_US)
    assert league.state("north", "north-1") is JobState.MOVED
    assert league["north"].losses.missing() == ["south"]
    league.heal()
    league.run_until(lambda: len(league.runs_in("north-1")) == 1)


def test_a_wish_to_end_a_job_is_carried_out_when_it_is_taken_back(league: Bereft) -> None:
    league.give("north-1", "north", "west")
    league.run_until(lambda: league.state("north", "north-1") is JobState.MOVED)
    league.lose_region("west")
    league.cancel("north", "north-1")
    declare(league)
    league.run_until(lambda: league.state("north", "north-1") is JobState.CANCELLED)


def test_a_job_whose_home_is_lost_runs_on_and_is_settled_when_it_has_ended(league: Bereft) -> None:
    league.give("west-1", "west", "north")
    league.run_until(lambda: league.runs_in("west-1") == ["north"])
    league.run_until(lambda: league.state("west", "west-1") is JobState.MOVED)
    league.lose_region("west")
    declare(league)
    league.advance(SECOND_US)
    assert league.runs_in("west-1") == ["north"]
    league.end("north", "west-1")
    league.run_until(lambda: league.state("north", "west-1") is JobState.SUCCEEDED)
    row = league.stations["north"].ledger.row("west-1")
    assert row is not None
    assert row.settled


def test_a_lost_region_that_comes_back_says_so_and_starts_nothing(league: Bereft) -> None:
    """Its disk says that it has a job to run, which the others have taken back."""
    league.give("north-1", "north", "west")
    league.run_until(lambda: league.runs_in("north-1") == ["west"])
    league.submit("west", "west-1")
    league.run_until(lambda: league.state("north", "north-1") is JobState.MOVED)
    league.lose_region("west")
    declare(league)
    league.run_until(lambda: len(league.runs_in("north-1")) == 1)

    league.stations["west"] = league.lost["west"]
    league.restart("west")
    before = len(league.stations["west"].launches)
    league.run_until(lambda: league["west"].config.roster_epoch == 2)
    league.advance(60 * SECOND_US)
    launched = league.stations["west"].launches[before:]
    assert not launched
    assert len(league.runs_in("north-1")) == 1
    status = ask(league, "west", lambda n: Ask(request_id=n, question=Question.STATUS))  # type: ignore[arg-type,return-value]
    assert isinstance(status, StatusView)
    (reason,) = [each for each in status.impairments if each.code is ReasonCode.REMOVED]
    assert "declared lost" in reason.detail
    own = league["west"].books.jobs["west-1"]
    assert own.state not in TERMINAL_STATES


# --- the document ----------------------------------------------------------------------------------------------------


def test_a_document_without_losses_has_the_hash_that_it_had_before_there_were_any() -> None:
    assert b"lost" not in canonical(FIRST)
    assert b'"lost":[{' in canonical(WITHOUT_WEST)


def test_a_lost_region_never_comes_back_under_its_name_and_is_lost_for_ever() -> None:
    back = following(WITHOUT_WEST, *NAMES)
    assert (FaultKind.INVALID, "members") in faults_after(WITHOUT_WEST, back)
    forgotten = following(WITHOUT_WEST, lost=())
    assert (FaultKind.UNSAFE, "lost") in faults_after(WITHOUT_WEST, forgotten)
    twice = following(WITHOUT_WEST, lost=WITHOUT_WEST.lost_regions * 2)
    assert (FaultKind.INVALID, "lost") in faults_after(WITHOUT_WEST, twice)


def test_what_was_declared_stays_so_in_all_that_follows() -> None:
    later: Roster = following(WITHOUT_WEST, *REST, "up")
    assert later.lost_regions == WITHOUT_WEST.lost_regions
    assert faults_after(WITHOUT_WEST, later) == []
