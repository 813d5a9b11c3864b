"""What callers see of an array: counts, which elements are in which state, and single elements."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hanse.core.model.arrays import Array, element_id
from hanse.core.model.indexes import Indexes, indexes_text
from hanse.core.model.jobs import Reason, ReasonCode, RunId
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import ELEMENTS_SHOWN_MAX
from hanse.core.rows import ElementRow
from hanse.daemon.errors import invalid, not_found
from hanse.executors.port import Executor
from hanse.ledger.elements import counts_in_flight, element_rows, indexes_in_flight
from hanse.ledger.queries import JobRecord
from hanse.ledger.recovery import decoded_allocation, decoded_reason
from hanse.wire.arrays import read_indexes
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import jobs_pb2
from hanse.wire.jobs import encode_state
from hanse.wire.shapes import encode_reason
from hanse.wire.times import timestamp

# Reads the ledger: a function of a connection, and its arguments.
Read = Callable[..., Awaitable[Any]]


async def array_status(read: Read, record: JobRecord, wanted: str) -> jobs_pb2.ArrayStatus | None:
    """Of one job; None: it is no array. `wanted`: indexes of the elements that are told of by themselves."""
    array = record.array
    if array is None:
        return None
    in_flight = await read(indexes_in_flight, record.shard, record.id)
    status = _counts(array, len(in_flight))
    status.indexes.extend(_by_state(array, in_flight))
    if wanted:
        asked = _read(array, record.id, wanted)
        rows = {row.element: row for row in await read(element_rows, record.shard, record.id, asked)}
        status.elements.extend(_element(array, index, rows.get(index), record) for index in asked)
    return status


async def add_counts(read: Read, records: Sequence[JobRecord], jobs: Sequence[jobs_pb2.Job]) -> None:
    """To a page of jobs: the counts of those that are arrays."""
    arrays = [(record, job) for record, job in zip(records, jobs, strict=False) if record.array is not None]
    if not arrays:
        return
    in_flight = await read(counts_in_flight, [record.id for record, _ in arrays])
    for record, job in arrays:
        assert record.array is not None
        job.array.CopyFrom(_counts(record.array, in_flight.get(record.id, 0)))


async def element_run(
    read: Read, executor: Executor, record: JobRecord, request: jobs_pb2.StreamLogsRequest
) -> RunId:
    """The run of an element whose output is asked for: of this attempt, 0: the newest that left any here."""
    array = record.array
    if array is None:
        raise invalid("index", f"{record.id} is no array")
    if not request.HasField("index"):
        raise invalid("index", f"{record.id} is an array: of which element? As in {record.id}[7]")
    if array.rules.indexes.position(request.index) is None:
        raise invalid("index", f"{record.id} has no element {request.index}")
    name = element_id(record.id, request.index)
    rows = await read(element_rows, record.shard, record.id, [request.index])
    runs = [RunId(name, row.epoch, row.attempt) for row in rows if row.attempt]
    runs += [run for run in await executor.outputs_of([record.id]) if run.job_id == name]
    found = [run for run in runs if request.attempt in (0, run.attempt)]
    if not found:
        attempt = f"attempt {request.attempt} of " if request.attempt else ""
        raise not_found(f"{attempt}{name} has no output here", "index")
    return max(found, key=lambda run: (run.epoch, run.attempt))


def _counts(array: Array, in_flight: int) -> jobs_pb2.ArrayStatus:
    counts = array.counts()
    return jobs_pb2.ArrayStatus(
        count=array.count,
        # By their own row those in flight are not through.
        waiting=max(0, counts.waiting - in_flight),
        in_flight=in_flight,
        succeeded=counts.succeeded,
        failed=counts.failed,
        cancelled=counts.cancelled,
    )


def _by_state(array: Array, in_flight: Sequence[int]) -> list[jobs_pb2.ElementsInState]:
    holding = 0
    for index in in_flight:
        position = array.rules.indexes.position(index)
        holding |= 0 if position is None else 1 << position
    sets = [
        (JobState.QUEUED, array.waiting & ~holding, "", 0),
        (JobState.RUNNING, holding, "", 0),
        (JobState.SUCCEEDED, array.succeeded, "", 0),
        *((JobState.FAILED, each, reason, code) for (reason, code), each in sorted(array.failed.items())),
        (JobState.CANCELLED, array.cancelled, "", 0),
    ]
    return [
        jobs_pb2.ElementsInState(
            state=encode_state(state),
            indexes=indexes_text(array.rules.indexes.of(elements)),
            reason=reason,
            exit_code=code,
            count=elements.bit_count(),
        )
        for state, elements, reason, code in sets
        if elements
    ]


def _read(array: Array, job_id: str, text: str) -> list[int]:
    try:
        wanted: Indexes = read_indexes("elements", text, ELEMENTS_SHOWN_MAX)
    except FieldRefused as refused:
        raise invalid(refused.field, refused.message) from refused
    indexes = [wanted.at(position) for position in range(wanted.count)]
    unknown = [index for index in indexes if array.rules.indexes.position(index) is None]
    if unknown:
        raise invalid("elements", f"{job_id} has no element {unknown[0]}")
    return indexes


def _element(array: Array, index: int, row: ElementRow | None, record: JobRecord) -> jobs_pb2.ArrayElement:
    position = array.rules.indexes.position(index)
    assert position is not None
    if row is not None and row.state != JobState.QUEUED:
        return _with_row(index, row)
    bit = 1 << position
    state, reason, code = JobState.QUEUED, Reason(ReasonCode.WAITING), 0
    if array.succeeded & bit:
        state, reason = JobState.SUCCEEDED, Reason(ReasonCode.SUCCEEDED)
    elif array.cancelled & bit:
        state, reason = JobState.CANCELLED, Reason(ReasonCode.CANCELLED)
    for (word, exit_code), elements in array.failed.items():
        if elements & bit:
            state, reason, code = JobState.FAILED, decoded_reason(word, ""), exit_code
    if state is JobState.QUEUED and row is not None and row.epoch == record.epoch:
        return _with_row(index, row)
    return jobs_pb2.ArrayElement(
        index=index, state=encode_state(state), reason=encode_reason(reason), exit_code=code
    )


def _with_row(index: int, row: ElementRow) -> jobs_pb2.ArrayElement:
    allocation = decoded_allocation(row.allocation)
    return jobs_pb2.ArrayElement(
        index=index,
        state=encode_state(JobState(row.state)),
        epoch=row.epoch,
        attempt=row.attempt,
        reason=encode_reason(decoded_reason(row.reason, row.reason_detail)),
        exit_code=row.exit_code,
        started_at=timestamp(row.started_wall_us),
        ended_at=timestamp(row.ended_wall_us),
        nodes=[] if allocation is None else [task.node for task in allocation.tasks],
    )
