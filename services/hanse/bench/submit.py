"""Durable acknowledgements: how fast one region takes jobs in. The jobs wait for capacity that is never free."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanse.bench.figures import latencies, load_1min, usage_document
from hanse.bench.league import TENANT, League, league, shape_of
from hanse.bench.result import machine_load, result
from hanse.cli.devnet.layout import RegionShape
from hanse.cli.errors import CommandError
from hanse.client import AsyncClient
from hanse.client.messages import JobFilter, JobSpec, Program, Requirements, TaskGroup

Progress = Callable[[str], None]

# A day: the one job that runs keeps its slot for as long as this takes.
_OCCUPIED_US = 86_400_000_000
LATENCY = "seconds from sending a batch to its acknowledgement, which says that all of it is on disk"


@dataclass(frozen=True, slots=True)
class Sent:
    """One batch: the ids that were acknowledged for it, when it was sent (monotonic), and how long that took."""

    job_ids: Sequence[str]
    sent_s: float
    seconds: float


def specs(count: int, command: Sequence[str] = ("/bin/true",)) -> list[JobSpec]:
    """Jobs of one one-core task, alike but for their names."""
    group = TaskGroup(requirements=Requirements(resources={"cpu": 1_000}), program=Program(command=command))
    return [JobSpec(name=f"bench-{number}", tenant=TENANT, groups=[group]) for number in range(count)]


def waiting_shape() -> RegionShape:
    """A region in which one job runs and all others wait."""
    return shape_of(1, {"kind": "simulated", "duration_us": _OCCUPIED_US})


async def submit_batches(
    client: AsyncClient, jobs: Sequence[JobSpec], batch_jobs: int, in_flight: int, progress: Progress
) -> list[Sent]:
    """Submit everything, `in_flight` batches at a time. CommandError if a job is refused."""
    batches = iter([jobs[start : start + batch_jobs] for start in range(0, len(jobs), batch_jobs)])
    sent: list[Sent] = []

    async def worker(batches: Iterator[Sequence[JobSpec]]) -> None:
        for batch in batches:
            begun_s = time.monotonic()
            outcomes = await client.submit_many(batch, batch_jobs=batch_jobs, batches_in_flight=1)
            refused = next((each.error for each in outcomes if each.error is not None), None)
            if refused is not None:
                raise CommandError(f"a job was refused: {refused.message}")
            sent.append(Sent([each.job_id for each in outcomes], begun_s, time.monotonic() - begun_s))
            progress(f"{sum(len(each.job_ids) for each in sent):,} of {len(jobs):,} jobs acknowledged")

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(worker(batches))
    return sent


async def bench_submit(
    directory: Path, jobs: int, batch_jobs: int, in_flight: int, progress: Progress, *, keep: bool = False
) -> dict[str, Any]:
    """Run the benchmark. `lost`: acknowledged jobs that the region does not list afterwards."""
    before = load_1min()
    async with league(directory, 1, waiting_shape(), keep=keep) as running, running.client() as client:
        filesystem = running.filesystem
        prepared = specs(jobs)
        # One call, so that the connection is there and the home is known.
        await client.status()
        begun = running.usage()
        begun_s = time.monotonic()
        sent = await submit_batches(client, prepared, batch_jobs, in_flight, progress)
        seconds = time.monotonic() - begun_s
        used = usage_document(begun, running.usage(), jobs)
        progress("counting")
        lost, twice = await _counted(client, sent)
        memory = running.resident_bytes(running.home.name)
    return result(
        "submit",
        jobs=jobs,
        seconds=seconds,
        counts={"handed_off": 0, "lost": lost, "run_twice": twice},
        latency=latencies(each.seconds for each in sent),
        latency_of=LATENCY,
        set_up={
            "regions": 1,
            "executor": "simulated",
            "batch_jobs": batch_jobs,
            "batches_in_flight": in_flight,
            "specs": "one task, names differ",
            "filesystem": filesystem,
        },
        load=machine_load(before, load_1min(), used),
        more={"resident_bytes_after": memory},
    )


async def _counted(client: AsyncClient, sent: Sequence[Sent]) -> tuple[int, int]:
    """Acknowledged jobs that are not in the list, and jobs in the list more than once or never acknowledged."""
    acknowledged = {job_id for each in sent for job_id in each.job_ids}
    listed = [job.id async for job in client.list(JobFilter(tenant=TENANT))]
    return len(acknowledged - set(listed)), len(listed) - len(acknowledged & set(listed))


async def queue_up(running: League, jobs: int, progress: Progress) -> None:
    """Fill a region's queue, for what is measured afterwards."""
    async with running.client() as client:
        await submit_batches(client, specs(jobs), 500, 4, progress)
