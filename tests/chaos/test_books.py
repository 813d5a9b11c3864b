"""The books find every violation that is planted in them, and nothing in sound ones."""

from __future__ import annotations

from dataclasses import replace

from chaos.live.books import Books, balance, oversold
from chaos.live.watch import why_unexplained
from hanse.client.messages import Blocker, ExplainJobResponse, Job, JobState, RegionExplanation
from hanse.core.model.jobs import RunId
from hanse.demo.plan import PlannedJob
from hanse.demo.records import TaskRun
from hanse.demo.workload import Acknowledged, CallerBook

SUCCEEDED = JobState.JOB_STATE_SUCCEEDED
FAILED = JobState.JOB_STATE_FAILED


def book(*job_ids: str, tasks: int = 1) -> CallerBook:
    made = CallerBook()
    for job_id in job_ids:
        planned = PlannedJob(key=job_id, trace_job=0, home="north", submit_s=0, run_s=1, tasks=tasks)
        made.acknowledged[job_id] = Acknowledged(planned, job_id, 0, 1)
    return made


def run(job_id: str, begin: int, end: int | None, **other: object) -> TaskRun:
    made = TaskRun(
        job_id=job_id,
        task=0,
        epoch=1,
        attempt=1,
        region="north",
        node="north-1",
        pid=begin + 1,
        begin_us=begin,
        end_us=end,
        status=None if end is None else 0,
    )
    return replace(made, **other)  # type: ignore[arg-type]


def job(job_id: str, state: JobState = SUCCEEDED) -> Job:
    return Job(id=job_id, state=state, region="north", epoch=1, attempt=1)


def books(
    known: CallerBook,
    jobs: list[Job],
    runs: list[TaskRun],
    forced_ends: dict[tuple[RunId, int], int] | None = None,
) -> Books:
    return balance(known, {one.id: one for one in jobs}, runs, [], forced_ends or {}, slots=2)


def broken(found: Books) -> list[str]:
    return [promise for promise, words in found.findings.items() if words]


def test_sound_books_balance() -> None:
    found = books(book("a", "b"), [job("a"), job("b")], [run("a", 0, 10), run("b", 5, 9)])
    assert broken(found) == []
    assert (found.jobs, found.runs, found.outcomes) == (2, 2, {"SUCCEEDED": 2})


def test_a_job_that_did_not_end_is_lost() -> None:
    assert broken(books(book("a"), [job("a", JobState.JOB_STATE_QUEUED)], [])) == ["P1"]


def test_a_job_that_nobody_knows_is_lost() -> None:
    found = books(book("a"), [], [])
    assert broken(found) == ["P1"]
    assert found.outcomes == {"unknown": 1}


def test_a_success_that_never_ran_is_lost() -> None:
    assert broken(books(book("a"), [job("a")], [])) == ["P1"]


def test_half_a_gang_is_no_success() -> None:
    assert broken(books(book("a", tasks=2), [job("a")], [run("a", 0, 10)])) == ["P1"]


def test_a_run_that_nobody_submitted_is_found() -> None:
    assert broken(books(book("a"), [job("a")], [run("a", 0, 10), run("b", 0, 10)])) == ["P1"]


def test_two_regions_at_once_are_found() -> None:
    runs = [run("a", 0, 10, status=143), run("a", 5, 15, epoch=2, region="east", node="east-1")]
    known = book("a")
    known.cancels_taken.add("a")
    assert broken(books(known, [job("a")], runs)) == ["P3"]


def test_a_job_that_waits_for_its_region_and_was_stopped_is_found() -> None:
    runs = [run("a", 0, 10, status=143), run("a", 20, 30, attempt=2)]
    assert broken(books(book("a"), [job("a")], runs)) == ["P4"]


def test_two_complete_runs_are_found_however_far_apart() -> None:
    runs = [run("a", 0, 10), run("a", 1_000, 1_010, epoch=2, region="east", node="east-1")]
    assert broken(books(book("a"), [job("a")], runs)) == ["P3"]


def test_a_task_that_began_twice_in_one_attempt_is_found() -> None:
    assert broken(books(book("a"), [job("a")], [run("a", 0, 10), run("a", 20, 30)])) == ["P3"]


def test_a_run_without_an_end_runs_for_ever() -> None:
    runs = [run("a", 0, None), run("a", 50, 60, attempt=2)]
    assert broken(books(book("a"), [job("a")], runs)) == ["P3"]


def test_a_run_that_the_harness_killed_ended_when_it_saw_it_dead() -> None:
    runs = [run("a", 0, None), run("a", 50, 60, attempt=2)]
    assert broken(books(book("a"), [job("a")], runs, {(RunId("a", 1, 1), 0): 40})) == []
    assert broken(books(book("a"), [job("a")], runs, {(RunId("a", 1, 1), 0): 55})) == ["P3"]


def test_only_what_was_made_to_fail_or_was_killed_may_fail() -> None:
    runs = [run("a", 0, None)]
    assert broken(books(book("a"), [job("a", FAILED)], [run("a", 0, 10, status=1)])) == ["P1"]
    assert broken(books(book("a"), [job("a", FAILED)], runs, {(RunId("a", 1, 1), 0): 40})) == []


def test_more_at_once_than_there_are_slots_is_found() -> None:
    runs = [run("a", 0, 10), run("b", 2, 12), run("c", 9, None)]
    assert oversold(runs, slots=2) == ["north-1: 3 tasks at 9 us, and 2 slots"]
    assert oversold(runs, slots=3) == []


def test_a_slot_that_becomes_free_may_be_taken_at_once() -> None:
    runs = [run("a", 0, 10), run("b", 10, 20), run("c", 10, 20, node="north-2")]
    assert oversold(runs, slots=1) == []


def test_a_waiting_job_must_say_why() -> None:
    queued = JobState.JOB_STATE_QUEUED
    blocked = [RegionExplanation(region="north", blockers=[Blocker(code="CAPACITY")])]
    assert "no summary" in why_unexplained(ExplainJobResponse(job_id="a", state=queued, regions=blocked))
    assert "in its way" in why_unexplained(ExplainJobResponse(job_id="a", state=queued, summary="it waits"))
    assert not why_unexplained(
        ExplainJobResponse(job_id="a", state=queued, summary="no GPU is free", regions=blocked)
    )
    assert not why_unexplained(ExplainJobResponse(job_id="a", state=JobState.JOB_STATE_RUNNING))
