"""Whom to ask about a job: its home; where that does not answer, or does not lead its shard, whoever does; then those
who have a copy of the shard's log, who say how old it is; and while the home of a job without copies is silent, all
others: one of them has the job, or had it and says when.

A job's home is part of its id. An adoptable job is in its home's shard, which another region leads after the home was
lost, and for a while after it came back; which one, the records of gossip say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc

from hanse.core.model import limits
from hanse.daemon.errors import RegionUnreachable, RequestRefused, invalid, not_found
from hanse.daemon.ids import home_of
from hanse.daemon.servers.leaders import Leaders
from hanse.daemon.servers.local import LocalJobs
from hanse.daemon.servers.members import Members, ProxiedError
from hanse.daemon.servers.records import newest_moment
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2

Refusal = RequestRefused | ProxiedError


class Asking:
    """Calls of a region by itself, and the way to an answer about one job."""

    def __init__(self, local: LocalJobs, members: Members, leaders: Leaders) -> None:
        self._local = local
        self._members = members
        self._leaders = leaders

    def home(self, job_id: str) -> str:
        """The job's home. Raises RequestRefused if this is no job id, or nobody keeps the jobs of that home. (Its
        guardians do, of one that has left the roster.)"""
        home = home_of(job_id)
        if home is None:
            raise invalid("job_id", f"{job_id[: limits.ECHO_LENGTH_MAX]!r} is no job id")
        if not (self._members.knows(home) or self._leaders.keep(home) or self._leaders.is_lost(home)):
            raise not_found(f"no region {home!r} in the roster, so no job {job_id!r}")
        return home

    async def at(
        self, region: str, method: str, request: Any, context: Any, timeout_s: float = limits.PROXY_TIMEOUT_S
    ) -> Any:
        """The answer of `region` by itself: this one, or another. Raises RegionUnreachable, ProxiedError."""
        if region == self._members.home:
            return await getattr(self._local, method)(request, context)
        return await self._members.call(
            region, lambda stubs: getattr(stubs.jobs, method), request, context, timeout_s
        )

    async def job(self, request: jobs_pb2.GetJobRequest, context: Any) -> jobs_pb2.Job:
        """The job, as the first region says that may speak for it; else as the newest copy has it.

        Raises RequestRefused, ProxiedError; RegionUnreachable if one of those who would know can't be asked.
        """
        home = self.home(request.job_id)
        if self._leaders.is_lost(home) and (orphan := await self._orphan(request, context)) is not None:
            return orphan
        copy: jobs_pb2.Job | None = None
        fault: Exception | None = None
        asked: list[str] = []
        silent = False
        async for region in self._tellers(home):
            asked.append(region)
            try:
                job: jobs_pb2.Job = (await self.at(region, "GetJob", request, context)).job
            except RegionUnreachable as unreachable:
                fault = fault if isinstance(fault, RegionUnreachable) else unreachable
                silent = silent or region == home
            except (RequestRefused, ProxiedError) as refusal:
                if not is_not_found(refusal):
                    raise
                fault = fault or refusal
                if region == home and await self._leaders.leads_itself(home):
                    # Nobody else can know more.
                    raise
            else:
                if not await self._is_copy(job, home, region):
                    return job
                if not job.HasField("as_of"):
                    job.as_of.CopyFrom(newest_moment(job))
                copy = job if copy is None or is_newer(job, copy) else copy
        if silent and (copy is None or copy.durability != common_pb2.DURABILITY_FEDERATED):
            copy = await self._of_anybody(request, context, asked, copy)
        if copy is not None:
            return copy
        assert fault is not None
        raise fault

    async def _orphan(self, request: jobs_pb2.GetJobRequest, context: Any) -> jobs_pb2.Job | None:
        """A `wait` job whose home was declared lost, as the member has it that got it last: with the largest epoch.
        None: nobody has it, or it is in that home's shard."""
        answers: list[Any] = []
        for group in _groups(self._members.names):
            asked = (self.at(region, "GetJob", request, context) for region in group)
            answers += await asyncio.gather(*asked, return_exceptions=True)
        found: list[jobs_pb2.Job] = []
        silent: RegionUnreachable | None = None
        for answer in answers:
            match answer:
                case RegionUnreachable():
                    silent = answer
                case RequestRefused() | ProxiedError() if is_not_found(answer):
                    pass
                case BaseException():
                    raise answer
                case _:
                    found.append(answer.job)
        if any(job.durability == common_pb2.DURABILITY_FEDERATED for job in found):
            return None
        if not found and silent is not None and not self._leaders.keep(home_of(request.job_id) or ""):
            raise silent
        return max(found, key=lambda job: (job.epoch, job.region == job.answered_by), default=None)

    async def _of_anybody(
        self, request: jobs_pb2.GetJobRequest, context: Any, asked: list[str], known: jobs_pb2.Job | None
    ) -> jobs_pb2.Job | None:
        """What the others say, of whom one may have the job: its word is no copy. First the one to which the trail
        leads, then so many of the others at once. Without it, who was the last to pass the job on knows most."""
        left = [name for name in self._members.names if name not in asked]
        first = [known.region] if known is not None and known.region in left else []
        rest = [name for name in left if name not in first][: limits.ASKED_FOR_A_JOB_MAX]
        for group in ([first] if first else []) + _groups(rest):
            for job in await asyncio.gather(*(self._word_of(name, request, context) for name in group)):
                if job is not None and not job.HasField("as_of"):
                    return job
                if job is not None and (
                    known is None or (job.epoch, is_newer(job, known)) > (known.epoch, False)
                ):
                    known = job
        return known

    async def _word_of(
        self, region: str, request: jobs_pb2.GetJobRequest, context: Any
    ) -> jobs_pb2.Job | None:
        try:
            job: jobs_pb2.Job = (await self.at(region, "GetJob", request, context)).job
        except (RegionUnreachable, RequestRefused, ProxiedError):
            return None
        return job

    async def _tellers(self, home: str) -> AsyncIterator[str]:
        """Regions in the order in which they are asked. Nobody looks for the later ones if an earlier one can tell."""
        yield home
        asked = {home}
        leader = await self._leaders.other_than(home)
        for region in (leader, self._members.home, *self._leaders.guardians(home)):
            if region and region not in asked and self._members.knows(region):
                asked.add(region)
                yield region

    async def _is_copy(self, job: jobs_pb2.Job, home: str, region: str) -> bool:
        """Whether this is not the word of whoever leads. A home that was cut off may take itself for it still."""
        if job.HasField("as_of"):
            return True
        in_shard = job.durability == common_pb2.DURABILITY_FEDERATED
        return in_shard and region == home and bool(await self._leaders.other_than(home))


def _groups(regions: Sequence[str]) -> list[Sequence[str]]:
    """Those that are asked at once."""
    return [regions[at : at + limits.FAN_OUT_MAX] for at in range(0, len(regions), limits.FAN_OUT_MAX)]


def is_not_found(refusal: Refusal) -> bool:
    """Whether the region that was asked does not know the job."""
    status = refusal.status if isinstance(refusal, RequestRefused) else refusal.code
    return status is grpc.StatusCode.NOT_FOUND


def is_newer(copy: jobs_pb2.Job, than: jobs_pb2.Job) -> bool:
    """Whether the one copy says that it is newer than the other."""
    return copy.as_of.ToMicroseconds() > than.as_of.ToMicroseconds()
