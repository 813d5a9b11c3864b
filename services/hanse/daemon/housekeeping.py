"""What a region does now and then: look at its disk, forget old jobs, keep the anchor fresh."""

from __future__ import annotations

import asyncio

import structlog

from hanse.core.events import JobsForgotten, LedgerPressure
from hanse.core.model.jobs import RunId
from hanse.daemon.clock import wall_us
from hanse.daemon.inbox import Inbox
from hanse.daemon.metrics import Metrics
from hanse.executors.port import Executor
from hanse.ledger.disk import DiskWatch
from hanse.ledger.ledger import Ledger
from hanse.ledger.retention import Forgettable, RetentionPolicy, pick

log = structlog.get_logger()
# After a full batch was picked, the next one follows this much later: forgetting must not crowd out the work.
_NEXT_BATCH_S = 0.2


class Housekeeping:
    """One life's chores. `interval_s` is between two rounds."""

    def __init__(
        self,
        ledger: Ledger,
        executor: Executor,
        inbox: Inbox,
        disk: DiskWatch,
        retention: RetentionPolicy,
        metrics: Metrics,
        interval_s: float,
    ) -> None:
        self._ledger = ledger
        self._executor = executor
        self._inbox = inbox
        self._disk = disk
        self._retention = retention
        self._metrics = metrics
        self._interval_s = interval_s
        self._nearly_full = False
        self._rounds = 0
        self._picked: tuple[Forgettable, ...] = ()

    async def run(self) -> None:
        """Round after round, for ever. Raises LedgerFailed."""
        while True:
            self._rounds += 1
            await self._look_at_disk()
            forgot = await self._forget()
            await self._ledger.refresh_anchor()
            await asyncio.sleep(_NEXT_BATCH_S if forgot else self._interval_s)

    async def _look_at_disk(self) -> None:
        try:
            state = await asyncio.to_thread(self._disk.check)
        except OSError as error:
            # The ledger's own commits tell whether the disk is usable; here we only look ahead.
            log.warning("disk.not_checked", error=str(error))
            return
        self._metrics.disk_free.set(state.free_bytes)
        if state.nearly_full != self._nearly_full:
            self._nearly_full = state.nearly_full
            log.warning("disk.pressure", nearly_full=state.nearly_full, free_bytes=state.free_bytes)
            self._inbox.put([LedgerPressure(nearly_full=state.nearly_full, cause="disk")])

    async def _forget(self) -> bool:
        """Delete the output of one batch of jobs, then have the core forget them; whether another batch is to follow.

        A batch that is still waiting is picked again, and forgetting a job twice is harmless. It may wait for long:
        jobs of a shard go when a majority of its group has agreed.
        """
        picked = await self._ledger.read(pick, self._retention, wall_us())
        before, self._picked = self._picked, picked
        if not picked:
            return False
        runs = [RunId(job.job_id, *run) for job in picked if not job.is_array for run in job.runs]
        arrays = [job.job_id for job in picked if job.is_array]
        runs += await self._executor.outputs_of(arrays) if arrays else ()
        await self._executor.reap(runs, logs=True)
        return self._inbox.offer(_forgotten(picked, f"retention:{self._rounds}")) and picked != before


def _forgotten(picked: tuple[Forgettable, ...], cause: str) -> JobsForgotten:
    waiting = [job for job in picked if not job.shard]
    return JobsForgotten(
        job_ids=tuple(job.job_id for job in waiting),
        client_keys=tuple(key for job in waiting if (key := _client_key(job)) is not None),
        shard_jobs=tuple((job.shard, job.job_id, _client_key(job)) for job in picked if job.shard),
        cause=cause,
    )


def _client_key(job: Forgettable) -> tuple[str, str] | None:
    return (job.tenant, job.client_key) if job.client_key else None
