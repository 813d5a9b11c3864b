"""The three regions of docker-compose.yml, as the test needs them: up, down, killed, cut off, and read."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.compose.docker import Say, Shell
from hanse.cli.devnet.layout import free_ports
from hanse.client import AsyncClient, RetryPolicy
from hanse.client.messages import Liveness
from hanse.core.model.jobs import RunId
from hanse.daemon.runtime import TASKS_DIRECTORY
from hanse.demo.records import TaskRun, read_runs
from hanse.executors.local import records
from hanse.executors.local.names import parse_record_name

REGIONS = ("north", "east", "west")
# On each region's volume: where its tasks write down when they ran.
_VOLUME = Path("/var/lib/hanse")
RECORDS = _VOLUME / "records"
_SUPERVISORS_RECORDS = _VOLUME / TASKS_DIRECTORY / records.RECORDS
_DIRECTORY = Path(__file__).parent
# A caller that sits out a container's restart, and more.
_RETRY = RetryPolicy(retry_for_s=120.0)
_READY_TIMEOUT_S = 120.0
_READY_INTERVAL_S = 0.25

TaskId = tuple[RunId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class League:
    """Three containers of one Compose project. `scratch`: a directory for what is read out of them."""

    shell: Shell
    project: str
    ports: Mapping[str, int]
    scratch: Path

    def client(self, home: str = "") -> AsyncClient:
        """A caller outside of the containers, who knows all regions and asks the home first."""
        ordered = sorted(REGIONS, key=lambda region: region != home)
        return AsyncClient([f"127.0.0.1:{self.ports[region]}" for region in ordered], home=home, retry=_RETRY)

    async def wait_until_all_know_all(self) -> float:
        """Until every region serves and sees every other one ALIVE; how long that took, in seconds."""
        begun_s = time.monotonic()
        async with self.client() as client, asyncio.timeout(_READY_TIMEOUT_S):
            while not await _all_know_all(client):  # noqa: ASYNC110 - the condition is in other processes
                await asyncio.sleep(_READY_INTERVAL_S)
        return time.monotonic() - begun_s

    async def wait_until_healthy(self) -> None:
        """Until Docker's own health checks say so of every container."""
        async with asyncio.timeout(_READY_TIMEOUT_S):
            for region in REGIONS:
                while await self._health(region) != "healthy":  # noqa: ASYNC110 - the condition is in Docker
                    await asyncio.sleep(_READY_INTERVAL_S)

    async def kill(self, region: str) -> int:
        """SIGKILL to everything in the container; when all of it was dead, in microseconds of the wall clock."""
        container = await self._container(region)
        await self.shell.run("docker", "kill", "--signal", "KILL", container)
        await self.shell.run("docker", "wait", container)
        return time.time_ns() // 1000

    async def start(self, region: str) -> None:
        """Start the container of a region that is down, on its volume."""
        await self.shell.run("docker", "start", await self._container(region))

    async def disconnect(self, region: str) -> None:
        """Cut the region off from the others; its callers still reach it."""
        await self.shell.run(
            "docker", "network", "disconnect", f"{self.project}_interconnect", await self._container(region)
        )

    async def connect(self, region: str) -> None:
        """End the partition, under the name that the others know the region by."""
        await self.shell.run(
            "docker",
            "network",
            "connect",
            f"--alias={region}",
            f"{self.project}_interconnect",
            await self._container(region),
        )

    async def runs(self) -> list[TaskRun]:
        """All that the tasks have written on the three volumes."""
        found = []
        for region in REGIONS:
            found += read_runs(await self._copy(region, RECORDS))
        return found

    async def unended(self, region: str) -> frozenset[TaskId]:
        """Tasks whose end nobody has put on record, by their supervisors' records; for a region that is down."""
        copied = await self._copy(region, _SUPERVISORS_RECORDS)
        directory = os.open(copied, os.O_RDONLY | os.O_DIRECTORY)
        try:
            named = [(path.name, parse_record_name(path.name)) for path in copied.iterdir()]
            read = [(task, records.read_record(directory, name)) for name, task in named if task is not None]
        finally:
            os.close(directory)
        return frozenset(task for task, record in read if record is not None and record.ended is None)

    async def _copy(self, region: str, path: Path) -> Path:
        target = self.scratch / region / path.relative_to(_VOLUME)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        await self.shell.run("docker", "cp", f"{await self._container(region)}:{path}", str(target))
        return target

    async def _container(self, region: str) -> str:
        return await self.shell.run(
            "docker",
            "ps",
            "--all",
            "--quiet",
            f"--filter=label=com.docker.compose.project={self.project}",
            f"--filter=label=com.docker.compose.service={region}",
        )

    async def _health(self, region: str) -> str:
        told = await self.shell.run(
            "docker", "inspect", "--format={{json .State.Health.Status}}", await self._container(region)
        )
        return str(json.loads(told))


@asynccontextmanager
async def league(
    shell: Shell, base: str, project: str, scratch: Path, say: Say
) -> AsyncGenerator[League, None]:
    """Build the image, start three containers; in the end remove these, their volumes, networks and image."""
    ports = dict(zip(REGIONS, free_ports(len(REGIONS)), strict=True))
    variables = {f"HANSE_{region.upper()}_PORT": str(port) for region, port in ports.items()}
    own = shell.with_environment({**variables, "HANSE_BASE": base, "HANSE_IMAGE": project})

    async def compose(*command: str) -> None:
        where = ("-f", str(_DIRECTORY / "docker-compose.yml"), "-p", project)
        await own.run("docker-compose", "--no-ansi", *where, *command)

    try:
        await compose("build")
        say("the image is built")
        await compose("up", "--detach", "--no-build")
        for region in REGIONS:
            await compose("exec", "-T", region, "mkdir", "-p", str(RECORDS))
        yield League(shell=own, project=project, ports=ports, scratch=scratch)
    finally:
        await compose("logs", "--no-color")
        await compose("down", "--volumes", "--remove-orphans", "--rmi", "all")


async def _all_know_all(client: AsyncClient) -> bool:
    answers = [await client.members(region) for region in REGIONS]
    return all(
        member.name == answer.region or member.liveness == Liveness.LIVENESS_ALIVE
        for answer in answers
        for member in answer.members
    )
