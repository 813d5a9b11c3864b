"""Output of tasks: which run a caller means, and its pieces."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

from hanse.core.model.jobs import RunId
from hanse.core.rows import TimelineRow
from hanse.daemon.errors import invalid, not_found
from hanse.executors.port import Executor, LogChunk
from hanse.ledger.queries import JobDetail, JobRecord
from hanse.wire.gen.hanse.v1 import jobs_pb2

_STREAMS = {
    jobs_pb2.LOG_STREAM_UNSPECIFIED: "stdout",
    jobs_pb2.LOG_STREAM_STDOUT: "stdout",
    jobs_pb2.LOG_STREAM_STDERR: "stderr",
}


def run_of(detail: JobDetail, attempt: int) -> RunId:
    """The run of this attempt, 0: the newest."""
    return run_among(detail.owner, detail.timeline, attempt)


def run_among(job: JobRecord, timeline: Sequence[TimelineRow], attempt: int) -> RunId:
    """As `run_of`. Attempts count on while a job comes and goes: they name epochs."""
    if attempt in (0, job.attempt):
        return RunId(job.id, job.epoch, job.attempt)
    for entry in reversed(timeline):
        if entry.attempt == attempt:
            return RunId(job.id, entry.epoch, attempt)
    raise not_found(f"{job.id} has no attempt {attempt} here", "attempt")


async def read_here(
    executor: Executor, run: RunId, request: jobs_pb2.StreamLogsRequest
) -> AsyncGenerator[jobs_pb2.StreamLogsResponse, None]:
    """Pieces in order, from the byte that was asked for; with `follow` until the task has ended."""
    stream = _STREAMS.get(request.stream)
    if stream is None:
        raise invalid("stream", f"{request.stream} is no LogStream")
    pieces = executor.read_log(run, request.task, stream, request.offset, request.follow)
    # The port promises an iterator; every engine's is a generator, and holds a watch that must be let go of.
    async with aclosing(cast("AsyncGenerator[LogChunk, None]", pieces)) as chunks:
        async for chunk in chunks:
            yield jobs_pb2.StreamLogsResponse(
                data=chunk.data, next_offset=chunk.next_offset, dropped=chunk.dropped
            )
