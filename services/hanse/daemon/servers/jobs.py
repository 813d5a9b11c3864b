"""JobService for callers: any region answers for any job. This module decides who does.

A job's home is part of its id. What concerns jobs of this home is answered here (local.py); the rest is passed on to
their home, once. Logs come from where the job runs. While a home is out of reach, a region that has the job in its own
books answers from them and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from hanse.core.effects import Refused
from hanse.core.model import limits
from hanse.daemon.errors import RegionUnreachable, RequestRefused, invalid, not_found
from hanse.daemon.ids import home_of
from hanse.daemon.servers.filters import check_filter
from hanse.daemon.servers.listing import homes_of, list_league
from hanse.daemon.servers.local import LocalJobs
from hanse.daemon.servers.members import Members, ProxiedError
from hanse.daemon.servers.watching import HomeStream, LeagueWatch, Responses
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2, jobs_pb2_grpc
from hanse.wire.jobs import encode_refusal

# MOVED: the new owner has not said yet how the job fares.
_NOT_STARTED = (
    common_pb2.JOB_STATE_QUEUED,
    common_pb2.JOB_STATE_OFFERED,
    common_pb2.JOB_STATE_XFER,
    common_pb2.JOB_STATE_MOVED,
)


class JobService(jobs_pb2_grpc.JobServiceServicer):
    """The public JobService."""

    def __init__(self, local: LocalJobs, members: Members) -> None:
        self._local = local
        self._members = members

    async def SubmitJobs(
        self, request: jobs_pb2.SubmitJobsRequest, context: Any
    ) -> jobs_pb2.SubmitJobsResponse:
        """To the home that was asked for; this region, if none was."""
        home = request.home or self._members.home
        if not self._members.knows(home):
            raise invalid("home", f"no region {home!r} in the roster")
        if home == self._members.home:
            return await self._local.SubmitJobs(request, context)
        response: jobs_pb2.SubmitJobsResponse = await self._members.call(
            home, lambda stubs: stubs.jobs.SubmitJobs, request, context, limits.RPC_TIMEOUT_S_MAX
        )
        return response

    async def GetJob(self, request: jobs_pb2.GetJobRequest, context: Any) -> jobs_pb2.GetJobResponse:
        """From the home; while it is out of reach, from this region's own books, if they have the job."""
        home = self._home(request.job_id)
        response: jobs_pb2.GetJobResponse
        try:
            response = await self._at(home, "GetJob", request, context)
        except RegionUnreachable as unreachable:
            response = await self._own_copy("GetJob", request, context, unreachable)
        if request.with_timeline:
            await self._add_owners_part(response.job, request, context)
        return response

    async def ListJobs(self, request: jobs_pb2.ListJobsRequest, context: Any) -> jobs_pb2.ListJobsResponse:
        """Over every home that the filter leaves."""
        check_filter(request.filter)

        async def ask(home: str, page: jobs_pb2.ListJobsRequest) -> jobs_pb2.ListJobsResponse:
            response: jobs_pb2.ListJobsResponse = await self._at(home, "ListJobs", page, context)
            return response

        return await list_league(request, self._members.names, ask)

    async def CancelJobs(
        self, request: jobs_pb2.CancelJobsRequest, context: Any
    ) -> jobs_pb2.CancelJobsResponse:
        """Each job at its home; while that is out of reach, here, if this region owns the job."""
        job_ids = tuple(request.job_ids)
        if not 1 <= len(job_ids) <= limits.CANCELS_MAX:
            raise invalid("job_ids", f"{len(job_ids)} ids; 1 to {limits.CANCELS_MAX}")
        answers = await asyncio.gather(
            *(self._cancel_at(home, of_home, context) for home, of_home in _by_home(job_ids).items())
        )
        results = {result.job_id: result for answer in answers for result in answer}
        return jobs_pb2.CancelJobsResponse(results=[results[job_id] for job_id in job_ids])

    async def ExplainJob(
        self, request: jobs_pb2.ExplainJobRequest, context: Any
    ) -> jobs_pb2.ExplainJobResponse:
        """From the region that has the job; else what its home knows; else what this region knows."""
        home = self._home(request.job_id)
        response: jobs_pb2.ExplainJobResponse
        try:
            job = (await self._at(home, "GetJob", jobs_pb2.GetJobRequest(job_id=request.job_id), context)).job
        except RegionUnreachable as unreachable:
            response = await self._own_copy("ExplainJob", request, context, unreachable)
            return response
        if job.region != home and self._members.knows(job.region):
            try:
                response = await self._at(job.region, "ExplainJob", request, context)
            except (RegionUnreachable, ProxiedError, RequestRefused):
                # It has not got the job yet, has it no more, or does not answer: its home knows the rest.
                response = await self._at(home, "ExplainJob", request, context)
        else:
            response = await self._at(home, "ExplainJob", request, context)
        return response

    async def WatchJobs(
        self, request: jobs_pb2.WatchJobsRequest, context: Any
    ) -> AsyncGenerator[jobs_pb2.WatchJobsResponse, None]:
        """One stream to each home that the filter leaves."""
        check_filter(request.filter)
        homes = homes_of(request.filter, self._members.names)
        if not homes:
            raise not_found("no region in the roster is the home of any of these jobs", "filter.job_ids")
        async with aclosing(self._watch(homes, request, context)) as responses:
            async for response in responses:
                yield response

    async def StreamLogs(
        self, request: jobs_pb2.StreamLogsRequest, context: Any
    ) -> AsyncGenerator[jobs_pb2.StreamLogsResponse, None]:
        """From the region in which the job runs or ran last; with `follow`, once it has started."""
        job = await self._find(request.job_id, context)
        if request.follow and job.state in _NOT_STARTED:
            await self._wait_for_start(request.job_id, context)
            job = await self._find(request.job_id, context)
        pieces = (
            self._local.StreamLogs(request, context)
            if job.region == self._members.home or not self._members.knows(job.region)
            else self._members.stream(job.region, lambda stubs: stubs.jobs.StreamLogs, request)
        )
        async with aclosing(pieces) as responses:
            async for response in responses:
                yield response

    # --- who answers ----------------------------------------------------------------------------------------------

    def _home(self, job_id: str) -> str:
        home = home_of(job_id)
        if home is None:
            raise invalid("job_id", f"{job_id[: limits.ECHO_LENGTH_MAX]!r} is no job id")
        if not self._members.knows(home):
            raise not_found(f"no region {home!r} in the roster, so no job {job_id!r}")
        return home

    async def _at(self, region: str, method: str, request: Any, context: Any) -> Any:
        """The answer of `region` by itself: this one, or another. Raises RegionUnreachable."""
        if region == self._members.home:
            return await getattr(self._local, method)(request, context)
        return await self._members.call(region, lambda stubs: getattr(stubs.jobs, method), request, context)

    async def _own_copy(self, method: str, request: Any, context: Any, unreachable: RegionUnreachable) -> Any:
        """What this region's books say of a job whose home does not answer."""
        try:
            return await getattr(self._local, method)(request, context)
        except RequestRefused:
            # Not in these books: the truth is that nobody who knows can be asked.
            raise unreachable from None

    async def _find(self, job_id: str, context: Any) -> jobs_pb2.Job:
        response = await self.GetJob(jobs_pb2.GetJobRequest(job_id=job_id), context)
        return response.job

    async def _add_owners_part(
        self, job: jobs_pb2.Job, request: jobs_pb2.GetJobRequest, context: Any
    ) -> None:
        """What happened, and on which nodes, in the region that has the job. If it can't be asked, its part is missing,
        as the regions of the entries show."""
        told_by_owner = any(entry.region == job.region for entry in job.timeline)
        if told_by_owner or not self._members.knows(job.region):
            return
        try:
            theirs: jobs_pb2.Job = (await self._at(job.region, "GetJob", request, context)).job
        except (RegionUnreachable, RequestRefused, ProxiedError):
            return
        entries = sorted([*job.timeline, *theirs.timeline], key=lambda entry: entry.at.ToMicroseconds())
        del job.timeline[:]
        job.timeline.extend(entries)
        job.nodes[:] = theirs.nodes

    # --- parts ----------------------------------------------------------------------------------------------------

    async def _cancel_at(
        self, home: str, job_ids: Sequence[str], context: Any
    ) -> Sequence[jobs_pb2.CancelResult]:
        if not self._members.knows(home):
            refusal = encode_refusal(Refused("NOT_FOUND", "job_ids", "no region in the roster is its home"))
            return [jobs_pb2.CancelResult(job_id=job_id, refusal=refusal) for job_id in job_ids]
        request = jobs_pb2.CancelJobsRequest(job_ids=job_ids)
        try:
            response: jobs_pb2.CancelJobsResponse = await self._at(home, "CancelJobs", request, context)
        except RegionUnreachable as unreachable:
            response = await self._local.CancelJobs(request, context)
            for result in response.results:
                if result.refusal.code == common_pb2.REFUSAL_CODE_NOT_FOUND:
                    refused = Refused("UNREACHABLE", "job_ids", str(unreachable), limits.RETRY_AFTER_MS)
                    result.refusal.CopyFrom(encode_refusal(refused))
        return response.results

    def _watch(self, homes: Sequence[str], request: jobs_pb2.WatchJobsRequest, context: Any) -> Responses:
        streams = [HomeStream(home, self._opener(home, context)) for home in homes]
        return streams[0].open(request) if len(streams) == 1 else LeagueWatch(streams, request).responses()

    def _opener(self, home: str, context: Any) -> Callable[[jobs_pb2.WatchJobsRequest], Responses]:
        if home == self._members.home:
            return lambda request: self._local.WatchJobs(request, context)
        return lambda request: self._members.stream(home, lambda stubs: stubs.jobs.WatchJobs, request)

    async def _wait_for_start(self, job_id: str, context: Any) -> None:
        """Return once the job has started, or ended without."""
        request = jobs_pb2.WatchJobsRequest(filter=jobs_pb2.JobFilter(job_ids=[job_id]))
        async with aclosing(self._watch([self._home(job_id)], request, context)) as responses:
            async for response in responses:
                if any(change.state not in _NOT_STARTED for change in response.changes):
                    return


def _by_home(job_ids: Sequence[str]) -> dict[str, list[str]]:
    """Ids by their home; what is no job id is nobody's."""
    homes: dict[str, list[str]] = {}
    for job_id in dict.fromkeys(job_ids):
        homes.setdefault(home_of(job_id) or "", []).append(job_id)
    return homes
