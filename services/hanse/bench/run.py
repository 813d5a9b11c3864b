"""From submit to the end: every job goes to one region that has a third of the capacity of three."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hanse.bench.books import RECORD_SCRIPT, by_region, count, ledger_runs, recorded_runs
from hanse.bench.figures import latencies, load_1min, usage_document
from hanse.bench.league import TENANT, League, league, shape_of
from hanse.bench.result import machine_load, result
from hanse.bench.submit import Progress, Sent, specs, submit_batches
from hanse.client import AsyncClient
from hanse.client.messages import JobFilter, JobState, is_final

REGIONS = 3
_BATCH_JOBS = 500
_IN_FLIGHT = 4
_TOLD_EVERY_S = 1.0
LATENCY = "seconds from sending a job's batch to its final state in the client's watch"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSet:
    """How a run is measured. `slots`: tasks that one region can run at once.

    The simulated regions have so much capacity that all three together could run far more than is asked of them,
    and one alone less than it: the daemons are what is measured, and home must hand off. A region of real processes
    has as many slots as keep two cores busy while each start and each end waits for its fsync, and no more.
    """

    executor: str
    jobs: int
    slots: int
    duration_us: int = 0

    @property
    def tables(self) -> Mapping[str, Any]:
        """[executor] of the regions' configurations."""
        if self.executor == "local":
            return {"kind": "local"}
        return {"kind": "simulated", "duration_us": self.duration_us}


# 300 slots of 0.25 s are 1,200 jobs/s in each region.
SIMULATED = RunSet(executor="simulated", jobs=30_000, slots=300, duration_us=250_000)
LOCAL = RunSet(executor="local", jobs=3_000, slots=24)


@dataclass(slots=True)
class _Seen:
    """What the watch has told: final states, and when (monotonic seconds)."""

    ended: dict[str, tuple[JobState, float]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def succeeded(self) -> list[str]:
        """Jobs that were told to have succeeded."""
        return [job for job, (state, _) in self.ended.items() if state == JobState.JOB_STATE_SUCCEEDED]


async def bench_run(
    directory: Path, run_set: RunSet, progress: Progress, *, timeout_s: float, keep: bool = False
) -> dict[str, Any]:
    """Run the benchmark. Jobs that have not ended within `timeout_s` count as lost."""
    before = load_1min()
    shape = shape_of(run_set.slots, run_set.tables)
    async with league(directory, REGIONS, shape, keep=keep) as running, running.client() as client:
        filesystem = running.filesystem
        begun = running.usage()
        begun_s = time.monotonic()
        sent, seen = await _submitted_and_seen(client, running, run_set, progress, timeout_s)
        seconds = max((at for _, at in seen.ended.values()), default=time.monotonic()) - begun_s
        used = usage_document(begun, running.usage(), run_set.jobs)
        progress("counting")
        home = running.home.name
        await running.stop()
        runs = _runs(running, run_set)
    counted = count(home, [job for each in sent for job in each.job_ids], seen.succeeded(), runs)
    return result(
        f"run {run_set.executor}",
        jobs=run_set.jobs,
        seconds=seconds,
        counts={"handed_off": counted.handed_off, "lost": counted.lost, "run_twice": counted.run_twice},
        latency=latencies(_latencies_s(sent, seen)),
        latency_of=LATENCY,
        set_up={
            "regions": REGIONS,
            "executor": run_set.executor,
            "slots_per_region": run_set.slots,
            "task_s": run_set.duration_us / 1e6 if run_set.duration_us else None,
            "batch_jobs": _BATCH_JOBS,
            "batches_in_flight": _IN_FLIGHT,
            "filesystem": filesystem,
            "counted_from": _COUNTED_FROM[run_set.executor],
        },
        load=machine_load(before, load_1min(), used),
        more={
            "handed_off_share": round(counted.handed_off / run_set.jobs, 4),
            "runs_by_region": by_region(runs),
        },
    )


_COUNTED_FROM = {
    "local": "lines that the tasks append themselves",
    "simulated": "starts in the ledgers of all regions, read when the daemons have ended",
}


async def _submitted_and_seen(
    client: AsyncClient, running: League, run_set: RunSet, progress: Progress, timeout_s: float
) -> tuple[list[Sent], _Seen]:
    """Submit while another client watches; returns when all have ended or the time is up."""
    seen = _Seen()
    jobs = specs(run_set.jobs, ("/bin/sh", "-c", RECORD_SCRIPT, str(running.records)))
    async with running.client() as watcher, asyncio.TaskGroup() as group:
        watching = group.create_task(_watch(watcher, running.home.name, seen))
        sent = await submit_batches(client, jobs, _BATCH_JOBS, _IN_FLIGHT, _nothing)
        telling = group.create_task(_tell(seen, run_set.jobs, progress))
        try:
            async with asyncio.timeout(timeout_s):
                await _all_ended(seen, run_set.jobs)
        except TimeoutError:
            progress(f"{run_set.jobs - len(seen.ended)} jobs have not ended after {timeout_s:g} s")
        watching.cancel()
        telling.cancel()
    return sent, seen


async def _watch(client: AsyncClient, home: str, seen: _Seen) -> None:
    wanted = JobFilter(tenant=TENANT, homes=[home])
    async with aclosing(client.watch(wanted, coalesce=True)) as changes:
        async for change in changes:
            if is_final(change.state):
                seen.ended[change.job_id] = (change.state, time.monotonic())
                seen.changed.set()


async def _all_ended(seen: _Seen, jobs: int) -> None:
    while len(seen.ended) < jobs:
        seen.changed.clear()
        await seen.changed.wait()


async def _tell(seen: _Seen, jobs: int, progress: Progress) -> None:
    while True:
        progress(f"{len(seen.ended):,} of {jobs:,} jobs have ended")
        await asyncio.sleep(_TOLD_EVERY_S)


def _runs(running: League, run_set: RunSet) -> list[Any]:
    if run_set.executor == "local":
        return recorded_runs(running.records)
    return ledger_runs({region.name: running.ledger(region.name) for region in running.federation.regions})


def _latencies_s(sent: Sequence[Sent], seen: _Seen) -> list[float]:
    return [
        seen.ended[job_id][1] - batch.sent_s
        for batch in sent
        for job_id in batch.job_ids
        if job_id in seen.ended
    ]


def _nothing(text: str) -> None:
    """Submitting is soon over here."""
