"""Kueue's published performance tests, on one durable region with a simulated executor.

Cohorts of queues, each with a nominal quota of 20 CPU, a borrowing limit of 100, reclaim of any in the cohort and
preemption of lower priority in the queue. Each queue gets small, medium and large jobs at fixed intervals. The nodes
have room for more than all quotas together, so that quotas decide, as in Kueue's test, which has no nodes at all.
Run times are told to nobody: the region learns them.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hanse.bench.figures import latencies, load_1min, usage_document
from hanse.bench.league import League, league
from hanse.bench.result import machine_load, result
from hanse.bench.submit import Progress
from hanse.cli.devnet.layout import RegionShape, toml_text
from hanse.cli.errors import CommandError
from hanse.client import AsyncClient
from hanse.client.messages import JobSpec, Program, Requirements, TaskGroup
from hanse.executors.simulated import DURATION_VARIABLE

_CPU = 1_000
_NOMINAL_CPU = 20
_BORROWING_CPU = 100
_POLICY_FILE = "policy.toml"
# Physical room for each CPU of quota.
_ROOM = 2
_NODE_CPU_MAX = 400
# Jobs that are due within this time go in one call.
_TICK_S = 0.02
_BATCH_JOBS = 500
_IN_FLIGHT = 4
_ASKED_EVERY_S = 0.1
_OPEN_STATES = ("QUEUED", "RUNNING", "STOPPING", "XFER")
LATENCY = "seconds from a job's submission on the ledger to its first start there"


@dataclass(frozen=True, slots=True)
class JobClass:
    """Jobs of one size: so many per queue, one each `every_ms`."""

    name: str
    count: int
    every_ms: int
    cpu: int
    run_ms: int
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One of the published tests. `reference_s`: what Kueue's own CI took."""

    name: str
    cohorts: int
    queues: int
    classes: tuple[JobClass, ...]
    reference_s: float

    @property
    def tenants(self) -> list[str]:
        """One per queue: "cohort-0/queue-3"."""
        return [f"cohort-{c}/queue-{q}" for c in range(self.cohorts) for q in range(self.queues)]

    @property
    def jobs(self) -> int:
        """In all."""
        return len(self.tenants) * sum(each.count for each in self.classes)

    @property
    def floor_s(self) -> float:
        """How long all quotas together need if none is ever idle."""
        work = sum(each.count * each.cpu * each.run_ms / 1_000 for each in self.classes)
        return work / _NOMINAL_CPU


BASELINE = Load(
    name="kueue-baseline",
    cohorts=5,
    queues=6,
    classes=(
        JobClass("small", 350, 100, 1, 200, 50),
        JobClass("medium", 100, 500, 5, 500, 100),
        JobClass("large", 50, 1_200, 20, 1_000, 200),
    ),
    reference_s=351,
)
LARGE = Load(
    name="kueue-large",
    cohorts=10,
    queues=100,
    classes=(
        JobClass("small", 35, 60, 1, 150, 50),
        JobClass("medium", 11, 300, 5, 350, 100),
        JobClass("large", 4, 700, 20, 700, 200),
    ),
    reference_s=1_179,
)


def policy_of(load: Load) -> dict[str, Any]:
    """The policy as a TOML document."""
    quota = {"kind": "cpu", "nominal": _NOMINAL_CPU * _CPU, "borrowing_limit": _BORROWING_CPU * _CPU}
    return {
        "fair_share": {"order": "off"},
        "preemption": {"patience": "2s", "run_min": "0s"},
        "tiers": [{"name": "standard"}],
        "queues": [
            {
                "name": tenant.replace("/", "-"),
                "tenants": [tenant],
                "cohort": tenant.split("/")[0],
                "quotas": [quota],
                "reclaim_within_cohort": "any",
                "within_queue": "lower_priority",
            }
            for tenant in load.tenants
        ],
    }


def shape_of(load: Load) -> RegionShape:
    """The region: nodes for more than all quotas."""
    cpu = len(load.tenants) * _NOMINAL_CPU * _ROOM
    nodes = -(-cpu // _NODE_CPU_MAX)
    return RegionShape(
        nodes=nodes,
        resources={"cpu": -(-cpu // nodes) * _CPU, "memory": 1 << 40},
        tables={"executor": {"kind": "simulated"}, "policy": {"file": _POLICY_FILE}},
        files={_POLICY_FILE: toml_text(policy_of(load))},
    )


async def bench_kueue(
    directory: Path, load: Load, progress: Progress, *, timeout_s: float, keep: bool = False
) -> dict[str, Any]:
    """Run one of the tests. Jobs that have not ended within `timeout_s` count as lost."""
    before = load_1min()
    async with league(directory, 1, shape_of(load), keep=keep) as running, running.client() as client:
        filesystem = running.filesystem
        await client.status()
        begun, begun_s = running.usage(), time.monotonic()
        submitted_s = await _submit(client, load, progress)
        await _ended(client, load.jobs, progress, timeout_s)
        used = usage_document(begun, running.usage(), load.jobs)
        wall_s = time.monotonic() - begun_s
        home = running.home.name
        await running.stop()
        lives = _lives(running, home)
    found = Figures.of(load, lives)
    return result(
        load.name,
        jobs=load.jobs,
        seconds=wall_s,
        counts={"handed_off": 0, "lost": load.jobs - found.succeeded, "run_twice": found.run_twice},
        latency=latencies(wait for waits in found.admission_s.values() for wait in waits),
        latency_of=LATENCY,
        set_up={
            "cohorts": load.cohorts,
            "queues": len(load.tenants),
            "nominal_cpu": _NOMINAL_CPU,
            "borrowing_limit_cpu": _BORROWING_CPU,
            "classes": [
                f"{each.name}: {each.count} every {each.every_ms} ms, {each.cpu} CPU, {each.run_ms} ms"
                for each in load.classes
            ],
            "executor": "simulated",
            "filesystem": filesystem,
            "floor_s": round(load.floor_s, 2),
            "kueue_s": load.reference_s,
        },
        load=machine_load(before, load_1min(), used),
        more={
            "wall_s": round(wall_s, 3),
            "submitted_s": round(submitted_s, 3),
            "admission_s": {name: _mean(waits) for name, waits in found.admission_s.items()},
            "quota_use": round(found.used_cpu_s / (len(load.tenants) * _NOMINAL_CPU * wall_s), 4),
            "preemptions": found.preemptions,
            "over_quota": found.over_quota,
        },
    )


# --- submitting ------------------------------------------------------------------------------------------------------


def _arrivals(load: Load) -> Iterator[tuple[float, JobSpec]]:
    """(seconds from the begin, job) in order of time."""
    numbers = [(n * each.every_ms, each) for each in load.classes for n in range(each.count)]
    for number, (at_ms, each) in enumerate(sorted(numbers, key=lambda pair: pair[0])):
        for tenant in load.tenants:
            yield at_ms / 1_000, _spec(each, tenant, number)


def _spec(each: JobClass, tenant: str, number: int) -> JobSpec:
    program = Program(command=["/bin/true"], env={DURATION_VARIABLE: f"{each.run_ms / 1_000}"})
    group = TaskGroup(requirements=Requirements(resources={"cpu": each.cpu * _CPU}), program=program)
    return JobSpec(name=f"{each.name}-{number}", tenant=tenant, priority=each.priority, groups=[group])


async def _submit(client: AsyncClient, load: Load, progress: Progress) -> float:
    """Send every job when its time has come; seconds until the last was acknowledged."""
    begun_s = time.monotonic()
    slots = asyncio.Semaphore(_IN_FLIGHT)
    sent = 0

    async def send(batch: Sequence[JobSpec]) -> None:
        try:
            outcomes = await client.submit_many(batch, batch_jobs=_BATCH_JOBS, batches_in_flight=1)
        finally:
            slots.release()
        refused = next((each.error for each in outcomes if each.error is not None), None)
        if refused is not None:
            raise CommandError(f"a job was refused: {refused.message}")

    async with asyncio.TaskGroup() as group:
        batch: list[JobSpec] = []
        until_s = 0.0
        for at_s, spec in _arrivals(load):
            if batch and (at_s > until_s or len(batch) >= _BATCH_JOBS):
                await slots.acquire()
                group.create_task(send(batch))
                sent, batch = sent + len(batch), []
                progress(f"{sent:,} of {load.jobs:,} jobs submitted")
                await asyncio.sleep(max(0.0, begun_s + at_s - time.monotonic()))
            if not batch:
                until_s = at_s + _TICK_S
            batch.append(spec)
        await slots.acquire()
        group.create_task(send(batch))
    return time.monotonic() - begun_s


async def _ended(client: AsyncClient, jobs: int, progress: Progress, timeout_s: float) -> None:
    """Wait until nothing is open any more."""
    try:
        async with asyncio.timeout(timeout_s):
            while waiting := await _open_jobs(client):
                progress(f"{jobs - waiting:,} of {jobs:,} jobs have ended")
                await asyncio.sleep(_ASKED_EVERY_S)
    except TimeoutError:
        progress(f"not all jobs have ended after {timeout_s:g} s")


async def _open_jobs(client: AsyncClient) -> int:
    states = dict((await client.status()).jobs_by_state)
    return sum(states.get(name, 0) for name in _OPEN_STATES)


# --- what the ledger tells -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Life:
    """One job: when it was submitted, and its attempts (from, to); wall-clock microseconds."""

    tenant: str
    name: str
    submitted_us: int
    attempts: list[tuple[int, int]]
    succeeded: bool


def _lives(running: League, region: str) -> list[Life]:
    path = running.ledger(region)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        jobs = {job_id: (tenant, name) for job_id, tenant, name in connection.execute(_JOBS)}
        entries: dict[str, list[tuple[str, int]]] = {}
        for job_id, what, at_us in connection.execute(_TIMELINE):
            entries.setdefault(job_id, []).append((what, at_us))
    return [_life(*jobs[job_id], entries[job_id]) for job_id in jobs]


_JOBS = "SELECT id, tenant, name FROM jobs"
_TIMELINE = "SELECT job_id, what, at_wall_us FROM timeline ORDER BY job_id, sequence"


def _life(tenant: str, name: str, entries: list[tuple[str, int]]) -> Life:
    attempts: list[tuple[int, int]] = []
    since_us: int | None = None
    for what, at_us in entries:
        if what == "RUNNING":
            since_us = at_us
        elif since_us is not None and what != "STOPPING":
            attempts.append((since_us, at_us))
            since_us = None
    return Life(tenant, name, entries[0][1], attempts, entries[-1][0] == "SUCCEEDED")


@dataclass(slots=True)
class Figures:
    """What all lives together come to. `over_quota`: instants at which a cohort or a queue used more than it may."""

    admission_s: dict[str, list[float]] = field(default_factory=dict)
    used_cpu_s: float = 0.0
    succeeded: int = 0
    run_twice: int = 0
    preemptions: int = 0
    over_quota: int = 0

    @classmethod
    def of(cls, load: Load, lives: Sequence[Life]) -> Figures:
        """Counted from the ledger, not from what the daemon believes."""
        figures = cls({each.name: [] for each in load.classes})
        cpus = {each.name: each.cpu for each in load.classes}
        changes: dict[str, list[tuple[int, int]]] = {}
        for life in lives:
            name = life.name.rsplit("-", 1)[0]
            figures._add(life, name, cpus[name])
            for from_us, to_us in life.attempts:
                for scope in (life.tenant, life.tenant.split("/")[0]):
                    changes.setdefault(scope, []).extend(((from_us, cpus[name]), (to_us, -cpus[name])))
        limits = {True: _NOMINAL_CPU + _BORROWING_CPU, False: _NOMINAL_CPU * load.queues}
        figures.over_quota = sum(_times_above(each, limits["/" in scope]) for scope, each in changes.items())
        return figures

    def _add(self, life: Life, name: str, cpu: int) -> None:
        self.succeeded += life.succeeded
        self.preemptions += max(0, len(life.attempts) - 1)
        if life.attempts:
            self.admission_s[name].append((life.attempts[0][0] - life.submitted_us) / 1e6)
        self.used_cpu_s += sum(to_us - from_us for from_us, to_us in life.attempts) / 1e6 * cpu


def _times_above(changes: list[tuple[int, int]], limit: int) -> int:
    """How often a sum of changes rises above a limit. At one instant what ends goes first."""
    used = above = 0
    for _, change in sorted(changes):
        used += change
        above += change > 0 and used > limit
    return above


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
