"""The engine without processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from hanse.core.events import TaskEnded, TaskStarted
from hanse.executors.port import Executor, TaskLease, TaskReport
from hanse.executors.simulated import DURATION_VARIABLE, SimulatedExecutor
from tests.executors.conftest import DEADLINE_S, job_of, launch_of, run_of


class Heard:
    """The batches of an engine."""

    def __init__(self) -> None:
        self.batches: list[list[TaskReport]] = []
        self._news = asyncio.Event()

    def __call__(self, reports: Sequence[TaskReport]) -> None:
        self.batches.append(list(reports))
        self._news.set()

    @property
    def ends(self) -> list[TaskEnded]:
        return [report for batch in self.batches for report in batch if isinstance(report, TaskEnded)]

    async def ended(self, count: int) -> list[TaskEnded]:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.ends) < count:
                self._news.clear()
                await self._news.wait()
        return self.ends


async def make(duration_s: float = 0.0) -> tuple[Executor, Heard]:
    heard = Heard()
    engine = SimulatedExecutor(duration_s)
    assert await engine.recover(heard) == ()
    return engine, heard


async def test_what_starts_together_is_reported_together() -> None:
    engine, heard = await make()
    await engine.launch([launch_of(f"j{number}", "true") for number in range(500)])
    ends = await heard.ended(500)
    assert len(heard.batches) == 2
    assert {type(report) for report in heard.batches[0]} == {TaskStarted}
    assert {end.exit_code for end in ends} == {0}
    await engine.close()


async def test_tasks_last_as_long_as_they_say() -> None:
    engine, heard = await make(duration_s=3600)
    durations = {"long": "0.05", "short": "0.02"}
    await engine.launch(
        [launch_of(job, "x", environment={DURATION_VARIABLE: value}) for job, value in durations.items()]
    )
    await engine.launch([launch_of("forever", "x")])
    assert [job_of(end.run) for end in await heard.ended(2)] == ["short", "long"]
    long = next(end for end in heard.ends if job_of(end.run) == "long")
    assert long.ended_wall_us - long.started_wall_us >= 40_000
    await engine.close()


async def test_a_stopped_task_ends_once() -> None:
    engine, heard = await make(duration_s=0.05)
    await engine.launch([launch_of("a", "x"), launch_of("a", "x", task=1), launch_of("b", "x")])
    await engine.launch([launch_of("a", "x")])
    await engine.stop(run_of("a"), 0)
    await engine.stop(run_of("a"), 0)
    ends = await heard.ended(3)
    assert [(job_of(end.run), end.task, end.exit_code, end.signal) for end in ends] == [
        ("a", 0, 143, 15),
        ("a", 1, 143, 15),
        ("b", 0, 0, 0),
    ]
    await engine.reap([run_of("a")])
    await engine.close()


async def test_it_keeps_no_logs() -> None:
    engine, _ = await make()
    assert [chunk async for chunk in engine.read_log(run_of("a"), 0, "stdout", 0, follow=True)] == []


async def test_tasks_end_with_their_lease_unless_it_is_renewed() -> None:
    engine, heard = await make(3_600)
    now_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    leases = {
        job: TaskLease(shard=job, until_us=now_us + 200_000, length_us=1_000_000) for job in ("north", "east")
    }
    await engine.launch([launch_of(job, "true", lease=lease) for job, lease in leases.items()])
    await engine.launch([launch_of("wait", "true")])
    engine.extend("north", now_us + 500_000)
    ends = await heard.ended(2)
    assert [(job_of(end.run), end.lease_ended) for end in ends] == [("east", True), ("north", True)]
    assert time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000 >= now_us + 500_000
    await engine.close()
