"""One demo, from the first daemon's start to the report. Whatever happens, everything that was started is ended."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from hanse.cli.connect import DEV_DIRECTORY
from hanse.cli.devnet import layout, processes
from hanse.cli.devnet.layout import Federation, RegionShape
from hanse.cli.devnet.tasks import end_tasks, living_tasks
from hanse.client import AsyncClient, RetryPolicy, WaitTimeoutError
from hanse.client.messages import Job, JobFilter, Liveness, state_name
from hanse.daemon.runtime import TASKS_DIRECTORY
from hanse.demo.audit import Audit, JobFact, Restart, audit
from hanse.demo.chaos import FREEZE_S, freeze, kill_and_restart
from hanse.demo.plan import PlannedJob, make_plan
from hanse.demo.records import TaskRun, read_runs
from hanse.demo.scene import Happening, Scene
from hanse.demo.stage import shown
from hanse.demo.trace import load_trace
from hanse.demo.workload import TENANT, Acknowledged, CallerBook, cancel_later, submit_all

REGIONS = 3
_NODES = 3
_GPUS = 4
# Shares of the plan's time: the second and third bursts of the excerpt come at 0.3 and 0.5.
_KILL_FROM = 0.33
_FREEZE_FROM = 0.5
# A caller that sits out a daemon's restart, and more.
_RETRY = RetryPolicy(retry_for_s=60.0)
# After the last submission: the longest queue here drains in a few seconds.
_DRAIN_TIMEOUT_S = 90.0
_MEMBERS_TIMEOUT_S = 30.0
_MEMBERS_INTERVAL_S = 0.1
_RECORDS = "records"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """`directory`: where the report goes, and the data while it runs. `keep`: leave daemons' data and logs there."""

    directory: Path
    jobs: int
    seed: int
    keep: bool = False


@dataclass(slots=True, kw_only=True)
class Performance:
    """Everything that the report tells of. Wall-clock times in microseconds."""

    options: DemoOptions
    plan: Sequence[PlannedJob]
    regions: Sequence[str]
    nodes: dict[str, list[str]]
    slots: int
    start_s: float = 0.0
    begun_us: int = 0
    ended_us: int = 0
    book: CallerBook = field(default_factory=CallerBook)
    jobs: dict[str, Job] = field(default_factory=dict)
    runs: Sequence[TaskRun] = ()
    restarts: list[Restart] = field(default_factory=list)
    freezes: list[tuple[str, int, int]] = field(default_factory=list)
    happenings: Sequence[Happening] = ()
    tasks_left_over: int = 0
    wall_s: float = 0.0

    @property
    def facts(self) -> list[JobFact]:
        """The acknowledged jobs and what their homes say became of them."""
        return [self._fact(each) for each in self.book.acknowledged.values()]

    def audit(self) -> Audit:
        """The books, balanced."""
        return audit(self.facts, self.runs, self.restarts)

    @property
    def ok(self) -> bool:
        """Whether every planned job was taken, and every promise kept."""
        return len(self.book.acknowledged) == len(self.plan) and self.audit().is_clean

    def _fact(self, acknowledged: Acknowledged) -> JobFact:
        planned, job = acknowledged.planned, self.jobs.get(acknowledged.job_id)
        return JobFact(
            job_id=acknowledged.job_id,
            home=planned.home,
            tasks=planned.tasks,
            expected_exit_code=planned.exit_code,
            state=state_name(job.state) if job else "",
            region=job.region if job else "",
            epoch=job.epoch if job else 0,
            attempt=job.attempt if job else 0,
        )


async def perform(options: DemoOptions, console: Console) -> Performance:
    """Run the demo. Raises CommandError if a daemon cannot be started.

    The data is deleted if all went well, and kept otherwise for whoever looks into it (until the next demo).
    """
    begun_s = time.monotonic()
    federation = _stage(options.directory)
    records = federation.directory / _RECORDS
    records.mkdir()
    performance = _performance(options, federation)
    scene = Scene(performance.regions, len(performance.plan), performance.slots)
    keep = True
    try:
        async with shown(scene, console):
            performance.start_s = await _start(federation, scene)
            await _play(performance, federation, records, scene)
            await asyncio.to_thread(_end, federation, performance, scene)
        keep = options.keep or not performance.ok
    except asyncio.CancelledError:
        keep = options.keep
        raise
    finally:
        clear_away(federation, keep=keep)
    performance.happenings = scene.happenings
    performance.wall_s = time.monotonic() - begun_s
    return performance


def _stage(directory: Path) -> Federation:
    """A new federation in `directory`; what an interrupted demo left there is ended and deleted."""
    directory.mkdir(parents=True, exist_ok=True)
    old = layout.load(directory)
    if old is not None:
        clear_away(old, keep=False)
    shutil.rmtree(directory / DEV_DIRECTORY, ignore_errors=True)
    shape = RegionShape(
        nodes=_NODES, resources={"cpu": _GPUS * 1_000, "gpu": _GPUS * 1_000, "memory": 16 << 30}
    )
    return layout.create(directory, REGIONS, shape)


def _performance(options: DemoOptions, federation: Federation) -> Performance:
    names = [region.name for region in federation.regions]
    return Performance(
        options=options,
        plan=make_plan(load_trace(), names, options.jobs, options.seed),
        regions=names,
        nodes={name: [f"{name}-{number}" for number in range(1, _NODES + 1)] for name in names},
        slots=_NODES * _GPUS,
    )


async def _start(federation: Federation, scene: Scene) -> float:
    """Returns once every region serves and knows every other one; how long they took to serve, in seconds."""
    scene.enter("three daemons start on loopback")
    begun_s = time.monotonic()
    started = [(region, processes.start(region)) for region in federation.regions]
    async with asyncio.TaskGroup() as group:
        for region, process in started:
            group.create_task(processes.wait_until_ready(region, process))
    start_s = time.monotonic() - begun_s
    for region in federation.regions:
        scene.happened(region.name, "serving", f"{region.name} serves on {region.public_address}")
    async with _client(federation) as client, asyncio.timeout(_MEMBERS_TIMEOUT_S):
        while not await _all_know_all(client, federation):  # noqa: ASYNC110 - the condition is in other processes
            await asyncio.sleep(_MEMBERS_INTERVAL_S)
    return start_s


async def _all_know_all(client: AsyncClient, federation: Federation) -> bool:
    answers = [await client.members(region.name) for region in federation.regions]
    return all(
        member.name == answer.region or member.liveness == Liveness.LIVENESS_ALIVE
        for answer in answers
        for member in answer.members
    )


async def _play(performance: Performance, federation: Federation, records: Path, scene: Scene) -> None:
    """Submissions, cancels and faults at once; then wait for every job's end."""
    scene.enter(
        f"{len(performance.plan)} jobs of the Philly trace, most of them submitted to {performance.regions[0]}"
    )
    performance.begun_us = time.time_ns() // 1000
    async with _client(federation) as client, asyncio.TaskGroup() as group:
        watching = group.create_task(_watch(client, scene))
        async with asyncio.TaskGroup() as acts:
            await _callers(acts, performance, federation, records, client, scene)
            acts.create_task(_faults(performance, federation, records, scene))
        scene.enter("everything is submitted; the queues drain")
        await _wait_for_ends(client, performance)
        watching.cancel()
    performance.ended_us = time.time_ns() // 1000


async def _callers(
    group: asyncio.TaskGroup,
    performance: Performance,
    federation: Federation,
    records: Path,
    client: AsyncClient,
    scene: Scene,
) -> None:
    begin_s = time.monotonic()

    def on_acknowledged(taken: Sequence[Acknowledged]) -> None:
        for each in taken:
            scene.acknowledged(each.job_id, each.planned.home, each.planned.tasks)
            if each.planned.cancel_s is not None:
                group.create_task(cancel_later(client, each, performance.book))

    async def submit(home: str) -> None:
        jobs = [job for job in performance.plan if job.home == home]
        async with _client(federation, home) as submitter:
            await submit_all(submitter, home, jobs, records, begin_s, performance.book, on_acknowledged)

    for home in performance.regions:
        group.create_task(submit(home), name=f"submit to {home}")


async def _faults(performance: Performance, federation: Federation, records: Path, scene: Scene) -> None:
    """First the busiest region's daemon is killed, then another's is frozen."""
    span_s = performance.plan[-1].submit_s
    victim, frozen = federation.regions[0], federation.regions[1]
    begin_s = time.monotonic()

    def planned(job_id: str) -> PlannedJob | None:
        known = performance.book.acknowledged.values()
        return next((each.planned for each in known if each.job_id == job_id), None)

    await asyncio.sleep(_KILL_FROM * span_s)
    performance.restarts.append(await kill_and_restart(victim, records, planned, performance.start_s, scene))
    await asyncio.sleep(max(0.0, begin_s + _FREEZE_FROM * span_s - time.monotonic()))
    performance.freezes.append((frozen.name, *await freeze(frozen, FREEZE_S, scene)))


async def _watch(client: AsyncClient, scene: Scene) -> None:
    async with aclosing(client.watch(JobFilter(tenant=TENANT))) as changes:
        async for change in changes:
            scene.changed(change)


async def _wait_for_ends(client: AsyncClient, performance: Performance) -> None:
    """The outcomes as the homes tell them; jobs that have not ended in time are told as they are."""
    ids = [each.job_id for each in performance.book.acknowledged.values()]
    try:
        performance.jobs = await client.wait(ids, timeout_s=_DRAIN_TIMEOUT_S)
    except WaitTimeoutError:
        performance.jobs = {job.id: job async for job in client.list(JobFilter(tenant=TENANT))}


def _end(federation: Federation, performance: Performance, scene: Scene) -> None:
    """Stop the daemons in good order, look for what still runs, and read the records."""
    scene.enter("the daemons shut down")
    processes.stop_all(federation.regions)
    for region in federation.regions:
        scene.happened(region.name, "stopped", f"{region.name} has stopped")
    performance.tasks_left_over = sum(
        len(living_tasks(region.data / TASKS_DIRECTORY)) for region in federation.regions
    )
    performance.runs = read_runs(federation.directory / _RECORDS)


def clear_away(federation: Federation, *, keep: bool) -> None:
    """End daemons and tasks, whatever state they are in; delete their data unless it is to be kept."""
    processes.stop_all(federation.regions)
    for region in federation.regions:
        end_tasks(region.data / TASKS_DIRECTORY)
    if not keep:
        shutil.rmtree(federation.directory)


@asynccontextmanager
async def _client(federation: Federation, home: str = "") -> AsyncGenerator[AsyncClient, None]:
    """A client of all regions: its home first, else the one that nothing happens to."""
    ordered = (
        sorted(federation.regions, key=lambda region: region.name != home)
        if home
        else reversed(federation.regions)
    )
    async with AsyncClient([region.public_address for region in ordered], home=home, retry=_RETRY) as client:
        yield client
