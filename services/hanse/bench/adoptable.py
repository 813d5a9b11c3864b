"""What it costs that a majority of guardians holds a job before it is acknowledged: against jobs that wait for their
region, on the same three regions, in turn.

1. Half load: jobs come one by one, whether or not the former ones are answered, at half of the rate at which single
   jobs were acknowledged just before. Their latency is what a caller sees.
2. Throughput: batches as fast as they are acknowledged, of either kind. (Afterwards, because it leaves a long queue.)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanse.bench.figures import latencies, load_1min, usage_document
from hanse.bench.league import League, league
from hanse.bench.result import machine_load, result
from hanse.bench.submit import specs, submit_batches, waiting_shape
from hanse.cli.errors import CommandError
from hanse.client import AsyncClient
from hanse.client.messages import JobFilter, JobSpec, OnRegionLoss, RegionPreference

Progress = Callable[[str], None]
REGIONS = 3
# Rounds of either kind: the machine has other things to do, and what it does meanwhile falls on both.
_ROUNDS = 4
# Before half load, single jobs are sent as fast as they are answered: so many at once, for this share of its time.
_PROBE_CALLS = 16
_PROBE_SHARE = 0.3
HALF_LOAD_S = 10.0
_SLOT_TIMEOUT_S = 30.0
_SLOT_INTERVAL_S = 0.05
LATENCY = (
    "seconds from sending one job to its acknowledgement, at half of the rate that single jobs can come at"
)
_LOSSES = {
    "wait": OnRegionLoss.ON_REGION_LOSS_WAIT,
    "adopt": OnRegionLoss.ON_REGION_LOSS_ADOPT,
}


@dataclass(slots=True)
class _Kind:
    """One kind of job. `single_s`: latencies at half load."""

    name: str
    jobs: int = 0
    seconds: float = 0.0
    rate_per_s: float = 0.0
    single_s: Sequence[float] = ()

    @property
    def jobs_per_s(self) -> float:
        """Acknowledged in batches."""
        return self.jobs / self.seconds

    def document(self) -> dict[str, Any]:
        """Of one kind."""
        return {
            "jobs_per_s": round(self.jobs_per_s, 1),
            "half_load_jobs_per_s": round(self.rate_per_s, 1),
            **latencies(self.single_s),
        }


async def bench_adoptable(
    directory: Path,
    jobs: int,
    batch_jobs: int,
    in_flight: int,
    progress: Progress,
    *,
    keep: bool = False,
    half_load_s: float = HALF_LOAD_S,
) -> dict[str, Any]:
    """Run the benchmark: half load for so long, and `jobs` jobs in batches, of either kind. `lost`: acknowledged, and
    not listed afterwards."""
    before = load_1min()
    kinds = {name: _Kind(name) for name in _LOSSES}
    async with league(directory, REGIONS, waiting_shape(), keep=keep) as running, running.client() as client:
        filesystem = running.filesystem
        await _occupy(running)
        acknowledged = 0
        for kind in kinds.values():
            progress(f"half load: {kind.name}")
            acknowledged += await _half_load(client, kind, half_load_s)
        begun = running.usage()
        for number in range(_ROUNDS):
            for kind in kinds.values():
                progress(f"round {number + 1} of {_ROUNDS}: {kind.name}")
                acknowledged += await _throughput(client, kind, jobs // _ROUNDS, batch_jobs, in_flight)
        used = usage_document(begun, running.usage(), 2 * (jobs // _ROUNDS) * _ROUNDS)
        progress("counting")
        listed = {job.id async for job in client.list(JobFilter(name_prefix="bench-"))}
    adopt, wait = kinds["adopt"], kinds["wait"]
    return result(
        "submit adoptable",
        jobs=adopt.jobs,
        seconds=adopt.seconds,
        counts={"handed_off": 0, "lost": max(0, acknowledged - len(listed)), "run_twice": 0},
        latency=latencies(adopt.single_s),
        latency_of=LATENCY,
        set_up={
            "regions": REGIONS,
            "executor": "simulated",
            "batch_jobs": batch_jobs,
            "batches_in_flight": in_flight,
            "specs": "one task, names differ",
            "filesystem": filesystem,
        },
        load=machine_load(before, load_1min(), used),
        more={
            "share_of_wait": round(adopt.jobs_per_s / wait.jobs_per_s, 3),
            "by_kind": {kind.name: kind.document() for kind in kinds.values()},
        },
    )


async def _occupy(running: League) -> None:
    """Let one job take the only slot of every region: whatever comes then waits at its home, which leads its shard."""
    for region in running.federation.regions:
        async with asyncio.timeout(_SLOT_TIMEOUT_S):
            while (region.name, region.name) not in await running.who_leads(region.name):  # noqa: ASYNC110 - as below
                await asyncio.sleep(_SLOT_INTERVAL_S)
        async with running.client_of(region.name) as client:
            (spec,) = specs(1)
            spec.regions.CopyFrom(RegionPreference(allow=[region.name]))
            await client.submit(spec, home=region.name)
            async with asyncio.timeout(_SLOT_TIMEOUT_S):
                while (await client.status(region.name)).free.get("cpu", 0):  # noqa: ASYNC110 - in another process
                    await asyncio.sleep(_SLOT_INTERVAL_S)


def _specs(kind: _Kind, count: int) -> list[JobSpec]:
    made = specs(count)
    for spec in made:
        spec.on_region_loss = _LOSSES[kind.name]
    return made


async def _throughput(client: AsyncClient, kind: _Kind, jobs: int, batch_jobs: int, in_flight: int) -> int:
    prepared = _specs(kind, jobs)
    begun_s = time.monotonic()
    sent = await submit_batches(client, prepared, batch_jobs, in_flight, lambda text: None)
    kind.seconds += time.monotonic() - begun_s
    kind.jobs += jobs
    return sum(len(each.job_ids) for each in sent)


async def _half_load(client: AsyncClient, kind: _Kind, seconds: float) -> int:
    """How fast single jobs can come; then half as fast, and how long each takes. Returns how many that were."""
    probed = 0
    probe_s = seconds * _PROBE_SHARE
    until_s = time.monotonic() + probe_s

    async def caller() -> None:
        nonlocal probed
        while time.monotonic() < until_s:
            await _submit(client, kind)
            probed += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(_PROBE_CALLS):
            group.create_task(caller())
    kind.rate_per_s = probed / probe_s / 2
    kind.single_s = await _paced(client, kind, seconds)
    return probed + len(kind.single_s)


async def _paced(client: AsyncClient, kind: _Kind, seconds: float) -> list[float]:
    count = round(kind.rate_per_s * seconds)
    begun_s = time.monotonic()
    calls = []
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, begun_s + number / kind.rate_per_s - time.monotonic()))
            calls.append(group.create_task(_submit(client, kind)))
    return [call.result() for call in calls]


async def _submit(client: AsyncClient, kind: _Kind) -> float:
    """Submit one job; seconds until it was acknowledged. CommandError if it was taken as another kind."""
    (spec,) = _specs(kind, 1)
    begun_s = time.monotonic()
    submitted = await client.submit(spec)
    seconds = time.monotonic() - begun_s
    federated = submitted.durability == "FEDERATED"
    if federated != (kind.name == "adopt"):
        raise CommandError(f"a job that was to be {kind.name!r} was taken otherwise")
    return seconds
