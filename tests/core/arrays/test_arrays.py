"""An array is one job: what starts of it, what becomes of it, and what is on disk at any time."""

from __future__ import annotations

import contextlib

import pytest

from hanse.core.effects import Launch
from hanse.core.events import Order, OrderKind
from hanse.core.messages import Commit
from hanse.core.model.arrays import Array, ArrayRules, unpacked_array
from hanse.core.model.indexes import parse_indexes
from hanse.core.model.jobs import ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.time import SECOND_US
from hanse.core.replies import Explanation, Refused, Submitted
from tests.core.arrays.arrays import (
    array_of,
    cancel_elements,
    end,
    end_all,
    launches,
    order_about,
    running,
    settled,
    submit_array,
)
from tests.core.protocol.league import League


def full() -> League:
    """A region in which nothing has room."""
    league = League(north=1)
    league.submit("north", "filler")
    league.settle()
    return league


def test_elements_start_as_far_as_there_is_room_and_the_queue_holds_one_entry() -> None:
    league = League(north=4)
    assert submit_array(league, "north", "job-1", "0-99") == Submitted("job-1", existed=False)
    assert running(league, "north") == [0, 1, 2, 3]
    assert len(league["north"].local.queue) == 1
    assert league.state("north", "job-1") is JobState.RUNNING
    end(league, "north", 2)
    assert running(league, "north") == [0, 1, 3, 4]
    assert array_of(league, "north").counts().text() == "95 waiting, 4 in flight, 1 succeeded"


def test_an_acknowledged_array_is_one_row_whatever_its_size() -> None:
    league = full()
    submit_array(league, "north", "job-1", "0-9999")
    ledger = league.stations["north"].ledger.dump()
    assert (len(ledger["jobs"]), len(ledger["elements"])) == (2, 0)
    row = league.stations["north"].ledger.jobs["job-1"]
    assert len(row.array) < 64


def test_no_more_elements_run_than_the_caller_allows() -> None:
    league = League(north=8)
    submit_array(league, "north", "job-1", "0-9", in_flight_max=3)
    assert running(league, "north") == [0, 1, 2]
    assert len(league["north"].local.queue) == 0
    end(league, "north", 1)
    assert running(league, "north") == [0, 2, 3]


def test_an_array_succeeds_when_all_of_it_has_and_leaves_no_rows_of_elements() -> None:
    league = League(north=2)
    submit_array(league, "north", "job-1", "1-9:2,20")
    for _ in range(3):
        end_all(league, "north", running(league, "north"))
    assert settled(league, "north") == (JobState.SUCCEEDED, "6 succeeded")
    assert [index for index, _, _ in launches(league, "north")] == [1, 3, 5, 7, 9, 20]
    assert league.stations["north"].ledger.dump()["elements"] == []
    assert "job-1" not in league["north"].books.jobs, "what has settled leaves memory"


def test_an_element_that_failed_is_tried_again_and_then_counts() -> None:
    league = League(north=2)
    submit_array(league, "north", "job-1", "0-2", retries_max=1)
    end(league, "north", 0, exit_code=3)
    assert launches(league, "north")[-1] == (0, 1, 2), "the lowest index goes first, at its next attempt"
    end(league, "north", 0, exit_code=3)
    end_all(league, "north", [1, 2])
    assert settled(league, "north") == (JobState.FAILED, "2 succeeded, 1 failed (0: EXIT_CODE 3)")
    row = league.row("north", "job-1")
    assert row is not None
    assert row.exit_code == 3
    [failed] = league.stations["north"].ledger.job_tables[""].elements["job-1"].values()
    assert (failed.element, failed.state, failed.attempt) == (0, JobState.FAILED, 2)


def test_the_rest_is_cancelled_when_too_many_have_failed() -> None:
    league = League(north=3)
    submit_array(league, "north", "job-1", "0-99", stop_at_failures=2)
    end(league, "north", 0, exit_code=1)
    assert running(league, "north") == [1, 2, 3]
    end(league, "north", 1, exit_code=1)
    assert settled(league, "north") == (
        JobState.FAILED,
        "2 failed, 98 cancelled (0-1: EXIT_CODE 1)",
    )
    assert running(league, "north") == []
    assert len(launches(league, "north")) == 4


def test_without_a_bound_all_are_run_whatever_fails() -> None:
    league = League(north=2)
    submit_array(league, "north", "job-1", "0-3")
    for index in range(4):
        end(league, "north", index, exit_code=index % 2)
    assert settled(league, "north") == (JobState.FAILED, "2 succeeded, 2 failed (1,3: EXIT_CODE 1)")


def test_a_cancelled_array_ends_as_that() -> None:
    league = League(north=2)
    submit_array(league, "north", "job-1", "0-9")
    end(league, "north", 0)
    end(league, "north", 1, exit_code=1)
    assert league.cancel("north", "job-1") is JobState.RUNNING
    league.settle()
    assert settled(league, "north") == (
        JobState.CANCELLED,
        "1 succeeded, 1 failed, 8 cancelled (1: EXIT_CODE 1)",
    )


def test_an_array_is_cancelled_before_anything_of_it_ran() -> None:
    league = full()
    submit_array(league, "north", "job-1", "0-9")
    assert league.cancel("north", "job-1") is JobState.QUEUED
    assert settled(league, "north")[0] is JobState.CANCELLED


def test_some_elements_are_cancelled_running_and_waiting_ones_alike() -> None:
    league = League(north=2)
    submit_array(league, "north", "job-1", "0-9")
    assert cancel_elements(league, "north", "job-1", "1,7-9") is JobState.RUNNING
    assert running(league, "north") == [0, 2]
    for index in (0, 2, 3, 4, 5, 6):
        end(league, "north", index)
    assert settled(league, "north") == (JobState.CANCELLED, "6 succeeded, 4 cancelled")
    assert {index for index, _, _ in launches(league, "north")} == {0, 1, 2, 3, 4, 5, 6}


def test_what_can_not_be_cancelled_is_refused() -> None:
    league = League(north=2)
    submit_array(league, "north", "job-1", "0-9")
    league.submit("north", "job-2")
    league.settle()
    end(league, "north", 0)
    no_array = cancel_elements(league, "north", "job-2", "1")
    unknown = cancel_elements(league, "north", "job-1", "9-10")
    over = cancel_elements(league, "north", "job-1", "0")
    assert [each.code for each in (no_array, unknown, over) if isinstance(each, Refused)] == [
        "INVALID",
        "INVALID",
        "TERMINAL",
    ]


def test_a_held_array_starts_nothing_until_it_is_released() -> None:
    league = League(north=2)
    submit_array(league, "north", "job-1", "0-4")
    assert order_about(league, "north", "job-1", Order(kind=OrderKind.HOLD)) is JobState.RUNNING
    assert running(league, "north") == []
    assert league.job("north", "job-1").reason.code is ReasonCode.HELD
    league.advance(30 * SECOND_US)
    assert running(league, "north") == []
    order_about(league, "north", "job-1", Order(kind=OrderKind.RELEASE))
    assert running(league, "north") == [0, 1]
    assert launches(league, "north")[-1] == (1, 1, 2), "a stopped attempt is no failure, and counts"


def test_another_priority_counts_for_those_that_wait() -> None:
    league = League(north=1)
    submit_array(league, "north", "job-1", "0-4")
    league.submit("north", "job-2")
    order_about(league, "north", "job-1", Order(kind=OrderKind.SET_PRIORITY, priority=-5))
    end(league, "north", 0)
    assert league.running("job-2") == ["north"]


def test_the_timeline_does_not_grow_with_the_elements() -> None:
    league = League(north=1)
    submit_array(league, "north", "job-1", "0-199")
    for index in range(200):
        end(league, "north", index, exit_code=index % 2)
    entries = league.stations["north"].ledger.job_tables[""].timeline["job-1"]
    assert len(entries) < 40
    happened = [entry.what for _, entry in sorted(entries.items())]
    assert happened.count("ELEMENTS") == 10
    assert happened[0] == "QUEUED"
    assert happened[-1] == "FAILED"


# --- crashes ---


def test_elements_go_on_over_a_restart_of_the_daemon() -> None:
    league = League(north=3)
    submit_array(league, "north", "job-1", "0-9", retries_max=1)
    end(league, "north", 0, exit_code=1)
    end(league, "north", 2)
    before = running(league, "north")
    league.crash("north")
    league.end("north", "job-1[1]", 0)
    league.restart("north")
    league.settle()
    assert set(before) - {1} <= set(running(league, "north"))
    for _ in range(10):
        end_all(league, "north", running(league, "north"))
    assert settled(league, "north") == (JobState.SUCCEEDED, "10 succeeded")
    assert sorted(launches(league, "north")) == sorted(
        [(0, 1, 1), (0, 1, 2), *((index, 1, 1) for index in range(1, 10))]
    )


def test_elements_that_died_with_their_machine_are_done_again() -> None:
    league = League(north=2)
    submit_array(league, "north", "job-1", "0-3")
    end(league, "north", 0)
    league.reboot("north")
    league.settle()
    assert running(league, "north") == [1, 2]
    assert launches(league, "north")[-2:] == [(1, 1, 2), (2, 1, 2)]


@pytest.mark.parametrize("before", [True, False])
def test_a_crash_at_a_launch_neither_loses_nor_doubles_an_element(before: bool) -> None:
    league = League(north=2)
    crash = league.crash_before_write if before else league.crash_after_write
    crash("north", Launch)
    with contextlib.suppress(KeyError):  # It dies before it can answer.
        submit_array(league, "north", "job-1", "0-3")
    assert league.stations["north"].core is None
    league.restart("north")
    if before:
        submit_array(league, "north", "job-1", "0-3")
    league.settle()
    for _ in range(4):
        end_all(league, "north", running(league, "north"))
    assert settled(league, "north") == (JobState.SUCCEEDED, "4 succeeded")


# --- over regions ---


def test_an_array_is_handed_over_whole_while_nothing_of_it_runs() -> None:
    league = League(north=0, south=2)
    submit_array(league, "north", "job-1", "0-5")
    league.run_until(lambda: running(league, "south") == [0, 1])
    assert league.states("job-1") == {"north": "MOVED", "south": "RUNNING"}
    for _ in range(3):
        end_all(league, "south", running(league, "south"))
    league.advance(10 * SECOND_US)
    assert settled(league, "north") == (JobState.SUCCEEDED, "6 succeeded")


def test_what_has_ended_is_not_done_again_after_a_handover() -> None:
    league = League(north=2, south=2)
    submit_array(league, "north", "job-1", "0-5", retries_max=2)
    end(league, "north", 0)
    end(league, "north", 1, exit_code=9)
    cancel_elements(league, "north", "job-1", "5")
    assert (
        order_about(league, "north", "job-1", Order(kind=OrderKind.MOVE, region="south")) is JobState.RUNNING
    )
    league.run_until(lambda: running(league, "south") == [1, 2])
    array = array_of(league, "south")
    assert (array.counts().text(), array.failures_of(1)) == (
        "2 waiting, 2 in flight, 1 succeeded, 1 cancelled",
        1,
    )
    assert launches(league, "south") == [(1, 2, 1), (2, 2, 1)]
    [commit] = league.messages(Commit, sender="north")
    assert isinstance(commit, Commit)
    assert commit.progress is not None


def test_what_another_region_has_seen_through_does_not_wait_any_more() -> None:
    """An old disk takes the array up again; a region that had it since knows more. (Seed 274 of a swarm.)"""
    rules = ArrayRules(indexes=parse_indexes("0-9"))
    elsewhere = Array(rules)
    for position in (0, 1, 2):
        elsewhere.end(position)
        elsewhere.succeeded |= 1 << position
    elsewhere.fail(3, "EXIT_CODE", 2)
    elsewhere.cancel_waiting(1 << 4)
    here = Array(rules)
    here.end(0)
    here.succeeded |= 1
    here.count_failure(1)
    here.attempts = {1: 1, 7: 2}
    here.learn(elsewhere.progress())
    assert here.counts() == elsewhere.counts()
    assert (here.failures_text(), here.tried, here.attempts) == ("3: EXIT_CODE 2", {}, {7: 2})
    here.learn(Array(rules).progress())
    assert here.counts() == elsewhere.counts(), "who knows less changes nothing"


def test_an_array_of_which_something_runs_is_not_offered() -> None:
    league = League(north=1, south=4)
    submit_array(league, "north", "job-1", "0-5")
    league.advance(60 * SECOND_US)
    assert running(league, "south") == []
    assert league.messages(Commit) == []
    end(league, "north", 0)
    assert running(league, "north") == [1]


def test_the_home_knows_how_each_element_of_an_array_ended_elsewhere() -> None:
    league = League(north=0, south=6)
    submit_array(league, "north", "job-1", "0-5")
    league.run_until(lambda: running(league, "south") == [0, 1, 2, 3, 4, 5])
    end(league, "south", 3, exit_code=7)
    cancel_elements(league, "south", "job-1", "4")
    end_all(league, "south", [0, 1, 2, 5])
    league.advance(10 * SECOND_US)
    assert settled(league, "north")[0] is JobState.FAILED
    row = league.row("north", "job-1")
    assert row is not None
    array = unpacked_array(row.array)
    assert array is not None
    assert array.failed == {("EXIT_CODE", 7): 1 << 3}
    assert (array.succeeded, array.cancelled) == (0b100111, 0b010000)


def test_a_cancel_follows_an_array_that_was_handed_over() -> None:
    league = League(north=0, south=2)
    submit_array(league, "north", "job-1", "0-5")
    league.run_until(lambda: running(league, "south") == [0, 1])
    league.cancel("north", "job-1")
    league.run_until(lambda: league.state("north", "job-1") is JobState.CANCELLED)
    assert running(league, "south") == []


# --- answers ---


def test_an_explanation_says_how_far_it_is_and_what_the_rest_waits_for() -> None:
    league = League(north=4)
    submit_array(league, "north", "job-1", "0-9", in_flight_max=2)
    told = league.explain("north", "job-1")
    assert isinstance(told, Explanation)
    assert "8 waiting, 2 in flight" in told.summary
    assert told.regions[0].blockers[0].code == "ARRAY_LIMIT"


def test_an_explanation_of_an_array_that_has_no_room_names_what_is_short() -> None:
    league = League(north=2)
    submit_array(league, "north", "job-1", "0-9")
    told = league.explain("north", "job-1")
    assert isinstance(told, Explanation)
    assert "8 waiting, 2 in flight" in told.summary
    assert any("gpu" in blocker.message for blocker in told.regions[0].blockers)
