"""What is lost, what ran twice, what was readopted: each definition, case by case."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanse.demo.audit import JobFact, Restart, audit, readopted, why_lost, why_run_twice
from hanse.demo.records import DamagedRecordError, TaskRun, read_runs


def run(
    begin: int,
    end: int | None,
    status: int | None = 0,
    *,
    task: int = 0,
    epoch: int = 1,
    attempt: int = 1,
    region: str = "north",
) -> TaskRun:
    return TaskRun(
        job_id="j",
        task=task,
        epoch=epoch,
        attempt=attempt,
        region=region,
        node=f"{region}-1",
        pid=1000 + begin,
        begin_us=begin,
        end_us=end,
        status=status if end is not None else None,
    )


def job(state: str = "SUCCEEDED", *, tasks: int = 1, exit_code: int = 0, epoch: int = 1) -> JobFact:
    return JobFact(
        job_id="j",
        home="north",
        tasks=tasks,
        expected_exit_code=exit_code,
        state=state,
        region="north",
        epoch=epoch,
        attempt=1,
    )


TWICE = {
    "the same attempt began twice": (1, [run(0, 10), run(20, 30)]),
    "two attempts overlap": (1, [run(0, 10, 1), run(5, 15, attempt=2)]),
    "two regions at once": (1, [run(0, 10, 143), run(9, 15, epoch=2, region="east")]),
    "both completed, one after the other": (1, [run(0, 10), run(20, 30, epoch=2, region="east")]),
    "something began after a complete attempt": (1, [run(0, 10), run(20, 30, 143, attempt=2)]),
    "a run without an end, and another": (1, [run(0, None), run(50, 60, attempt=2)]),
    "one member of the old gang still runs": (
        2,
        [
            run(0, 10, 1, task=0),
            run(0, 25, 143, task=1),
            run(20, 30, attempt=2),
            run(20, 30, task=1, attempt=2),
        ],
    ),
    "a complete gang, and then one task more": (
        2,
        [run(0, 10), run(0, 12, task=1), run(20, 30, attempt=2)],
    ),
}

ONCE = {
    "nothing ran": (1, []),
    "one run": (1, [run(0, 10)]),
    "a gang": (2, [run(0, 10), run(1, 12, task=1)]),
    "tried again after a failure": (1, [run(0, 10, 1), run(10, 20, attempt=2)]),
    "stopped here, run there": (1, [run(0, 10, 143), run(20, 30, epoch=2, region="east")]),
    "one member failed: the other, which had succeeded, runs again with it": (
        2,
        [run(0, 10), run(0, 12, 1, task=1), run(20, 30, attempt=2), run(20, 31, task=1, attempt=2)],
    ),
    "only half of the gang ever began": (
        2,
        [run(0, 10), run(20, 30, attempt=2), run(20, 30, task=1, attempt=2)],
    ),
    "killed, and nothing after it": (1, [run(0, None)]),
}


@pytest.mark.parametrize("case", TWICE)
def test_run_twice(case: str) -> None:
    assert why_run_twice(*TWICE[case])


@pytest.mark.parametrize("case", ONCE)
def test_not_run_twice(case: str) -> None:
    assert why_run_twice(*ONCE[case]) == ""


@pytest.mark.parametrize(
    ("fact", "runs"),
    [
        (job("QUEUED"), []),
        (job("RUNNING"), [run(0, 10)]),
        (job(""), [run(0, 10)]),
        (job("SUCCEEDED"), []),
        (job("SUCCEEDED"), [run(0, 10, 1)]),
        (job("SUCCEEDED"), [run(0, None)]),
        (job("SUCCEEDED", tasks=2), [run(0, 10)]),
        (job("SUCCEEDED", tasks=2), [run(0, 10), run(20, 30, task=1, attempt=2)]),
    ],
)
def test_lost(fact: JobFact, runs: list[TaskRun]) -> None:
    assert why_lost(fact, runs)


@pytest.mark.parametrize(
    ("fact", "runs"),
    [
        (job("SUCCEEDED"), [run(0, 10)]),
        (job("SUCCEEDED"), [run(0, 10, 143), run(20, 30, attempt=2)]),
        (job("FAILED"), [run(0, 10, 3)]),
        (job("CANCELLED"), []),
    ],
)
def test_not_lost(fact: JobFact, runs: list[TaskRun]) -> None:
    assert why_lost(fact, runs) == ""


RESTART = Restart(region="north", killed_us=100, serving_us=200)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (run(50, 250), 1),
        (run(50, 150), 0),  # ended while no daemon was there
        (run(150, 250), 0),  # began when there was none
        (run(50, 250, region="east"), 0),
        (run(50, None), 0),
    ],
)
def test_readopted(which: TaskRun, expected: int) -> None:
    assert len(list(readopted([job()], [which], [RESTART]))) == expected


def test_a_task_whose_job_was_settled_by_another_attempt_was_not_readopted() -> None:
    assert not readopted([job(epoch=2)], [run(50, 250)], [RESTART])


def test_a_clean_audit() -> None:
    found = audit([job()], [run(0, 10, region="east")], [])
    assert found.is_clean
    assert found.handed_off == {"j"}


@pytest.mark.parametrize(
    ("fact", "runs"),
    [
        (job("FAILED"), [run(0, 10, 1)]),
        (job("SUCCEEDED", exit_code=3), [run(0, 10)]),
        (job("QUEUED"), []),
    ],
)
def test_an_audit_that_finds_something(fact: JobFact, runs: list[TaskRun]) -> None:
    assert not audit([fact], runs, []).is_clean


def test_a_run_that_nobody_asked_for_is_found() -> None:
    found = audit([], [run(0, 10)], [])
    assert found.unknown_runs == ("j",)
    assert not found.is_clean


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "j.0").write_text('{"what":"begin","job":"j"}\n', encoding="utf-8")
    with pytest.raises(DamagedRecordError, match=r"j\.0:1"):
        read_runs(tmp_path)
