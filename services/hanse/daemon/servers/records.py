"""Rows of the ledger -> protobuf."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.rows import TimelineRow
from hanse.ledger.queries import JobRecord, Revision
from hanse.ledger.recovery import decoded_reason
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from hanse.wire.jobs import encode_durability, encode_state
from hanse.wire.shapes import encode_reason
from hanse.wire.times import timestamp

_AWAY = (JobState.XFER, JobState.MOVED)


def encode_job(record: JobRecord, region: str) -> jobs_pb2.Job:
    """The job as `region`, whose books these are, shows it: where it has left, as its owner last said."""
    spec = jobs_pb2.JobSpec.FromString(record.spec)
    job = jobs_pb2.Job(
        id=record.id,
        home=record.home,
        spec=spec,
        state=encode_state(record.observed_state),
        region=whereabouts(record, region),
        epoch=record.epoch,
        attempt=record.attempt,
        reason=encode_reason(record.reason),
        submitted_at=timestamp(record.submitted_wall_us),
        started_at=timestamp(record.started_wall_us),
        ended_at=timestamp(record.ended_wall_us),
        exit_code=record.exit_code,
        cancel_requested=bool(record.cancel_id),
        nodes=nodes_of(record),
        client_key=record.client_key,
        durability=encode_durability(federated=bool(record.shard)),
        answered_by=region,
    )
    _add_remote_view(job, record)
    return job


def nodes_of(record: JobRecord) -> list[str]:
    """Where its tasks are, one for each task."""
    return [task.node for task in record.allocation.tasks] if record.allocation else []


def whereabouts(record: JobRecord, region: str) -> str:
    """The region that owns the job, or where it ended, as far as `region` knows."""
    if record.remote is not None and (record.state in _AWAY or record.state in TERMINAL_STATES):
        return record.remote.region
    if record.state is JobState.MOVED:
        return record.transfer_to
    return region


def encode_timeline(entries: Iterable[TimelineRow], region: str) -> list[common_pb2.TimelineEntry]:
    """What happened to a job in `region`, oldest first."""
    return [
        common_pb2.TimelineEntry(
            at=timestamp(entry.at_wall_us),
            region=region,
            what=entry.what,
            reason=encode_reason(decoded_reason(entry.reason, entry.detail)),
            epoch=entry.epoch,
            attempt=entry.attempt,
            cause=entry.cause,
        )
        for entry in entries
    ]


def change_of(job: jobs_pb2.Job) -> jobs_pb2.JobChange:
    """The present state of a job, as the first message of a watch shows it."""
    at = next(
        (getattr(job, name) for name in ("ended_at", "started_at") if job.HasField(name)), job.submitted_at
    )
    return jobs_pb2.JobChange(
        job_id=job.id,
        state=job.state,
        region=job.region,
        epoch=job.epoch,
        attempt=job.attempt,
        reason=job.reason,
        at=at,
        exit_code=job.exit_code,
    )


def newest_moment(job: jobs_pb2.Job) -> Timestamp:
    """The last of which this job tells: it is at least as new as that."""
    return max(
        (job.submitted_at, job.started_at, job.ended_at, job.observed_at), key=Timestamp.ToMicroseconds
    )


def encode_revision(region: str, revision: Revision) -> common_pb2.Revision:
    """A position in the commits of `region`."""
    return common_pb2.Revision(region=region, ledger_id=revision.ledger_id, sequence=revision.write_sequence)


def _add_remote_view(job: jobs_pb2.Job, record: JobRecord) -> None:
    remote = record.remote
    if remote is None:
        return
    job.observed_by = remote.region
    job.observed_at.CopyFrom(timestamp(remote.at_wall_us) or job.observed_at)
    job.epoch = remote.epoch
    job.attempt = remote.attempt
    if record.state in _AWAY:
        job.reason.CopyFrom(encode_reason(remote.reason))
