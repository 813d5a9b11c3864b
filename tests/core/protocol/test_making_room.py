"""Running jobs leave for other regions so that a gang can start."""

from __future__ import annotations

from typing import Any

import msgspec

from hanse.core.model.jobs import GroupShape, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import MOVES_MAX
from hanse.core.model.time import SECOND_US
from tests.core.protocol.league import League
from tests.core.protocol.station import GPU, shape_of

MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
MOVABLE = shape_of(restartable=True, estimate_us=HOUR_US)


def gang_of(tasks: int, **body: Any) -> Any:
    """So many tasks of one GPU each, which start together."""
    return shape_of(gpus(tasks), **body)


def gpus(tasks: int) -> GroupShape:
    """A group of tasks of one GPU each."""
    return msgspec.structs.replace(GPU, count=tasks, count_min=tasks)


def runs_in_north(shape: Any = MOVABLE, south: int = 2) -> League:
    """Four GPUs in the north, of which two are in use; too few in the south for a gang of four."""
    league = League(north=4, south=south)
    for job in ("job-1", "job-2"):
        league.submit("north", job, shape)
    league.run_until(lambda: league.running("job-1") == league.running("job-2") == ["north"])
    league.advance(MINUTE_US)
    return league


def test_jobs_go_where_there_is_room_for_them_so_that_a_gang_starts() -> None:
    league = runs_in_north()
    league.submit("north", "gang", gang_of(4))
    league.run_until(lambda: league.running("gang") == ["north"])
    league.run_until(lambda: league.running("job-1") == league.running("job-2") == ["south"])
    moved = league.job("south", "job-1")
    assert (moved.moves, moved.failures, moved.epoch) == (1, 0, 2)


def test_what_they_leave_is_kept_for_the_gang() -> None:
    league = runs_in_north()
    league.stations["north"].obeys_stop = False
    league.submit("north", "gang", gang_of(4))
    league.run_until(lambda: league.state("north", "job-2") is JobState.STOPPING)
    reason = league.job("north", "job-2").reason
    assert reason.code is ReasonCode.MOVING
    assert reason.detail.startswith("makes room for gang (gang)")
    league.submit("north", "small", shape_of(priority=1))
    league.advance(MINUTE_US)
    assert league.running("small") != ["north"]
    for job in ("job-1", "job-2"):
        league.end("north", job, exit_code=143)
    league.run_until(lambda: league.running("gang") == ["north"])


def test_nobody_is_stopped_before_others_have_room_for_all_of_them() -> None:
    league = runs_in_north(south=1)
    league.submit("north", "gang", gang_of(4))
    league.advance(5 * MINUTE_US)
    assert league.running("job-1") == league.running("job-2") == ["north"]
    assert league.state("north", "gang") is JobState.QUEUED


def test_nobody_is_stopped_who_may_not_be_restarted() -> None:
    league = runs_in_north(shape_of(estimate_us=HOUR_US))
    league.submit("north", "gang", gang_of(4))
    league.advance(5 * MINUTE_US)
    assert league.running("job-1") == league.running("job-2") == ["north"]


def test_a_gang_goes_where_it_has_room_and_nobody_is_stopped_for_it() -> None:
    league = runs_in_north(south=4)
    league.submit("north", "gang", gang_of(4))
    league.run_until(lambda: league.running("gang") == ["south"])
    assert league.running("job-1") == league.running("job-2") == ["north"]


def test_nobody_is_stopped_for_a_gang_that_starts_soon_by_itself() -> None:
    """By what they say, they are over within the patience of the policy."""
    league = runs_in_north(shape_of(restartable=True, estimate_us=80 * SECOND_US))
    league.submit("north", "gang", gang_of(4))
    league.advance(10 * SECOND_US)
    assert league.running("job-1") == league.running("job-2") == ["north"]


def test_no_room_is_made_for_a_single_task() -> None:
    """It waits for a GPU as others do."""
    league = League(north=1, south=1)
    for job in ("job-1", "job-2", "job-3"):
        league.submit("north", job, MOVABLE)
    league.advance(5 * MINUTE_US)
    assert sorted(league.running("job-1") + league.running("job-2")) == ["north", "south"]
    assert league.state("north", "job-3") is JobState.QUEUED


def test_nobody_is_stopped_for_a_gang_of_a_tier_that_is_served_later() -> None:
    league = runs_in_north()
    league.submit("north", "gang", gang_of(4, tier="basic"))
    league.advance(5 * MINUTE_US)
    assert league.running("job-1") == league.running("job-2") == ["north"]


def test_nobody_is_moved_too_often() -> None:
    league = runs_in_north()
    for job in ("job-1", "job-2"):
        league.job("north", job).moves = MOVES_MAX
    league.submit("north", "gang", gang_of(4))
    league.advance(5 * MINUTE_US)
    assert league.running("job-1") == league.running("job-2") == ["north"]


def test_a_cancelled_gang_leaves_them_as_jobs_that_wait() -> None:
    league = runs_in_north()
    league.stations["north"].obeys_stop = False
    league.submit("north", "gang", gang_of(4))
    league.run_until(lambda: league.state("north", "job-2") is JobState.STOPPING)
    league.cancel("north", "gang")
    for job in ("job-1", "job-2"):
        league.end("north", job, exit_code=143)
    league.run_until(lambda: bool(league.running("job-1") and league.running("job-2")))
