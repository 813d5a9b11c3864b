"""What waits for a majority, and what callers see of it."""

from __future__ import annotations

import msgspec

from hanse.core.federation.shards.gate import Gate, Held, OwedRows, complete
from hanse.core.model.lifecycle import JobState
from hanse.core.replies import CancelOutcome, Done, JointReply, Reply
from hanse.core.rows import Writes
from tests.ledger.samples import job_row, job_state_row


def held(sequence: int, *, retry: bool = False) -> Held:
    return Held(sequence, [], [], [], Writes(), retry)


def test_what_left_is_what_a_prefix_of_the_log_led_to() -> None:
    gate = Gate()
    for sequence in (3, 3, 5):
        gate.put(held(sequence), limit=10)
    assert gate.open(2) == []
    assert [each.sequence for each in gate.open(4)] == [3, 3]
    assert len(gate) == 1


def test_beyond_its_bound_only_what_is_sent_again_anyway_is_dropped() -> None:
    gate = Gate()
    gate.put(held(1), limit=1)
    gate.put(held(2, retry=True), limit=1)
    gate.put(held(3), limit=1)
    assert [each.sequence for each in gate.open(9)] == [1, 3]


def test_an_answer_about_jobs_of_several_shards_leaves_with_the_last_of_their_majorities() -> None:
    """A wish for jobs of two shards in one call, as a region meets it that has taken one of them over."""
    joint = JointReply(1, CancelOutcome((JobState.QUEUED, JobState.RUNNING)), {"a", "b"})
    alone = Reply(2, Done())
    assert complete([joint, alone], "a") == [alone]
    assert complete([alone, joint], "b") == [alone, joint]


def test_a_job_that_went_and_came_back_is_shown_in_two_transactions() -> None:
    """A ledger writes whole rows first: a state of an earlier step must not come after the row of a later one."""
    went = msgspec.structs.replace(job_state_row(1), state=int(JobState.MOVED))
    back = job_row(1)
    runs = msgspec.structs.replace(job_state_row(2), state=int(JobState.RUNNING))
    ended = msgspec.structs.replace(runs, state=int(JobState.SUCCEEDED))
    owed = OwedRows()
    owed.add(Writes(job_states=[went, runs]), [])
    owed.add(Writes(job_states=[ended]), [])
    owed.add(Writes(jobs=[back]), [])
    first, second = Writes(), Writes()
    owed.move_to(first)
    assert (first.jobs, first.job_states) == ([], [went, ended])
    assert owed
    owed.move_to(second)
    assert (second.jobs, second.job_states) == ([back], [])
    assert not owed
