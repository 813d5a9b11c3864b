"""Real daemons on loopback, in the test's own process: real gRPC, real SQLite, short timings."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from hanse.daemon.config import make_config
from hanse.daemon.serve import Daemon
from hanse.wire.gen.hanse.v1 import (
    jobs_pb2,
    jobs_pb2_grpc,
    policies_pb2_grpc,
    regions_pb2,
    regions_pb2_grpc,
    reservations_pb2_grpc,
)

DEADLINE_S = 20.0
QUICK = {
    "gossip_interval_us": 100_000,
    "record_refresh_us": 200_000,
    "hello_retry_us": 50_000,
    "hello_retry_max_us": 200_000,
    "solicit_interval_us": 100_000,
    "commit_retry_us": 50_000,
    "report_retry_us": 50_000,
    "status_flush_us": 20_000,
}


class Place:
    """One region: its daemon, and a caller's stubs to it."""

    def __init__(self, daemon: Daemon, channel: grpc.aio.Channel) -> None:
        self.daemon = daemon
        self.name = daemon.config.region.name
        self.jobs: Any = jobs_pb2_grpc.JobServiceStub(channel)
        self.regions: Any = regions_pb2_grpc.RegionServiceStub(channel)
        self.policies: Any = policies_pb2_grpc.PolicyServiceStub(channel)
        self.reservations: Any = reservations_pb2_grpc.ReservationServiceStub(channel)

    async def submit(
        self, *submissions: jobs_pb2.JobSubmission, home: str = ""
    ) -> list[jobs_pb2.SubmitResult]:
        request = jobs_pb2.SubmitJobsRequest(home=home, jobs=submissions)
        return list((await self.jobs.SubmitJobs(request, timeout=DEADLINE_S)).results)

    async def get(self, job_id: str, **fields: bool) -> jobs_pb2.Job:
        request = jobs_pb2.GetJobRequest(job_id=job_id, **fields)
        job: jobs_pb2.Job = (await self.jobs.GetJob(request, timeout=DEADLINE_S)).job
        return job

    async def list(self, **fields: Any) -> jobs_pb2.ListJobsResponse:
        response: jobs_pb2.ListJobsResponse = await self.jobs.ListJobs(
            jobs_pb2.ListJobsRequest(**fields), timeout=DEADLINE_S
        )
        return response

    async def status(self) -> regions_pb2.GetStatusResponse:
        response: regions_pb2.GetStatusResponse = await self.regions.GetStatus(
            regions_pb2.GetStatusRequest(), timeout=DEADLINE_S
        )
        return response

    async def state(self, job_id: str, *states: int) -> jobs_pb2.Job:
        """The job, as soon as it is in one of these states."""

        async def reached() -> jobs_pb2.Job | None:
            job = await self.get(job_id)
            return job if job.state in states else None

        return await eventually(reached)


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """What `look` gives as soon as it is truthy."""
    async with asyncio.timeout(DEADLINE_S):
        while not (found := await look()):  # noqa: ASYNC110 - asked over the wire, where no event can be set
            await asyncio.sleep(0.01)
        return found


class League:
    """Several regions; daemons can be stopped and started one by one."""

    def __init__(self, directory: Path, group: asyncio.TaskGroup, configs: dict[str, dict[str, Any]]) -> None:
        self._directory = directory
        self._group = group
        self.configs = configs
        self.running: dict[str, tuple[Place, asyncio.Task[None], grpc.aio.Channel]] = {}

    def __getitem__(self, name: str) -> Place:
        return self.running[name][0]

    async def start(self, name: str) -> Place:
        daemon = Daemon(make_config(self._directory / f"{name}.toml", self.configs[name]))
        task = self._group.create_task(daemon.run())
        serving = self._group.create_task(daemon.serving.wait())
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait({task, serving}, return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{daemon.public.port}",
            options=[("grpc.max_send_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1)],
        )
        self.running[name] = (Place(daemon, channel), task, channel)
        return self[name]

    async def run_once(self, name: str) -> None:
        """Start a region that ends by itself. Raises what ends it."""
        daemon = Daemon(make_config(self._directory / f"{name}.toml", self.configs[name]))
        async with asyncio.timeout(DEADLINE_S):
            await daemon.run()

    async def stop(self, name: str) -> None:
        place, task, channel = self.running.pop(name)
        await channel.close()
        place.daemon.stop()
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait({task})


@asynccontextmanager
async def league(
    directory: Path, *names: str, start: bool = True, executor: str = "simulated", **tables: dict[str, Any]
) -> AsyncIterator[League]:
    """Regions of these names with two nodes each; `tables` replace or add tables of their configurations."""
    peers = dict(zip(names, free_addresses(len(names)), strict=True))
    configs = {
        name: {
            "region": {"name": name, "cluster_id": "test", "data_dir": f"data-{name}"},
            "listen": {"public": "127.0.0.1:0", "peers": peers[name], "http": "127.0.0.1:0"},
            "members": [{"name": member, "peer_address": address} for member, address in peers.items()],
            "nodes": [
                {
                    "name": f"{name}[1-2]",
                    "class": "standard",
                    "resources": {"cpu": 4000, "memory": 1 << 33},
                    "labels": {"zone": name},
                }
            ],
            "executor": {"kind": executor},
            "timings": QUICK,
            **tables,
        }
        for name in names
    }
    async with asyncio.TaskGroup() as group:
        running = League(directory, group, configs)
        try:
            if start:
                for name in names:
                    await running.start(name)
            yield running
        finally:
            for name in list(running.running):
                await running.stop(name)


async def leads(place: Place) -> dict[str, str]:
    """Who leads which shard, by the largest term that this region has heard of."""
    inventory = await place.regions.GetInventory(regions_pb2.GetInventoryRequest(), timeout=DEADLINE_S)
    found: dict[str, tuple[int, str]] = {}
    for record in inventory.records:
        for lead in record.leads:
            found[lead.shard] = max(found.get(lead.shard, (0, "")), (lead.term, record.region))
    return {shard: region for shard, (_, region) in found.items()}


async def led_by_their_homes(regions: League) -> bool:
    """Whether every region that runs knows that."""
    told = [await leads(place) for place, _, _ in regions.running.values()]
    return all(each == {name: name for name in regions.running} for each in told)


def submission(client_key: str, cpu: int = 1000, **spec: Any) -> jobs_pb2.JobSubmission:
    """A job of one task that ends at once."""
    fields = {
        "name": client_key,
        "tenant": "org/team",
        "groups": [
            jobs_pb2.TaskGroup(
                requirements=jobs_pb2.Requirements(resources={"cpu": cpu}),
                program=jobs_pb2.Program(command=["/bin/true"]),
            )
        ],
        **spec,
    }
    return jobs_pb2.JobSubmission(client_key=client_key, spec=jobs_pb2.JobSpec(**fields))


def shell(client_key: str, script: str, **spec: Any) -> jobs_pb2.JobSubmission:
    """A job of one task that runs a shell script."""
    made = submission(client_key, **spec)
    made.spec.groups[0].program.command[:] = ["/bin/sh", "-c", script]
    return made


def until_exists(path: Path) -> str:
    """A shell loop that ends when `path` exists; or after 20 s, so that a failed test leaves nothing behind."""
    return f"for i in $(seq 1000); do [ -e {path} ] && break; sleep 0.02; done"


def free_addresses(count: int) -> list[str]:
    """Addresses that nobody listens on now. (Members must know each other's ports before any of them is bound.)"""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()
