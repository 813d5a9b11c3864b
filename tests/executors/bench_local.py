"""What the engines cost here: `python -m tests.executors.bench_local [tasks] [at once]`. Figures, no verdicts."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from hanse.core.events import TaskEnded
from hanse.core.model.jobs import RunId
from hanse.executors.local.containment import Containment
from hanse.executors.local.executor import LocalExecutor
from hanse.executors.port import Executor, TaskLaunch, TaskReport
from hanse.executors.simulated import SimulatedExecutor

DISK = os.environ.get("HANSE_BENCH_DIR", str(Path.cwd() / "build"))


def no_op(number: int) -> TaskLaunch:
    """A task that does nothing."""
    return TaskLaunch(
        run=RunId(f"bench-{number}", 1, 1),
        task=0,
        command=("/bin/true",),
        environment=(),
        grace_us=0,
        node="n",
    )


def _machine_cpu_s() -> float:
    """CPU seconds that all processes of the machine have used: supervisors are nobody's children here."""
    with Path("/proc/stat").open() as stat:
        ticks = [int(word) for word in stat.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _own_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Run:
    """So many tasks one after the other, `at_once` at a time: as a region with so many slots launches them."""

    def __init__(self, engine: Executor, tasks: int, at_once: int) -> None:
        self._engine = engine
        self._launches = iter([no_op(number) for number in range(tasks)])
        self._left = tasks
        self._at_once = at_once
        self._ended = asyncio.Event()
        self._orders: asyncio.Queue[Sequence[TaskReport]] = asyncio.Queue()

    def sink(self, reports: Sequence[TaskReport]) -> None:
        """As ReportSink."""
        ends = [report for report in reports if isinstance(report, TaskEnded)]
        self._left -= len(ends)
        self._orders.put_nowait(ends)
        if self._left == 0:
            self._ended.set()

    async def complete(self) -> None:
        """Launch as tasks end, and reap what ended."""
        await self._engine.launch(list(islice(self._launches, self._at_once)))
        while not self._ended.is_set() or self._orders.qsize():
            ends = await self._orders.get()
            await self._engine.launch(list(islice(self._launches, len(ends))))
            await self._engine.reap([report.run for report in ends])


async def measure(engine: Executor, tasks: int, at_once: int) -> dict[str, float]:
    """Run no-op tasks from launch to reap."""
    run = Run(engine, tasks, at_once)
    await engine.recover(run.sink)
    begin_s, machine_s, own_s = time.perf_counter(), _machine_cpu_s(), _own_cpu_s()
    await run.complete()
    wall_s = time.perf_counter() - begin_s
    figures = {
        "tasks": tasks,
        "at_once": at_once,
        "tasks_per_s": round(tasks / wall_s),
        "machine_cpu_us_per_task": round((_machine_cpu_s() - machine_s) / tasks * 1e6),
        "own_cpu_us_per_task": round((_own_cpu_s() - own_s) / tasks * 1e6, 1),
    }
    await engine.close()
    return figures


def main() -> None:
    """Print one JSON line per engine."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    at_once = int(sys.argv[2]) if len(sys.argv) > 2 else 24
    for containment in Containment:
        with tempfile.TemporaryDirectory(dir=DISK) as directory:
            figures = asyncio.run(measure(LocalExecutor(Path(directory), containment), tasks, at_once))
        print(json.dumps({"engine": f"local, {containment}", **figures}))  # noqa: T201
    figures = asyncio.run(measure(SimulatedExecutor(), 30 * tasks, 30 * at_once))
    print(json.dumps({"engine": "simulated", **figures}))  # noqa: T201


if __name__ == "__main__":
    main()
