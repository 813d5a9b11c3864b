"""Attempts, from launch to outcome: gangs, retries, stops, and what a restart finds."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.books import Books
from hanse.core.effects import Effects, Reap, Stop
from hanse.core.events import FoundTask, TaskEnded
from hanse.core.library import Library
from hanse.core.model.jobs import (
    Allocation,
    Job,
    Reason,
    ReasonCode,
    RunId,
    Submission,
    TaskPlacement,
)
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.limits import LOSSES_MAX
from hanse.core.model.time import Now
from hanse.core.rows import Snapshot
from hanse.core.scheduling.runs import Runs, Settled
from tests.core.scheduling.worlds import group, shape

GRACE_US = 1_000_000
CANCEL = Reason(ReasonCode.CANCEL_REQUESTED)


class Bench:
    """One job of `tasks` tasks, and what is ordered for it."""

    def __init__(self, tasks: int = 1, retries_max: int = 0) -> None:
        snapshot = Snapshot(ledger_id="ledger", incarnation=1, write_sequence=0)
        self.books = Books("north", snapshot)
        self.books.begin(Now(mono_us=1, wall_us=1_000_000))
        submission = Submission(
            job_id="job-1",
            client_key="key",
            tenant="team",
            name="",
            spec=b"spec",
            spec_sha256=b"",
            shape=shape(group(tasks, cpu=1)),
            grace_us=GRACE_US,
            retries_max=retries_max,
        )
        self.job: Job = self.books.admit(submission)
        self.allocation = Allocation(tuple(TaskPlacement(0, f"n{number}") for number in range(tasks)))
        self.runs = Runs(Library(self.books))
        self.out = Effects()
        self.settled: list[Settled] = []

    def start(self) -> RunId:
        """The next attempt."""
        self.runs.start(self.job, self.allocation, self.out)
        return self.job.run_id

    def end(self, task: int = 0, exit_code: int = 0, signal: int = 0, *, launched: bool = True) -> None:
        """A task of the present run is dead."""
        self.report(ended(self.job.run_id, task, exit_code, signal, launched=launched))

    def report(self, event: TaskEnded) -> None:
        """The executor says so."""
        settled = self.runs.on_task_ended(event, self.out)
        if settled is not None:
            self.settled.append(settled)

    def cancel(self) -> None:
        """The caller wishes it to end."""
        self.books.want_cancel(self.job, "wish")
        self.runs.stop(self.job, CANCEL, self.out)

    def restart(self, *found: FoundTask) -> None:
        """A new life that knows the books and what the executor found."""
        self.runs = Runs(Library(self.books))
        self.out = Effects()
        self.settled.extend(self.runs.on_recovered(found, self.out))


def ended(run: RunId, task: int, exit_code: int = 0, signal: int = 0, *, launched: bool = True) -> TaskEnded:
    return TaskEnded(run=run, task=task, exit_code=exit_code, signal=signal, launched=launched)


def lost(run: RunId, task: int = 0) -> TaskEnded:
    return TaskEnded(run=run, task=task, exit_code=137, signal=9, lost=True, detail="supervisor lost")


def alive(run: RunId, task: int) -> FoundTask:
    return FoundTask(run=run, task=task, pid=100 + task)


def dead(run: RunId, task: int, exit_code: int = 0) -> FoundTask:
    return FoundTask(run=run, task=task, ended=ended(run, task, exit_code))


# --- losses ---------------------------------------------------


def test_a_task_that_is_lost_with_its_supervisor_costs_no_retry() -> None:
    bench = Bench()
    run = bench.start()
    bench.report(lost(run))
    assert (bench.job.state, bench.job.failures, bench.job.exit_code) == (JobState.QUEUED, 0, 0)
    assert bench.job.reason.code is ReasonCode.LOST_TASK
    assert "supervisor lost" in bench.job.reason.detail
    assert bench.settled[0].requeued
    bench.start()
    bench.end(0)
    assert bench.job.state is JobState.SUCCEEDED


def test_one_lost_task_of_a_gang_stops_the_rest_and_all_of_it_waits_again() -> None:
    bench = Bench(tasks=3)
    run = bench.start()
    bench.report(lost(run, 1))
    assert bench.job.state is JobState.STOPPING
    assert [each.run for each in bench.out.stops] == [run]
    bench.end(0, 143, 15)
    bench.report(lost(run, 2))
    assert (bench.job.state, bench.job.failures) == (JobState.QUEUED, 0)
    assert bench.job.reason.code is ReasonCode.LOST_TASK


@pytest.mark.parametrize("retries_max", [0, 2])
@pytest.mark.parametrize("tasks", [1, 2])
def test_a_job_that_always_takes_its_supervisor_along_fails_in_the_end(tasks: int, retries_max: int) -> None:
    bench = Bench(tasks=tasks, retries_max=retries_max)
    attempts = 0
    while bench.job.state is JobState.QUEUED:
        run = bench.start()
        attempts += 1
        for task in range(tasks):
            bench.report(lost(run, task))
    assert attempts == LOSSES_MAX + 1 + retries_max
    assert (bench.job.state, bench.job.exit_code) == (JobState.FAILED, 137)
    assert bench.job.reason.code is ReasonCode.LOST_TASK


def test_failures_of_its_own_leave_a_job_its_losses() -> None:
    bench = Bench(retries_max=1)
    bench.start()
    bench.end(0, exit_code=3)
    for _ in range(LOSSES_MAX):
        bench.report(lost(bench.start()))
        assert (bench.job.state, bench.job.failures) == (JobState.QUEUED, 1)
    bench.start()
    bench.end(0, exit_code=3)
    assert (bench.job.state, bench.job.exit_code) == (JobState.FAILED, 3)


# --- moves ----------------------------------------------------

MOVING = Reason(ReasonCode.MOVING, "the region is being drained")


def moved(*ends: TaskEnded, tasks: int = 1) -> Bench:
    """An attempt that is stopped to move, and whose tasks end like this."""
    bench = Bench(tasks=tasks)
    run = bench.start()
    bench.runs.stop_to_move(bench.job, MOVING, bench.out)
    for event in ends:
        bench.report(msgspec.structs.replace(event, run=run))
    return bench


ANY = RunId("", 0, 0)


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ([ended(ANY, 0), ended(ANY, 1)], JobState.SUCCEEDED),
        ([ended(ANY, 0), msgspec.structs.replace(ended(ANY, 1), stopped=True)], JobState.QUEUED),
        ([msgspec.structs.replace(ended(ANY, task), stopped=True) for task in (0, 1)], JobState.QUEUED),
        ([ended(ANY, 0), ended(ANY, 1, exit_code=1)], JobState.QUEUED),
        ([ended(ANY, 0), ended(ANY, 1, 143, 15)], JobState.QUEUED),
        ([ended(ANY, 0), lost(ANY, 1)], JobState.QUEUED),
    ],
)
def test_what_is_stopped_to_move_is_done_if_all_of_it_ended_well_by_itself(
    ends: list[TaskEnded], state: JobState
) -> None:
    bench = moved(*ends, tasks=2)
    assert (bench.job.state, bench.job.failures, bench.job.moves) == (state, 0, 1)
    code = ReasonCode.SUCCEEDED if state is JobState.SUCCEEDED else ReasonCode.MOVING
    assert bench.job.reason.code is code


@pytest.mark.parametrize("told_in_time", [True, False])
@pytest.mark.parametrize("why", ["PREEMPTED", "HELD", "REQUESTED", "NODE_DRAINED"])
def test_what_is_stopped_without_blame_is_done_if_it_had_ended_well_by_itself(
    why: str, told_in_time: bool
) -> None:
    """Swarm seed 33: a task had ended before it was chosen as a victim, and the engine told of it later."""
    bench = Bench(tasks=1)
    run = bench.start()
    bench.runs.stop(bench.job, Reason(ReasonCode(why), "for job-2"), bench.out)
    bench.report(msgspec.structs.replace(ended(run, 0), stopped=told_in_time))
    state, code = bench.job.state, bench.job.reason.code
    if told_in_time:
        assert (state, code) == (JobState.QUEUED, ReasonCode(why))
    else:
        assert (state, code) == (JobState.SUCCEEDED, ReasonCode.SUCCEEDED)


def test_a_task_that_nobody_finds_after_a_restart_spoils_a_success() -> None:
    bench = moved(tasks=2)
    bench.restart(dead(bench.job.run_id, 0))
    assert (bench.job.state, bench.job.reason.code) == (JobState.QUEUED, ReasonCode.MOVING)


# --- gangs ----------------------------------------------------


def test_a_gang_is_launched_in_one_order_and_succeeds_when_its_last_task_has() -> None:
    bench = Bench(tasks=3)
    bench.start()
    (launch,) = bench.out.launches
    assert [number for number, _ in launch.tasks] == [0, 1, 2]
    for task in (2, 0):
        bench.end(task)
        assert bench.job.state is JobState.RUNNING
    bench.end(1)
    assert bench.job.state is JobState.SUCCEEDED
    assert bench.out.reaps == [Reap(launch.run)]
    assert bench.settled[0].requeued is False
    assert len(bench.runs) == 0


def test_when_one_of_a_gang_fails_the_rest_is_stopped_and_the_job_fails_when_all_are_dead() -> None:
    bench = Bench(tasks=3)
    run = bench.start()
    bench.end(1, exit_code=9)
    assert bench.job.state is JobState.STOPPING
    assert bench.out.stops == [Stop(run=run, grace_us=GRACE_US, cause=bench.books.cause)]
    bench.end(0, 143, 15)
    assert bench.settled == [], "capacity is not given back while a task may live"
    bench.end(2, 143, 15)
    assert (bench.job.state, bench.job.exit_code, bench.job.failures) == (JobState.FAILED, 9, 1)
    assert bench.job.reason.code is ReasonCode.EXIT_CODE
    assert len(bench.settled) == 1


def test_when_one_of_a_gang_fails_and_retries_are_left_the_whole_gang_starts_again() -> None:
    bench = Bench(tasks=2, retries_max=1)
    first = bench.start()
    bench.end(0, exit_code=1)
    bench.end(1)
    assert bench.job.state is JobState.QUEUED
    assert bench.settled[0].requeued
    assert bench.out.reaps == [Reap(first)]
    second = bench.start()
    assert (second.epoch, second.attempt) == (first.epoch, 2)
    assert len(bench.out.launches[1].tasks) == 2
    bench.end(0)
    bench.end(1)
    assert bench.job.state is JobState.SUCCEEDED


def test_failures_of_several_tasks_of_one_attempt_count_once() -> None:
    bench = Bench(tasks=3, retries_max=1)
    bench.start()
    for task in range(3):
        bench.end(task, exit_code=1)
    assert (bench.job.state, bench.job.failures) == (JobState.QUEUED, 1)


# --- retries ----------------------------------------------------


@pytest.mark.parametrize(
    ("exit_code", "signal", "launched", "reason"),
    [
        (3, 0, True, ReasonCode.EXIT_CODE),
        (137, 9, True, ReasonCode.SIGNAL),
        (127, 0, False, ReasonCode.LAUNCH_FAILED),
        (0, 0, False, ReasonCode.LAUNCH_FAILED),
    ],
)
def test_every_failure_uses_up_a_retry_and_the_last_one_is_the_reason(
    exit_code: int, signal: int, launched: bool, reason: ReasonCode
) -> None:
    bench = Bench(retries_max=2)
    for attempt in (1, 2, 3):
        assert bench.start().attempt == attempt
        bench.end(0, exit_code, signal, launched=launched)
    assert (bench.job.state, bench.job.failures) == (JobState.FAILED, 3)
    assert (bench.job.reason.code, bench.job.exit_code) == (reason, exit_code)


def test_a_retry_says_which_attempt_failed_and_how() -> None:
    bench = Bench(retries_max=1)
    bench.start()
    bench.end(0, 137, 9)
    assert bench.job.reason == Reason(ReasonCode.RETRY, "attempt 1: task 0 was ended by signal 9")


# --- stops ----------------------------------------------------


def test_a_cancelled_job_is_cancelled_when_its_tasks_are_dead_even_if_they_ended_with_0() -> None:
    bench = Bench(tasks=2, retries_max=5)
    run = bench.start()
    bench.cancel()
    bench.cancel()
    assert bench.out.stops == [Stop(run=run, grace_us=GRACE_US, cause=bench.books.cause)]
    bench.end(0, 143, 15)
    bench.end(1, 0)
    assert bench.job.state is JobState.CANCELLED


def test_a_cancel_while_a_failed_gang_stops_ends_it_instead_of_a_retry() -> None:
    bench = Bench(tasks=2, retries_max=5)
    bench.start()
    bench.end(0, exit_code=1)
    bench.cancel()
    assert len(bench.out.stops) == 1
    bench.end(1, 143, 15)
    assert bench.job.state is JobState.CANCELLED


def test_a_job_that_is_stopped_for_another_reason_is_queued_again() -> None:
    bench = Bench()
    bench.start()
    bench.runs.stop(bench.job, Reason(ReasonCode.DRAINING, "the node goes away"), bench.out)
    bench.end(0, 143, 15)
    assert (bench.job.state, bench.job.failures) == (JobState.QUEUED, 0)


# --- late and double news ----------------------------------------------------


def test_a_late_duplicate_changes_nothing_before_and_after_the_outcome() -> None:
    bench = Bench(tasks=2, retries_max=1)
    first = bench.start()
    for _ in range(3):
        bench.end(0, exit_code=1)
    assert bench.job.failures == 1
    bench.end(1)
    again = bench.start()
    bench.report(ended(first, 1, 5))
    assert (bench.job.state, bench.job.failures) == (JobState.RUNNING, 1)
    assert bench.out.reaps[-1] == Reap(first), "whatever is left of the old run may go"
    bench.end(0)
    bench.end(1)
    bench.report(ended(again, 1, 5))
    assert bench.job.state is JobState.SUCCEEDED
    assert len(bench.settled) == 2


def test_news_of_a_run_that_the_books_do_not_know_only_reaps_it() -> None:
    bench = Bench()
    bench.start()
    stranger = RunId("stranger", 4, 2)
    bench.report(ended(stranger, 0))
    assert bench.out.reaps == [Reap(stranger)]
    assert bench.job.state is JobState.RUNNING


# --- after a restart ----------------------------------------------------


def test_after_a_restart_living_tasks_are_adopted_as_they_are() -> None:
    bench = Bench(tasks=2)
    run = bench.start()
    bench.restart(alive(run, 0), alive(run, 1))
    assert bench.job.state is JobState.RUNNING
    assert (bench.out.launches, bench.out.stops, bench.out.reaps) == ([], [], [])
    bench.end(0)
    bench.end(1)
    assert bench.job.state is JobState.SUCCEEDED


def test_after_a_restart_ended_tasks_are_settled_with_their_true_exit_code() -> None:
    bench = Bench(tasks=2)
    run = bench.start()
    bench.restart(dead(run, 0), dead(run, 1, 7))
    assert (bench.job.state, bench.job.exit_code) == (JobState.FAILED, 7)
    assert bench.out.reaps == [Reap(run)]


def test_after_a_restart_a_gang_of_which_one_failed_is_stopped() -> None:
    bench = Bench(tasks=2)
    run = bench.start()
    bench.restart(dead(run, 0, 7), alive(run, 1))
    assert bench.job.state is JobState.STOPPING
    assert {each.run for each in bench.out.stops} == {run}
    bench.end(1, 143, 15)
    assert (bench.job.state, bench.job.exit_code) == (JobState.FAILED, 7)


def test_after_a_restart_a_missing_task_stops_the_rest_and_does_not_count_as_a_failure() -> None:
    bench = Bench(tasks=3)
    run = bench.start()
    bench.restart(alive(run, 0), dead(run, 1))
    assert bench.job.state is JobState.STOPPING
    assert bench.job.reason.code is ReasonCode.LOST_TASK
    assert [each.run for each in bench.out.stops] == [run]
    bench.end(0, 143, 15)
    assert (bench.job.state, bench.job.failures, bench.job.attempt) == (JobState.QUEUED, 0, 1)
    assert bench.start().attempt == 2


def test_after_a_restart_a_run_without_any_task_is_queued_again() -> None:
    bench = Bench(tasks=2)
    bench.start()
    bench.restart()
    assert (bench.job.state, bench.job.failures) == (JobState.QUEUED, 0)
    assert bench.settled[0].requeued


def test_after_a_restart_a_stop_is_ordered_again() -> None:
    bench = Bench()
    run = bench.start()
    bench.cancel()
    bench.restart(alive(run, 0))
    assert [each.run for each in bench.out.stops] == [run]
    bench.end(0, 143, 15)
    assert bench.job.state is JobState.CANCELLED


def test_after_a_restart_a_cancelled_job_whose_tasks_are_missing_is_cancelled() -> None:
    bench = Bench(tasks=2)
    run = bench.start()
    bench.cancel()
    bench.restart(dead(run, 0))
    assert bench.job.state is JobState.CANCELLED


def test_a_failure_that_was_counted_before_the_restart_is_not_counted_again() -> None:
    bench = Bench(tasks=2, retries_max=1)
    run = bench.start()
    bench.end(0, exit_code=1)
    bench.restart(dead(run, 0, 1), alive(run, 1))
    bench.end(1, 143, 15)
    assert (bench.job.state, bench.job.failures) == (JobState.QUEUED, 1)


def test_orphans_are_stopped_at_once_and_records_of_the_dead_are_reaped() -> None:
    bench = Bench()
    run = bench.start()
    older, stranger = RunId("job-1", 1, 0), RunId("stranger", 1, 1)
    bench.restart(alive(run, 0), alive(older, 0), dead(stranger, 0))
    assert bench.out.stops == [Stop(run=older, grace_us=0, cause=bench.books.cause)]
    assert bench.out.reaps == [Reap(stranger)]
    bench.report(ended(older, 0, 137, 9))
    assert bench.out.reaps == [Reap(stranger), Reap(older)]
    assert bench.job.state is JobState.RUNNING


def test_an_orphaned_gang_is_reaped_when_its_last_task_is_dead() -> None:
    bench = Bench()
    stranger = RunId("stranger", 1, 1)
    bench.restart(alive(stranger, 0), alive(stranger, 1), dead(stranger, 2))
    assert [each.run for each in bench.out.stops] == [stranger]
    bench.report(ended(stranger, 1, 137, 9))
    assert bench.out.reaps == []
    bench.report(ended(stranger, 0, 137, 9))
    assert bench.out.reaps == [Reap(stranger)]


# --- whatever happens ----------------------------------------------------


ENDS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 0, 1, 143])), max_size=12)


@given(
    ENDS, st.integers(0, 2), st.one_of(st.none(), st.integers(0, 6)), st.one_of(st.none(), st.integers(0, 6))
)
def test_an_attempt_is_settled_once_when_every_task_is_dead_and_never_before(
    ends: list[tuple[int, int]], retries_max: int, cancel_at: int | None, restart_at: int | None
) -> None:
    bench = Bench(tasks=3, retries_max=retries_max)
    run = bench.start()
    known: dict[int, int] = {}
    for step, (task, exit_code) in enumerate(ends):
        if step == cancel_at and bench.job.state in (JobState.RUNNING, JobState.STOPPING):
            bench.cancel()
        if step == restart_at and not bench.settled:
            found = [dead(run, each, known[each]) if each in known else alive(run, each) for each in range(3)]
            bench.restart(*found)
        known.setdefault(task, exit_code)
        bench.report(ended(run, task, exit_code))
        assert len(bench.settled) == (len(known) == 3)
    if not bench.settled:
        assert bench.job.state in (JobState.RUNNING, JobState.STOPPING)
        return
    assert bench.job.state in {*TERMINAL_STATES, JobState.QUEUED}
    if bench.job.state is JobState.SUCCEEDED:
        assert set(known.values()) == {0}
    if bench.job.state is JobState.FAILED:
        assert bench.job.failures > retries_max
