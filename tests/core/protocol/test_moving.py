"""Running jobs leave a region that is being drained: stopped, confirmed dead, queued, handed over as any other."""

from __future__ import annotations

import pytest

from hanse.core.events import Ask, Question, SetDrain
from hanse.core.messages import Commit, Offer
from hanse.core.model.jobs import ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import MOVES_AT_ONCE_MAX, MOVES_MAX
from hanse.core.model.regions import RunningJobs
from hanse.core.model.time import SECOND_US
from hanse.core.replies import Done, DrainView, StatusView
from tests.core.protocol.league import League
from tests.core.protocol.station import shape_of

MINUTE_US = 60 * SECOND_US
MOVABLE = shape_of(restartable=True)


def drain(league: League, region: str, running: RunningJobs | None = RunningJobs.MOVE) -> None:
    """An operator drains a region, or (None) ends that."""
    wish = SetDrain(
        request_id=77,
        draining=running is not None,
        running=running or RunningJobs.FINISH,
        cause="operator",
    )
    league.step(region, wish)
    assert league.stations[region].answers[77] == Done()


def progress(league: League, region: str) -> DrainView | None:
    league.step(region, Ask(request_id=88, question=Question.STATUS))
    answer = league.stations[region].answers[88]
    assert isinstance(answer, StatusView)
    return answer.drain


def runs_in_north(jobs: int = 1, retries_max: int = 0, **gpus: int) -> League:
    league = League(**{"north": jobs, "south": jobs, **gpus})
    for number in range(1, jobs + 1):
        league.submit("north", f"job-{number}", MOVABLE, retries_max=retries_max)
    league.run_until(lambda: all(league.running(f"job-{n}") == ["north"] for n in range(1, jobs + 1)))
    return league


def test_a_region_without_peers_is_drained_in_peace() -> None:
    """Swarm seed 39: all others had left the roster, and it asked to be woken for what it never looked at."""
    league = League(north=1)
    league.submit("north", "job-1", MOVABLE)
    league.run_until(lambda: league.running("job-1") == ["north"])
    drain(league, "north")
    assert league["north"].next_deadline() > league.now.mono_us
    league.advance(SECOND_US)
    assert league.running("job-1") == ["north"]


def test_a_running_job_is_stopped_confirmed_dead_queued_and_handed_over() -> None:
    league = runs_in_north()
    league.stations["north"].obeys_stop = False
    drain(league, "north")
    league.settle()

    job = league.job("north", "job-1")
    assert (league.state("north", "job-1"), job.reason.code) == (JobState.STOPPING, ReasonCode.MOVING)
    league.advance(10 * SECOND_US)
    assert not league.messages(Offer, sender="north"), "nothing is offered while it may live"

    league.hold(Commit)
    league.end("north", "job-1", exit_code=143)
    league.run_until(lambda: league.state("north", "job-1") is JobState.XFER)
    league.let_go()
    league.run_until(lambda: league.running("job-1") == ["south"])
    there = league.job("south", "job-1")
    assert (there.epoch, there.attempt, there.failures, there.moves) == (2, 1, 0, 1)
    league.end("south", "job-1")
    league.settle()
    assert set(league.states("job-1").values()) == {"SUCCEEDED"}


def test_what_may_not_be_restarted_finishes_where_it_is() -> None:
    league = League(north=1, south=1)
    league.submit("north", "job-1")
    league.run_until(lambda: league.running("job-1") == ["north"])
    drain(league, "north")
    league.advance(MINUTE_US)

    assert league.running("job-1") == ["north"]
    view = progress(league, "north")
    assert view is not None
    assert view.running_on == (("NOT_RESTARTABLE", 1),)
    league.end("north", "job-1")
    league.settle()
    assert league.state("north", "job-1") is JobState.SUCCEEDED


def test_running_jobs_finish_unless_the_operator_wants_them_to_move() -> None:
    league = runs_in_north()
    drain(league, "north", RunningJobs.FINISH)
    league.advance(MINUTE_US)
    assert league.running("job-1") == ["north"]
    view = progress(league, "north")
    assert view is not None
    assert (view.running, view.running_on) == (RunningJobs.FINISH, (("FINISHING", 1),))

    drain(league, "north", RunningJobs.MOVE)
    league.run_until(lambda: league.running("job-1") == ["south"])
    drain(league, "north", None)
    assert progress(league, "north") is None


def test_nothing_is_stopped_before_another_region_has_room_for_it() -> None:
    league = runs_in_north()
    league.submit("south", "filler")
    league.run_until(lambda: league.running("filler") == ["south"])
    league.advance(10 * SECOND_US)
    drain(league, "north")
    league.advance(MINUTE_US)

    assert league.running("job-1") == ["north"]
    view = progress(league, "north")
    assert view is not None
    assert (view.stopped, view.running_on) == (0, (("NO_ROOM_ELSEWHERE", 1),))
    league.end("south", "filler")
    league.run_until(lambda: league.running("job-1") == ["south"])


def test_no_more_are_stopped_than_others_have_room_for() -> None:
    league = runs_in_north(jobs=4, south=2)
    league.stations["north"].obeys_stop = False
    drain(league, "north")
    league.advance(MINUTE_US)

    view = progress(league, "north")
    assert view is not None
    assert (view.stopping, view.stopped, view.running_on) == (2, 2, (("NO_ROOM_ELSEWHERE", 2),))


def test_a_bounded_number_is_without_a_place_at_a_time() -> None:
    league = runs_in_north(jobs=MOVES_AT_ONCE_MAX + 5)
    league.stations["north"].obeys_stop = False
    drain(league, "north")
    league.advance(MINUTE_US)

    view = progress(league, "north")
    assert view is not None
    assert (view.stopping, view.running_on) == (MOVES_AT_ONCE_MAX, (("NEXT", 5),))


def test_the_end_of_a_drain_stops_nobody_any_more_and_what_was_stopped_starts_again() -> None:
    league = runs_in_north(jobs=2, south=1)
    league.stations["north"].obeys_stop = False
    drain(league, "north")
    league.advance(10 * SECOND_US)
    stopping = [each for each in ("job-1", "job-2") if league.state("north", each) is JobState.STOPPING]
    assert len(stopping) == 1
    league.hold(Offer)
    drain(league, "north", None)
    league.end("north", stopping[0], exit_code=143)
    league.advance(10 * SECOND_US)

    assert {each: league.running(each) for each in ("job-1", "job-2")} == {
        "job-1": ["north"],
        "job-2": ["north"],
    }
    assert league.job("north", stopping[0]).attempt == 2


def test_being_moved_costs_no_retry() -> None:
    league = runs_in_north(retries_max=0)
    drain(league, "north")
    league.run_until(lambda: league.running("job-1") == ["south"])
    league.end("south", "job-1", exit_code=1)
    league.settle()
    assert set(league.states("job-1").values()) == {"FAILED"}, "its own failure counts as ever"


def test_what_had_ended_well_before_the_stop_reached_it_is_done() -> None:
    league = runs_in_north()
    league.stations["north"].obeys_stop = False
    drain(league, "north")
    assert league.state("north", "job-1") is JobState.STOPPING
    league.end("north", "job-1")
    league.settle()
    assert league.state("north", "job-1") is JobState.SUCCEEDED
    assert league.running("job-1") == []


def test_a_job_is_moved_a_few_times_and_then_ends_where_it_is() -> None:
    league = runs_in_north()
    where, other = "north", "south"
    for _ in range(MOVES_MAX):
        drain(league, where)
        league.run_until(lambda to=other: league.running("job-1") == [to])  # type: ignore[misc]
        drain(league, where, None)
        league.advance(10 * SECOND_US)
        where, other = other, where
    assert league.job(where, "job-1").moves == MOVES_MAX
    drain(league, where)
    league.advance(MINUTE_US)

    assert league.running("job-1") == [where]
    view = progress(league, where)
    assert view is not None
    assert view.running_on == (("MOVED_OFTEN", 1),)


@pytest.mark.parametrize(("estimate_s", "stays"), [(60, "ENDS_SOON"), (3600, ""), (1, "")])
def test_what_is_about_to_end_is_left_alone(estimate_s: int, stays: str) -> None:
    league = League(north=1, south=1)
    league.submit("north", "job-1", shape_of(restartable=True, estimate_us=estimate_s * SECOND_US))
    league.run_until(lambda: league.running("job-1") == ["north"])
    league.advance(59 * SECOND_US + SECOND_US // 2)
    drain(league, "north")
    league.advance(SECOND_US // 4)

    assert (league.running("job-1") == ["north"]) == bool(stays)
    view = progress(league, "north")
    assert view is not None
    assert [why for why, _ in view.running_on] == ([stays] if stays else [])


def test_a_cancel_decides_while_a_job_is_being_moved() -> None:
    league = runs_in_north()
    league.stations["north"].obeys_stop = False
    drain(league, "north")
    league.cancel("north", "job-1")
    league.end("north", "job-1", exit_code=143)
    league.settle()
    assert league.state("north", "job-1") is JobState.CANCELLED
    assert league.running("job-1") == []


def test_a_move_survives_the_daemon() -> None:
    league = runs_in_north()
    league.stations["north"].obeys_stop = False
    drain(league, "north")
    league.crash("north")
    league.stations["north"].obeys_stop = True
    league.restart("north")
    league.connect()

    league.run_until(lambda: league.running("job-1") == ["south"])
    assert league.job("south", "job-1").moves == 1
    view = progress(league, "north")
    assert view is not None
    assert view.running is RunningJobs.MOVE, "what the operator wished outlives the daemon"
