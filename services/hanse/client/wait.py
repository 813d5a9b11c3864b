"""Waiting until jobs have ended. The watch says when to look; the list is what is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from hanse.client.calls import Calls
from hanse.client.concurrently import mapped
from hanse.client.errors import NotFoundError, UnreachableError, WaitTimeoutError
from hanse.client.limits import LOOKUPS_IN_FLIGHT, WAIT_RELIST_S, WATCH_IDS_MAX
from hanse.client.messages import Job, JobFilter, is_final
from hanse.client.retry import Attempts
from hanse.client.watch import EXPIRED, ONE_TRY, Listed, Watch, get_job, list_all


async def wait(calls: Calls, job_ids: Sequence[str], timeout_s: float | None) -> dict[str, Job]:
    """Every job in its final state, by id, in the order asked for. See AsyncClient.wait."""
    wanted = list(dict.fromkeys(job_ids))
    waits = [
        _Wait(calls, wanted[start : start + WATCH_IDS_MAX], timeout_s)
        for start in range(0, len(wanted), WATCH_IDS_MAX)
    ]
    try:
        async with asyncio.timeout(timeout_s):
            await mapped(_Wait.run, waits, max(1, len(waits)))
    except TimeoutError as timed_out:
        pending = [job_id for one in waits for job_id in one.pending]
        raise WaitTimeoutError(
            f"{len(pending)} of {len(wanted)} jobs had not ended after {timeout_s:g} s", pending=pending
        ) from timed_out
    ended = {job_id: job for one in waits for job_id, job in one.ended.items()}
    return {job_id: ended[job_id] for job_id in wanted}


class _Wait:
    """At most WATCH_IDS_MAX jobs. `pending` and `ended` together are always all of them."""

    def __init__(self, calls: Calls, job_ids: Sequence[str], timeout_s: float | None) -> None:
        self._calls = calls
        self.pending = dict.fromkeys(job_ids)
        self.ended: dict[str, Job] = {}
        # An outage is borne as long as the caller is willing to wait.
        outage_s = calls.policy.retry_for_s if timeout_s is None else timeout_s
        self._policy = replace(calls.policy, retry_for_s=outage_s)
        self._outage = Attempts(self._policy)

    async def run(self) -> None:
        """Return when nothing is pending."""
        while True:
            listed = await list_all(self._calls, JobFilter(job_ids=list(self.pending)), policy=self._policy)
            for job in listed.jobs:
                self._note(job)
            away = await self._look_up_missing(listed)
            if not self.pending:
                return
            if away:
                await self._sit_out(away)
            else:
                self._outage.succeeded()
                await self._watch(listed)

    def _note(self, job: Job) -> None:
        if is_final(job.state) and job.id in self.pending:
            del self.pending[job.id]
            self.ended[job.id] = job

    async def _look_up_missing(self, listed: Listed) -> list[UnreachableError]:
        """Ask for each job that the list lacks. NotFoundError if one does not exist (any more)."""
        present = {job.id for job in listed.jobs}
        missing = [job_id for job_id in self.pending if job_id not in present]
        return [
            error for error in await mapped(self._looked_up, missing, LOOKUPS_IN_FLIGHT) if error is not None
        ]

    async def _looked_up(self, job_id: str) -> UnreachableError | None:
        try:
            self._note(await get_job(self._calls, job_id, policy=ONE_TRY))
        except UnreachableError as error:
            return error
        except NotFoundError as error:
            raise NotFoundError(
                f"no job {job_id!r}: never submitted here, or ended so long ago that its record is gone",
                field="job_ids",
            ) from error
        return None

    async def _sit_out(self, away: Sequence[UnreachableError]) -> None:
        """The home of some job is away: try again later, as long as the budget lasts."""
        wait_s = self._outage.next_wait_s(away[0].retry_after_s)
        if wait_s is None:
            raise away[0]
        await asyncio.sleep(wait_s)

    async def _watch(self, listed: Listed) -> None:
        """Return when all pending jobs seem to have ended, or when it is time to list again."""
        expected = set(self.pending)
        watch = Watch(
            self._calls,
            JobFilter(job_ids=list(self.pending)),
            listed.revisions.values(),
            policy=self._policy,
        )
        try:
            async with asyncio.timeout(WAIT_RELIST_S), aclosing(watch.changes()) as changes:
                async for change in changes:
                    if is_final(change.state) or change.reason.code == EXPIRED:
                        expected.discard(change.job_id)
                    if not expected:
                        return
        except TimeoutError:
            return
