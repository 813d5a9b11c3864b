"""What the engines cost on this machine: `python -m tests.executors.bench_local [tasks]`. Figures, no verdicts."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from hanse.core.events import TaskEnded
from hanse.core.model.jobs import RunId
from hanse.executors.local.containment import Containment
from hanse.executors.local.executor import LocalExecutor
from hanse.executors.port import Executor, TaskLaunch
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


async def measure(engine: Executor, tasks: int) -> dict[str, float]:
    """Run no-op tasks from launch to reap."""
    ended = asyncio.Event()
    left = tasks

    def sink(reports: object) -> None:
        nonlocal left
        left -= sum(isinstance(report, TaskEnded) for report in reports)  # type: ignore[attr-defined]
        if left <= 0:
            ended.set()

    await engine.recover(sink)
    begin_s, machine_s, own_s = time.perf_counter(), _machine_cpu_s(), _own_cpu_s()
    launches = [no_op(number) for number in range(tasks)]
    await engine.launch(launches)
    await ended.wait()
    wall_s = time.perf_counter() - begin_s
    figures = {
        "tasks": tasks,
        "tasks_per_s": round(tasks / wall_s),
        "machine_cpu_us_per_task": round((_machine_cpu_s() - machine_s) / tasks * 1e6),
        "own_cpu_us_per_task": round((_own_cpu_s() - own_s) / tasks * 1e6, 1),
    }
    await engine.reap([launch.run for launch in launches])
    await engine.close()
    return figures


def main() -> None:
    """Print one JSON line per engine."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for containment in Containment:
        with tempfile.TemporaryDirectory(dir=DISK) as directory:
            figures = asyncio.run(measure(LocalExecutor(Path(directory), containment), tasks))
        print(json.dumps({"engine": f"local, {containment}", **figures}))  # noqa: T201
    figures = asyncio.run(measure(SimulatedExecutor(), 30 * tasks))
    print(json.dumps({"engine": "simulated", **figures}))  # noqa: T201


if __name__ == "__main__":
    main()
