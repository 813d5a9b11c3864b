"""Watching jobs without missing how they end.

A position is one revision per region: the commit after which that region's changes are still to come. After a broken
stream the watch resumes from its position through any address. When a position is no longer kept, the jobs are listed
again, what differs from what was last seen is passed on as if it had been watched, and the watch goes on from the
revisions of the list. Intermediate states may be left out; a final state never is, and nothing follows it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from hanse.client.calls import Calls
from hanse.client.concurrently import mapped
from hanse.client.errors import CompactedError, NotFoundError, UnreachableError
from hanse.client.limits import (
    FINALS_REMEMBERED_MAX,
    LOOKUPS_IN_FLIGHT,
    PAGE_JOBS_MAX,
    PROBE_TIMEOUT_S,
    STREAM_QUIET_S,
)
from hanse.client.messages import Job, JobChange, JobFilter, JobState, Reason, Revision, is_final
from hanse.client.retry import Attempts, RetryPolicy
from hanse.client.status import RETRIABLE
from hanse.wire.gen.hanse.v1 import jobs_pb2

# Reason of the change that stands for a job that no region keeps any more. Its state is JOB_STATE_UNSPECIFIED.
EXPIRED = "EXPIRED"

# For lookups whose failure is not the caller's concern.
ONE_TRY = RetryPolicy(retry_for_s=0)

_Seen = tuple[int, int, JobState, str]


@dataclass(slots=True)
class Listed:
    """All jobs that match, the position to watch from, and the regions that could not be asked."""

    jobs: list[Job] = field(default_factory=list)
    revisions: dict[str, Revision] = field(default_factory=dict)
    unreachable: set[str] = field(default_factory=set)


async def pages(
    calls: Calls,
    job_filter: JobFilter,
    page_size: int = PAGE_JOBS_MAX,
    *,
    policy: RetryPolicy | None = None,
) -> AsyncGenerator[jobs_pb2.ListJobsResponse, None]:
    """Every page of a list."""
    request = jobs_pb2.ListJobsRequest(filter=job_filter, page_size=page_size)
    while True:
        page: jobs_pb2.ListJobsResponse = await calls.unary(
            lambda link: link.jobs.ListJobs, request, policy=policy
        )
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def list_all(calls: Calls, job_filter: JobFilter, *, policy: RetryPolicy | None = None) -> Listed:
    """All pages at once. Of several revisions of one region the first counts: it is the earliest."""
    listed = Listed()
    async for page in pages(calls, job_filter, policy=policy):
        listed.jobs.extend(page.jobs)
        listed.unreachable.update(page.unreachable)
        for revision in page.revisions:
            listed.revisions.setdefault(revision.region, revision)
    return listed


class Watch:
    """One watch, over as many streams as it takes. Iterate `changes` once."""

    def __init__(
        self,
        calls: Calls,
        job_filter: JobFilter,
        since: Iterable[Revision] = (),
        *,
        coalesce: bool = False,
        policy: RetryPolicy | None = None,
    ) -> None:
        self._calls = calls
        self._filter = job_filter
        self._policy = policy or calls.policy
        self._coalesce = coalesce
        self._revisions = {revision.region: revision for revision in since}
        # What was passed on last, per job. Jobs that have ended are kept apart, so that their number can be bounded.
        self._live: dict[str, _Seen] = {}
        self._ended: OrderedDict[str, _Seen] = OrderedDict()

    @property
    def position(self) -> tuple[Revision, ...]:
        """Where another watch may continue: after everything that was passed on."""
        return tuple(self._revisions.values())

    async def changes(self) -> AsyncGenerator[JobChange, None]:
        """Changes until the consumer stops. Raises the last error if nothing is received within the retry budget."""
        attempts = Attempts(self._policy)
        while True:
            opened_s = time.monotonic()
            failure = None
            try:
                async with aclosing(self._stream()) as stream:
                    async for change in stream:
                        attempts.succeeded()
                        yield change
            except CompactedError:
                async with aclosing(self._caught_up()) as missed:
                    async for change in missed:
                        yield change
                attempts.succeeded()
            except RETRIABLE as error:
                failure = error
            if time.monotonic() - opened_s > STREAM_QUIET_S + PROBE_TIMEOUT_S:
                # Quiet, but the region had answered a probe.
                attempts.succeeded()
            # A stream that ended by itself is resumed too: the region shut down, or dropped a slow watcher.
            wait_s = attempts.next_wait_s(failure.retry_after_s if failure else None)
            if wait_s is None:
                raise failure or UnreachableError("the region keeps ending the watch")
            await asyncio.sleep(wait_s)

    async def _stream(self) -> AsyncGenerator[JobChange, None]:
        request = jobs_pb2.WatchJobsRequest(filter=self._filter, since=self._revisions.values())
        async with aclosing(self._calls.stream(lambda link: link.jobs.WatchJobs, request)) as responses:
            async for response in responses:
                for change in self._fresh(response.changes):
                    yield change
                if response.HasField("revision"):
                    self._revisions[response.revision.region] = response.revision

    def _fresh(self, changes: Sequence[JobChange]) -> list[JobChange]:
        """What the consumer has not seen. With `coalesce`, only the newest change of each job."""
        fresh = [change for change in changes if self._note(change)]
        if not self._coalesce:
            return fresh
        return list({change.job_id: change for change in fresh}.values())

    def _note(self, change: JobChange) -> bool:
        """Remember this change; False if it is known, or older than the job's final state."""
        if change.job_id in self._ended:
            return False
        seen = (change.epoch, change.attempt, change.state, change.reason.code)
        if self._live.get(change.job_id) == seen:
            return False
        if is_final(change.state) or change.reason.code == EXPIRED:
            self._live.pop(change.job_id, None)
            self._ended[change.job_id] = seen
            if len(self._ended) > FINALS_REMEMBERED_MAX:
                self._ended.popitem(last=False)
        else:
            self._live[change.job_id] = seen
        return True

    async def _caught_up(self) -> AsyncGenerator[JobChange, None]:
        """What happened while nobody watched, as one change per job.

        The position moves only at the end: if this fails, it is done again.
        """
        listed = await list_all(self._calls, self._filter, policy=self._policy)
        present = {job.id for job in listed.jobs}
        missing = [job_id for job_id in self._live if job_id not in present]
        for job in listed.jobs:
            if self._note(change_of(job)):
                yield change_of(job)
        for change in await mapped(self._looked_up, missing, LOOKUPS_IN_FLIGHT):
            if change is not None and self._note(change):
                yield change
        unasked = {region: at for region, at in self._revisions.items() if region in listed.unreachable}
        self._revisions = unasked | listed.revisions

    async def _looked_up(self, job_id: str) -> JobChange | None:
        """A job that no longer matches or is no longer kept. None if its region is away: its revision is kept, so
        that it comes up again when the region is back."""
        try:
            return change_of(await get_job(self._calls, job_id, policy=ONE_TRY))
        except NotFoundError:
            return _expired(job_id)
        except UnreachableError:
            return None


async def get_job(
    calls: Calls,
    job_id: str,
    *,
    with_timeline: bool = False,
    elements: str = "",
    policy: RetryPolicy | None = None,
) -> Job:
    """The job as its home sees it."""
    request = jobs_pb2.GetJobRequest(job_id=job_id, with_timeline=with_timeline, elements=elements)
    response: jobs_pb2.GetJobResponse = await calls.unary(
        lambda link: link.jobs.GetJob, request, policy=policy
    )
    return response.job


def change_of(job: Job) -> JobChange:
    """The change that would have brought the job into its present state."""
    at = next(
        (getattr(job, name) for name in ("ended_at", "started_at") if job.HasField(name)), job.submitted_at
    )
    return JobChange(
        job_id=job.id,
        state=job.state,
        region=job.region,
        epoch=job.epoch,
        attempt=job.attempt,
        reason=job.reason,
        at=at,
        exit_code=job.exit_code,
    )


def _expired(job_id: str) -> JobChange:
    return JobChange(
        job_id=job_id,
        state=JobState.JOB_STATE_UNSPECIFIED,
        reason=Reason(code=EXPIRED, detail="the job ended and its record is no longer kept"),
    )
