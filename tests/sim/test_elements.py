"""The checker of arrays lets a sound story pass, and catches what it is there for."""

from __future__ import annotations

import pytest

from chaos.checkers import check
from chaos.checkers.elements import Elements
from hanse.core.model.arrays import Array, ArrayRules, element_id
from hanse.core.model.indexes import parse_indexes
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import ElementRow, JobStateRow, TimelineRow
from hanse.sim.errors import SafetyViolation
from hanse.sim.record import CancelAsked, Entry, LaunchFailed
from tests.sim.records import JOB, began, committed, ended, launched, run_id, state_row, submitted


def rules(indexes: str = "0-2", limit: int = 0, stop_at: int = 0) -> ArrayRules:
    return ArrayRules(parse_indexes(indexes), limit, stop_at)


def row(
    state: JobState,
    made: ArrayRules | None = None,
    *,
    succeeded: int = 0,
    failed: int = 0,
    cancelled: int = 0,
    **columns: object,
) -> JobStateRow:
    """The array with these elements (bits) in its sets."""
    array = Array(made or rules())
    for position in range(array.count):
        if (succeeded | cancelled | failed) >> position & 1:
            array.end(position)
    array.succeeded, array.cancelled = succeeded, cancelled
    if failed:
        array.failed = {("EXIT_CODE", 1): failed}
    return state_row(state, array=array.packed(), **columns)


def runs(at_us: int, index: int, exit_code: int = 0) -> list[Entry]:
    """An element from its launch to its end."""
    run = run_id(job_id=element_id(JOB, index))
    return [
        launched(at_us, "a", run),
        began(at_us, "a", run),
        ended(at_us + 1, "a", run, exit_code=exit_code),
    ]


def judge(*entries: Entry, made: ArrayRules | None = None) -> None:
    story = [*submitted(array=Array(made or rules()).packed()), *entries]
    check(story, (Elements,))


def test_an_array_that_ends_as_its_processes_say_is_sound() -> None:
    judge(
        *runs(10, 0),
        committed(12, "a", job_states=[row(JobState.RUNNING, succeeded=0b1)]),
        *runs(20, 1, exit_code=1),
        *runs(20, 2),
        committed(30, "a", job_states=[row(JobState.FAILED, succeeded=0b101, failed=0b10)]),
    )


def test_a_cancelled_array_is_sound() -> None:
    judge(
        CancelAsked(5, "a", JOB),
        committed(12, "a", job_states=[row(JobState.CANCELLED, cancelled=0b111, cancel_id="c")]),
    )


def test_elements_beyond_the_limit_are_caught() -> None:
    run, other = (run_id(job_id=element_id(JOB, index)) for index in (0, 1))
    with pytest.raises(SafetyViolation, match="2 elements live, and 1 may"):
        judge(began(10, "a", run), began(11, "a", other), made=rules(limit=1))


def test_an_element_that_is_through_and_begins_again_is_caught() -> None:
    again = run_id(attempt=2, job_id=element_id(JOB, 0))
    with pytest.raises(SafetyViolation, match="it was through"):
        judge(
            *runs(10, 0),
            committed(12, "a", job_states=[row(JobState.RUNNING, succeeded=1)]),
            began(20, "a", again),
        )


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (row(JobState.RUNNING, succeeded=1), "no run of it ended well"),
        (row(JobState.RUNNING, failed=1), "no task of it failed"),
        (row(JobState.RUNNING, cancelled=1), "nobody asked for that"),
        (row(JobState.SUCCEEDED), "3 elements are not"),
    ],
)
def test_an_end_that_nothing_accounts_for_is_caught(told: JobStateRow, words: str) -> None:
    with pytest.raises(SafetyViolation, match=words):
        judge(committed(12, "a", job_states=[told]))


def test_a_success_that_is_taken_back_is_caught() -> None:
    with pytest.raises(SafetyViolation, match="was SUCCEEDED and is open"):
        judge(
            *runs(10, 0),
            committed(12, "a", job_states=[row(JobState.RUNNING, succeeded=1)]),
            committed(13, "a", job_states=[row(JobState.RUNNING)]),
        )


def test_a_failure_of_what_ended_well_is_caught() -> None:
    failed = LaunchFailed(9, "a", run_id(job_id=element_id(JOB, 0)), 0)
    with pytest.raises(SafetyViolation, match="a run of it ended well"):
        judge(failed, *runs(10, 0), committed(12, "a", job_states=[row(JobState.RUNNING, failed=1)]))


def test_a_wrong_sum_is_caught() -> None:
    story = [*runs(10, 0), *runs(10, 1, exit_code=1), *runs(10, 2)]
    with pytest.raises(SafetyViolation, match="SUCCEEDED, and the sum is FAILED"):
        judge(*story, committed(12, "a", job_states=[row(JobState.SUCCEEDED, succeeded=0b101, failed=0b10)]))


def test_what_the_rule_or_a_hand_has_cancelled_is_sound() -> None:
    entry = TimelineRow(JOB, 1, 1, "CANCEL", "CANCEL_REQUESTED", "[2]", 1, 0, "hands")
    judge(
        committed(9, "a", timeline=[entry]),
        committed(12, "a", job_states=[row(JobState.RUNNING, cancelled=0b100)]),
    )
    judge(
        *runs(10, 0, exit_code=1),
        committed(12, "a", job_states=[row(JobState.FAILED, rules(stop_at=1), failed=1, cancelled=0b110)]),
        made=rules(stop_at=1),
    )


def test_an_element_may_only_be_launched_once_its_row_is_durable() -> None:
    run = run_id(job_id=element_id(JOB, 1))
    started = ElementRow("", JOB, 1, int(JobState.RUNNING), 1, 1, "STARTED", "", b"", 1, 0, 0)
    sound = [*submitted(array=Array(rules()).packed()), committed(9, "a", elements=[started])]
    check([*sound, launched(10, "a", run)])
    with pytest.raises(SafetyViolation, match="before its row"):
        check([*sound[:2], launched(10, "a", run)])
