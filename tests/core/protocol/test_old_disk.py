"""A region that comes back with an old disk: PROTOCOL's section, case by case, and under any schedule."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.core import messages
from hanse.core.effects import Effects
from hanse.core.events import LookedUp, TrustDisk
from hanse.core.federation.old_disk import OldDisk
from hanse.core.messages import Decision, Inquest, InquestAnswer, Offer, Standing
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.time import SECOND_US
from hanse.core.replies import Refused, Trusted
from hanse.core.rows import NO_WRITES
from hanse.sim.ledger import SimLedger
from tests.core.protocol.league import League
from tests.core.protocol.station import TokenError
from tests.core.protocol.tokens import _token

JOB = "north-1"


class Leagues(League):
    """A league in which one region's disk may be exchanged for an older copy of it."""

    rolled: str = ""

    def snapshot(self, name: str) -> object:
        """A copy of a region's disk as it is now."""
        return copy.deepcopy(self.stations[name].ledger)

    def roll_back(self, name: str, disk: object, *, reboot: bool = True) -> None:
        """The daemon (and its machine) goes down and comes up with that copy."""
        self.rolled = name
        station = self.stations[name]
        if station.core is not None:
            self.crash(name, "and loses its newest writes")
        if reboot:
            station.processes.clear()
        station.ledger = copy.deepcopy(disk)  # type: ignore[assignment]
        self.restart(name)

    def check_tokens(self) -> None:
        """As the model's monitor: one runner always; one owner once the region trusts its disk again, or none where
        the home knows the outcome."""
        if not self.rolled:
            super().check_tokens()
            return
        core = self.stations[self.rolled].core
        settled = core is not None and not core.old_disk.active and core.old_disk.was_in_quarantine
        for job_id in sorted({job_id for each in self.stations.values() for job_id in each.ledger.jobs}):
            owners = [name for name in self.stations if self._owns(name, job_id, in_flight=settled)]
            running = [name for name, station in self.stations.items() if station.alive(job_id)]
            if len(running) > 1:
                raise TokenError(f"{job_id} runs in {running}")
            others = [name for name in owners if name != self.rolled]
            if len(others) > 1 or (settled and len(owners) > 1):
                raise TokenError(f"{job_id} is owned by {owners}")
            home_state = self.state(job_id.rsplit("-", 1)[0], job_id)
            if settled and not owners and home_state not in TERMINAL_STATES:
                raise TokenError(f"nobody has {job_id}")

    def _owns(self, name: str, job_id: str, *, in_flight: bool) -> bool:
        """While a disk is known to be old, what it had accepted can't be told: transfers then don't count."""
        row = self.row(name, job_id)
        if row is not None and row.state == JobState.XFER:
            target = self.row(row.transfer_to, job_id)
            passed = target is not None and max(target.epoch, target.transfer_epoch) >= row.transfer_epoch
            if passed or not in_flight:
                return False
        return bool(_token(self.stations, frozenset(), name, job_id))

    def leave_quarantine(self, name: str) -> None:
        """Until the region trusts its disk again."""
        self.run_until(lambda: self[name].old_disk.was_in_quarantine and not self[name].old_disk.active)


def test_a_job_that_was_given_away_is_not_run_again() -> None:
    league = Leagues(north=0, south=1, west=1)
    league.hold(Offer)
    league.submit("north", JOB)
    disk = league.snapshot("north")
    league.hand_over("north", JOB, "south")
    league.let_go()
    league.run_until(lambda: league.running(JOB) == ["south"])
    league.roll_back("north", disk)
    assert league.state("north", JOB) is JobState.QUEUED
    league.leave_quarantine("north")
    assert league.states(JOB)["north"] == "MOVED"
    assert league.job("north", JOB).transfer_to == "south"
    league.end("south", JOB)
    league.run_until(lambda: league.state("north", JOB) is JobState.SUCCEEDED)
    league.check_tokens()


def test_an_empty_disk_in_the_place_of_one_that_others_know_is_an_old_one() -> None:
    league = Leagues(north=0, south=1, west=1)
    league.hold(Offer)
    empty = SimLedger("north", "ledger-north-anew")
    league.submit("north", JOB)
    league.hand_over("north", JOB, "south")
    league.let_go()
    league.run_until(lambda: league.running(JOB) == ["south"])
    incarnation = league["north"].incarnation
    league.roll_back("north", empty)
    league.leave_quarantine("north")
    assert league["north"].incarnation > incarnation
    assert league.states(JOB)["north"] == "MOVED"
    league.end("south", JOB)
    league.run_until(lambda: league.state("north", JOB) is JobState.SUCCEEDED)
    league.crash("north", "and is what it was")
    league.restart("north")
    league.settle()
    assert not league["north"].in_doubt
    league.check_tokens()


def test_a_job_that_ended_elsewhere_and_was_forgotten_there_is_closed_by_the_others_ledger() -> None:
    league = Leagues(north=0, south=1)
    league.hold(Offer)
    league.submit("north", JOB)
    disk = league.snapshot("north")
    league.hand_over("north", JOB, "south")
    league.let_go()
    league.run_until(lambda: league.running(JOB) == ["south"])
    league.end("south", JOB)
    league.run_until(lambda: JOB not in league["south"].books.jobs)
    league.roll_back("north", disk)
    league.leave_quarantine("north")
    league.settle()
    assert league.state("north", JOB) is JobState.SUCCEEDED
    assert league.running(JOB) == []


def test_a_job_of_another_home_that_has_ended_since_is_never_run_here() -> None:
    league = Leagues(north=0, south=1)
    league.hold(Offer)
    league.submit("north", JOB)
    league.hand_over("north", JOB, "south")
    league.let_go()
    league.run_until(lambda: league.running(JOB) == ["south"])
    disk = league.snapshot("south")
    league.end("south", JOB)
    league.run_until(lambda: league.state("north", JOB) is JobState.SUCCEEDED)
    league.settle()
    league.roll_back("south", disk)
    league.leave_quarantine("south")
    league.advance(10 * SECOND_US)
    assert league.running(JOB) == []


def test_a_job_that_was_taken_in_the_lost_life_is_taken_up_again() -> None:
    league = Leagues(north=0, south=1)
    disk = league.snapshot("south")
    league.hold(Offer)
    league.submit("north", JOB)
    league.hand_over("north", JOB, "south")
    league.let_go()
    league.run_until(
        lambda: league.running(JOB) == ["south"] and league.state("north", JOB) is JobState.MOVED
    )
    league.roll_back("south", disk)
    assert league.state("south", JOB) is None
    league.leave_quarantine("south")
    league.run_until(lambda: league.running(JOB) == ["south"])
    assert league.job("south", JOB).epoch == 2
    league.end("south", JOB)
    league.run_until(lambda: league.state("north", JOB) is JobState.SUCCEEDED)


def test_a_job_that_was_taken_and_handed_on_in_the_lost_life_stays_where_it_is() -> None:
    league = Leagues(north=0, south=1, west=1)
    disk = league.snapshot("south")
    league.submit("south", "south-filler")
    league.hold(Offer, sender="north")
    league.hold(Decision, sender="south")
    league.submit("north", JOB)
    league.hand_over("north", JOB, "south")
    league.run_until(lambda: league.running(JOB) == ["west"])
    assert league.state("north", JOB) is JobState.XFER
    league.roll_back("south", disk)
    league.let_go()
    league.leave_quarantine("south")
    league.run_until(lambda: league.state("north", JOB) is JobState.MOVED)
    assert league.running(JOB) == ["west"]
    assert league.states(JOB)["south"] == "MOVED"


@pytest.mark.parametrize(("epoch", "is_over"), [(2, True), (3, False)])
def test_a_hop_that_is_over_is_asked_about_again_if_the_job_has_come_back_since(
    epoch: int, is_over: bool
) -> None:
    """north has passed west-1 on at epoch 2, and its ledger has that settled."""
    league = Leagues(north=0, south=1, west=1)
    league.submit("north", JOB)
    league.run_until(lambda: league.states(JOB) == {"north": "MOVED", "south": "RUNNING"})
    hop = copy.copy(league.job("north", JOB))
    hop.id, hop.settled = "west-1", True
    disk, now = league["north"].old_disk, league.now
    disk.enter(now, "a test")
    told = messages.Testimony(job_id="west-1", epoch=epoch, standing=Standing.PASSED, to="south")
    answer_all(disk, told)
    assert not disk.is_complete(now, Effects(writes=NO_WRITES)), "it looks into its own ledger first"
    inquest = Inquest(id=disk._id, part=0, parts=1)
    disk.on_looked_up(
        now, LookedUp(peer="north", inquest=inquest, asked=("west-1",), jobs=(hop,), beyond=(), cause="")
    )
    answer_all(disk, told)
    assert disk.is_complete(now, Effects(writes=NO_WRITES))
    assert ("west-1" not in [each.job_id for each in disk.rulings()]) == is_over


def answer_all(disk: OldDisk, told: messages.Testimony) -> None:
    """Both members answer everything that they were asked, with the same words."""
    for member in ("south", "west"):
        for number in range(len(disk._parts)):
            answer = InquestAnswer(
                id=disk._id,
                of_part=number,
                part=0,
                parts=1,
                testimonies=(told,),
                seen_sequence=0,
                stable_sequence=0,
            )
            disk.on_answer(member, answer)


def test_the_transfer_sequences_of_the_lost_life_are_not_used_again() -> None:
    league = Leagues(north=0, south=3)
    disk = league.snapshot("north")
    league.hold(Offer)
    league.submit("north", JOB)
    league.hand_over("north", JOB, "south")
    league.settle()
    assert league["north"].books.outbound["south"] == 2
    league.roll_back("north", disk)
    league.leave_quarantine("north")
    assert league["north"].books.outbound["south"] == 2


def test_while_a_member_does_not_answer_nothing_runs_and_an_operator_may_decide() -> None:
    league = Leagues(north=1, south=1, west=1)
    disk = league.snapshot("north")
    league.submit("north", "north-2")
    league.run_until(lambda: league.running("north-2") == ["north"])
    league.advance(3 * SECOND_US)
    league.crash("west")
    league.roll_back("north", disk)
    league.run_until(lambda: league["north"].old_disk.active)
    league.submit("north", "north-3")
    league.advance(60 * SECOND_US)
    assert league["north"].old_disk.missing() == ["west"]
    assert league.running("north-3") == []
    refused = league._ask("north", TrustDisk(request_id=0, without=("nowhere",), cause="operator"))
    assert isinstance(refused, Refused)
    assert league._ask("north", TrustDisk(request_id=0, without=("west",), cause="operator")) == Trusted(())
    league.leave_quarantine("north")
    league.run_until(lambda: league.running("north-3") == ["north"])


def test_quarantine_outlives_a_restart() -> None:
    league = Leagues(north=0, south=1, west=1)
    disk = league.snapshot("north")
    league.submit("north", JOB)
    league.run_until(lambda: bool(league.running(JOB)))
    league.crash("west")
    league.roll_back("north", disk)
    league.run_until(lambda: league["north"].old_disk.active)
    league.crash("north")
    league.restart("north")
    assert league["north"].old_disk.active
    league.restart("west")
    league.leave_quarantine("north")
    league.check_tokens()


def test_a_region_whose_disk_is_sound_is_never_put_into_quarantine() -> None:
    league = Leagues(north=0, south=1)
    for number in range(4):
        league.submit("north", f"north-{number}")
        league.advance(SECOND_US)
        for name in ("north", "south"):
            league.crash(name)
            league.restart(name)
            league.advance(3 * SECOND_US)
            assert not league[name].old_disk.active


def any_schedule(actions: list[int], rolled: str, when: int) -> Leagues:
    """Jobs of all homes go round; at some point one region's disk is exchanged for an older one."""
    league = Leagues(north=1, south=1, west=1)
    for number in range(3):
        for home in ("north", "south", "west"):
            league.submit(home, f"{home}-{number}")
    disk = league.snapshot(rolled)
    for step, action in enumerate(actions):
        if step == when:
            disk = league.snapshot(rolled)
        running = [
            (name, job_id)
            for name in league.stations
            for job_id in sorted({run.job_id for run in league.stations[name].processes})
            if league.stations[name].alive(job_id)
        ]
        if action % 3 and running:
            league.end(*running[action % len(running)])
        league.advance((action % 7) * SECOND_US // 4)
    league.roll_back(rolled, disk)
    # Somebody has to have seen more than the disk holds for it to be known as old.
    league.run_until(lambda: all(league[rolled].sessions.established(each) for each in league[rolled].peers))
    league.advance(5 * SECOND_US)
    return league


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(0, 100), min_size=2, max_size=20),
    st.sampled_from(["north", "south", "west"]),
    st.integers(0, 10),
)
def test_no_job_has_two_owners_whatever_the_disk_forgot(actions: list[int], rolled: str, when: int) -> None:
    league = any_schedule(actions, rolled, when)
    assert not league[rolled].old_disk.active
    league.advance(120 * SECOND_US)
    league.check_tokens()


def come_back(league: Leagues, disk: object) -> None:
    league.roll_back("north", disk)
    league.advance(10 * SECOND_US)


def test_without_quarantine_a_job_runs_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant that shows that the first test can fail."""
    monkeypatch.setattr(OldDisk, "contradicts", lambda self, envelope: False)
    league = Leagues(north=1, south=1)
    league.submit("north", "north-filler")
    league.hold(Offer)
    league.submit("north", JOB)
    disk = league.snapshot("north")
    league.hand_over("north", JOB, "south")
    league.let_go()
    league.run_until(lambda: league.running(JOB) == ["south"])
    league.end("north", "north-filler")
    with pytest.raises(TokenError):
        come_back(league, disk)
