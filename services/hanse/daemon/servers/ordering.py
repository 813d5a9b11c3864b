"""Orders about jobs: each goes to the region that has the job, which its home, or whoever speaks for it, tells."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hanse.core.model import limits
from hanse.core.replies import Refused
from hanse.daemon.errors import RegionUnreachable, RequestRefused
from hanse.daemon.servers.asking import Asking, is_not_found
from hanse.daemon.servers.members import Members, ProxiedError
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from hanse.wire.jobs import encode_refusal

Results = dict[str, jobs_pb2.ControlResult]


class Ordering:
    """Orders of one call."""

    def __init__(self, asking: Asking, members: Members) -> None:
        self._asking = asking
        self._members = members

    async def control(
        self, request: jobs_pb2.ControlJobsRequest, context: Any
    ) -> jobs_pb2.ControlJobsResponse:
        """One result for each job, in order. A job that has gone on meanwhile is followed once."""
        job_ids = list(dict.fromkeys(request.job_ids))
        results: Results = {}
        for _ in range(2):
            left = [job_id for job_id in job_ids if job_id not in results or _has_gone(results[job_id])]
            if left:
                results |= await self._ordered(left, request, context)
        return jobs_pb2.ControlJobsResponse(results=[results[job_id] for job_id in request.job_ids])

    async def _ordered(
        self, job_ids: Sequence[str], request: jobs_pb2.ControlJobsRequest, context: Any
    ) -> Results:
        places = await asyncio.gather(*(self._place_of(job_id, context) for job_id in job_ids))
        results: Results = {}
        by_region: dict[str, list[str]] = {}
        for job_id, place in zip(job_ids, places, strict=True):
            if isinstance(place, Refused):
                results[job_id] = _refused(job_id, place)
            else:
                by_region.setdefault(place, []).append(job_id)
        answers = await asyncio.gather(
            *(self._at(region, of_region, request, context) for region, of_region in by_region.items())
        )
        for answer in answers:
            results |= answer
        return results

    async def _place_of(self, job_id: str, context: Any) -> str | Refused:
        """Which region has the job."""
        try:
            job = await self._asking.job(jobs_pb2.GetJobRequest(job_id=job_id), context)
        except RegionUnreachable as unreachable:
            return _unreachable(unreachable)
        except (RequestRefused, ProxiedError) as refusal:
            if is_not_found(refusal):
                return Refused("NOT_FOUND", "job_ids", str(refusal))
            return Refused("INVALID", "job_ids", str(refusal))
        return job.region if self._members.knows(job.region) else self._members.home

    async def _at(
        self, region: str, job_ids: Sequence[str], request: jobs_pb2.ControlJobsRequest, context: Any
    ) -> Results:
        asked = jobs_pb2.ControlJobsRequest()
        asked.CopyFrom(request)
        del asked.job_ids[:]
        asked.job_ids.extend(job_ids)
        try:
            response: jobs_pb2.ControlJobsResponse = await self._asking.at(
                region, "ControlJobs", asked, context
            )
        except RegionUnreachable as unreachable:
            return {job_id: _refused(job_id, _unreachable(unreachable)) for job_id in job_ids}
        return {result.job_id: result for result in response.results}


def _refused(job_id: str, refused: Refused) -> jobs_pb2.ControlResult:
    return jobs_pb2.ControlResult(job_id=job_id, refusal=encode_refusal(refused))


def _unreachable(error: RegionUnreachable) -> Refused:
    return Refused("UNREACHABLE", "job_ids", str(error), limits.RETRY_AFTER_MS)


def _has_gone(result: jobs_pb2.ControlResult) -> bool:
    return result.refusal.code == common_pb2.REFUSAL_CODE_NOT_FOUND
