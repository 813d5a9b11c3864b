"""The life of a job inside one region: states, inputs, and every legal transition.

Theory of operation. A job's ownership is a token (job id, epoch). The region whose ledger says QUEUED, RUNNING,
STOPPING or XFER owns the job; XFER means that the token may already be elsewhere, and only the target's answer tells.
A job leaves by XFER -> MOVED and may come back by an accepted COMMIT with a higher epoch. SUCCEEDED, FAILED and
CANCELLED are final where the job ended; at its home they are also how a job that ended elsewhere is closed.
OFFERED is not here: offers live in memory and bind nobody. The OVERTAKEN inputs belong to a region that found its disk
to be an old one (federation/old_disk.py): what the others know of its jobs then decides. An array is RUNNING while
elements of it hold capacity; these are RUNNING or STOPPING themselves, by the same tables (elements.py).

What is absent from TRANSITIONS is illegal, and asking for it is a bug of ours (an AssertionError).
The diagram in docs/protocol.md is generated from these tables.
"""

from __future__ import annotations

import enum


class JobState(enum.IntEnum):
    """What a region's ledger says of a job. The numbers are stored and must never be reused."""

    QUEUED = 1
    RUNNING = 3
    STOPPING = 4
    XFER = 5
    MOVED = 6
    SUCCEEDED = 7
    FAILED = 8
    CANCELLED = 9


class JobInput(enum.Enum):
    """What can happen to a job."""

    START = "capacity was allocated: launch"
    SUCCEED = "every task ended with 0"
    FAIL = "a task failed and no retry is left"
    STOP = "its tasks must end: cancelled, preempted, or to be tried again"
    STOPPED_REQUEUE = "all tasks are dead: back to the queue"
    STOPPED_FAIL = "all tasks are dead, and one had failed for good"
    STOPPED_SUCCEED = "every task had ended with 0 by itself before the stop reached it"
    STOPPED_CANCEL = "all tasks are dead, as the caller wished"
    CANCEL = "cancelled before it ran"
    GIVE = "a peer accepted the offer: XFER is written, then COMMIT is sent"
    COMMITTED = "the target said that it owns the job, or a STATUS or a later COMMIT showed that it did"
    BURNED = "the target wrote that it will never take this epoch"
    ACCEPT = "a COMMIT with a higher epoch was admitted"
    OVERTAKEN_MOVED = "this disk is an old one: another region has it, or it has ended"
    OVERTAKEN_QUEUED = "this disk is an old one: the job came back at a higher epoch"
    TAKEN_BACK = "it was with a region that was declared lost, and nobody else has heard of it since"
    ELEMENTS_SUCCEEDED = "an array is through: every element succeeded"
    ELEMENTS_FAILED = "an array is through: an element failed for good"
    ELEMENTS_CANCELLED = "an array is through, or was ended: elements were cancelled"
    CLOSE_SUCCEEDED = "home learnt that it succeeded elsewhere"
    CLOSE_FAILED = "home learnt that it failed elsewhere"
    CLOSE_CANCELLED = "home learnt that it was cancelled elsewhere"


_OVERTAKEN: dict[JobInput, JobState] = {
    JobInput.OVERTAKEN_MOVED: JobState.MOVED,
    JobInput.OVERTAKEN_QUEUED: JobState.QUEUED,
}
_CLOSE: dict[JobInput, JobState] = {
    JobInput.CLOSE_SUCCEEDED: JobState.SUCCEEDED,
    JobInput.CLOSE_FAILED: JobState.FAILED,
    JobInput.CLOSE_CANCELLED: JobState.CANCELLED,
}

# The sum of an array's elements, wherever the last of them ended: one that was waiting may have been cancelled.
_SUMS: dict[JobInput, JobState] = {
    JobInput.ELEMENTS_SUCCEEDED: JobState.SUCCEEDED,
    JobInput.ELEMENTS_FAILED: JobState.FAILED,
    JobInput.ELEMENTS_CANCELLED: JobState.CANCELLED,
}

TRANSITIONS: dict[JobState, dict[JobInput, JobState]] = {
    JobState.QUEUED: {
        JobInput.START: JobState.RUNNING,
        JobInput.CANCEL: JobState.CANCELLED,
        JobInput.GIVE: JobState.XFER,
        **_SUMS,
        **_OVERTAKEN,
    },
    JobState.RUNNING: {
        JobInput.SUCCEED: JobState.SUCCEEDED,
        JobInput.FAIL: JobState.FAILED,
        JobInput.STOP: JobState.STOPPING,
        JobInput.STOPPED_REQUEUE: JobState.QUEUED,
        **_SUMS,
    },
    JobState.STOPPING: {
        JobInput.STOPPED_REQUEUE: JobState.QUEUED,
        JobInput.STOPPED_FAIL: JobState.FAILED,
        JobInput.STOPPED_CANCEL: JobState.CANCELLED,
        JobInput.STOPPED_SUCCEED: JobState.SUCCEEDED,
        **_SUMS,
    },
    JobState.XFER: {
        JobInput.COMMITTED: JobState.MOVED,
        JobInput.BURNED: JobState.QUEUED,
        # A higher epoch coming back implies that the transfer in doubt was accepted.
        JobInput.ACCEPT: JobState.QUEUED,
        # The terminal may overtake the COMMITTED that it implies.
        **_CLOSE,
        **_OVERTAKEN,
        JobInput.TAKEN_BACK: JobState.QUEUED,
    },
    JobState.MOVED: {
        JobInput.ACCEPT: JobState.QUEUED,
        JobInput.TAKEN_BACK: JobState.QUEUED,
        **_CLOSE,
        **_OVERTAKEN,
    },
    JobState.SUCCEEDED: {},
    JobState.FAILED: {},
    JobState.CANCELLED: {},
}

TERMINAL_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
OWNING_STATES = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.STOPPING, JobState.XFER})
ALLOCATED_STATES = frozenset({JobState.RUNNING, JobState.STOPPING})


def next_state(state: JobState, happened: JobInput) -> JobState:
    """The state after `happened`. An AssertionError names a transition that the table lacks: our bug."""
    target = TRANSITIONS[state].get(happened)
    assert target is not None, f"illegal transition: {happened.name} in {state.name}"
    return target
