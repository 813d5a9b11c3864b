"""A local engine on a directory of its own, and what tests wait for."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from hanse.core.events import FoundTask, TaskEnded, TaskStarted
from hanse.core.model.jobs import RunId
from hanse.executors.environment import task_environment
from hanse.executors.local.containment import Containment, best_available
from hanse.executors.local.executor import LocalExecutor
from hanse.executors.local.names import record_name, run_name
from hanse.executors.local.processes import all_processes, environment_of, stat_of
from hanse.executors.local.records import parse_record
from hanse.executors.port import LogChunk, TaskLaunch, TaskReport

DEADLINE_S = 20.0
SECOND_US = 1_000_000
# Tasks are looked for on the whole machine, where other tests run at the same time.
TOKEN_VARIABLE = "EXECUTOR_TESTS_TOKEN"
TOKEN = os.environ.get(TOKEN_VARIABLE) or str(os.getpid())


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something outside of this process, which nobody announces."""
    give_up_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < give_up_s, f"waited {DEADLINE_S} s in vain until {what}"
        await asyncio.sleep(0.005)


def run_of(job: str) -> RunId:
    """The only run of this test's job."""
    return RunId(f"{job}-{TOKEN}", 1, 1)


def job_of(run: RunId) -> str:
    """The name that the test gave it."""
    return run.job_id.removesuffix(f"-{TOKEN}")


def launch_of(
    job: str,
    *command: str,
    task: int = 0,
    grace_us: int = 10 * SECOND_US,
    environment: dict[str, str] | None = None,
    **more: object,
) -> TaskLaunch:
    run = run_of(job)
    complete = task_environment(
        run=run, task=task, task_count=1, group=0, region="north", node="n1", user=environment
    )
    return TaskLaunch(
        run=run, task=task, command=command, environment=complete, grace_us=grace_us, node="n1", **more
    )  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    stat = stat_of(pid)
    return stat is not None and not stat.dead


def processes_of(job: str) -> list[int]:
    """Every living process that was started for this job, wherever it has gone."""
    return [
        stat.id.pid
        for stat in all_processes()
        if not stat.dead and _settled_environment(stat.id.pid).get("HANSE_JOB_ID") == run_of(job).job_id
    ]


def _settled_environment(pid: int) -> dict[str, str]:
    """What it has once it is done with becoming another program."""
    while (environment := environment_of(pid)) is None:
        os.sched_yield()
    return environment


class Engine:
    """An executor with all that it reported."""

    def __init__(self, directory: Path, containment: Containment | None) -> None:
        self.directory = directory
        self.containment = containment
        self.executor = LocalExecutor(directory, containment)
        self.found: tuple[FoundTask, ...] = ()
        self.reports: list[TaskReport] = []
        self._news = asyncio.Event()
        self.closed = False

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            await self.executor.close()

    async def recover(self) -> tuple[FoundTask, ...]:
        self.found = await self.executor.recover(self._on_reports)
        return self.found

    def _on_reports(self, reports: Sequence[TaskReport]) -> None:
        assert reports, "an empty batch"
        self.reports += reports
        self._news.set()

    async def run(self, launch: TaskLaunch) -> TaskEnded:
        await self.executor.launch([launch])
        return await self.ended(job_of(launch.run), launch.task)

    async def started(self, job: str, task: int = 0) -> TaskStarted:
        return await self._report(TaskStarted, job, task)

    async def ended(self, job: str, task: int = 0) -> TaskEnded:
        return await self._report(TaskEnded, job, task)

    def reports_of(self, kind: type, job: str, task: int = 0) -> list:  # type: ignore[type-arg]
        return [
            report
            for report in self.reports
            if isinstance(report, kind) and (report.run, report.task) == (run_of(job), task)
        ]

    async def _report(self, kind, job: str, task: int):  # type: ignore[no-untyped-def]
        async with asyncio.timeout(DEADLINE_S):
            while not (found := self.reports_of(kind, job, task)):
                self._news.clear()
                await self._news.wait()
        return found[0]

    async def stop_all(self) -> None:
        """Nothing that a failed test left running may outlive it."""
        begun = {(report.run, report.task) for report in self.reports if isinstance(report, TaskStarted)}
        begun |= {(found.run, found.task) for found in self.found if found.ended is None}
        over = {(report.run, report.task) for report in self.reports if isinstance(report, TaskEnded)}
        for run, task in sorted(begun - over, key=str):
            await self.executor.stop(run, 0)
            await self.ended(job_of(run), task)

    async def text(self, job: str, stream: str = "stdout", task: int = 0) -> str:
        return b"".join([chunk.data for chunk in await self.chunks(job, stream, task)]).decode()

    async def chunks(self, job: str, stream: str = "stdout", task: int = 0) -> list[LogChunk]:
        return [chunk async for chunk in self.executor.read_log(run_of(job), task, stream, 0, False)]

    def record_of(self, job: str, task: int = 0) -> Path:
        return self.directory / "records" / record_name(run_of(job), task)

    def read_record(self, job: str) -> bytes:
        path = self.record_of(job)
        return path.read_bytes() if path.exists() else b""

    def log_of(self, job: str) -> Path:
        return self.directory / "logs" / run_name(run_of(job)) / "0.stdout"

    def scratch_of(self, job: str) -> Path:
        return self.directory / "scratch" / run_name(run_of(job))

    def supervisor_of(self, job: str, task: int = 0) -> int:
        supervised = parse_record(self.record_of(job, task).read_bytes()).supervised
        assert supervised is not None
        return supervised.supervisor.pid


def _modes() -> list[Containment]:
    """What can be had here; the lesser one works everywhere."""
    return list(Containment) if best_available() is Containment.PID_NAMESPACE else [Containment.PROCESS_TREE]


@pytest.fixture(params=_modes())
def containment(request: pytest.FixtureRequest) -> Containment:
    return Containment(request.param)


MakeEngine = Callable[[], Awaitable[Engine]]


@pytest.fixture
async def make_engine(tmp_path: Path, containment: Containment) -> AsyncIterator[MakeEngine]:
    """Engines on one directory, one life after the other; at the end whatever still runs is stopped."""
    engines: list[Engine] = []

    async def make() -> Engine:
        if engines:
            await engines.pop().close()
        engine = Engine(tmp_path / "runs", containment)
        engines.append(engine)
        await engine.recover()
        return engine

    yield make
    for engine in engines:
        if not engine.closed:
            await engine.stop_all()
            await engine.close()


@pytest.fixture
async def engine(make_engine: MakeEngine) -> Engine:
    return await make_engine()
