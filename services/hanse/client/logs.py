"""Following a task's output, across broken streams, without losing or repeating a byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from hanse.client.calls import Calls
from hanse.client.messages import LogStream, StreamLogsResponse
from hanse.client.retry import Attempts
from hanse.client.status import RETRIABLE
from hanse.client.watch import get_job
from hanse.wire.gen.hanse.v1 import jobs_pb2


async def logs(
    calls: Calls,
    job_id: str,
    *,
    task: int,
    stream: LogStream,
    follow: bool,
    offset: int,
    attempt: int,
    index: int | None = None,
) -> AsyncGenerator[StreamLogsResponse, None]:
    """Pieces of the output in order. See AsyncClient.logs."""
    request = jobs_pb2.StreamLogsRequest(
        job_id=job_id, task=task, stream=stream, follow=follow, offset=offset, attempt=attempt, index=index
    )
    attempts = Attempts(calls.policy)
    await _pin_attempt(calls, request)
    while True:
        try:
            async with aclosing(calls.stream(lambda link: link.jobs.StreamLogs, request)) as pieces:
                async for piece in pieces:
                    attempts.succeeded()
                    request.offset = piece.next_offset
                    yield piece
                    # A task that had not started when it was asked for has an attempt now.
                    await _pin_attempt(calls, request)
            return
        except RETRIABLE as error:
            wait_s = attempts.next_wait_s(error.retry_after_s)
            if wait_s is None:
                raise
        await asyncio.sleep(wait_s)


async def _pin_attempt(calls: Calls, request: jobs_pb2.StreamLogsRequest) -> None:
    """An offset means something only within one attempt; "the newest" may be another one after a broken stream."""
    if request.attempt:
        return
    if not request.HasField("index"):
        request.attempt = (await get_job(calls, request.job_id)).attempt
        return
    job = await get_job(calls, request.job_id, elements=str(request.index))
    # Of an element that has succeeded nobody knows the attempt any more, and there will be no other.
    request.attempt = max((element.attempt for element in job.array.elements), default=0)
