"""What waits for a majority, and what callers see of it."""

from __future__ import annotations

import msgspec

from hanse.core.effects import JobRow, JobStateRow, Writes
from hanse.core.federation.shards.gate import Gate, Held
from hanse.core.federation.shards.shards import _show
from hanse.core.model.lifecycle import JobState
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


def test_of_several_steps_the_newest_row_of_a_job_is_shown() -> None:
    """A ledger writes whole rows first: a state of an earlier step must not come after the row of a later one."""
    moved = msgspec.structs.replace(job_state_row(1), state=int(JobState.MOVED))
    back = job_row(1)
    runs = msgspec.structs.replace(job_state_row(2), state=int(JobState.RUNNING))
    ended = msgspec.structs.replace(runs, state=int(JobState.SUCCEEDED))
    shown = Writes()
    _show([Writes(job_states=[moved, runs]), Writes(jobs=[back], job_states=[ended])], shown)
    assert shown.jobs == [back]
    assert shown.job_states == [ended]
    assert isinstance(back, JobRow)
    assert isinstance(moved, JobStateRow)
