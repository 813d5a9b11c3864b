"""Between jobs and their rows.

Rows go to ledgers and into the logs of shards, where members of other versions read them (rows.py).
"""

from __future__ import annotations

import msgspec

from hanse.core.model.arrays import packed_array, unpacked_array
from hanse.core.model.jobs import Allocation, Job, Reason, ReasonCode, RemoteView, Shape, unpacked_terms
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import JobRow, JobStateRow


def _packed(value: Allocation | RemoteView | None) -> bytes:
    return b"" if value is None else msgspec.msgpack.encode(value)


def job_row(job: Job) -> JobRow:
    """The job as a row."""
    return JobRow(
        job.id,
        job.home,
        job.tenant,
        job.name,
        job.client_key,
        job.spec,
        job.spec_sha256,
        job.shape.key,
        job.grace_us,
        job.retries_max,
        job.submitted_wall_us,
        job.order_us,
        job.traceparent,
        ",".join(job.path),
        int(job.state),
        job.reason.code,
        job.reason.detail,
        job.epoch,
        job.attempt,
        job.failures,
        _packed(job.allocation),
        job.started_wall_us,
        job.ended_wall_us,
        job.exit_code,
        job.transfer_to,
        job.transfer_epoch,
        job.transfer_sequence,
        job.cancel_id,
        int(job.settled),
        _packed(job.remote),
        job.timeline_length,
        job.shard,
        job.moves,
        job.terms.packed,
        packed_array(job.array),
    )


def job_of(row: JobRow, shape: Shape) -> Job:
    """The job of a row that this version wrote."""
    return Job(
        id=row.id,
        home=row.home,
        tenant=row.tenant,
        name=row.name,
        client_key=row.client_key,
        spec=row.spec,
        spec_sha256=row.spec_sha256,
        shape=shape,
        grace_us=row.grace_us,
        retries_max=row.retries_max,
        submitted_wall_us=row.submitted_wall_us,
        order_us=row.order_us,
        traceparent=row.traceparent,
        path=tuple(row.path.split(",")) if row.path else (),
        shard=row.shard,
        state=JobState(row.state),
        reason=Reason(
            ReasonCode(row.reason) if row.reason in ReasonCode.__members__ else ReasonCode.UNKNOWN,
            row.reason_detail,
        ),
        epoch=row.epoch,
        attempt=row.attempt,
        failures=row.failures,
        allocation=msgspec.msgpack.decode(row.allocation, type=Allocation) if row.allocation else None,
        started_wall_us=row.started_wall_us,
        ended_wall_us=row.ended_wall_us,
        exit_code=row.exit_code,
        transfer_to=row.transfer_to,
        transfer_epoch=row.transfer_epoch,
        transfer_sequence=row.transfer_sequence,
        cancel_id=row.cancel_id,
        settled=bool(row.settled),
        remote=msgspec.msgpack.decode(row.remote, type=RemoteView) if row.remote else None,
        timeline_length=row.timeline_length,
        moves=row.moves,
        terms=unpacked_terms(row.terms),
        array=unpacked_array(row.array),
    )


def job_state_row(job: Job) -> JobStateRow:
    """The columns that change, as a row."""
    return JobStateRow(
        int(job.state),
        job.reason.code,
        job.reason.detail,
        job.epoch,
        job.attempt,
        job.failures,
        _packed(job.allocation),
        job.started_wall_us,
        job.ended_wall_us,
        job.exit_code,
        job.transfer_to,
        job.transfer_epoch,
        job.transfer_sequence,
        job.cancel_id,
        int(job.settled),
        _packed(job.remote),
        job.timeline_length,
        ",".join(job.path),
        job.shard,
        job.id,
        job.moves,
        packed_array(job.array),
    )
