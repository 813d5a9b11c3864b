"""Watches: of the jobs that this region answers for, and of the whole league as one stream to each region."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from hanse.core.model import limits
from hanse.daemon.errors import RegionUnreachable
from hanse.daemon.runtime import Runtime
from hanse.daemon.servers.filters import decode_filter, watch_filter
from hanse.daemon.servers.leaders import Leaders
from hanse.daemon.servers.records import change_of, encode_job, encode_revision
from hanse.daemon.watch import Told
from hanse.ledger import queries
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from hanse.wire.jobs import encode_change

Responses = AsyncGenerator[jobs_pb2.WatchJobsResponse, None]


class HomeWatch:
    """One watch of the jobs that this region answers for."""

    def __init__(self, runtime: Runtime, request: jobs_pb2.WatchJobsRequest) -> None:
        self._runtime = runtime
        self._region = runtime.name
        self._filter = request.filter
        self._since = next(
            ((each.ledger_id, each.sequence) for each in request.since if each.region == self._region), None
        )
        # What the listing has shown: each job with the commit up to which that was its state.
        self._shown: dict[str, int] = {}
        self._shown_until = 0

    async def responses(self) -> Responses:
        """Changes after `since`; without it the present state of every job that matches, then every change after.

        Raises RequestRefused: OUT_OF_RANGE if `since` is not kept, RESOURCE_EXHAUSTED if the stream is too slow.
        """
        hub = self._runtime.hub
        # Before the listing, so that nothing falls between the two.
        watcher = hub.watch(watch_filter(self._filter), self._since)
        try:
            if self._since is None:
                async for response in self._present():
                    yield response
            while True:
                batch = await watcher.next()
                ledger_id, coalesced = hub.ledger_id, batch.coalesced
                changes = [change for change in batch.changes if not self._was_shown(change)]
                if batch.sequence >= self._shown_until:
                    self._shown.clear()
                revision = common_pb2.Revision(
                    region=self._region, ledger_id=ledger_id, sequence=batch.sequence
                )
                for response in _pieces(changes, revision):
                    response.coalesced, coalesced = coalesced, 0
                    yield response
        finally:
            hub.leave(watcher)

    async def _present(self) -> Responses:
        """Every job that matches. The position to resume from is that of the first page: what changed while the others
        were read is told again rather than left out."""
        after = ""
        first: common_pb2.Revision | None = None
        while True:
            page = await self._runtime.read_patiently(
                queries.list_jobs,
                decode_filter(self._filter, tuple(self._filter.homes)),
                after=after,
                page_size=limits.WATCH_RESPONSE_CHANGES_MAX,
            )
            first = first or encode_revision(self._region, page.revision)
            self._shown_until = page.revision.write_sequence
            self._shown.update(dict.fromkeys((job.id for job in page.jobs), page.revision.write_sequence))
            after = page.next_after
            yield jobs_pb2.WatchJobsResponse(
                changes=[change_of(encode_job(job, self._region)) for job in page.jobs],
                revision=None if after else first,
            )
            if not after:
                return

    def _was_shown(self, told: Told) -> bool:
        return bool(self._shown) and told.sequence <= self._shown.get(told.change.job_id, 0)


class LeagueWatch:
    """One watch over several homes: the responses of all as they come.

    Each region that may have something to tell has a stream: the homes, and whoever leads the shard of one of them. It
    gets the caller's filter as it is, and tells of all that it answers for. A region that cannot be reached is tried
    again and resumed where it stopped, while the others go on; which one is missing is told by ListJobs. Any other
    error ends the whole, and so does the silence of the only region that could tell.
    """

    def __init__(
        self,
        homes: Sequence[str],
        request: jobs_pb2.WatchJobsRequest,
        opener: Callable[[str], Callable[[jobs_pb2.WatchJobsRequest], Responses]],
        leaders: Leaders,
    ) -> None:
        self._homes = homes
        self._request = request
        self._opener = opener
        self._leaders = leaders
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._responses: asyncio.Queue[jobs_pb2.WatchJobsResponse | Exception] = asyncio.Queue(
            limits.MERGED_RESPONSES_MAX
        )

    async def responses(self) -> Responses:
        """Responses of all regions; each carries the revision of one."""
        async with asyncio.TaskGroup() as group:
            for home in self._homes:
                self._begin(group, home)
            follower = group.create_task(self._follow_leaders(group))
            try:
                while not isinstance(response := await self._responses.get(), Exception):
                    yield response
            finally:
                follower.cancel()
                for pump in self._pumps.values():
                    pump.cancel()
        # Not inside of the group, which would wrap it: callers tell errors apart by their types.
        raise response

    def _begin(self, group: asyncio.TaskGroup, region: str) -> None:
        self._pumps[region] = group.create_task(self._pump(region))

    async def _follow_leaders(self, group: asyncio.TaskGroup) -> None:
        """Whoever leads the shard of one of the homes has something to tell from then on."""
        while self._leaders.exist:
            for home in self._homes:
                leader = await self._leaders.other_than(home)
                if leader and leader not in self._pumps:
                    self._begin(group, leader)
            await asyncio.sleep(limits.LEADERS_POLL_S)

    async def _pump(self, region: str) -> None:
        open_stream = self._opener(region)
        request = jobs_pb2.WatchJobsRequest()
        request.CopyFrom(self._request)
        failures = 0
        while True:
            try:
                async for response in open_stream(request):
                    failures = 0
                    if response.HasField("revision"):
                        del request.since[:]
                        request.since.append(response.revision)
                    await self._responses.put(response)
            except RegionUnreachable as unreachable:
                failures += 1
                if await self._is_only_one(region):
                    await self._responses.put(unreachable)
                    return
            except Exception as error:  # noqa: BLE001 - raised where the stream is consumed
                await self._responses.put(error)
                return
            await asyncio.sleep(min(0.1 * 2**failures, limits.PROXY_TIMEOUT_S))

    async def _is_only_one(self, region: str) -> bool:
        return list(self._homes) == [region] and not await self._leaders.other_than(region)


def _pieces(changes: Sequence[Told], revision: common_pb2.Revision) -> list[jobs_pb2.WatchJobsResponse]:
    """Messages of bounded size; only the last one moves the position, because commits must not be cut."""
    size = limits.WATCH_RESPONSE_CHANGES_MAX
    pieces = [
        jobs_pb2.WatchJobsResponse(changes=[_encoded(told) for told in changes[start : start + size]])
        for start in range(0, max(len(changes), 1), size)
    ]
    pieces[-1].revision.CopyFrom(revision)
    return pieces


def _encoded(told: Told) -> jobs_pb2.JobChange:
    """Made once, however many streams send it."""
    if told.encoded is None:
        told.encoded = encode_change(told.change)
    encoded: jobs_pb2.JobChange = told.encoded
    return encoded
