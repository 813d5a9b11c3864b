"""The daemons of a campaign: made, started, killed, started again, and all cleared away."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from chaos.live.campaign import Campaign
from chaos.live.commands import run
from chaos.live.errors import HarnessError
from chaos.live.faults import ClockJump, FillDisk
from chaos.live.janitor import Janitor, clear
from chaos.live.links import DirectLinks, Links, ProxyLinks
from chaos.live.network import Network
from chaos.live.tools import faketime_library
from hanse.bench.proxied import dial_through
from hanse.bench.proxy import Proxy
from hanse.cli.connect import DEV_DIRECTORY
from hanse.cli.devnet import layout, processes
from hanse.cli.devnet.layout import Federation, LocalRegion, RegionShape
from hanse.cli.devnet.tasks import end_tasks
from hanse.client import AsyncClient, RetryPolicy
from hanse.client.messages import Liveness
from hanse.core.model.jobs import RunId
from hanse.daemon.runtime import TASKS_DIRECTORY
from hanse.demo.audit import Restart
from hanse.demo.workload import CallerBook
from hanse.executors.local.processes import ProcessId, send_signal

_PORTS = {"public": 7401, "peers": 7402, "http": 7403}
_MEMBERS_TIMEOUT_S = 60.0
_MEMBERS_INTERVAL_S = 0.2
# A caller that sits out whatever a campaign does, and more.
RETRY = RetryPolicy(retry_for_s=150.0, backoff_max_s=2.0)
_MEBIBYTE = 1 << 20
# A tmpfs that can be filled in a moment, and bounds that fit it as the defaults fit a real disk.
_TMPFS_BYTES = 128 * _MEBIBYTE
_TMPFS_POLICY = {
    "nearly_full_bytes": 32 * _MEBIBYTE,
    "clear_bytes": 48 * _MEBIBYTE,
    "critical_bytes": 8 * _MEBIBYTE,
    "reserve_bytes": 4 * _MEBIBYTE,
}
# How often the disk is looked at: the default of 10 s is a third of a campaign.
_HOUSEKEEPING = {"interval_s": 0.5}


class Loss(NamedTuple):
    """A region that was lost to its guardians, and when (microseconds of the wall clock)."""

    region: str
    at_us: int


@dataclass(kw_only=True)
class Stage:
    """What injectors act on, and what they note for the books. Times: microseconds of the wall clock."""

    campaign: Campaign
    federation: Federation
    links: Links
    network: Network | None
    records: Path
    say: Callable[[str], None]
    book: CallerBook = field(default_factory=CallerBook)
    restarts: list[Restart] = field(default_factory=list)
    # From the start of a killed daemon's successor until it serves.
    restarts_s: list[float] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    forced_ends: dict[tuple[RunId, int], int] = field(default_factory=dict)
    # What regions that had returned kept of what was not theirs any more.
    stale: list[str] = field(default_factory=list)
    # Held while nothing may be submitted.
    quiet: asyncio.Lock = field(default_factory=asyncio.Lock)
    # Regions whose daemon is down because a fault keeps it down.
    down: set[str] = field(default_factory=set)

    def region(self, name: str) -> LocalRegion:
        """The region of this name."""
        return self.federation.region(name)

    def daemon(self, name: str) -> ProcessId:
        """Its daemon. HarnessError if it has ended by itself."""
        process = processes.running(self.region(name))
        if process is None:
            raise HarnessError(f"{name}'s daemon has ended by itself{processes.log_tail(self.region(name))}")
        return process

    def start(self, name: str) -> ProcessId:
        """Start its daemon; it is not ready yet."""
        prefix = self.network.enter(name) if self.network else []
        return processes.start(self.region(name), prefix=prefix, environment=self._environment(name))

    async def kill(self, name: str) -> int:
        """kill -9; returns when."""
        process = self.daemon(name)
        killed_us = wall_us()
        self.down.add(name)
        self.losses.append(Loss(name, killed_us))
        send_signal(process, signal.SIGKILL)
        await processes.wait_until_ended(process)
        return killed_us

    async def destroy(self, name: str) -> int:
        """kill -9 of its daemon and of all supervisors, and its disk deleted; returns when that began."""
        killed_us = await self.kill(name)
        data = self.region(name).data
        await asyncio.to_thread(end_tasks, data / TASKS_DIRECTORY)
        await asyncio.to_thread(shutil.rmtree, data)
        return killed_us

    async def restart(self, name: str, killed_us: int) -> None:
        """Start it again, and return when it serves: then it has taken over what its predecessor left running."""
        started_s = time.monotonic()
        await processes.wait_until_ready(self.region(name), self.start(name))
        self.restarts_s.append(time.monotonic() - started_s)
        self.restarts.append(Restart(region=name, killed_us=killed_us, serving_us=wall_us()))
        self.down.discard(name)

    def ended_by_themselves(self) -> list[str]:
        """Regions whose daemon is gone though no fault keeps it down."""
        return [
            region.name
            for region in self.federation.regions
            if region.name not in self.down and processes.running(region) is None
        ]

    @asynccontextmanager
    async def client(
        self, home: str = "", *, only: bool = False, retry: RetryPolicy = RETRY
    ) -> AsyncGenerator[AsyncClient, None]:
        """A client of all regions, `home` first; or of that region alone."""
        ordered = sorted(self.federation.regions, key=lambda region: region.name != home)
        asked = ordered[:1] if only else ordered
        addresses = [region.public_address for region in asked]
        async with AsyncClient(addresses, home=home, retry=retry) as client:
            yield client

    def clock_file(self, name: str) -> Path:
        """What its wall clock is off by, as libfaketime reads it."""
        return self.region(name).directory / "clock"

    def _environment(self, name: str) -> dict[str, str]:
        if not _has(self.campaign, ClockJump, name):
            return {}
        return {
            "LD_PRELOAD": str(faketime_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.clock_file(name)),
            # Looking into the file at every reading of a clock would slow the daemon down beyond recognition.
            "FAKETIME_CACHE_DURATION": "1",
            # libfaketime's repair of timed waits is for old C libraries; with this one it turns waits into spinning.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }


@asynccontextmanager
async def staged(
    campaign: Campaign, directory: Path, say: Callable[[str], None], *, root: bool
) -> AsyncGenerator[Stage, None]:
    """All daemons, serving and acquainted; cleared away however this is left, and if the harness is killed."""
    async with AsyncExitStack() as stack:
        network = Network(campaign.regions) if root else None
        janitor = Janitor(directory, network.number if network else None, network.lock if network else None)
        stack.push_async_callback(asyncio.to_thread, _clear, directory, network, janitor)
        if network is not None:
            # Not in a thread: one that goes on after a cancel would build what is being swept.
            network.build()
        federation = _federation(campaign, directory, network)
        layout.write(federation, _shape(campaign))
        links = await _links(campaign, federation, network, stack)
        stage = Stage(
            campaign=campaign,
            federation=federation,
            links=links,
            network=network,
            records=directory / "records",
            say=say,
        )
        stage.records.mkdir()
        _prepare(stage)
        await _start_all(stage)
        yield stage


def _clear(directory: Path, network: Network | None, janitor: Janitor) -> None:
    try:
        clear(directory, network.number if network else None)
    finally:
        janitor.dismiss()
        if network is not None:
            os.close(network.lock)


def _federation(campaign: Campaign, directory: Path, network: Network | None) -> Federation:
    where = directory / DEV_DIRECTORY
    ports = iter(layout.free_ports(len(_PORTS) * len(campaign.regions)))

    def addresses(name: str) -> dict[str, str]:
        if network is None:
            return {listener: f"127.0.0.1:{next(ports)}" for listener in _PORTS}
        return {listener: f"{network.address(name)}:{port}" for listener, port in _PORTS.items()}

    found = {name: addresses(name) for name in campaign.regions}
    regions = tuple(
        LocalRegion(
            name=name,
            directory=where / name,
            public_address=one["public"],
            peer_address=one["peers"],
            http_address=one["http"],
        )
        for name, one in found.items()
    )
    return Federation(where, regions)


def _shape(campaign: Campaign) -> RegionShape:
    slots = campaign.topology.slots
    tables: dict[str, Mapping[str, Any]] = {"retention": _HOUSEKEEPING}
    if any(isinstance(fault, FillDisk) for fault in campaign.faults):
        tables["disk"] = _TMPFS_POLICY
    return RegionShape(
        nodes=campaign.topology.nodes,
        resources={"cpu": slots * 1_000, "gpu": slots * 1_000, "memory": 16 << 30},
        tables=tables,
    )


async def _links(
    campaign: Campaign, federation: Federation, network: Network | None, stack: AsyncExitStack
) -> Links:
    if network is not None and campaign.links(root=True) == "direct":
        return DirectLinks(network)
    proxy = await stack.enter_async_context(Proxy())
    host = network.harness_address if network else "127.0.0.1"
    await dial_through(proxy, federation, _shape(campaign), host)
    return ProxyLinks(proxy)


def _prepare(stage: Stage) -> None:
    for region in stage.federation.regions:
        if _has(stage.campaign, FillDisk, region.name):
            region.data.mkdir()
            run("mount", "-t", "tmpfs", "-o", f"size={_TMPFS_BYTES},mode=700", "tmpfs", str(region.data))
        if _has(stage.campaign, ClockJump, region.name):
            stage.clock_file(region.name).write_text("+0s\n", encoding="utf-8")


async def _start_all(stage: Stage) -> None:
    begun_s = time.monotonic()
    started = [(region, stage.start(region.name)) for region in stage.federation.regions]
    async with asyncio.TaskGroup() as group:
        for region, process in started:
            group.create_task(processes.wait_until_ready(region, process))
    await wait_until_acquainted(stage)
    stage.say(f"{len(started)} daemons serve and know each other after {time.monotonic() - begun_s:.1f} s")


async def wait_until_acquainted(stage: Stage) -> None:
    """Return when every region calls every other one ALIVE."""
    try:
        async with asyncio.timeout(_MEMBERS_TIMEOUT_S), stage.client() as client:
            while not await _all_know_all(client, stage.federation):  # noqa: ASYNC110 - in other processes
                await asyncio.sleep(_MEMBERS_INTERVAL_S)
    except TimeoutError as error:
        gone = "".join(f"; {name}'s daemon has ended by itself" for name in stage.ended_by_themselves())
        raise HarnessError(f"the regions do not find each other in {_MEMBERS_TIMEOUT_S:g} s{gone}") from error


async def _all_know_all(client: AsyncClient, federation: Federation) -> bool:
    answers = [await client.members(region.name) for region in federation.regions]
    return all(
        member.name == answer.region or member.liveness == Liveness.LIVENESS_ALIVE
        for answer in answers
        for member in answer.members
    )


def _has(campaign: Campaign, kind: type[ClockJump] | type[FillDisk], region: str) -> bool:
    return any(isinstance(fault, kind) and fault.region == region for fault in campaign.faults)


def wall_us() -> int:
    """Microseconds of the wall clock, as the tasks write them."""
    return time.time_ns() // 1000
