"""JobService for callers: any region answers for any job. This module decides who does.

A job's home is part of its id. What concerns jobs of this home is answered here (local.py); the rest is passed on to
their home, once; and where another region leads the home's shard, to that one (asking.py). Logs come from where the job
runs. While nobody who knows can be asked, a region that has the job in its own books answers from them and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from hanse.core.model import limits
from hanse.core.replies import Refused
from hanse.daemon.errors import RegionUnreachable, RequestRefused, invalid, not_found
from hanse.daemon.ids import home_of
from hanse.daemon.servers.asking import Asking, is_not_found
from hanse.daemon.servers.filters import check_filter
from hanse.daemon.servers.leaders import Leaders
from hanse.daemon.servers.listing import homes_of, list_league, merged
from hanse.daemon.servers.local import LocalJobs
from hanse.daemon.servers.members import Members, ProxiedError
from hanse.daemon.servers.ordering import Ordering
from hanse.daemon.servers.planning import Planning
from hanse.daemon.servers.submitting import Submitting
from hanse.daemon.servers.watching import LeagueWatch, Responses
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

    def __init__(self, local: LocalJobs, members: Members, leaders: Leaders) -> None:
        self._local = local
        self._members = members
        self._leaders = leaders
        self._asking = Asking(local, members, leaders)
        self._submitting = Submitting(self._asking, members, leaders)
        self._planning = Planning(self._asking, members)
        self._ordering = Ordering(self._asking, members)

    async def SubmitJobs(
        self, request: jobs_pb2.SubmitJobsRequest, context: Any
    ) -> jobs_pb2.SubmitJobsResponse:
        """To the home that was asked for; this region, if none was."""
        home = request.home or self._members.home
        if not self._members.knows(home):
            raise invalid("home", f"no region {home!r} in the roster")
        return await self._submitting.submit(home, request, context)

    async def GetJob(self, request: jobs_pb2.GetJobRequest, context: Any) -> jobs_pb2.GetJobResponse:
        """From whoever may speak for it; if none of those can be asked, from a copy, or this region's own books."""
        job = await self._asking.job(request, context)
        if request.with_timeline:
            await self._add_other_parts(job, request, context)
        if job.HasField("array"):
            await self._add_array(job, request, context)
        return jobs_pb2.GetJobResponse(job=job)

    async def ListJobs(self, request: jobs_pb2.ListJobsRequest, context: Any) -> jobs_pb2.ListJobsResponse:
        """Over every home that the filter leaves."""
        check_filter(request.filter)

        async def ask(home: str, page: jobs_pb2.ListJobsRequest) -> jobs_pb2.ListJobsResponse:
            return await self._list_home(home, page, context)

        return await list_league(request, await self._homes(), ask)

    async def CancelJobs(
        self, request: jobs_pb2.CancelJobsRequest, context: Any
    ) -> jobs_pb2.CancelJobsResponse:
        """Each job at its home, or at whoever leads its shard; while neither answers, here, if this region owns it."""
        job_ids = tuple(request.job_ids)
        if not 1 <= len(job_ids) <= limits.CANCELS_MAX:
            raise invalid("job_ids", f"{len(job_ids)} ids; 1 to {limits.CANCELS_MAX}")
        answers = await asyncio.gather(
            *(self._cancel_of(home, of_home, context) for home, of_home in _by_home(job_ids).items())
        )
        results = {job_id: result for answer in answers for job_id, result in answer.items()}
        return jobs_pb2.CancelJobsResponse(results=[results[job_id] for job_id in job_ids])

    async def ControlJobs(
        self, request: jobs_pb2.ControlJobsRequest, context: Any
    ) -> jobs_pb2.ControlJobsResponse:
        """Each order at the region that has the job."""
        if not 1 <= len(request.job_ids) <= limits.CANCELS_MAX:
            raise invalid("job_ids", f"{len(request.job_ids)} ids; 1 to {limits.CANCELS_MAX}")
        return await self._ordering.control(request, context)

    async def ExplainJob(
        self, request: jobs_pb2.ExplainJobRequest, context: Any
    ) -> jobs_pb2.ExplainJobResponse:
        """From the region that has the job; else what whoever speaks for it knows."""
        job = await self._asking.job(jobs_pb2.GetJobRequest(job_id=request.job_id), context)
        # A region of an earlier version does not say that it was it.
        teller = job.answered_by or job.home
        if job.region != teller and self._members.knows(job.region):
            try:
                elsewhere: jobs_pb2.ExplainJobResponse = await self._asking.at(
                    job.region, "ExplainJob", request, context
                )
            except (RegionUnreachable, ProxiedError, RequestRefused):
                # It has not got the job yet, has it no more, or does not answer: who spoke for it knows the rest.
                pass
            else:
                return elsewhere
        response: jobs_pb2.ExplainJobResponse = await self._asking.at(teller, "ExplainJob", request, context)
        return response

    async def PlanJob(self, request: jobs_pb2.PlanJobRequest, context: Any) -> jobs_pb2.PlanJobResponse:
        """By the home that was asked for; this region, if none was."""
        home = request.home or self._members.home
        if not self._members.knows(home):
            raise invalid("home", f"no region {home!r} in the roster")
        return await self._planning.plan(home, request, context)

    async def WatchJobs(
        self, request: jobs_pb2.WatchJobsRequest, context: Any
    ) -> AsyncGenerator[jobs_pb2.WatchJobsResponse, None]:
        """One stream to each home that the filter leaves, and to whoever leads its shard."""
        check_filter(request.filter)
        homes = homes_of(request.filter, await self._homes())
        if not homes:
            raise not_found("no region in the roster is the home of any of these jobs", "filter.job_ids")
        async with aclosing(self._watch(homes, request, context)) as responses:
            async for response in responses:
                yield response

    async def StreamLogs(
        self, request: jobs_pb2.StreamLogsRequest, context: Any
    ) -> AsyncGenerator[jobs_pb2.StreamLogsResponse, None]:
        """From the region in which the job runs or ran last; with `follow`, once it has started."""
        asked = jobs_pb2.GetJobRequest(job_id=request.job_id)
        job = await self._asking.job(asked, context)
        if request.follow and job.state in _NOT_STARTED and not job.HasField("array"):
            await self._wait_for_start(request.job_id, context)
            job = await self._asking.job(asked, context)
        regions = [job.region] if not job.HasField("array") else await self._regions_of(job, context)
        for number, region in enumerate(regions, 1):
            try:
                async with aclosing(self._logs_at(region, request, context)) as responses:
                    async for response in responses:
                        yield response
                return
            except (RequestRefused, ProxiedError) as refusal:
                if number == len(regions) or not is_not_found(refusal):
                    raise

    def _logs_at(self, region: str, request: jobs_pb2.StreamLogsRequest, context: Any) -> Any:
        if region == self._members.home or not self._members.knows(region):
            return self._local.StreamLogs(request, context)
        return self._members.stream(region, lambda stubs: stubs.jobs.StreamLogs, request)

    async def _regions_of(self, job: jobs_pb2.Job, context: Any) -> list[str]:
        """Where elements of an array have run: the region that has it, and those that had it before."""
        request = jobs_pb2.GetJobRequest(job_id=job.id, with_timeline=True)
        await self._add_other_parts(job, request, context)
        named = (job.region, job.home, *(entry.region for entry in job.timeline))
        return [region for region in dict.fromkeys(named) if self._members.knows(region)] or [job.region]

    async def _homes(self) -> tuple[str, ...]:
        """All members, and homes that have left the roster while somebody leads their shards."""
        return tuple(dict.fromkeys((*self._members.names, *await self._leaders.homes())))

    # --- reading --------------------------------------------------------------------------------------------------

    async def _add_other_parts(
        self, job: jobs_pb2.Job, request: jobs_pb2.GetJobRequest, context: Any
    ) -> None:
        """What happened, and on which nodes, in other regions: the one that has the job, its home, and, if it is
        adoptable, those that may have led its shard before. Of a region that can't be asked the part is missing, as
        the regions of the entries show."""
        home = job.home
        led = self._leaders.guardians(home) if job.durability == common_pb2.DURABILITY_FEDERATED else ()
        told = {job.answered_by or home, *(entry.region for entry in job.timeline)}
        asked = dict.fromkeys((job.region, home, *led))
        others = [region for region in asked if region not in told and self._members.knows(region)]
        parts = await asyncio.gather(*(self._part_of(region, request, context) for region in others))
        entries = [*job.timeline, *(entry for part in parts for entry in part.timeline)]
        if not entries:
            return
        entries.sort(key=lambda entry: entry.at.ToMicroseconds())
        del job.timeline[:]
        job.timeline.extend(entries)
        for region, part in zip(others, parts, strict=True):
            if region == job.region and part.nodes:
                job.nodes[:] = part.nodes

    async def _add_array(self, job: jobs_pb2.Job, request: jobs_pb2.GetJobRequest, context: Any) -> None:
        """Of an array that another region has, how its elements fare there, if that can be asked."""
        if job.region != (job.answered_by or job.home) and self._members.knows(job.region):
            part = await self._part_of(job.region, request, context)
            if part.HasField("array"):
                job.array.CopyFrom(part.array)

    async def _part_of(self, region: str, request: jobs_pb2.GetJobRequest, context: Any) -> jobs_pb2.Job:
        try:
            theirs: jobs_pb2.Job = (await self._asking.at(region, "GetJob", request, context)).job
        except (RegionUnreachable, RequestRefused, ProxiedError):
            return jobs_pb2.Job()
        return theirs

    async def _list_home(
        self, home: str, page: jobs_pb2.ListJobsRequest, context: Any
    ) -> jobs_pb2.ListJobsResponse:
        """What its home has, and what the region has that leads its shard. Raises RegionUnreachable if neither can be
        asked; if one of them can't, or nobody leads, the answer names the home as unreachable: it is not complete."""
        leader = await self._leaders.other_than(home)
        complete = bool(leader) or await self._leaders.leads_itself(home)
        regions = [each for each in (home, leader) if self._members.knows(each)] or [home]
        answers = await asyncio.gather(
            *(self._asking.at(region, "ListJobs", page, context) for region in regions),
            return_exceptions=True,
        )
        pages: list[jobs_pb2.ListJobsResponse] = []
        faults: list[BaseException] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                faults.append(answer)
            else:
                pages.append(answer)
        for fault in faults:
            if not isinstance(fault, RegionUnreachable) or not pages:
                raise fault
        response = merged(pages) if len(pages) > 1 else pages[0]
        if faults or not complete:
            response.unreachable.append(home)
        return response

    # --- cancelling -----------------------------------------------------------------------------------------------

    async def _cancel_of(
        self, home: str, job_ids: Sequence[str], context: Any
    ) -> dict[str, jobs_pb2.CancelResult]:
        """The wishes for jobs of one home, taken by whoever may take them."""
        if self._leaders.is_lost(home):
            return await self._cancel_orphans(job_ids, context)
        if not (self._members.knows(home) or self._leaders.keep(home)):
            return _refused(job_ids, Refused("NOT_FOUND", "job_ids", "no region in the roster is its home"))
        unreachable: RegionUnreachable | None = None
        try:
            results = await self._cancel_at(home, job_ids, context)
        except RegionUnreachable as error:
            unreachable, results = error, _refused(job_ids, _unreachable(error))
        leader = await self._leaders.other_than(home)
        for region in (leader, self._members.home if unreachable else ""):
            left = [job_id for job_id in job_ids if _not_taken(results[job_id])]
            if not left or not self._members.knows(region) or region == home:
                continue
            try:
                answers = await self._cancel_at(region, left, context)
            except RegionUnreachable as error:
                answers = _refused(left, _unreachable(error))
            except (ProxiedError, RequestRefused):
                continue
            # Who does not know a job does not say that there is none.
            results.update({job_id: each for job_id, each in answers.items() if not _is_unknown(each)})
        return results

    async def _cancel_orphans(self, job_ids: Sequence[str], context: Any) -> dict[str, jobs_pb2.CancelResult]:
        """Of a home that was declared lost: by each member that knows them. One that passed one on tells the next."""
        results = _refused(job_ids, Refused("NOT_FOUND", "job_ids", "no region in the roster knows it"))
        for region in self._members.names:
            left = [job_id for job_id in job_ids if _not_taken(results[job_id])]
            if not left:
                break
            try:
                answers = await self._cancel_at(region, left, context)
            except RegionUnreachable as error:
                answers = _refused(left, _unreachable(error))
            results.update({job_id: each for job_id, each in answers.items() if not _is_unknown(each)})
        return results

    async def _cancel_at(
        self, region: str, job_ids: Sequence[str], context: Any
    ) -> dict[str, jobs_pb2.CancelResult]:
        request = jobs_pb2.CancelJobsRequest(job_ids=job_ids)
        response: jobs_pb2.CancelJobsResponse = await self._asking.at(region, "CancelJobs", request, context)
        return {result.job_id: result for result in response.results}

    # --- watching -------------------------------------------------------------------------------------------------

    def _watch(self, homes: Sequence[str], request: jobs_pb2.WatchJobsRequest, context: Any) -> Responses:
        if len(homes) == 1 and not self._leaders.exist:
            return self._open(homes[0], context)(request)
        return LeagueWatch(
            homes, request, lambda region: self._open(region, context), self._leaders
        ).responses()

    def _open(self, region: str, context: Any) -> Callable[[jobs_pb2.WatchJobsRequest], Responses]:
        if region == self._members.home:
            return lambda request: self._local.WatchJobs(request, context)
        return lambda request: self._members.stream(region, lambda stubs: stubs.jobs.WatchJobs, request)

    async def _wait_for_start(self, job_id: str, context: Any) -> None:
        """Return once the job has started, or ended without."""
        request = jobs_pb2.WatchJobsRequest(filter=jobs_pb2.JobFilter(job_ids=[job_id]))
        async with aclosing(self._watch([self._asking.home(job_id)], request, context)) as responses:
            async for response in responses:
                if any(change.state not in _NOT_STARTED for change in response.changes):
                    return


def _by_home(job_ids: Sequence[str]) -> dict[str, list[str]]:
    """Ids by their home; what is no job id is nobody's."""
    homes: dict[str, list[str]] = {}
    for job_id in dict.fromkeys(job_ids):
        homes.setdefault(home_of(job_id) or "", []).append(job_id)
    return homes


def _refused(job_ids: Sequence[str], refused: Refused) -> dict[str, jobs_pb2.CancelResult]:
    refusal = encode_refusal(refused)
    return {job_id: jobs_pb2.CancelResult(job_id=job_id, refusal=refusal) for job_id in job_ids}


def _unreachable(error: RegionUnreachable) -> Refused:
    return Refused("UNREACHABLE", "job_ids", str(error), limits.RETRY_AFTER_MS)


def _not_taken(result: jobs_pb2.CancelResult) -> bool:
    """Whether another region may know more of this job."""
    return _is_unknown(result) or result.refusal.code == common_pb2.REFUSAL_CODE_UNREACHABLE


def _is_unknown(result: jobs_pb2.CancelResult) -> bool:
    return result.refusal.code == common_pb2.REFUSAL_CODE_NOT_FOUND
