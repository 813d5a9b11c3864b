"""Daemons for one measurement: started in a directory of their own, ended and deleted when it is over."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from hanse.bench.figures import Usage, usage_now
from hanse.bench.proxied import dial_through
from hanse.bench.proxy import Proxy
from hanse.cli.devnet import layout, processes
from hanse.cli.devnet.layout import Federation, LocalRegion, RegionShape
from hanse.cli.devnet.tasks import end_tasks
from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.client import AsyncClient, RetryPolicy
from hanse.client.messages import Liveness
from hanse.daemon.ledger_ids import LEDGER_FILE
from hanse.daemon.runtime import TASKS_DIRECTORY
from hanse.executors.local.processes import ProcessId

TENANT = "bench"
RECORDS = "records"
# Memory is not a disk: an acknowledgement there says nothing about durability.
_NOT_DISKS = ("tmpfs", "ramfs")
_MEMBERS_TIMEOUT_S = 60.0
_MEMBERS_INTERVAL_S = 0.1
_RETRY = RetryPolicy(call_timeout_s=30.0, retry_for_s=120.0)


@dataclass(slots=True)
class League:
    """Running daemons, by region."""

    federation: Federation
    daemons: dict[str, ProcessId]

    @property
    def home(self) -> LocalRegion:
        """The region that everything is submitted to."""
        return self.federation.regions[0]

    @property
    def records(self) -> Path:
        """Where tasks write their records."""
        return self.federation.directory / RECORDS

    @property
    def filesystem(self) -> str:
        """What the ledgers are on."""
        return filesystem_of(self.federation.directory)

    def ledger(self, region: str) -> Path:
        """A region's ledger. Read it when the daemons have ended."""
        return self.federation.region(region).data / LEDGER_FILE

    def client(self) -> AsyncClient:
        """A client of the home region."""
        return self.client_of(self.home.name)

    def client_of(self, *names: str) -> AsyncClient:
        """A client of these regions, which asks the first of them that answers."""
        addresses = [self.federation.region(name).public_address for name in names]
        return AsyncClient(addresses, home=names[0], retry=_RETRY)

    async def who_leads(self, region: str) -> set[tuple[str, str]]:
        """(leader, shard) for every region that says that it leads one, as this region has heard."""
        async with self.client_of(region) as client:
            inventory = await client.inventory(region)
        return {(record.region, lead.shard) for record in inventory.records for lead in record.leads}

    def usage(self) -> Usage:
        """CPU used so far."""
        return usage_now({name: process.pid for name, process in self.daemons.items()})

    def resident_bytes(self, region: str) -> int:
        """Memory of a region's daemon, its tasks and their launcher not included."""
        return int(psutil.Process(self.daemons[region].pid).memory_info().rss)

    async def stop(self) -> None:
        """End all daemons in good order."""
        await asyncio.to_thread(processes.stop_all, self.federation.regions)
        self.daemons.clear()

    async def start(self, region: str) -> float:
        """Start a daemon that does not run; seconds until it serves."""
        begun_s = time.monotonic()
        local = self.federation.region(region)
        self.daemons[region] = processes.start(local)
        await processes.wait_until_ready(local, self.daemons[region])
        return time.monotonic() - begun_s


@asynccontextmanager
async def league(
    directory: Path, regions: int, shape: RegionShape, *, keep: bool = False, proxy: Proxy | None = None
) -> AsyncGenerator[League, None]:
    """Daemons that serve and know each other. Their data is below `directory`, which must be on a disk. Through `proxy`
    they dial each other, if there is one."""
    parent = _workplace(directory)
    federation = layout.create(parent, regions, shape)
    if proxy is not None:
        await dial_through(proxy, federation, shape)
    running = League(federation, {})
    running.records.mkdir()
    try:
        async with asyncio.TaskGroup() as group:
            for region in federation.regions:
                group.create_task(running.start(region.name))
        await _acquainted(running)
        yield running
    finally:
        _clear_away(federation, parent, keep=keep)


def shape_of(slots: int, executor: Mapping[str, Any]) -> RegionShape:
    """A region that runs so many one-core tasks at once, on nodes of at most a hundred."""
    nodes = next(count for count in range(1, slots + 1) if slots % count == 0 and slots // count <= 100)
    return RegionShape(
        nodes=nodes,
        resources={"cpu": slots // nodes * 1_000, "memory": 64 << 30},
        tables={"executor": executor},
    )


def filesystem_of(path: Path) -> str:
    """Type of the file system that holds an existing path, such as "ext4"."""
    mounts = psutil.disk_partitions(all=True)
    inside = [each for each in mounts if path.resolve().is_relative_to(each.mountpoint)]
    return max(inside, key=lambda each: len(each.mountpoint)).fstype if inside else "unknown"


def _workplace(directory: Path) -> Path:
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if filesystem_of(existing) in _NOT_DISKS:
        raise UsageOrConfigError(
            f"{directory} is in memory, where nothing is durable",
            hint="name a directory on a disk with --data-dir",
        )
    directory.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="bench-", dir=directory))


async def _acquainted(running: League) -> None:
    """Wait until every region hears every other, and knows what it has to offer."""
    try:
        async with running.client() as client, asyncio.timeout(_MEMBERS_TIMEOUT_S):
            # A poll: the condition is in other processes.
            while not (await _all_alive(client, running) and await _all_offer(client, running)):  # noqa: ASYNC110
                await asyncio.sleep(_MEMBERS_INTERVAL_S)
    except TimeoutError as error:
        raise CommandError(
            f"the regions do not find each other within {_MEMBERS_TIMEOUT_S:g} s",
            hint="see their logs with --keep",
        ) from error


async def _all_alive(client: AsyncClient, running: League) -> bool:
    answers = [await client.members(region.name) for region in running.federation.regions]
    return all(
        member.name == answer.region or member.liveness == Liveness.LIVENESS_ALIVE
        for answer in answers
        for member in answer.members
    )


async def _all_offer(client: AsyncClient, running: League) -> bool:
    names = {region.name for region in running.federation.regions}
    answers = [await client.inventory(name) for name in names]
    return all({record.region for record in answer.records if record.classes} == names for answer in answers)


def _clear_away(federation: Federation, parent: Path, *, keep: bool) -> None:
    processes.stop_all(federation.regions)
    for region in federation.regions:
        end_tasks(region.data / TASKS_DIRECTORY)
    if not keep:
        shutil.rmtree(parent)
