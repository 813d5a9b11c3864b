"""From submit to start on another region while home is full: jobs come one by one, each is a real process.

The start is what the task itself notes first of all, on the clock that the client notes the send by.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanse.bench.books import Run, by_region, count
from hanse.bench.figures import latencies, load_1min, usage_document
from hanse.bench.league import TENANT, League, league, shape_of
from hanse.bench.result import machine_load, result
from hanse.bench.submit import Progress
from hanse.client import AsyncClient, WaitTimeoutError
from hanse.client.messages import (
    JobFilter,
    JobSpec,
    JobState,
    Program,
    RegionPreference,
    Requirements,
    TaskGroup,
)

REGIONS = 3
SLOTS = 8
LATENCY = "seconds from the client's call to the first thing that the task does, on another region"
_SLEEPER = ("/bin/sleep", "3600")
# One process more than the shell: the clock with enough digits.
_STAMP = 'echo "$HANSE_JOB_ID $HANSE_EPOCH $HANSE_ATTEMPT $HANSE_REGION $(date +%s%6N)" >>"$0/$HANSE_REGION"'
_FILL_TIMEOUT_S = 60.0
_FILL_INTERVAL_S = 0.05
_WAIT_TIMEOUT_S = 120.0
_TOLD_EVERY = 50


@dataclass(frozen=True, slots=True)
class _Stamped:
    run: Run
    started_us: int


async def bench_handoff(
    directory: Path, jobs: int, rate_per_s: float, progress: Progress, *, keep: bool = False
) -> dict[str, Any]:
    """Run the benchmark: `jobs` jobs at `rate_per_s`, whether or not the former ones have started."""
    before = load_1min()
    shape = shape_of(SLOTS, {"kind": "local"})
    async with league(directory, REGIONS, shape, keep=keep) as running, running.client() as client:
        filesystem, home = running.filesystem, running.home.name
        progress(f"filling {home}")
        await _fill(client, home)
        begun, begun_s = running.usage(), time.monotonic()
        sent_us = await _submit_one_by_one(client, running, jobs, rate_per_s, progress)
        succeeded = await _succeeded(client, list(sent_us))
        seconds = time.monotonic() - begun_s
        used = usage_document(begun, running.usage(), jobs)
        stamped = _read(running.records)
    counted = count(home, sent_us, succeeded, [each.run for each in stamped])
    waits_s = [
        (each.started_us - sent_us[each.run.job_id]) / 1e6 for each in stamped if each.run.region != home
    ]
    return result(
        "handoff",
        jobs=jobs,
        seconds=seconds,
        counts={"handed_off": counted.handed_off, "lost": counted.lost, "run_twice": counted.run_twice},
        latency=latencies(waits_s),
        latency_of=LATENCY,
        set_up={
            "regions": REGIONS,
            "executor": "local",
            "slots_per_region": SLOTS,
            "rate_per_s": rate_per_s,
            "filesystem": filesystem,
            "counted_from": "lines that the tasks append themselves",
        },
        load=machine_load(before, load_1min(), used),
        more={
            "max_s": round(max(waits_s, default=0.0), 6),
            "runs_by_region": by_region(each.run for each in stamped),
        },
    )


def _spec(name: str, command: Sequence[str], **more: Any) -> JobSpec:
    group = TaskGroup(requirements=Requirements(resources={"cpu": 1_000}), program=Program(command=command))
    return JobSpec(name=name, tenant=TENANT, groups=[group], **more)


async def _fill(client: AsyncClient, home: str) -> None:
    """Occupy every slot of the home region with jobs that may run nowhere else."""
    only_here = RegionPreference(allow=[home])
    await client.submit_many([_spec(f"filler-{n}", _SLEEPER, regions=only_here) for n in range(SLOTS)])
    async with asyncio.timeout(_FILL_TIMEOUT_S):
        while (await client.status()).free.get("cpu", 0) > 0:  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(_FILL_INTERVAL_S)


async def _submit_one_by_one(
    client: AsyncClient, running: League, jobs: int, rate_per_s: float, progress: Progress
) -> dict[str, int]:
    """Job ids with the wall-clock microseconds at which each was sent."""
    sent_us: dict[str, int] = {}

    async def submit(spec: JobSpec) -> None:
        now_us = time.time_ns() // 1000
        sent_us[(await client.submit(spec)).job_id] = now_us

    begun_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(jobs):
            await asyncio.sleep(max(0.0, begun_s + number / rate_per_s - time.monotonic()))
            spec = _spec(f"bench-{number}", ("/bin/sh", "-c", _STAMP, str(running.records)))
            group.create_task(submit(spec))
            if (number + 1) % _TOLD_EVERY == 0:
                progress(f"{number + 1} of {jobs} jobs submitted")
    return sent_us


async def _succeeded(client: AsyncClient, job_ids: list[str]) -> list[str]:
    try:
        ended = await client.wait(job_ids, timeout_s=_WAIT_TIMEOUT_S)
    except WaitTimeoutError:
        ended = {job.id: job async for job in client.list(JobFilter(tenant=TENANT))}
    return [job.id for job in ended.values() if job.state == JobState.JOB_STATE_SUCCEEDED]


def _read(records: Path) -> list[_Stamped]:
    stamped = []
    for path in sorted(records.iterdir()):
        for line in path.read_text(encoding="utf-8").splitlines():
            job_id, epoch, attempt, region, started_us = line.split()
            stamped.append(_Stamped(Run(job_id, int(epoch), int(attempt), region), int(started_us)))
    return stamped
